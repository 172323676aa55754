//! Failures: the exit status and the message.

use std::fs;

use tokio::io::AsyncWriteExt;

#[cfg(target_os = "linux")]
use crate::process::within;
use crate::process::{
    ROT13, Scratch, accept, changed, component, data, end, expect, listen, refused, run, start,
};

#[tokio::test]
async fn help_gives_status_0() {
    let ended = run(["--help"], "").await.with(0, &[]);
    assert!(ended.stdout.starts_with(b"Usage: pipe [--guest FILE] [FROM] [TO]\n"), "{ended:?}");
}

#[tokio::test]
async fn invalid_arguments_give_status_2() {
    for (arguments, message) in [
        (&["--fast"][..], "'--fast'"),
        (&["-", "-", "third"], "third"),
        (&["--guest"], "--guest"),
        (&["--guest", ROT13, "--guest", ROT13], "--guest"),
        (&["--wait"], "--wait"),
        (&["--wait", "soon"], "soon"),
        (&["--wait", "-1"], "-1"),
        (&["tcp:localhost"], "HOST:PORT"),
        (&["tcp:localhost:65536"], "HOST:PORT"),
        (&["-", "tcp-listen:localhost:http"], "HOST:PORT"),
        (&["tcp::80"], "HOST:PORT"),
        (&["unix:"], "empty"),
        (&["-", ""], "empty"),
        (&["Cargo.toml", "./Cargo.toml"], "both FROM and TO"),
    ] {
        refused(arguments, &[message, "--help"]).await;
    }
}

#[tokio::test]
async fn a_guest_that_is_no_component_or_cannot_be_read_gives_status_2() {
    let scratch = Scratch::new("no-component");
    let to = scratch.file("to", "still there");
    for (guest, message) in [
        (scratch.path("missing.wasm"), "cannot be read: No such file"),
        (scratch.path("."), "cannot be read"),
        (scratch.file("module.wat", "(module)"), "no component"),
        (scratch.file("module.wasm", b"\0asm\x01\0\0\0"), "no component"),
        (scratch.file("text.wat", "hello"), "no component"),
        (scratch.file("noise.wasm", &data()[..1000]), "no component"),
        (scratch.file("empty.wasm", ""), "no component"),
    ] {
        refused(&["--guest", &guest, "-", &to], &[&guest, message]).await;
    }
    assert_eq!(fs::read(to).unwrap(), b"still there");
}

