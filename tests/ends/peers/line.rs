//! A reader and a writer that block their thread, and the state at the other end of their line.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::sync::{Arc, Condvar, Mutex};

/// The state that both ends share.
#[derive(Debug, Default)]
pub struct State {
    pub bytes: VecDeque<u8>,
    /// While it is set, writes block.
    pub shut: bool,
    pub over: bool,
    pub failed: bool,
    /// Set once nobody receives any more.
    pub left: bool,
    /// Set once the reader or writer is dropped.
    pub dropped: bool,
    /// Whether a thread is blocked in the reader or writer.
    pub blocked: bool,
    /// How many jobs have finished.
    pub done: usize,
}

#[derive(Clone, Debug, Default)]
pub struct Line(Arc<(Mutex<State>, Condvar)>);

impl Line {
    /// Reads or changes the state, and wakes everything that waits for a change.
    pub fn with<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let result = change(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
        result
    }

    /// Waits until `see` finds something.
    pub fn wait<R>(&self, mut see: impl FnMut(&mut State) -> Option<R>) -> R {
        let mut state = self.0.0.lock().unwrap();
        loop {
            if let Some(seen) = see(&mut state) {
                return seen;
            }
            state = self.0.1.wait(state).unwrap();
        }
    }

    /// Blocks this thread until `see` finds something.
    fn block<R>(&self, mut see: impl FnMut(&mut State) -> Option<R>) -> R {
        let seen = self.wait(|state| {
            let seen = see(state);
            state.blocked = seen.is_none();
            if state.blocked {
                // Wakes those that wait for this thread.
                self.0.1.notify_all();
            }
            seen
        });
        self.0.1.notify_all();
        seen
    }
}

/// The end that the adapter has.
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

/// Whether a read or write would complete at once.
pub fn is_ready(state: &State, reads: bool) -> bool {
    let ready =
        if reads { !state.bytes.is_empty() || state.over } else { !state.shut || state.left };
    ready || state.failed
}
