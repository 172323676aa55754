//! Real sockets under the kit's executor, which has neither clock nor reactor.
//!
//! Each row has a runtime of its own. A step of the host object is a move of its peer. It blocks until the kernel shows
//! the move, and turns the reactor once, so that wakers are called before the step returns.

use std::net::UdpSocket;
use std::rc::Rc;

use ::tokio::runtime::{Builder, Runtime};
use rustix::event::{PollFd, Timespec, poll};
use rustix::fd::{AsFd, OwnedFd}; // sockets, on Windows
use wasmtime_streams_testing::BoxedCheck;

pub(super) use rustix::event::PollFlags;

use super::{Checks, Kind, add};

/// A wait that reaches this is a failure: everything here happens at once.
const DEADLINE: Timespec = Timespec { tv_sec: 20, tv_nsec: 0 };

/// Waits until `fd` shows one of `events`, the end, or an error.
pub(super) fn wait(fd: &impl AsFd, events: PollFlags) {
    let shown = poll(&mut [PollFd::new(fd, events)], Some(&DEADLINE)).unwrap();
    assert_eq!(shown, 1, "{events:?} did not come");
}

/// Whether `fd` shows one of `events`, the end, or an error.
pub(super) fn shows(fd: &impl AsFd, events: PollFlags) -> bool {
    poll(&mut [PollFd::new(fd, events)], Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap() == 1
}

/// Waits until everything that this thread sent over the loopback device has arrived. The kernel keeps the order.
pub(super) fn settle() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(socket.local_addr().unwrap()).unwrap();
    socket.send(&[1]).unwrap();
    wait(&socket, PollFlags::IN);
}

/// A duplicate of the socket's descriptor, to wait for events while the adapter has the socket.
pub(super) fn watched(socket: &impl AsFd) -> OwnedFd {
    socket.as_fd().try_clone_to_owned().unwrap()
}

/// A runtime whose reactor turns only on request.
#[derive(Clone)]
pub(super) struct Reactor(pub(super) Rc<Runtime>);

impl Reactor {
    pub(super) fn new() -> Self {
        Self(Rc::new(Builder::new_current_thread().enable_io().build().unwrap()))
    }

    pub(super) fn enter<R>(&self, f: impl FnOnce() -> R) -> R {
        let _entered = self.0.enter();
        f()
    }

    /// Waits until `fd` shows one of `events`, and lets tokio see that.
    pub(super) fn wait(&self, fd: &OwnedFd, events: PollFlags) {
        wait(fd, events);
        // Windows puts events into a queue, later than it shows them. One that is asked for later is behind the adapter's own.
        #[cfg(windows)]
        {
            use ::tokio::{io::Interest, net::TcpStream};
            let interest = match events {
                PollFlags::OUT => Interest::WRITABLE,
                _ => Interest::READABLE,
            };
            let same = self.enter(|| TcpStream::from_std(watched(fd).into())).unwrap();
            self.0.block_on(same.ready(interest)).unwrap();
        }
        self.turn();
    }

    /// Lets tokio see what the kernel shows.
    pub(super) fn turn(&self) {
        self.0.block_on(::tokio::task::yield_now());
    }
}

/// Tries less over TCP: the kernel remembers each connection for a minute, and has too few ports for those of all
/// scripts.
macro_rules! fewer {
    (if $tcp:expr, $check:expr) => {
        if $tcp { $check.depth(2).random(100) } else { $check }
    };
}
pub(super) use fewer;

/// One check for each of `kinds`.
pub(super) fn each(kinds: &[Kind], check: impl Fn(Kind) -> BoxedCheck) -> Checks {
    kinds.iter().map(|kind| check(*kind)).fold(Checks::default(), add)
}
