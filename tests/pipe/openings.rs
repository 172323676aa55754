//! Connections that cannot be made.

use std::fs;

use tokio::net::{TcpListener, UnixDatagram};

use crate::process::{Scratch, end, listen, run, start};

/// On either side. A file on the other side stays unchanged.
#[tokio::test]
async fn a_connection_that_cannot_be_made_gives_status_1_and_the_cause() {
    let scratch = Scratch::new("unconnected");
    let file = scratch.file("file", "still there");
    let (free, refused) = listen().await;
    drop(free);
    let (taken, in_use) = listen().await;
    let in_use = in_use.replace("tcp:", "tcp-listen:");
    let datagrams = scratch.path("datagrams");
    let _datagrams = UnixDatagram::bind(&datagrams).unwrap();
    for (endpoint, cause) in [
        (refused, "Connection refused"),
        (in_use, "Address already in use"),
        ("tcp:no-such-name.invalid:80".to_owned(), "lookup"),
        ("tcp-listen:no-such-name.invalid:0".to_owned(), "lookup"),
        ("tcp-listen:192.0.2.1:0".to_owned(), "assign requested address"),
        (format!("unix:{file}"), "Connection refused"),
        (format!("unix:{}", scratch.path("missing")), "No such file or directory"),
        (format!("unix:{datagrams}"), "rong type for socket"),
        (format!("unix:{}", "long".repeat(100)), "path must be shorter"),
    ] {
        let message = [&*endpoint, cause, "after 0 bytes"];
        run([&endpoint, &file], "").await.with(1, &message).with(1, &["input"]);
        run([&file, &endpoint], "").await.with(1, &message).with(1, &["output"]);
        assert_eq!(fs::read(&file).unwrap(), b"still there", "{endpoint}");
    }
    drop(taken);
}

/// Otherwise a peer could connect, and what it sends would be lost.
#[tokio::test]
async fn no_connection_is_accepted_before_the_other_side_is_open() {
    let scratch = Scratch::new("no-caller");
    let missing = scratch.path("missing/file");
    let listening = "tcp-listen:127.0.0.1:0";
    end(start([listening, &missing])).await.with(1, &["output", "No such file", "after 0 bytes"]);
    end(start([&missing, listening])).await.with(1, &["input", "No such file", "after 0 bytes"]);
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let in_use = format!("tcp-listen:{}", taken.local_addr().unwrap());
    end(start([listening, &in_use])).await.with(1, &["output", "in use", "after 0 bytes"]);
}
