//! Rows: sockets that are not one connection: listeners and datagrams.

use std::net::{self, Shutdown, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use ::tokio::net::{TcpListener, UdpSocket};
use pin_project_lite::pin_project;
use rustix::fd::OwnedFd; // a socket, on Windows
use wasmtime::component::{Resource, ResourceTable, ResourceType};
use wasmtime::{AsContextMut as _, StoreContextMut};
use wasmtime_streams as ws;
use wasmtime_streams::{EndReason, ItemProducer, ItemSource, Then, sockets::SocketAccept};
use wasmtime_streams_testing::{self as testing, Made};

use super::Kind::{Fails, Parts, Ready};
use super::reactor::{PollFlags, Reactor, each, fewer, settle, watched};
use super::{Checks, Kind, completed, names};

pin_project! {
    /// Ends after `left` items, as the source alone never ends.
    struct Ends<S> {
        #[pin]
        source: S,
        left: usize,
    }
}

fn ends<S: ItemSource>(left: usize, producer: ItemProducer<S>) -> ItemProducer<Ends<S>> {
    ItemProducer::new(Ends { source: producer.into_inner(), left })
}

impl<S: ItemSource> ItemSource for Ends<S> {
    type Item = S::Item;
    type Error = S::Error;

    fn poll_items(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        max: usize,
        out: &mut Vec<S::Item>,
    ) -> Poll<Result<Then, S::Error>> {
        let this = self.project();
        let before = out.len();
        let answer = this.source.poll_items(cx, max.min(*this.left), out);
        *this.left -= out.len() - before;
        if *this.left == 0 { Poll::Ready(Ok(Then::End(EndReason::Finished))) } else { answer }
    }

    fn poll_readable(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Option<Poll<Result<Then, S::Error>>> {
        self.project().source.poll_readable(cx)
    }

    fn ended(self: Pin<&mut Self>, reason: EndReason) {
        self.project().source.ended(reason);
    }
}

/// Counts deliveries, for what may happen only after the last item.
#[derive(Clone, Default)]
struct Count(Arc<AtomicUsize>);

impl Count {
    fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Shuts down a socket of any kind. Some report that they are not connected, and are shut down nevertheless.
fn shut_down(same: &OwnedFd, how: Shutdown) {
    let _ = net::TcpStream::from(watched(same)).shutdown(how);
}

/// How many connections are made.
const CONNECTIONS: usize = 5;

/// A listener, a duplicate of its descriptor, and a function that connects to it.
pub(super) type Listening<L, C> = (L, OwnedFd, Box<dyn FnMut() -> C>);

/// To fail, the listener is shut down after all connections are delivered: a shutdown drops those that wait.
pub(super) fn accepts<L, C>(
    kinds: &[Kind],
    is_tcp: bool,
    listen: fn(&Reactor) -> Listening<L, C>,
) -> Checks
where
    L: SocketAccept<Connection: Send + Sync + 'static> + Send + 'static,
    C: 'static,
{
    each(kinds, |kind| {
        let reactor = Reactor::new();
        let check = testing::producer_in(ResourceTable::new, vec![0; CONNECTIONS], move || {
            let (listener, same, mut connect) = listen(&reactor);
            let (entered, delivered) = (reactor.clone(), Count::default());
            let reactor = reactor.clone();
            let (count, mut peers, mut down) = (delivered.clone(), Vec::new(), false);
            let mut step = move || {
                if peers.len() < CONNECTIONS {
                    peers.push(connect());
                } else if kind == Fails && delivered.get() == CONNECTIONS && !down {
                    shut_down(&same, Shutdown::Both);
                    down = true;
                } else {
                    return false;
                }
                if is_tcp {
                    settle();
                }
                reactor.wait(&same, PollFlags::IN);
                true
            };
            let push = move |mut store: StoreContextMut<'_, ResourceTable>, connection| {
                count.add();
                Ok(store.data_mut().push::<L::Connection>(connection)?)
            };
            let left = if kind == Fails { usize::MAX } else { CONNECTIONS };
            // The kit polls it outside of the runtime.
            let accept = entered.enter(|| ws::sockets::accept(listener));
            let (producer, completion) = ends(left, accept).deliver_with(push).with_completion();
            let made = completed(Made::new(producer), completion);
            if kind == Ready {
                while step() {}
                return made;
            }
            made.step(step)
        })
        .link(|root| {
            let ty = ResourceType::host::<L::Connection>();
            root.resource("item", ty, |mut store: StoreContextMut<'_, ResourceTable>, rep| {
                let connection = Resource::<L::Connection>::new_own(rep);
                store.as_context_mut().data_mut().delete(connection)?;
                Ok(())
            })
        })
        .leftovers(|table| table.iter_mut().count());
        let check = fewer!(if is_tcp, check);
        if kind == Fails { check.fails().boxed() } else { check.boxed() }
    })
}

fn tcp(reactor: &Reactor) -> Listening<TcpListener, net::TcpStream> {
    let listener = reactor.0.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let (same, address) = (watched(&listener), listener.local_addr().unwrap());
    (listener, same, Box::new(move || net::TcpStream::connect(address).unwrap()))
}

/// A socket, a duplicate of its descriptor, and its peer, connected to each other.
fn udp(reactor: &Reactor) -> (UdpSocket, OwnedFd, net::UdpSocket) {
    let bind = || net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let (socket, peer) = (bind(), bind());
    peer.connect(socket.local_addr().unwrap()).unwrap();
    socket.connect(peer.local_addr().unwrap()).unwrap();
    socket.set_nonblocking(true).unwrap();
    let same = watched(&socket);
    (reactor.enter(|| UdpSocket::from_std(socket)).unwrap(), same, peer)
}

/// How a stream of datagrams ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Last {
    /// After the last item.
    Item,
    /// By a shutdown after all are delivered.
    Shutdown,
}

