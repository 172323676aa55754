//! A reader and a writer that block their thread, with what is at the other end of the line.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::sync::{Arc, Condvar, Mutex};

/// What both ends know.
#[derive(Debug, Default)]
pub struct State {
    pub bytes: VecDeque<u8>,
    /// Nothing is written while it is shut.
    pub shut: bool,
    pub over: bool,
    pub failed: bool,
    /// Nobody receives what is written.
    pub left: bool,
    /// The reader or writer was dropped.
    pub dropped: bool,
    /// A thread waits in it.
    pub blocked: bool,
    /// So many jobs are known to be done.
    pub done: usize,
}

#[derive(Clone, Debug, Default)]
pub struct Line(Arc<(Mutex<State>, Condvar)>);

impl Line {
    /// Looks at the state or changes it, which wakes who waits for that.
    pub fn with<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let result = change(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
        result
    }

    /// Waits until something is seen.
    pub fn wait<R>(&self, mut see: impl FnMut(&mut State) -> Option<R>) -> R {
        let mut state = self.0.0.lock().unwrap();
        loop {
            if let Some(seen) = see(&mut state) {
                return seen;
            }
            state = self.0.1.wait(state).unwrap();
        }
    }

    /// Blocks this thread until something is seen.
    fn block<R>(&self, mut see: impl FnMut(&mut State) -> Option<R>) -> R {
        let seen = self.wait(|state| {
            let seen = see(state);
            state.blocked = seen.is_none();
            if state.blocked {
                // Who waits for the thread need not any longer.
                self.0.1.notify_all();
            }
            seen
        });
        self.0.1.notify_all();
        seen
    }
}

/// The object's end of the line.
#[derive(Debug)]
pub struct End(pub Line);

fn failure() -> io::Error {
    io::Error::other("scripted failure")
}

impl Read for End {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.block(|state| match state {
            State { failed: true, .. } => Some(Err(failure())),
            State { bytes, .. } if !bytes.is_empty() => Some(bytes.read(buf)),
            State { over, .. } => over.then_some(Ok(0)),
        })
    }
}

impl Write for End {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.block(|state| match state {
            State { failed: true, .. } => Some(Err(failure())),
            State { left: true, .. } => Some(Err(ErrorKind::BrokenPipe.into())),
            State { shut: true, .. } => None,
            State { bytes, .. } => Some(bytes.write(buf)),
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.0.with(|state| state.dropped = true);
    }
}

/// Whether a read or write would be answered at once.
pub fn is_ready(state: &State, reads: bool) -> bool {
    let ready =
        if reads { !state.bytes.is_empty() || state.over } else { !state.shut || state.left };
    ready || state.failed
}
