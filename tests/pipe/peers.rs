//! Output to a connection: the status is 0 only if the peer got everything.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
#[cfg(target_os = "linux")]
use tokio::net::{TcpListener, TcpSocket};
use tokio::net::{TcpStream, UnixListener};
use tokio::process::Child;
use tokio::time::sleep;

use crate::process::{Scratch, accept, changed, end, expect, listen, start, within};

/// Reads in pieces and sends each back, with a pause in between. Returns how much it read.
async fn slow_echo(mut peer: impl AsyncRead + AsyncWrite + Unpin) -> (usize, io::Result<()>) {
    let (mut received, mut buffer) = (0, vec![0; 65_536]);
    loop {
        match peer.read(&mut buffer).await {
            Ok(0) => return (received, peer.shutdown().await),
            Ok(read) => {
                received += read;
                // The peer is slow on purpose; no condition is awaited here.
                sleep(Duration::from_millis(1)).await;
                if let Err(error) = peer.write_all(&buffer[..read]).await {
                    return (received, Err(error));
                }
            }
            Err(error) => return (received, Err(error)),
        }
    }
}

const LARGE: usize = 30_000_000;

async fn echoes_everything(child: Child, peer: impl AsyncRead + AsyncWrite + Unpin) {
    let (received, result) = within(slow_echo(peer)).await;
    let ended = end(child).await;
    assert!(result.is_ok() && received == LARGE, "{received} {result:?} {ended:?}");
    ended.in_order(LARGE, LARGE);
}

fn large(scratch: &Scratch) -> String {
    scratch.file("large", vec![b'a'; LARGE])
}

#[tokio::test]
async fn a_tcp_peer_that_answers_while_it_reads_slowly_gets_every_byte() {
    let scratch = Scratch::new("slow-tcp");
    let (listener, to) = listen().await;
    let child = start([large(&scratch), to]);
    echoes_everything(child, accept(&listener).await).await;
}

#[tokio::test]
async fn a_connecting_peer_that_answers_while_it_reads_slowly_gets_every_byte() {
    let scratch = Scratch::new("slow-caller");
    let mut child = start([large(&scratch), "tcp-listen:127.0.0.1:0".to_owned()]);
    let mut lines = BufReader::new(child.stderr.as_mut().unwrap()).lines();
    let line = within(lines.next_line()).await.unwrap().unwrap();
    let peer = TcpStream::connect(line.strip_prefix("listening on ").unwrap()).await.unwrap();
    echoes_everything(child, peer).await;
}

#[tokio::test]
async fn a_unix_peer_that_answers_while_it_reads_slowly_gets_every_byte() {
    let scratch = Scratch::new("slow-unix");
    let path = scratch.path("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let child = start([large(&scratch), format!("unix:{path}")]);
    let (peer, _) = within(listener.accept()).await.unwrap();
    echoes_everything(child, peer).await;
}

/// Only Linux shows what the peer has acknowledged.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_silent_peer_that_has_everything_need_not_end() {
    let (listener, to) = listen().await;
    let mut child = start(["--wait", "1", "-", &to]);
    child.stdin.take().unwrap().write_all(b"hello").await.unwrap();
    let mut peer = accept(&listener).await;
    expect(&mut peer, b"HELLO").await;
    end(child).await.in_order(5, 5);
    drop(peer);
}

/// The peer may have read only a part, and its next answer would be met by a reset.
#[tokio::test]
async fn a_peer_that_has_answered_and_does_not_end_gives_status_1() {
    let scratch = Scratch::new("no-end");
    let (path, (tcp, to)) = (scratch.path("to"), listen().await);
    let unix = UnixListener::bind(&path).unwrap();
    for to in [to, format!("unix:{path}")] {
        let mut child = start(["--wait", "1", "-", &to]);
        child.stdin.take().unwrap().write_all(b"hello").await.unwrap();
        let mut peer: Box<dyn Peer> = match to.starts_with("tcp") {
            true => Box::new(accept(&tcp).await),
            false => Box::new(within(unix.accept()).await.unwrap().0),
        };
        peer.write_all(b"thanks").await.unwrap();
        expect(&mut peer, b"HELLO").await;
        let message = [&*to, "the peer has not ended the connection in 1 s (see --wait)"];
        end(child).await.with(1, &message);
        drop(peer);
    }
}

trait Peer: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Peer for T {}

/// Listens with the smallest buffer that the system allows, so that little is acknowledged before it is read.
#[cfg(target_os = "linux")]
fn listen_with_a_small_buffer() -> (TcpListener, String) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(1).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let endpoint = format!("tcp:{}", listener.local_addr().unwrap());
    (listener, endpoint)
}