pub(super) fn datagrams(kinds: &[Kind], last: Last) -> Checks {
    each(kinds, |kind| {
        let reactor = Reactor::new();
        let check = testing::producer(names(), move || {
            let (socket, same, peer) = udp(&reactor);
            let (reactor, delivered) = (reactor.clone(), Count::default());
            let (count, mut names, mut down) = (delivered.clone(), names().into_iter(), false);
            let (sender, all) = (peer.local_addr().unwrap(), names.len());
            let mut step = move || {
                if let Some(name) = names.next() {
                    peer.send(name.as_bytes()).unwrap();
                } else if last == Last::Shutdown && delivered.get() == all && !down {
                    shut_down(&same, Shutdown::Both);
                    down = true;
                } else {
                    return false;
                }
                settle();
                reactor.wait(&same, PollFlags::IN);
                true
            };
            let deliver = move |_: StoreContextMut<'_, ()>, (bytes, from): (_, SocketAddr)| {
                count.add();
                assert_eq!(from, sender);
                Ok(String::from_utf8(bytes)?)
            };
            let left = if last == Last::Item { all } else { usize::MAX };
            let (producer, completion) =
                ends(left, ws::sockets::datagrams(socket)).deliver_with(deliver).with_completion();
            let made = completed(Made::new(producer), completion);
            if kind == Ready {
                while step() {}
                return made;
            }
            made.step(step)
        });
        check.boxed()
    })
}

/// To fail, the socket is shut down. It is never full, as the loopback device takes everything.
fn send_to(addressed: bool) -> Checks {
    each(&[Ready, Fails], |kind| {
        let reactor = Reactor::new();
        let check = testing::consumer(names(), move || {
            let (socket, same, peer) = udp(&reactor);
            reactor.turn();
            let to = addressed.then(|| peer.local_addr().unwrap());
            let receive =
                move |_: StoreContextMut<'_, ()>, name: String| Ok((name.into_bytes(), to));
            let (consumer, completion) =
                ws::sockets::send_to(socket).receive_with(receive).with_completion();
            peer.set_nonblocking(true).unwrap();
            let mut arrived = Vec::new();
            let made = completed(Made::new(consumer), completion).received(move || {
                settle();
                let mut buf = [0; 64];
                while let Ok(n) = peer.recv(&mut buf) {
                    arrived.push(String::from_utf8(buf[..n].to_vec()).unwrap());
                }
                arrived.clone()
            });
            if kind == Ready {
                return made;
            }
            let (reactor, mut same) = (reactor.clone(), Some(same));
            made.step(move || {
                let Some(same) = same.take() else { return false };
                shut_down(&same, Shutdown::Both);
                reactor.turn();
                true
            })
        });
        if kind == Fails { check.fails().boxed() } else { check.boxed() }
    })
}

/// On Windows a listener that is shut down goes on waiting.
const SHUT_DOWN: &[Kind] = if cfg!(windows) { &[Ready, Parts] } else { &[Ready, Parts, Fails] };

rows! {
    sockets_accept: accepts(SHUT_DOWN, true, tcp);
    sockets_datagrams: datagrams(&[Ready, Parts], Last::Item);
    sockets_send_to: send_to(true);
    sockets_send_to_its_peer: send_to(false);
}
