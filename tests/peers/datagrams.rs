//! UDP, in both directions.

use std::net::{self, SocketAddr};
use std::sync::Arc;

use rustix::fd::AsFd as _;
use tokio::net::UdpSocket;
use wasmtime::component::ResourceTable;
use wasmtime::{Result, StoreContextMut};
use wasmtime_streams::{End, sockets};
use wasmtime_streams_testing::Code;

use super::{Guest, with_guest};

/// A port of this machine, and the text sent to it or received from it.
type Datagram = (u32, String);

fn deliver(
    _: StoreContextMut<'_, ResourceTable>,
    (bytes, from): (Vec<u8>, SocketAddr),
) -> Result<Datagram> {
    Ok((from.port().into(), String::from_utf8(bytes)?))
}

/// Port 1 stands for the peer of a connected socket.
fn receive(
    _: StoreContextMut<'_, ResourceTable>,
    (port, text): Datagram,
) -> Result<(Vec<u8>, Option<SocketAddr>)> {
    let to = (port != 1).then(|| SocketAddr::from(([127, 0, 0, 1], port as u16)));
    Ok((text.into_bytes(), to))
}

async fn bind() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").await.unwrap()
}

fn port(socket: &UdpSocket) -> u32 {
    socket.local_addr().unwrap().port().into()
}

/// Reads up to `n` datagrams. Waits if there is none.
async fn read(guest: &Guest<'_, Datagram>, stream: u32, n: u32) -> Vec<Datagram> {
    let code = match guest.read(stream, n).await {
        Code::Blocked => guest.wait(stream).await,
        code => code,
    };
    assert!(matches!(code, Code::Completed(1..)), "{code:?}");
    guest.items(code.count()).await.into_iter().map(Option::unwrap).collect()
}

async fn write(guest: &Guest<'_, Datagram>, stream: u32, items: &[Datagram]) -> Code {
    guest.load_items(items).await;
    match guest.write(stream, items.len() as u32).await {
        Code::Blocked => guest.wait(stream).await,
        code => code,
    }
}

#[test]
fn a_guest_answers_datagrams_of_many_peers_over_one_socket() {
    // Rule "Exactly once, in order", rule "Zero-length reads".
    with_guest::<Datagram, _>(async |guest| {
        let socket = Arc::new(bind().await);
        let address = socket.local_addr().unwrap();
        let receiving = sockets::datagrams(socket.clone()).deliver_with(deliver);
        let (producer, received) = receiving.with_completion();
        let stream = guest.source(producer).await;
        let (consumer, sent) = sockets::send_to(socket).receive_with(receive).with_completion();
        let back = guest.sink(consumer).await;

        for round in 0..3 {
            for peer in [bind().await, bind().await] {
                assert_eq!(guest.read(stream, 0).await, Code::Blocked);
                peer.send_to(format!("ping {round}").as_bytes(), address).await.unwrap();
                assert_eq!(guest.wait(stream).await, Code::Completed(0));
                let got = read(guest, stream, 1).await;
                assert_eq!(got, [(port(&peer), format!("ping {round}"))]);
                // The socket is exactly emptied and the read waits again. An empty datagram counts as one.
                assert_eq!(guest.read(stream, 0).await, Code::Blocked);
                peer.send_to(b"", address).await.unwrap();
                assert_eq!(guest.wait(stream).await, Code::Completed(0));
                assert_eq!(read(guest, stream, 4).await, [(port(&peer), String::new())]);

                let reply = [(port(&peer), "one".to_owned()), (port(&peer), String::new())];
                assert_eq!(write(guest, back, &reply).await, Code::Completed(2));
                let mut buf = [0; 16];
                assert_eq!(peer.recv(&mut buf).await.unwrap(), 3);
                assert_eq!(peer.recv(&mut buf).await.unwrap(), 0);
            }
        }
        guest.drop_readable(stream).await;
        guest.drop_writable(back).await;
        assert!(matches!(received.await.end, End::PeerDropped));
        let sent = sent.await;
        assert!(sent.end.is_finished());
        assert_eq!((sent.moved, sent.inner.rejected()), (12, 0));
        assert!(sent.inner.into_parts().1.is_none());
    });
}

#[test]
fn a_cancelled_read_leaves_datagrams_in_the_socket() {
    // Rule "Cancellation keeps the stream".
    with_guest::<Datagram, _>(async |guest| {
        let (socket, peer) = (bind().await, bind().await);
        peer.connect(socket.local_addr().unwrap()).await.unwrap();
        let stream = guest.source(sockets::datagrams(socket).deliver_with(deliver)).await;
        for text in ["a", "b"] {
            assert_eq!(guest.read(stream, 4).await, Code::Blocked);
            assert_eq!(guest.cancel_read(stream).await, Code::Cancelled(0));
            peer.send(text.as_bytes()).await.unwrap();
            assert_eq!(read(guest, stream, 4).await, [(port(&peer), text.to_owned())]);
        }
    });
}

