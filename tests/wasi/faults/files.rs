//! Operations on files that wait for a thread, and writes that take nothing.

use std::{
    fs::{self, File},
    path::PathBuf,
    pin::pin,
    sync::mpsc,
    task::Poll,
};

use futures::poll;
use tokio::{
    runtime::Builder,
    task::{spawn_blocking, yield_now},
};

use super::{BLOCKED, CANCELLED, Guest, World, completed, file};
use crate::matrix::{HOSTS, Host, Scratch};

/// How often the store runs before an answer is taken for one that waits for the thread.
const TURNS: usize = 100;

/// Runs `script` while the only thread for blocking work is busy, as it is while the operating system blocks, until the
/// script calls the function that it gets.
fn while_busy(host: Host, script: impl AsyncFnOnce(&Guest<'_>, &dyn Fn())) {
    let runtime = Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let (release, released) = mpsc::channel();
        let busy = spawn_blocking(move || released.recv().unwrap());
        World::new()
            .with(host, async |guest| script(guest, &|| release.send(()).unwrap()).await)
            .await;
        busy.await.unwrap();
    });
}

/// Cancels the operation of `stream`, which waits for the thread. Its code; on Wasmtime's host it comes only once the
/// thread is free.
async fn cancelled(
    host: Host,
    guest: &Guest<'_>,
    release: &dyn Fn(),
    cancel: &str,
    stream: u32,
) -> u32 {
    // A cancel that is asynchronous has its answer as an event.
    assert_eq!(guest.one(cancel, stream).await, BLOCKED);
    let mut answer = pin!(guest.one("wait", stream));
    let mut code = None;
    for _ in 0..TURNS {
        if let Poll::Ready(answered) = poll!(&mut answer) {
            code = Some(answered);
            break;
        }
        yield_now().await;
    }
    assert_eq!(code.is_none(), host == Host::Wasmtime, "whether {host:?} waits");
    release();
    match code {
        Some(code) => code,
        None => answer.await,
    }
}

#[test]
fn a_cancelled_write_of_a_file_waits_for_no_thread() {
    for &host in HOSTS {
        let scratch = Scratch::with("file", b"");
        while_busy(host, async |guest, release| {
            let opened = File::options().write(true).open(scratch.path("file")).unwrap();
            let (stream, result) = guest.open_at("write-file", file(opened)).await;
            assert_eq!(guest.start("write", stream, 100).await, BLOCKED);
            let code = cancelled(host, guest, release, "cancel-write", stream).await;
            let taken = if host == Host::Ours { 100 } else { 0 };
            assert_eq!(code, CANCELLED | completed(taken), "{host:?}");
            // What was taken is neither lost nor written twice.
            assert_eq!(guest.done("write", stream, 7).await, completed(7));
            guest.drop_end("drop-writable", stream).await;
            assert_eq!(guest.one("file-ended", result).await, 0);
            assert_eq!(scratch.get("file").len(), taken as usize + 7);
        });
    }
}

/// A file whose reads need a thread on both hosts: on Linux ours reads most files without one.
fn slow(scratch: &Scratch) -> PathBuf {
    if cfg!(target_os = "linux") { "/proc/version".into() } else { scratch.path("file") }
}

#[test]
fn a_cancelled_read_of_a_file_waits_for_no_thread() {
    for &host in HOSTS {
        let scratch = Scratch::with("file", &[7; 50]);
        while_busy(host, async |guest, release| {
            let path = slow(&scratch);
            let len = fs::read(&path).unwrap().len() as u32;
            let (stream, _) = guest.open_at("read-file", file(File::open(path).unwrap())).await;
            assert_eq!(guest.start("read", stream, 4096).await, BLOCKED);
            let code = cancelled(host, guest, release, "cancel-read", stream).await;
            assert_eq!(code, CANCELLED, "{host:?}");
            // What a thread has read meanwhile is not lost.
            assert_eq!(guest.done("read", stream, 4096).await, completed(len));
        });
    }
}

/// A file that accepts 0 bytes of a write, without an error: the memory of a process that has exited.
#[cfg(target_os = "linux")]
fn accepts_nothing() -> File {
    use std::process::{Command, Stdio};

    let mut process = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let path = format!("/proc/{}/mem", process.id());
    let memory = File::options().read(true).write(true).open(path).unwrap();
    process.kill().unwrap();
    process.wait().unwrap();
    memory
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn a_write_of_which_nothing_is_accepted_fails() {
    use super::DROPPED;

    for &host in HOSTS {
        let world = World::new();
        world
            .with(host, async |guest| {
                let (stream, result) = guest.open_at("write-file", file(accepts_nothing())).await;
                let code = guest.done("write", stream, 5).await;
                if host == Host::Wasmtime {
                    assert_eq!(code, completed(0));
                    // Whoever writes all goes on for ever.
                    assert_eq!(guest.done("write", stream, 5).await, completed(0));
                    guest.drop_end("drop-writable", stream).await;
                    assert_eq!(guest.one("file-ended", result).await, 0, "no error");
                } else {
                    assert_eq!(code, DROPPED | completed(5));
                    // `io`
                    assert_eq!(guest.one("file-ended", result).await, 1 + 12);
                }
            })
            .await;
    }
}