#[tokio::test]
async fn a_component_without_the_export_gives_status_2_and_the_exports_it_has() {
    let scratch = Scratch::new("no-export");
    let expected = "expected the export `transform: async func(input: stream<u8>) -> stream<u8>`";
    for (name, component, found) in [
        ("none", "(component)".to_owned(), "found no exports"),
        (
            "other",
            component("convert", r#"async (param "input" (stream u8)) (result (stream u8))"#),
            "found `convert: async func(input: stream<u8>) -> stream<u8>`",
        ),
        (
            "param",
            component("transform", r#"async (param "input" (stream u16)) (result (stream u8))"#),
            "found `transform: async func(input: stream<u16>) -> stream<u8>`",
        ),
        (
            "result",
            component("transform", r#"async (param "input" (stream u8)) (result (future u8))"#),
            "found `transform: async func(input: stream<u8>) -> future<u8>`",
        ),
        (
            "sync",
            component("transform", r#"(param "input" (stream u8)) (result (stream u8))"#),
            "found `transform: func(input: stream<u8>) -> stream<u8>`",
        ),
        (
            "instance",
            r#"(component (component $c) (instance $i (instantiate $c))
                (export "transform" (instance $i)))"#
                .to_owned(),
            "found `transform: instance {}`",
        ),
    ] {
        let guest = scratch.file(name, component);
        refused(&["--guest", &guest], &[&guest, expected, found]).await;
    }
}

#[tokio::test]
async fn a_guest_with_imports_gives_status_2() {
    let scratch = Scratch::new("imports");
    let guest = changed("(component\n", "(component (import \"missing\" (func))\n");
    let guest = scratch.file("guest.wat", guest);
    refused(&["--guest", &guest], &[&guest, "missing"]).await;
}

#[tokio::test]
async fn an_input_or_output_that_cannot_be_opened_gives_status_1() {
    let scratch = Scratch::new("unopened");
    let (missing, to) = (scratch.path("missing/file"), scratch.file("to", "still there"));
    let socket = format!("unix:{missing}");
    for (arguments, side) in [
        ([missing.as_str(), to.as_str()], "input"),
        ([socket.as_str(), to.as_str()], "input"),
        (["-", missing.as_str()], "output"),
        (["-", socket.as_str()], "output"),
    ] {
        run(arguments, "").await.with(1, &[side, &missing, "No such file", "after 0 bytes"]);
    }
    assert_eq!(fs::read(to).unwrap(), b"still there");
}

#[tokio::test]
async fn an_input_that_fails_gives_status_1_and_the_bytes_read() {
    run(["."], "").await.with(1, &["input .: Is a directory", "after 0 bytes"]);

    let (listener, from) = listen().await;
    let mut child = start([&from]);
    let mut source = accept(&listener).await;
    source.write_all(b"hello").await.unwrap();
    expect(child.stdout.as_mut().unwrap(), b"HELLO").await;
    // Closing with unread data resets the connection.
    source.set_zero_linger().unwrap();
    drop(source);
    end(child).await.with(1, &["input", &from, "reset by peer", "after 5 bytes"]);
}

/// `/dev/full` exists on Linux only.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_output_that_fails_gives_status_1_though_stdin_stays_open() {
    let mut child = start(["-", "/dev/full"]);
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"hello").await.unwrap();
    let ended = end(child).await;
    ended.with(1, &["output /dev/full: No space left on device", "after 0 bytes"]);
    drop(stdin);
}

/// Only Linux shows without a write that the reader of a pipe is gone.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_reader_that_closes_early_gives_status_1_without_a_message_though_stdin_stays_open() {
    let mut child = start(["-"; 0]);
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"hello").await.unwrap();
    expect(child.stdout.take().unwrap(), b"HEL").await;
    let ended = end(child).await.with(1, &[]);
    assert_eq!(ended.stderr, "");
    drop(stdin);
}

#[tokio::test]
async fn a_reader_that_closes_early_gives_status_1_without_a_message_while_data_flows() {
    let mut child = start(["/dev/zero"]);
    expect(child.stdout.take().unwrap(), &[0; 100_000]).await;
    let ended = end(child).await.with(1, &[]);
    assert_eq!(ended.stderr, "");
}

/// Only Linux shows without a write that the peer has hung up.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_peer_that_hangs_up_early_gives_status_1_and_a_message_though_stdin_stays_open() {
    let scratch = Scratch::new("hang-up");
    let (path, (tcp, to)) = (scratch.path("to"), listen().await);
    let unix = tokio::net::UnixListener::bind(&path).unwrap();
    for to in [to, format!("unix:{path}")] {
        let mut child = start(["-", &to]);
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(b"hello").await.unwrap();
        if to.starts_with("tcp") {
            let mut peer = accept(&tcp).await;
            expect(&mut peer, b"HELLO").await;
            peer.set_zero_linger().unwrap();
        } else {
            expect(within(unix.accept()).await.unwrap().0, b"HELLO").await;
        }
        end(child).await.with(1, &[&format!("output {to}"), "the reader is gone", "after 5 bytes"]);
        drop(stdin);
    }
}

#[tokio::test]
async fn a_guest_that_traps_gives_status_1_and_the_cause() {
    let scratch = Scratch::new("traps");
    let at_once =
        component("transform", r#"async (param "input" (stream u8)) (result (stream u8))"#);
    let later = changed("(call $transform-buffer (global.get $end))", "unreachable");
    for (guest, read) in [(at_once, "after 0 bytes in"), (later, "after 5 bytes in")] {
        let guest = scratch.file("guest.wat", guest);
        let ended = run(["--guest", &guest], "hello").await;
        ended.with(1, &["the guest trapped", read, "and 0 bytes out", "`unreachable`"]);
    }
}
