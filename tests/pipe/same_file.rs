//! FROM and TO are the same file: nothing is overwritten.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::process::{Ended, ROT13, Scratch, end, refused, run, run_by, start_between, within};

const CONTENT: &[u8] = b"not to be lost";

#[track_caller]
fn assert_refused_and_kept(ended: Ended, file: &str) {
    let ended = ended.with(2, &["one file, both FROM and TO", "--help"]);
    assert!(ended.stdout.is_empty(), "{ended:?}");
    assert_eq!(fs::read(file).unwrap(), CONTENT);
}

#[tokio::test]
async fn a_file_that_is_from_and_to_under_two_names_is_refused_and_kept() {
    let scratch = Scratch::new("names");
    let file = scratch.file("file", CONTENT);
    let (hard, symbolic) = (scratch.path("hard"), scratch.path("symbolic"));
    fs::hard_link(&file, &hard).unwrap();
    symlink(&file, &symbolic).unwrap();
    let roundabout = scratch.path("./file");
    for to in [&hard, &symbolic, &roundabout, &file] {
        assert_refused_and_kept(run([&file, to], "").await, &file);
        assert_refused_and_kept(run([to, &file], "").await, &file);
    }
}

#[tokio::test]
async fn a_file_that_is_both_a_standard_stream_and_the_other_side_is_refused_and_kept() {
    let scratch = Scratch::new("streams");
    let file = scratch.file("file", CONTENT);
    let hard = scratch.path("hard");
    fs::hard_link(&file, &hard).unwrap();
    for (redirect, arguments) in [
        // $3 is the file.
        (r#"exec "$0" "$1" "$2" <"$3""#, ["-", &hard]),
        (r#"exec "$0" "$1" "$2" <"$3""#, ["-", "/dev/stdin"]),
        (r#"exec "$0" "$1" "$2" >>"$3""#, [&hard, "-"]),
        (r#"exec "$0" "$1" "$2" 1<>"$3""#, [&hard, "-"]),
        (r#"exec "$0" "$1" "$2" <"$3" >>"$3""#, ["-", "-"]),
    ] {
        let ended = run_by(redirect, arguments.into_iter().chain([&*file])).await;
        assert_refused_and_kept(ended, &file);
    }
}

#[tokio::test]
async fn a_named_pipe_that_is_both_from_and_to_is_refused() {
    let scratch = Scratch::new("fifo-both");
    let pipe = scratch.fifo("pipe");
    refused(&[&pipe, &pipe], &["one file, both FROM and TO"]).await;
}

#[tokio::test]
async fn the_file_of_the_guest_is_not_overwritten() {
    let scratch = Scratch::new("guest-to");
    let code = fs::read(ROT13).unwrap();
    let (guest, from) = (scratch.file("guest.wat", &code), scratch.file("from", "hello"));
    let hard = scratch.path("hard.wat");
    fs::hard_link(&guest, &hard).unwrap();
    refused(&["--guest", &guest, &from, &hard], &["one file, both the guest and TO"]).await;
    assert_eq!(fs::read(&guest).unwrap(), code);
}

#[tokio::test]
async fn a_device_or_a_socket_may_be_both_from_and_to() {
    run(["/dev/null", "/dev/null"], "").await.in_order(0, 0);

    // As `inetd` starts a program.
    let (mut near, far) = UnixStream::pair().unwrap();
    let far = OwnedFd::from(far.into_std().unwrap());
    let child = start_between(far.try_clone().unwrap(), far, ["-"; 0]);
    near.write_all(b"hello").await.unwrap();
    near.shutdown().await.unwrap();
    end(child).await.in_order(5, 5);
    let mut answer = String::new();
    within(near.read_to_string(&mut answer)).await.unwrap();
    assert_eq!(answer, "HELLO");
}
