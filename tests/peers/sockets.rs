//! Sockets and pipes.

use std::os::fd::AsFd as _;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream, unix::pipe};
use wasmtime::component::{Component, Linker, StreamReader};
use wasmtime::{Engine, Store};
use wasmtime_streams::{
    End,
    sockets::{self, SocketRead, SocketWrite},
};
use wasmtime_streams_testing::Code;

use super::{DEADLINE, with_guest};

async fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let socket = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (socket, listener.accept().await.unwrap().0)
}

/// Serves a client through a guest that upper-cases its data.
async fn serve(socket: TcpStream) -> (End<std::io::Error>, u64) {
    let engine = Engine::default();
    let guest = Component::new(&engine, include_str!("../../examples/guests/upper.wat")).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Linker::new(&engine).instantiate_async(&mut store, &guest).await.unwrap();
    let transform = instance
        .get_typed_func::<(StreamReader<u8>,), (StreamReader<u8>,)>(&mut store, "transform")
        .unwrap();
    let (reads, writes) = socket.into_split();
    let input = StreamReader::new(&mut store, sockets::read(reads)).unwrap();
    let done = store
        .run_concurrent(async |accessor| {
            let (output,) = transform.call_concurrent(accessor, (input,)).await?;
            let (consumer, done) = sockets::write(writes).with_completion();
            accessor.with(|mut access| output.pipe(&mut access, consumer))?;
            wasmtime::error::Ok(done.await)
        })
        .await
        .unwrap()
        .unwrap();
    (done.end, done.moved)
}

#[test]
fn a_guest_serves_a_tcp_connection_to_the_end_after_a_half_close() {
    // Rule "The completion closes the sink": the client has shut down its direction, and still gets everything and the
    // end.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let all = async {
        let (client, socket) = tcp().await;
        let server = tokio::spawn(serve(socket));
        let text: Vec<u8> = (0..3 << 20).map(|i| b'a' + (i % 23) as u8).collect();
        let (mut receive, mut send) = client.into_split();
        let sent = text.clone();
        let sender = tokio::spawn(async move {
            send.write_all(&sent).await.unwrap();
            send.shutdown().await.unwrap();
            send
        });
        let mut received = Vec::new();
        receive.read_to_end(&mut received).await.unwrap();
        assert!(received == text.to_ascii_uppercase(), "{} bytes", received.len());
        drop(sender.await.unwrap());
        let (end, moved) = server.await.unwrap();
        assert!(end.is_finished(), "{end:?}");
        assert_eq!(moved, text.len() as u64);
    };
    let all = async { tokio::time::timeout(DEADLINE, all).await };
    runtime.block_on(all).expect("timed out");
}