#[test]
fn a_datagram_of_the_largest_size_arrives_whole() {
    // Rule "Exactly once, in order".
    with_guest::<Datagram, _>(async |guest| {
        let (socket, peer) = (bind().await, bind().await);
        peer.connect(socket.local_addr().unwrap()).await.unwrap();
        let stream = guest.source(sockets::datagrams(socket).deliver_with(deliver)).await;
        let text = "x".repeat(65_507);
        peer.send(text.as_bytes()).await.unwrap();
        let got = read(guest, stream, 1).await;
        assert!(got == [(port(&peer), text)]);
    });
}

#[test]
fn a_refused_datagram_ends_neither_direction() {
    // Rule "Items before the error": the error concerns an earlier datagram.
    with_guest::<Datagram, _>(async |guest| {
        let socket = Arc::new(bind().await);
        let peer = bind().await;
        let (address, name) = (socket.local_addr().unwrap(), peer.local_addr().unwrap());
        socket.connect(name).await.unwrap();
        let receiving = sockets::datagrams(socket.clone()).deliver_with(deliver);
        let (producer, received) = receiving.with_completion();
        let stream = guest.source(producer).await;
        peer.send_to(b"bye", address).await.unwrap();
        assert_eq!(read(guest, stream, 1).await, [(port(&peer), "bye".to_owned())]);
        drop(peer);
        let (consumer, sent) = sockets::send_to(socket).receive_with(receive).with_completion();
        let back = guest.sink(consumer).await;
        // Each send but the first gets the refusal of the one before.
        let nobody = [(1, "anybody?".to_owned()), (1, "hello?".to_owned()), (1, "no?".to_owned())];
        assert_eq!(write(guest, back, &nobody).await, Code::Completed(3));
        // An error is pending now. It is no datagram, although tokio takes the socket for readable.
        assert_eq!(guest.read(stream, 0).await, Code::Blocked);

        let peer = UdpSocket::bind(name).await.unwrap();
        peer.send_to(b"here", address).await.unwrap();
        assert_eq!(guest.wait(stream).await, Code::Completed(0));
        assert_eq!(read(guest, stream, 1).await, [(port(&peer), "here".to_owned())]);
        assert_eq!(write(guest, back, &[(1, "good".to_owned())]).await, Code::Completed(1));
        let mut buf = [0; 16];
        assert_eq!(peer.recv(&mut buf).await.unwrap(), 4);
        received.cancel();
        assert_eq!(received.await.inner.skipped(), 1);
        guest.drop_writable(back).await;
        let sent = sent.await;
        assert!(sent.end.is_finished(), "{:?}", sent.end);
        assert_eq!(sent.inner.rejected(), 0);
    });
}

#[test]
fn a_datagram_that_cannot_be_sent_is_counted_and_the_next_one_is_sent() {
    // Rule "Exactly once, in order": it is lost as if the network had dropped it. A peer can claim to have port 0.
    with_guest::<Datagram, _>(async |guest| {
        let (socket, peer) = (bind().await, bind().await);
        let (consumer, done) = sockets::send_to(socket).receive_with(receive).with_completion();
        let stream = guest.sink(consumer).await;
        let items = [
            (port(&peer), "x".repeat(70_000)),
            (0, "to nowhere".to_owned()),
            (1, "to the peer of a socket that has none".to_owned()),
            (port(&peer), "good".to_owned()),
        ];
        assert_eq!(write(guest, stream, &items).await, Code::Completed(4));
        let mut buf = [0; 16];
        assert_eq!(peer.recv(&mut buf).await.unwrap(), 4);
        guest.drop_writable(stream).await;
        let done = done.await;
        assert!(done.end.is_finished(), "{:?}", done.end);
        assert_eq!((done.moved, done.inner.rejected()), (4, 3));
    });
}

#[test]
fn a_datagram_that_the_socket_refuses_at_the_end_is_handed_back() {
    // Rule "Exact partial writes": an item that was taken and not sent is not lost.
    with_guest::<Datagram, _>(async |guest| {
        let (socket, peer) = (bind().await, bind().await);
        socket.connect(peer.local_addr().unwrap()).await.unwrap();
        let same = net::TcpStream::from(socket.as_fd().try_clone_to_owned().unwrap());
        let (consumer, done) = sockets::send_to(socket).receive_with(receive).with_completion();
        let stream = guest.sink(consumer).await;
        assert_eq!(write(guest, stream, &[(1, "one".to_owned())]).await, Code::Completed(1));
        same.shutdown(net::Shutdown::Write).unwrap();
        let rest = [(1, "two".to_owned()), (1, "three".to_owned())];
        assert_eq!(write(guest, stream, &rest).await, Code::Dropped(1));
        let done = done.await;
        assert!(matches!(done.end, End::Failed(_)), "{:?}", done.end);
        assert_eq!(done.moved, 2);
        assert_eq!(done.inner.into_parts().1, Some((b"two".to_vec(), None)));
        guest.drop_writable(stream).await;
    });
}
