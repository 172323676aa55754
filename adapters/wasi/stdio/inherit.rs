//! The stdio of the process.

use std::fs::File;
use std::io;
#[cfg(unix)]
use std::os::fd::{AsFd as Handle, OwnedFd};
#[cfg(windows)]
use std::os::windows::io::{AsHandle as Handle, OwnedHandle};
use std::sync::mpsc;
use std::thread;

use super::Stdio;
use crate::blocking::{self, Job, Read, Write};
use crate::{ByteConsumer, ByteProducer};

/// The file behind a handle of the standard library, without its buffer: that would read ahead of the guest.
fn file(handle: &impl Handle) -> io::Result<File> {
    #[cfg(unix)]
    let owned: OwnedFd = handle.as_fd().try_clone_to_owned()?;
    #[cfg(windows)]
    let owned: OwnedHandle = handle.as_handle().try_clone_to_owned()?;
    Ok(owned.into())
}

/// A thread for the blocking operations of one object. It starts with the first one. Nobody waits for it: a process
/// can exit while it reads.
fn thread(name: &'static str) -> impl FnMut(Job) + Send + 'static {
    let mut jobs: Option<mpsc::Sender<Job>> = None;
    move |job| {
        let sent = match &jobs {
            Some(jobs) => jobs.send(job),
            None => {
                let (sender, queue) = mpsc::channel();
                let run = move || queue.into_iter().for_each(Job::run);
                let started = thread::Builder::new().name(name.into()).spawn(run).is_ok();
                // Without its thread the queue is gone, and the job ends its stream with an error.
                let sent = sender.send(job);
                jobs = started.then_some(sender);
                sent
            }
        };
        drop(sent);
    }
}

/// The process's stdin, for [`Stdio::stdin`]. A thread reads what the guest asks for, and nothing ahead of it.
///
/// The thread starts with the first read; the process can exit while it waits. A read that the guest cancels goes on,
/// and its bytes go into the guest's next read.
///
/// # Errors
/// The handle cannot be duplicated, for example because the process has no stdin.
pub fn process_stdin() -> io::Result<ByteProducer<Read<File>>> {
    Ok(blocking::read_on(file(&io::stdin())?, thread("wasi-stdin")))
}

/// The process's stdout, for [`Stdio::stdout`]. A thread writes, without the buffer of [`std::io::stdout`].
///
/// # Errors
/// The handle cannot be duplicated, for example because the process has no stdout.
pub fn process_stdout() -> io::Result<ByteConsumer<Write<File>>> {
    Ok(blocking::write_on(file(&io::stdout())?, thread("wasi-stdout")))
}

/// The process's stderr, for [`Stdio::stderr`]. A thread writes.
///
/// # Errors
/// The handle cannot be duplicated, for example because the process has no stderr.
pub fn process_stderr() -> io::Result<ByteConsumer<Write<File>>> {
    Ok(blocking::write_on(file(&io::stderr())?, thread("wasi-stderr")))
}

impl Stdio {
    /// The process's own stdin, stdout and stderr: [`process_stdin`], [`process_stdout`] and [`process_stderr`].
    ///
    /// # Errors
    /// A handle cannot be duplicated, for example because the process has none.
    pub fn inherit() -> io::Result<Self> {
        Ok(Self::new().stdin(process_stdin()?).stdout(process_stdout()?).stderr(process_stderr()?))
    }
}