/// More than the peer's buffer holds, less than the sender's.
#[cfg(target_os = "linux")]
const SENT: usize = 30_000;

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_peer_that_does_not_read_everything_gives_status_1() {
    let (listener, to) = listen_with_a_small_buffer();
    let mut child = start(["--wait", "1", "-", &to]);
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&[b'a'; SENT]).await.unwrap();
    drop(stdin);
    let peer = accept(&listener).await;
    let message = ["the peer has not acknowledged the last ", " bytes in 1 s", "after 30000 bytes"];
    end(child).await.with(1, &message);
    drop(peer);
}

/// Takes longer than `--wait` in total.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_peer_that_keeps_reading_is_waited_for() {
    let (listener, to) = listen_with_a_small_buffer();
    let mut child = start(["--wait", "3", "-", &to]);
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&[b'a'; SENT]).await.unwrap();
    drop(stdin);
    let mut peer = accept(&listener).await;
    let mut piece = [0; SENT / 10];
    for _ in 0..10 {
        within(peer.read_exact(&mut piece)).await.unwrap();
        // The peer is slow on purpose; no condition is awaited here.
        sleep(Duration::from_millis(500)).await;
    }
    drop(peer);
    end(child).await.in_order(SENT, SENT);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_peer_that_leaves_before_it_reads_gives_status_1() {
    let (listener, to) = listen().await;
    let mut child = start(["-", &to]);
    drop(accept(&listener).await);
    child.stdin.take().unwrap().write_all(b"hello").await.unwrap();
    end(child).await.with(1, &["output", &to]);
}

#[tokio::test]
async fn a_peer_that_leaves_while_it_is_waited_for_gives_status_1() {
    let scratch = Scratch::new("leaves");
    let (path, (tcp, to)) = (scratch.path("to"), listen().await);
    let unix = UnixListener::bind(&path).unwrap();
    for to in [to, format!("unix:{path}")] {
        let mut child = start(["-", &to]);
        child.stdin.take().unwrap().write_all(b"hello").await.unwrap();
        // Closing with unread data resets the connection.
        if to.starts_with("tcp") {
            expect(&mut accept(&tcp).await, b"HEL").await;
        } else {
            expect(&mut within(unix.accept()).await.unwrap().0, b"HEL").await;
        }
        end(child).await.with(1, &["output", &to]);
    }
}

#[tokio::test]
async fn a_peer_that_shuts_its_write_side_down_at_once_and_reads_slowly_gets_every_byte() {
    let scratch = Scratch::new("half");
    let (listener, to) = listen().await;
    let child = start([large(&scratch), to]);
    let mut peer = accept(&listener).await;
    peer.shutdown().await.unwrap();
    let (mut received, mut buffer) = (0, vec![0; 1 << 20]);
    while let Ok(read @ 1..) = within(peer.read(&mut buffer)).await {
        received += read;
        sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(received, LARGE);
    end(child).await.in_order(LARGE, LARGE);
}

#[tokio::test]
async fn a_tcp_peer_gets_no_end_in_order_if_the_input_fails() {
    let ((from, from_text), (to, to_text)) = (listen().await, listen().await);
    let child = start([&from_text, &to_text]);
    let mut source = accept(&from).await;
    let mut sink = accept(&to).await;
    source.write_all(b"hello").await.unwrap();
    expect(&mut sink, b"HELLO").await;
    source.set_zero_linger().unwrap();
    drop(source);
    let error = within(sink.read(&mut [0])).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    end(child).await.with(1, &["input", &from_text, "reset by peer", "after 5 bytes"]);
}

#[tokio::test]
async fn a_tcp_peer_gets_no_end_in_order_if_the_guest_traps() {
    let scratch = Scratch::new("trap-cut");
    // It traps on its second read.
    let guest = changed(
        "(call $transform-buffer (global.get $end))",
        "(if (global.get $calls) (then unreachable)) (global.set $calls (i32.const 1))
         (call $transform-buffer (global.get $end))",
    );
    let global = "(global $ended (mut i32) (i32.const 0))";
    let guest = guest.replace(global, &format!("{global} (global $calls (mut i32) (i32.const 0))"));
    let guest = scratch.file("guest.wat", guest);
    let (listener, to) = listen().await;
    let mut child = start(["--guest", &guest, "-", &to]);
    let mut stdin = child.stdin.take().unwrap();
    let mut peer = accept(&listener).await;
    stdin.write_all(b"hello").await.unwrap();
    expect(&mut peer, b"HELLO").await;
    stdin.write_all(b"again").await.unwrap();
    let error = within(peer.read(&mut [0])).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    end(child).await.with(1, &["the guest trapped", "10 bytes in and 5 bytes out"]);
}
