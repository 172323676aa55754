//! Standard streams that are closed, non-blocking, full, or a terminal.

use std::fs;
use std::process::Stdio;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;

use crate::process::{Scratch, data, end, expect, run_by, start_between, within};

#[tokio::test]
async fn a_standard_stream_that_is_closed_gives_status_2_if_it_is_used() {
    let scratch = Scratch::new("closed");
    let (from, to) = (scratch.file("from", "new"), scratch.file("to", "old"));
    for (line, message) in [
        (r#"exec "$0" - "$2" <&-"#, "standard input is closed"),
        (r#"exec "$0" "$1" - >&-"#, "standard output is closed"),
        (r#"exec "$0" <&- >&-"#, "standard input is closed"),
        (r#"exec "$0" - - <"$1" >&-"#, "standard output is closed"),
    ] {
        run_by(line, [&from, &to]).await.with(2, &[message, "--help"]);
        assert_eq!(fs::read(&to).unwrap(), b"old", "{line}");
    }
    // None of them is used. The summary cannot be printed.
    let ended = run_by(r#"exec "$0" "$1" "$2" <&- >&- 2>&-"#, [&from, &to]).await.with(0, &[]);
    assert_eq!(ended.stderr, "");
    assert_eq!(fs::read(&to).unwrap(), b"NEW");
}

#[tokio::test]
async fn a_standard_stream_may_be_the_null_device() {
    let scratch = Scratch::new("null");
    let (from, to) = (scratch.file("from", "new"), scratch.file("to", "old"));
    run_by(r#"exec "$0" "$1" >/dev/null"#, [&from]).await.in_order(3, 3);
    run_by(r#"exec "$0" - "$1" </dev/null"#, [&to]).await.in_order(0, 0);
    assert_eq!(fs::read(&to).unwrap(), b"");
}

/// Another program may share the stream and have made it non-blocking.
#[tokio::test]
async fn standard_streams_may_be_non_blocking() {
    let data = data();
    let (mut source, stdin) = pipe::pipe().unwrap();
    let (stdout, mut sink) = pipe::pipe().unwrap();
    let (stdin, stdout) =
        (stdin.into_nonblocking_fd().unwrap(), stdout.into_nonblocking_fd().unwrap());
    let child = start_between(stdin, stdout, ["-"; 0]);
    // The example waits for input first, and then for room in its output.
    source.write_all(b"hello").await.unwrap();
    expect(&mut sink, b"HELLO").await;
    let feed = async move {
        source.write_all(&data).await.unwrap();
        data
    };
    let mut found = Vec::new();
    let drain = sink.read_to_end(&mut found);
    let (data, read) = within(async { tokio::join!(feed, drain) }).await;
    read.unwrap();
    end(child).await.in_order(5 + data.len(), 5 + data.len());
    assert!(found == data.to_ascii_uppercase());
}

#[tokio::test]
async fn a_non_blocking_reader_that_leaves_gives_status_1_without_a_message() {
    let (stdout, mut sink) = pipe::pipe().unwrap();
    let child = start_between(Stdio::null(), stdout.into_nonblocking_fd().unwrap(), ["/dev/zero"]);
    within(sink.read_exact(&mut [0; 100_000])).await.unwrap();
    drop(sink);
    let ended = end(child).await.with(1, &[]);
    assert_eq!(ended.stderr, "");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn help_that_cannot_be_written_gives_status_1() {
    let ended = run_by(r#"exec "$0" --help >/dev/full"#, ["-"; 0]).await;
    ended.with(1, &["output -: No space left on device"]);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_standard_output_on_a_full_disk_gives_status_1() {
    let scratch = Scratch::new("full");
    let from = scratch.file("from", "hello");
    let ended = run_by(r#"exec "$0" "$1" >/dev/full"#, [&from]).await;
    ended.with(1, &["output -: No space left on device", "after 0 bytes"]);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn messages_that_cannot_be_written_change_nothing() {
    let scratch = Scratch::new("no-stderr");
    let (from, to) = (scratch.file("from", "new"), scratch.path("to"));
    run_by(r#"exec "$0" "$1" "$2" 2>/dev/full"#, [&from, &to]).await.with(0, &[]);
    assert_eq!(fs::read(&to).unwrap(), b"NEW");
    run_by(r#"exec "$0" missing "$2" 2>/dev/full"#, [&from, &to]).await.with(1, &[]);
    run_by(r#"exec "$0" --nothing 2>/dev/full"#, ["-"; 0]).await.with(2, &[]);
}
