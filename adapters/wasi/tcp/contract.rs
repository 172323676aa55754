//! The contract kit over the streams of a socket of the operating system's, of a socket of the host's, and over the
//! connections of a listener.

use std::io::{Read as _, Write as _};
use std::net::{self, SocketAddr, UdpSocket};
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use ::tokio::io::{AsyncRead, AsyncWrite, empty, sink};
use ::tokio::net::TcpListener;
use ::tokio::runtime::{Builder, Runtime};
use ::tokio::sync::mpsc;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, OwnedFd}; // sockets, on Windows
use wasmtime::component::{Resource, ResourceTable, ResourceType};
use wasmtime::{AsContextMut as _, StoreContextMut};
use wasmtime_streams_testing::inner::{Control, Reader as Input, Script, Step, Writer as Output};
use wasmtime_streams_testing::{self as testing, Made, Reported};

use super::address::Family;
use super::connection::{Connection, Reader, Writer};
use super::listener::Incoming;
use super::{Tcp, TcpSocket};
use crate::{ByteConsumer, ByteProducer, Completion, End, ItemProducer};

const ITEMS: [u8; 7] = [1, 2, 3, 4, 5, 6, 7];

/// A wait that reaches this is a failure: everything here happens at once.
const DEADLINE: Timespec = Timespec { tv_sec: 20, tv_nsec: 0 };

/// Reports the result of the completion, lets the kit drive it, and cuts the stream by its handle.
fn completed<X, V, S, E>(made: Made<X, V>, completion: Completion<S, E>) -> Made<X, V>
where
    S: Unpin + 'static,
    E: 'static,
{
    let reports = Arc::new(Mutex::new(Vec::new()));
    let results = reports.clone();
    let handle = completion.cancel_handle();
    made.drive(async move {
        let report = match completion.await.end {
            End::Cancelled => Reported::Cut,
            End::Failed(_) => Reported::Failed,
            _ => Reported::Ended,
        };
        results.lock().unwrap().push(report);
    })
    .cut(move || handle.cancel())
    .reports(move || reports.lock().unwrap().clone())
}

fn addr() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 80))
}

fn host(
    reader: impl AsyncRead + Send + 'static,
    writer: impl AsyncWrite + Send + 'static,
) -> Connection {
    Connection::host(Box::pin(reader), Box::pin(writer), addr(), addr())
}

fn released<X, V>(made: Made<X, V>, control: Control, mut left: usize) -> Made<X, V> {
    made.step(move || {
        let more = left > 0;
        if more {
            left -= 1;
            control.release();
        }
        more
    })
}

#[test]
fn what_a_guest_receives_from_the_host_keeps_the_contract() {
    for fails in [false, true] {
        let check = testing::producer(ITEMS.to_vec(), move || {
            let mut steps = Vec::new();
            for part in ITEMS.chunks(2) {
                steps.extend([Step::Hold, Step::Pending, Step::Data(part.to_vec())]);
            }
            steps.extend(fails.then_some(Step::Fail));
            let script = Script::new(steps);
            let control = script.control();
            let reader = host(Input::new(script), sink()).take_reader().unwrap();
            let (producer, completion) = ByteProducer::new(reader).with_completion();
            released(completed(Made::new(producer), completion), control, 4)
        });
        let check = if fails { check.fails() } else { check };
        check.short().assert();
    }
}

#[test]
fn what_a_guest_sends_to_the_host_keeps_the_contract() {
    for fails in [false, true] {
        let check = testing::consumer(ITEMS.to_vec(), move || {
            let mut steps = Vec::new();
            for accept in [2, 1, 3] {
                steps.extend([Step::Hold, Step::Accept(accept), Step::Pending]);
            }
            steps.push(if fails { Step::Fail } else { Step::Hold });
            let script = Script::new(steps);
            let (control, output) = (script.control(), Output::new(script));
            let (log, closed) = (output.log(), output.log());
            let writer = host(empty(), output).take_writer().unwrap();
            let (consumer, completion) = ByteConsumer::new(writer).with_completion();
            let made = completed(Made::new(consumer), completion)
                .received(move || log.accepted())
                .closed(move || closed.look(|written| written.closed));
            released(made, control, if fails { 3 } else { 4 })
        });
        if fails {
            check.fails().assert()
        } else {
            check.assert()
        };
    }
}

/// A runtime whose reactor turns only on request: the kit's executor has none.
struct Reactor(Runtime);

impl Reactor {
    fn new() -> Rc<Self> {
        Rc::new(Self(Builder::new_current_thread().enable_io().build().unwrap()))
    }

