//! Transfers that succeed.

use std::fs;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::join;
use tokio::net::{TcpStream, UnixListener};

use crate::process::{
    ROT13, Scratch, accept, changed, data, end, expect, listen, run, start, within,
};

#[tokio::test]
async fn stdin_goes_through_the_guest_to_stdout_byte_for_byte() {
    let data = data();
    let output = run(["-"; 0], data.clone()).await.in_order(data.len(), data.len());
    assert!(output == data.to_ascii_uppercase());
}

#[tokio::test]
async fn files_are_read_and_written() {
    let (scratch, data) = (Scratch::new("files"), data());
    let (from, to) = (scratch.file("from", &data), scratch.path("to"));
    run([&from, &to], "").await.in_order(data.len(), data.len());
    assert!(fs::read(&to).unwrap() == data.to_ascii_uppercase());
    // Again, over an existing file.
    let from = scratch.file("short", "short");
    run([&from, &to], "").await.in_order(5, 5);
    assert_eq!(fs::read(&to).unwrap(), b"SHORT");
}

#[tokio::test]
async fn it_connects_by_tcp_on_both_sides() {
    let data = data();
    let ((from, from_text), (to, to_text)) = (listen().await, listen().await);
    let child = start([from_text, to_text]);
    let source = async { accept(&from).await.write_all(&data).await.unwrap() };
    let sink = async {
        let mut found = Vec::new();
        accept(&to).await.read_to_end(&mut found).await.unwrap();
        found
    };
    let (ended, (), found) = join!(end(child), source, sink);
    ended.in_order(data.len(), data.len());
    assert!(found == data.to_ascii_uppercase());
}

#[tokio::test]
async fn it_listens_on_tcp_on_both_sides_and_prints_the_addresses() {
    let data = data();
    let mut child = start(["tcp-listen:127.0.0.1:0"; 2]);
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut connect = async || {
        let line = within(lines.next_line()).await.unwrap().unwrap();
        let address = line.strip_prefix("listening on ").expect(&line);
        TcpStream::connect(address).await.unwrap()
    };
    let (mut source, mut sink) = (connect().await, connect().await);
    let feed = async {
        source.write_all(&data).await.unwrap();
        source.shutdown().await.unwrap();
    };
    let mut found = Vec::new();
    let (ended, (), read) = join!(end(child), feed, sink.read_to_end(&mut found));
    read.unwrap();
    ended.with(0, &[]);
    assert!(found == data.to_ascii_uppercase());
}

#[tokio::test]
async fn two_of_them_with_a_socket_between_give_what_both_guests_make_of_it() {
    let (scratch, data) = (Scratch::new("two"), data());
    let (from, to) = (scratch.file("from", &data), scratch.path("to"));
    let mut sender = start(["--guest", ROT13, &from, "tcp-listen:127.0.0.1:0"]);
    let mut lines = BufReader::new(sender.stderr.take().unwrap()).lines();
    let line = within(lines.next_line()).await.unwrap().unwrap();
    let address = line.strip_prefix("listening on ").expect(&line);
    let receiver = start(["--guest", ROT13, &format!("tcp:{address}"), &to]);
    let (sent, received) = join!(end(sender), end(receiver));
    sent.with(0, &[]);
    received.in_order(data.len(), data.len());
    assert!(fs::read(&to).unwrap() == data);
}

#[tokio::test]
async fn it_connects_to_unix_sockets_on_both_sides() {
    let (scratch, data) = (Scratch::new("unix"), data());
    let (from_path, to_path) = (scratch.path("from"), scratch.path("to"));
    let from = UnixListener::bind(&from_path).unwrap();
    let to = UnixListener::bind(&to_path).unwrap();
    let child = start([format!("unix:{from_path}"), format!("unix:{to_path}")]);
    let source = async { from.accept().await.unwrap().0.write_all(&data).await.unwrap() };
    let sink = async {
        let mut found = Vec::new();
        to.accept().await.unwrap().0.read_to_end(&mut found).await.unwrap();
        found
    };
    let (ended, (), found) = join!(end(child), source, sink);
    ended.in_order(data.len(), data.len());
    assert!(found == data.to_ascii_uppercase());
}

#[tokio::test]
async fn an_empty_input_gives_an_empty_output() {
    assert!(run(["-", "-"], "").await.in_order(0, 0).is_empty());
    assert!(run(["/dev/null"], "").await.in_order(0, 0).is_empty());
}