/// Zero-length reads after a read that exactly emptied the socket, and at its end.
async fn assert_readiness<R, W>(guest: &super::Guest<'_, u8>, socket: R, mut peer: W)
where
    R: SocketRead + Unpin + Send + 'static,
    W: AsyncWrite + Unpin,
{
    let (producer, done) = sockets::read(socket).with_completion();
    let stream = guest.source(producer).await;
    // tokio sees that the socket is readable once the reactor turns.
    assert_eq!(guest.read(stream, 4).await, Code::Blocked);
    peer.write_all(b"ping").await.unwrap();
    assert_eq!(guest.wait(stream).await, Code::Completed(4));
    assert_eq!(guest.read(stream, 0).await, Code::Blocked);
    peer.write_all(b"pong").await.unwrap();
    assert_eq!(guest.wait(stream).await, Code::Completed(0));
    assert_eq!(guest.recv(stream, 8).await, (Code::Completed(4), b"pong".to_vec()));

    // A cancelled read takes nothing, zero-length or not.
    for len in [0, 8] {
        assert_eq!(guest.read(stream, len).await, Code::Blocked);
        assert_eq!(guest.cancel_read(stream).await, Code::Cancelled(0));
        peer.write_all(b"late").await.unwrap();
        assert_eq!(guest.recv(stream, 8).await, (Code::Completed(4), b"late".to_vec()));
    }

    assert_eq!(guest.read(stream, 0).await, Code::Blocked);
    drop(peer);
    assert_eq!(guest.wait(stream).await, Code::Completed(0));
    assert_eq!(guest.recv(stream, 8).await, (Code::Dropped(0), Vec::new()));
    let done = done.await;
    assert!(done.end.is_finished());
    assert_eq!(done.moved, 16);
}

#[test]
fn a_zero_length_read_waits_until_the_kernel_has_data() {
    // Rule "Zero-length reads": after a read that exactly emptied a socket tokio still takes it for readable.
    with_guest::<u8, _>(async |guest| {
        let (socket, peer) = tcp().await;
        assert_readiness(guest, socket, peer).await;
        let (socket, peer) = tcp().await;
        let (reads, _writes) = socket.into_split();
        assert_readiness(guest, reads, peer).await;
        let (socket, peer) = UnixStream::pair().unwrap();
        assert_readiness(guest, socket, peer).await;
        let (socket, peer) = UnixStream::pair().unwrap();
        let (reads, _writes) = socket.into_split();
        assert_readiness(guest, reads, peer).await;
        let (peer, receiver) = pipe::pipe().unwrap();
        assert_readiness(guest, receiver, peer).await;
    });
}

/// Zero-length writes after a write that exactly filled the socket.
async fn assert_writability<W, R>(guest: &super::Guest<'_, u8>, socket: W, mut peer: R, room: usize)
where
    W: SocketWrite + Unpin + Send + 'static,
    R: AsyncRead + Unpin,
{
    let (consumer, done) = sockets::write(socket).with_completion();
    let stream = guest.sink(consumer).await;
    // tokio sees that there is room once the reactor turns.
    let mut sent = vec![1; room];
    assert_eq!(guest.send(stream, &sent).await, Code::Completed(room as u32));
    assert_eq!(guest.write(stream, 0).await, Code::Blocked);
    // A cancel leaves no trace.
    assert_eq!(guest.cancel_write(stream).await, Code::Cancelled(0));
    assert_eq!(guest.write(stream, 3).await, Code::Blocked);
    assert_eq!(guest.cancel_write(stream).await, Code::Cancelled(0));

    assert_eq!(guest.write(stream, 0).await, Code::Blocked);
    let mut received = vec![0; room];
    peer.read_exact(&mut received).await.unwrap();
    assert_eq!(guest.wait(stream).await, Code::Completed(0));
    assert_eq!(guest.send(stream, b"more").await, Code::Completed(4));
    guest.drop_writable(stream).await;
    // The completion shuts the socket down. A pipe is closed only by its drop.
    let done = done.await;
    assert!(done.end.is_finished());
    assert_eq!(done.moved, room as u64 + 4);
    drop(done.inner);
    peer.read_to_end(&mut received).await.unwrap();
    sent.extend(b"more");
    assert!(received == sent);
}

/// How much there is room for. Fills the buffers and empties them again.
fn room(mut writer: impl std::io::Write, mut reader: impl std::io::Read) -> usize {
    let mut room = 0;
    while let Ok(n) = writer.write(&[0; 4096]) {
        room += n;
    }
    reader.read_exact(&mut vec![0; room]).unwrap();
    room
}

#[test]
fn a_zero_length_write_into_a_full_pipe_waits_for_room() {
    // Rule "Zero-length writes": after a write that exactly filled a pipe tokio still takes it for writable.
    with_guest::<u8, _>(async |guest| {
        let (sender, receiver) = pipe::pipe().unwrap();
        let writer = std::fs::File::from(sender.as_fd().try_clone_to_owned().unwrap());
        let reader = std::fs::File::from(receiver.as_fd().try_clone_to_owned().unwrap());
        let room = room(writer, reader);
        assert_writability(guest, sender, receiver, room).await;
    });
}

/// Writes until there is no room, and starts one more write. Then the peer leaves.
async fn fails<W, R>(guest: &super::Guest<'_, u8>, socket: W, peer: R)
where
    W: SocketWrite + Unpin + Send + 'static,
{
    let (consumer, done) = sockets::write(socket).with_completion();
    let stream = guest.sink(consumer).await;
    let large = vec![7; 1 << 20];
    guest.load(&large).await;
    let mut moved = 0;
    loop {
        match guest.write(stream, 1 << 20).await {
            Code::Completed(n) => moved += u64::from(n),
            Code::Blocked if moved == 0 => moved += u64::from(guest.wait(stream).await.count()),
            Code::Blocked => break,
            code => panic!("unexpected {code:?}"),
        }
    }
    drop(peer);
    // The parked write fails.
    assert_eq!(guest.wait(stream).await, Code::Dropped(0));
    let done = done.await;
    assert!(matches!(done.end, End::Failed(_)), "{:?}", done.end);
    assert!(done.moved >= moved);
    guest.drop_writable(stream).await;
}

#[test]
fn a_peer_that_leaves_wakes_a_parked_write_and_ends_the_stream() {
    // Rule "Completion": it has the error. The guest does not trap.
    with_guest::<u8, _>(async |guest| {
        let (socket, peer) = UnixStream::pair().unwrap();
        fails(guest, socket, peer).await;
        let (sender, receiver) = pipe::pipe().unwrap();
        fails(guest, sender, receiver).await;
    });
}

#[test]
fn a_connection_reset_ends_the_stream_with_its_error() {
    // Rule "Items before the error".
    with_guest::<u8, _>(async |guest| {
        let (mut socket, mut peer) = tcp().await;
        // The peer closes with unread data, so TCP sends a reset.
        socket.write_all(b"unread").await.unwrap();
        peer.readable().await.unwrap();
        let (producer, done) = sockets::read(socket).with_completion();
        let stream = guest.source(producer).await;
        assert_eq!(guest.read(stream, 8).await, Code::Blocked);
        peer.write_all(b"last").await.unwrap();
        assert_eq!(guest.wait(stream).await, Code::Completed(4));
        assert_eq!(guest.read(stream, 0).await, Code::Blocked);
        drop(peer);
        assert_eq!(guest.wait(stream).await, Code::Completed(0));
        assert_eq!(guest.recv(stream, 8).await.0, Code::Dropped(0));
        let done = done.await;
        assert!(matches!(done.end, End::Failed(_)), "{:?}", done.end);
        assert_eq!(done.moved, 4);
    });
}

#[test]
fn a_socket_that_the_guest_drops_is_handed_back_and_still_works() {
    // Rule "Completion": with all data that nobody has read.
    with_guest::<u8, _>(async |guest| {
        let (socket, mut peer) = tcp().await;
        let (producer, done) = sockets::read(socket).with_completion();
        let stream = guest.source(producer).await;
        assert_eq!(guest.read(stream, 1).await, Code::Blocked);
        peer.write_all(b"abc").await.unwrap();
        assert_eq!(guest.wait(stream).await, Code::Completed(1));
        guest.drop_readable(stream).await;
        let done = done.await;
        assert!(matches!(done.end, End::PeerDropped));
        let mut socket = done.inner.into_inner();
        let mut rest = [0; 2];
        socket.read_exact(&mut rest).await.unwrap();
        assert_eq!(&rest, b"bc");
        socket.write_all(b"!").await.unwrap();
        assert_eq!(peer.read_u8().await.unwrap(), b'!');
    });
}

#[test]
fn a_completion_shuts_the_socket_down_and_hands_it_back_for_reading() {
    // Rule "The completion closes the sink": the peer sees the end while the socket is still open.
    with_guest::<u8, _>(async |guest| {
        let (socket, mut peer) = tcp().await;
        let (consumer, done) = sockets::write(socket).with_completion();
        let stream = guest.sink(consumer).await;
        assert_eq!(guest.send(stream, b"question").await, Code::Completed(8));
        guest.drop_writable(stream).await;
        let done = done.await;
        assert!(done.end.is_finished(), "{:?}", done.end);
        let mut received = Vec::new();
        peer.read_to_end(&mut received).await.unwrap();
        assert_eq!(received, b"question");
        peer.write_all(b"42").await.unwrap();
        let mut answer = [0; 2];
        done.inner.into_inner().read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"42");
    });
}

#[test]
fn a_write_half_without_a_completion_is_shut_down_by_its_drop() {
    // Rule "The completion closes the sink": the drop of a tokio half shuts it down as well.
    with_guest::<u8, _>(async |guest| {
        let (socket, mut peer) = tcp().await;
        let (_reads, writes) = socket.into_split();
        let stream = guest.sink(sockets::write(writes)).await;
        assert_eq!(guest.send(stream, b"bye").await, Code::Completed(3));
        guest.drop_writable(stream).await;
        let mut received = Vec::new();
        peer.read_to_end(&mut received).await.unwrap();
        assert_eq!(received, b"bye");
    });
}