    /// Waits until `fd` shows `events`, and lets tokio see that.
    fn wait(&self, fd: &impl AsFd, events: PollFlags) {
        let shown = poll(&mut [PollFd::new(fd, events)], Some(&DEADLINE)).unwrap();
        assert_eq!(shown, 1, "{events:?} did not come");
        self.0.block_on(::tokio::task::yield_now());
    }

    /// A connection, a duplicate of its descriptor, and its peer.
    fn connection(&self) -> (Connection, OwnedFd, net::TcpStream) {
        let (socket, peer) = self.0.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let socket = ::tokio::net::TcpStream::connect(address).await.unwrap();
            (socket, listener.accept().await.unwrap().0.into_std().unwrap())
        });
        peer.set_nonblocking(false).unwrap();
        let same = socket.as_fd().try_clone_to_owned().unwrap();
        self.wait(&same, PollFlags::OUT);
        (Connection::system(socket), same, peer)
    }
}

/// Waits until everything that this thread sent over the loopback device has arrived. The kernel keeps the order.
fn settle() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(socket.local_addr().unwrap()).unwrap();
    socket.send(&[1]).unwrap();
    socket.recv(&mut [0]).unwrap();
}

/// Few scripts: the kernel remembers each connection for a minute, and has too few ports for those of all.
const DEPTH: usize = 2;
const RANDOM: usize = 100;

#[test]
fn what_a_guest_receives_keeps_the_contract() {
    let reactor = Reactor::new();
    testing::producer(ITEMS.to_vec(), move || {
        let (mut connection, same, peer) = reactor.connection();
        let (producer, completion) =
            ByteProducer::<Reader>::new(connection.take_reader().unwrap()).with_completion();
        // The socket goes with the script.
        let (mut peer, mut parts) = (Some((connection, peer)), ITEMS.chunks(2));
        let reactor = reactor.clone();
        completed(Made::new(producer), completion).step(move || {
            let Some((_, open)) = &mut peer else { return false };
            match parts.next() {
                Some(part) => open.write_all(part).unwrap(),
                None => peer = None,
            }
            settle();
            reactor.wait(&same, PollFlags::IN);
            true
        })
    })
    .short()
    .depth(DEPTH)
    .random(RANDOM)
    .assert();
}

#[test]
fn what_a_guest_sends_keeps_the_contract() {
    let reactor = Reactor::new();
    testing::consumer(ITEMS.to_vec(), move || {
        let (mut connection, same, peer) = reactor.connection();
        let (consumer, completion) =
            ByteConsumer::<Writer>::new(connection.take_writer().unwrap()).with_completion();
        let peer = Rc::new(peer);
        let closed = peer.clone();
        completed(Made::new(consumer), completion)
            .received(move || {
                // Also where the guest has not ended its stream.
                rustix::net::shutdown(&same, rustix::net::Shutdown::Write).unwrap();
                let mut all = Vec::new();
                (&*peer).read_to_end(&mut all).unwrap();
                all
            })
            .closed(move || {
                closed.set_nonblocking(true).unwrap();
                let end = closed.peek(&mut [0; 64]);
                closed.set_nonblocking(false).unwrap();
                end.is_ok()
            })
    })
    .depth(DEPTH)
    .random(RANDOM)
    .assert();
}

/// An accepted socket; the kit wants resources that threads can share.
type Held = Mutex<TcpSocket>;

/// How many connections a listener has.
const CONNECTIONS: usize = 5;

#[test]
fn connections_that_a_guest_accepts_keep_the_contract() {
    testing::producer_in(ResourceTable::new, vec![0; CONNECTIONS], || {
        let (sender, connections) = mpsc::channel(CONNECTIONS);
        let settings = Tcp::new().inherit_network().settings;
        let incoming = Incoming::host(connections, Family::V4, settings);
        let push = |mut store: StoreContextMut<'_, ResourceTable>, connection| {
            Ok(store.data_mut().push(Held::new(connection))?)
        };
        let (producer, completion) =
            ItemProducer::new(incoming).deliver_with(push).with_completion();
        let (mut sender, mut left) = (Some(sender), CONNECTIONS);
        completed(Made::new(producer), completion).step(move || {
            match &sender {
                None => return false,
                Some(_) if left == 0 => sender = None,
                Some(open) => {
                    left -= 1;
                    // Fails if nobody accepts any more.
                    let _ =
                        open.try_send(TcpSocket::from_io(::tokio::io::duplex(1).0, addr(), addr()));
                }
            }
            true
        })
    })
    .link(|root| {
        let ty = ResourceType::host::<Held>();
        root.resource("item", ty, |mut store: StoreContextMut<'_, ResourceTable>, rep| {
            store.as_context_mut().data_mut().delete(Resource::<Held>::new_own(rep))?;
            Ok(())
        })
    })
    .leftovers(|table| table.iter_mut().count())
    .assert();
}
