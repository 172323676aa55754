//! Files, named pipes and directories.

use std::fs;
use std::os::unix::fs::symlink;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpStream, UnixListener};

use crate::process::{Scratch, changed, component, end, listen, run, run_by, start, within};

const OLD: &[u8] = b"the old content, which is longer than the new one";

#[tokio::test]
async fn a_file_keeps_its_content_if_the_input_cannot_be_opened_or_read() {
    let scratch = Scratch::new("kept");
    let (to, missing) = (scratch.file("to", OLD), scratch.path("missing"));
    let (listener, from) = listen().await;
    drop(listener);
    for from in [".", "/", &missing, &format!("unix:{missing}"), &from] {
        run([from, &to], "").await.with(1, &["input", from, "after 0 bytes"]);
        assert_eq!(fs::read(&to).unwrap(), OLD, "{from}");
    }
    let ended = run_by(r#"exec "$0" - "$1" </"#, [&to]).await;
    ended.with(1, &["input -: Is a directory", "after 0 bytes"]);
    assert_eq!(fs::read(&to).unwrap(), OLD);
}

/// `/proc/self/mem` can be opened, but its first byte cannot be read.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_file_keeps_its_content_if_the_first_byte_cannot_be_read() {
    let scratch = Scratch::new("kept-unread");
    let to = scratch.file("to", OLD);
    let ended = run(["/proc/self/mem", &to], "").await;
    ended.with(1, &["input /proc/self/mem: Input/output error", "after 0 bytes"]);
    assert_eq!(fs::read(&to).unwrap(), OLD);
}

#[tokio::test]
async fn a_file_keeps_its_content_until_a_peer_connects_and_sends() {
    let scratch = Scratch::new("kept-waiting");
    let to = scratch.file("to", OLD);
    let mut child = start(["tcp-listen:127.0.0.1:0", &to]);
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let line = within(lines.next_line()).await.unwrap().unwrap();
    assert_eq!(fs::read(&to).unwrap(), OLD);
    let source = TcpStream::connect(line.strip_prefix("listening on ").unwrap()).await.unwrap();
    source.set_zero_linger().unwrap();
    drop(source);
    end(child).await.with(1, &[]);
    assert_eq!(fs::read(&to).unwrap(), OLD);
}

#[tokio::test]
async fn a_file_keeps_its_content_if_the_guest_fails_before_it_writes() {
    let scratch = Scratch::new("kept-guest");
    let (from, to) = (scratch.file("from", "hello"), scratch.file("to", OLD));
    let at_once =
        component("transform", r#"async (param "input" (stream u8)) (result (stream u8))"#);
    let later = changed("(call $transform-buffer (global.get $end))", "unreachable");
    for guest in [at_once, later] {
        let guest = scratch.file("guest.wat", guest);
        let ended = run(["--guest", &guest, &from, &to], "").await;
        ended.with(1, &["the guest trapped", "0 bytes out"]);
        assert_eq!(fs::read(&to).unwrap(), OLD);
    }
}

#[tokio::test]
async fn no_file_is_created_if_the_input_cannot_be_opened() {
    let scratch = Scratch::new("not-made");
    let to = scratch.path("to");
    for from in [".", &scratch.path("missing")] {
        run([from, &to], "").await.with(1, &["input"]);
        assert!(!fs::exists(&to).unwrap(), "{from}");
    }
}

#[tokio::test]
async fn an_empty_input_empties_the_file() {
    let scratch = Scratch::new("emptied");
    let to = scratch.file("to", OLD);
    run(["-", &to], "").await.in_order(0, 0);
    assert_eq!(fs::read(&to).unwrap(), b"");
}

#[tokio::test]
async fn a_file_that_the_shell_opened_for_appending_is_appended_to() {
    let scratch = Scratch::new("appended");
    let (from, to) = (scratch.file("from", "new"), scratch.file("to", "old "));
    run_by(r#"exec "$0" "$1" >>"$2""#, [&from, &to]).await.in_order(3, 3);
    assert_eq!(fs::read(&to).unwrap(), b"old NEW");
}

#[tokio::test]
async fn a_file_that_cannot_be_opened_for_writing_gives_status_1_and_the_cause() {
    let scratch = Scratch::new("unwritable");
    let from = scratch.file("from", "hello");
    let (one, other) = (scratch.path("one"), scratch.path("other"));
    symlink(&one, &other).unwrap();
    symlink(&other, &one).unwrap();
    let socket = scratch.path("socket");
    let _listener = UnixListener::bind(&socket).unwrap();
    for (to, cause) in [
        (scratch.path(""), "directory"),
        (scratch.path("missing/file"), "No such file or directory"),
        (scratch.path("from/file"), "Not a directory"),
        (scratch.path(&"long".repeat(100)), "File name too long"),
        (one, "Too many levels of symbolic links"),
        (socket, "output"),
        // Nobody can create a file there, not even root.
        #[cfg(target_os = "linux")]
        ("/proc/self/new".to_owned(), "No such file or directory"),
    ] {
        run([&from, &to], "").await.with(1, &[&format!("output {to}: "), cause, "after 0 bytes"]);
    }
}

#[tokio::test]
async fn named_pipes_are_read_and_written() {
    let scratch = Scratch::new("fifos");
    let (from, to) = (scratch.fifo("from"), scratch.fifo("to"));
    let child = start([&from, &to]);
    let feed = tokio::spawn(async move {
        let mut writer = tokio::fs::OpenOptions::new().write(true).open(from).await.unwrap();
        writer.write_all(b"hello").await.unwrap();
        writer.flush().await.unwrap();
    });
    let read = within(tokio::fs::read(to)).await.unwrap();
    within(feed).await.unwrap();
    end(child).await.in_order(5, 5);
    assert_eq!(read, b"HELLO");
}

#[tokio::test]
async fn a_named_pipe_whose_reader_leaves_gives_status_1_without_a_message() {
    let scratch = Scratch::new("fifo-left");
    let to = scratch.fifo("to");
    let child = start(["/dev/zero", &to]);
    drop(within(tokio::fs::File::open(to)).await.unwrap());
    let ended = end(child).await.with(1, &[]);
    assert_eq!(ended.stderr, "");
}