#[tokio::test]
async fn the_command_line_can_name_another_guest() {
    let text = "The quick brown fox, THE LAZY DOG. @[`{ äöü";
    let output = run(["--guest", ROT13], text).await.in_order(text.len(), text.len());
    assert_eq!(String::from_utf8(output).unwrap(), "Gur dhvpx oebja sbk, GUR YNML QBT. @[`{ äöü");

    let data = data();
    let rotated = data.iter().map(|byte| match byte {
        b'a'..=b'm' | b'A'..=b'M' => byte + 13,
        b'n'..=b'z' | b'N'..=b'Z' => byte - 13,
        _ => *byte,
    });
    let output = run([&format!("--guest={ROT13}")], data.clone()).await;
    assert!(output.in_order(data.len(), data.len()).into_iter().eq(rotated));
}

#[tokio::test]
async fn data_is_passed_on_before_more_arrives() {
    let (listener, to) = listen().await;
    for to in ["-", &to] {
        let mut child = start(["-", to]);
        let mut output: Box<dyn tokio::io::AsyncRead + Unpin> = match to {
            "-" => Box::new(child.stdout.take().unwrap()),
            _ => Box::new(accept(&listener).await),
        };
        let mut stdin = child.stdin.take().unwrap();
        for (word, upper) in [("no line end", b"NO LINE END"), ("another one", b"ANOTHER ONE")] {
            stdin.write_all(word.as_bytes()).await.unwrap();
            expect(&mut output, upper).await;
        }
        drop(stdin);
        end(child).await.in_order(22, 22);
    }
}

#[tokio::test]
async fn a_peer_may_send_data_and_shut_its_write_side_down() {
    let data = data();
    let (listener, to) = listen().await;
    let mut child = start(["-", &to]);
    let mut stdin = child.stdin.take().unwrap();
    let (mut reader, mut writer) = accept(&listener).await.into_split();
    // More than the connection buffers, so the example reads it, and discards it.
    within(writer.write_all(&data)).await.unwrap();
    writer.shutdown().await.unwrap();
    stdin.write_all(b"hello").await.unwrap();
    expect(&mut reader, b"HELLO").await;
    drop(stdin);
    end(child).await.in_order(5, 5);
}

#[tokio::test]
async fn a_guest_may_end_its_output_before_its_input() {
    let scratch = Scratch::new("ends-early");
    let ending = "(call $task.return (i32.wrap_i64 (local.get $ends)))";
    let drop_output = "(call $stream.drop-writable (global.get $output)) (return (i32.const 0))";
    let drop_input = "(call $stream.drop-readable (global.get $input))";
    for (name, drops) in
        [("output", drop_output.to_owned()), ("both", format!("{drop_input} {drop_output}"))]
    {
        let guest = scratch.file(name, changed(ending, &format!("{ending} {drops}")));
        let mut child = start(["--guest", &guest]);
        let stdin = child.stdin.take();
        assert!(end(child).await.in_order(0, 0).is_empty());
        drop(stdin);
    }
}

/// Only Linux shows the peak memory of a process, in `/proc`.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn memory_does_not_grow_with_the_input() {
    const MIB: usize = 1024 * 1024;
    let mut peaks = Vec::new();
    for mib in [1, 256] {
        let mut child = start(["-"; 0]);
        let mut stdin = child.stdin.take().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let feed = async {
            let chunk = vec![b'a'; MIB];
            for _ in 0..mib {
                stdin.write_all(&chunk).await.unwrap();
            }
        };
        let drain = async {
            let (mut left, mut chunk) = (mib * MIB, vec![0; MIB]);
            while left > 0 {
                let read = stdout.read(&mut chunk).await.unwrap();
                assert!(chunk[..read].iter().all(|byte| *byte == b'A'));
                left -= read;
            }
        };
        within(async { join!(feed, drain) }).await;
        // Everything has gone through, and the example waits for more.
        let status = fs::read_to_string(format!("/proc/{}/status", child.id().unwrap())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peaks.push(peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap());
        drop(stdin);
        end(child).await.in_order(mib * MIB, mib * MIB);
    }
    println!("peak of 1 MiB and of 256 MiB: {peaks:?} KiB");
    assert!(peaks[1] < peaks[0] + 8 * 1024, "{peaks:?}");
}
