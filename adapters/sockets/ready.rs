//! What the adapters for sockets share: whether one is really ready, and whom an error concerns.

use std::future::Future;
use std::io;
#[cfg(unix)]
use std::os::fd::AsFd;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use ::tokio::io::Interest;
use ::tokio::net::UdpSocket;
#[cfg(unix)]
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// How often in one poll tokio's word is tried. Twice will do: once it was wrong it is corrected, and the waker is
/// registered. More often only where tokio holds one direction for closed, which it never takes back: a UDP socket that
/// had an ICMP error, or that is shut down. There tokio's own `poll_recv_from` and `poll_send_to` would spin.
pub(super) const ROUNDS: usize = 4;

/// Waits until tokio says ready and `check` agrees.
///
/// tokio's word alone is not enough: after a read that filled its buffer it says ready, though nothing may be left. By
/// `check`, which goes through `try_io`, tokio hears that this was wrong; then `poll_ready` registers the waker.
#[cfg(unix)]
pub(super) fn poll_checked(
    cx: &mut Context<'_>,
    mut poll_ready: impl FnMut(&mut Context<'_>) -> Poll<io::Result<()>>,
    mut check: impl FnMut() -> io::Result<()>,
) -> Poll<io::Result<()>> {
    for _ in 0..ROUNDS {
        std::task::ready!(poll_ready(cx))?;
        match check() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // Any other error would be the next operation's, too.
            Ok(()) | Err(_) => return Poll::Ready(Ok(())),
        }
    }
    cx.waker().wake_by_ref();
    Poll::Pending
}

/// Asks the kernel whether one of `events` is there; `WouldBlock` if not. To be run in tokio's `try_io`.
///
/// Errors and hang-ups are always asked for: they count if they are among `counts`.
#[cfg(unix)]
pub(super) fn check(fd: &impl AsFd, events: PollFlags, counts: PollFlags) -> io::Result<()> {
    let mut fds = [PollFd::new(fd, events)];
    poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))?;
    match fds[0].revents().intersects(counts) {
        true => Ok(()),
        false => Err(io::ErrorKind::WouldBlock.into()),
    }
}

/// Whether descriptors or memory have run out: the next try may succeed, but not at once.
pub(super) fn is_exhausted(error: &io::Error) -> bool {
    #[cfg(unix)]
    {
        use rustix::io::Errno;
        let exhausted = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
        Errno::from_io_error(error).is_some_and(|errno| exhausted.contains(&errno))
    }
    #[cfg(windows)]
    {
        // WSAEMFILE, WSAENOBUFS.
        matches!(error.raw_os_error(), Some(10024 | 10055))
    }
    #[cfg(not(any(unix, windows)))]
    {
        error.kind() == io::ErrorKind::OutOfMemory
    }
}

/// Waits until a datagram can be received. An error alone does not count: it is of a datagram that was sent earlier.
pub(super) fn poll_receivable(socket: &UdpSocket, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
    #[cfg(unix)]
    {
        let is_ready = || check(socket, PollFlags::IN, PollFlags::IN | PollFlags::NVAL);
        let check = || socket.try_io(Interest::READABLE, is_ready);
        poll_checked(cx, |cx| socket.poll_recv_ready(cx), check)
    }
    #[cfg(not(unix))]
    {
        let mut byte = [0];
        // Any answer will do, also that the datagram is larger than the buffer.
        socket.poll_peek(cx, &mut ::tokio::io::ReadBuf::new(&mut byte)).map(|_| Ok(()))
    }
}

/// Waits until a datagram can be sent. An error alone does not count.
pub(super) fn poll_sendable(socket: &UdpSocket, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
    #[cfg(unix)]
    {
        let counts = PollFlags::OUT | PollFlags::HUP | PollFlags::NVAL;
        let is_ready = || check(socket, PollFlags::OUT, counts);
        let check = || socket.try_io(Interest::WRITABLE, is_ready);
        poll_checked(cx, |cx| socket.poll_send_ready(cx), check)
    }
    // Elsewhere tokio's word is all there is.
    #[cfg(not(unix))]
    socket.poll_send_ready(cx)
}

/// Whether a UDP socket is shut down for reading, of which receiving tells nothing.
pub(super) fn is_read_closed(socket: &UdpSocket) -> bool {
    let ready = pin!(socket.ready(Interest::READABLE));
    let ready = ready.poll(&mut Context::from_waker(Waker::noop()));
    matches!(ready, Poll::Ready(Ok(ready)) if ready.is_read_closed())
}

/// Whether an error of a socket that serves many peers concerns only one of them, or the way to it: a connection that
/// was gone before it was accepted, an ICMP message about a datagram that was sent earlier.
pub(super) fn is_of_one_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable, Interrupted,
        NetworkDown, NetworkUnreachable,
    };
    #[cfg(unix)]
    {
        use rustix::io::Errno;
        // Those without a kind of their own that accept(2) names, and that ICMP messages become.
        let of_one = [Errno::PROTO, Errno::NOPROTOOPT, Errno::HOSTDOWN];
        if Errno::from_io_error(error).is_some_and(|errno| of_one.contains(&errno)) {
            return true;
        }
    }
    matches!(
        error.kind(),
        ConnectionAborted
            | ConnectionRefused
            | ConnectionReset
            | HostUnreachable
            | Interrupted
            | NetworkDown
            | NetworkUnreachable
    )
}

/// Whether an error of a send concerns only the datagram at hand: its size, its receiver, the room in the network's queue.
pub(super) fn is_of_one_datagram(error: &io::Error) -> bool {
    use io::ErrorKind::{AddrNotAvailable, InvalidInput, NotConnected, PermissionDenied};
    // Those without a kind of their own.
    #[cfg(unix)]
    {
        use rustix::io::Errno;
        let of_one =
            [Errno::MSGSIZE, Errno::AFNOSUPPORT, Errno::DESTADDRREQ, Errno::ISCONN, Errno::NOBUFS];
        if Errno::from_io_error(error).is_some_and(|errno| of_one.contains(&errno)) {
            return true;
        }
    }
    #[cfg(windows)]
    {
        // WSAEDESTADDRREQ, WSAEMSGSIZE, WSAEAFNOSUPPORT, WSAENOBUFS
        if matches!(error.raw_os_error(), Some(10039 | 10040 | 10047 | 10055)) {
            return true;
        }
    }
    matches!(error.kind(), AddrNotAvailable | InvalidInput | NotConnected | PermissionDenied)
}
