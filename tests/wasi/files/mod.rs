//! Files and directories.

mod codes;
mod contract;
#[cfg(unix)]
mod functions;
#[path = "../../support/guest.rs"]
#[allow(dead_code, unused_imports)] // `streams` uses all of it
mod guest;
#[cfg(unix)]
mod listing;
mod reading;
mod writing;

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use tokio::runtime::{Builder, EnterGuard, Runtime};
use wasmtime_streams::wasi::{At, ReadAt, WriteAt};

/// A runtime with one thread for blocking work, so that jobs run one after the other.
struct Threads(Runtime);

impl Threads {
    fn new() -> Self {
        Self(Builder::new_current_thread().max_blocking_threads(1).build().unwrap())
    }

    fn enter(&self) -> EnterGuard<'_> {
        self.0.enter()
    }

    /// Waits until the thread has finished all its jobs, wake-ups included.
    fn settle(&self) {
        self.0.block_on(self.0.spawn_blocking(|| ())).unwrap();
    }
}

/// A directory for one test, removed at its end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap().keep())
    }

    /// A file of `bytes`, open for reading and writing.
    fn file(&self, bytes: &[u8]) -> File {
        let path = self.0.join("file");
        fs::write(&path, bytes).unwrap();
        fs::OpenOptions::new().read(true).write(true).open(path).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// An object in memory whose calls block until the test releases them.
struct Gated {
    gate: Mutex<Receiver<io::Result<usize>>>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    data: Vec<u8>,
    /// The length and the offset of each call.
    calls: Vec<(usize, Option<u64>)>,
}

/// Releases one call after the other, each for at most so many bytes.
struct Gate {
    release: Sender<io::Result<usize>>,
    state: Arc<Mutex<State>>,
}

impl Gated {
    fn new(data: &[u8]) -> (Self, Gate) {
        let (release, gate) = channel();
        let state = Arc::new(Mutex::new(State { data: data.to_vec(), calls: Vec::new() }));
        (Self { gate: Mutex::new(gate), state: state.clone() }, Gate { release, state })
    }

    fn wait(&self) -> io::Result<usize> {
        self.gate.lock().unwrap().recv().unwrap()
    }
}

impl Gate {
    fn release(&self, bytes: usize) {
        self.release.send(Ok(bytes)).unwrap();
    }

    fn fail(&self, error: io::Error) {
        self.release.send(Err(error)).unwrap();
    }

    fn data(&self) -> Vec<u8> {
        self.state.lock().unwrap().data.clone()
    }

    fn calls(&self) -> Vec<(usize, Option<u64>)> {
        self.state.lock().unwrap().calls.clone()
    }
}

impl ReadAt for Gated {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let most = self.wait()?;
        let mut state = self.state.lock().unwrap();
        state.calls.push((buf.len(), Some(offset)));
        let most = most.min(buf.len());
        state.data.read_at(&mut buf[..most], offset)
    }
}

impl WriteAt for Gated {
    fn write_at(&self, buf: &[u8], at: At) -> io::Result<usize> {
        let n = self.wait()?.min(buf.len());
        let mut state = self.state.lock().unwrap();
        let offset = match at {
            At::Offset(offset) => Some(offset),
            _ => None,
        };
        state.calls.push((buf.len(), offset));
        let from = offset.map_or(state.data.len(), |offset| offset as usize);
        let len = state.data.len().max(from + n);
        state.data.resize(len, 0);
        state.data[from..from + n].copy_from_slice(&buf[..n]);
        Ok(n)
    }
}
