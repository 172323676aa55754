//! Shared by the socket adapters: checks of readiness, and which peer or datagram an error concerns.

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

/// How often one poll retries when tokio reports readiness wrongly. Two rounds are usually enough: the first clears
/// tokio's flag, the second registers the waker. But tokio never clears the flag of a direction that it takes for
/// closed: of a UDP socket that had an ICMP error or is shut down. There tokio's own `poll_recv_from` and
/// `poll_send_to` would spin.
pub(super) const ROUNDS: usize = 4;

/// Waits until tokio reports readiness and `check` confirms it.
///
/// tokio alone is not enough: after a read that filled its buffer it reports readiness, though nothing may be left.
/// `check` goes through `try_io`, which clears tokio's flag on `WouldBlock`; then `poll_ready` registers the waker.
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
            // The next operation gets any other error.
            Ok(()) | Err(_) => return Poll::Ready(Ok(())),
        }
    }
    cx.waker().wake_by_ref();
    Poll::Pending
}

/// Asks the kernel whether one of `events` is set; `WouldBlock` if not. For use in tokio's `try_io`.
///
/// The kernel always reports errors and hang-ups too: they count only if `counts` has them.
#[cfg(unix)]
pub(super) fn check(fd: &impl AsFd, events: PollFlags, counts: PollFlags) -> io::Result<()> {
    let mut fds = [PollFd::new(fd, events)];
    poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))?;
    match fds[0].revents().intersects(counts) {
        true => Ok(()),
        false => Err(io::ErrorKind::WouldBlock.into()),
    }
}

/// Whether descriptors or memory have run out: a later try may succeed.
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

/// Waits until a datagram can be received. An error alone does not count: it concerns a datagram that was sent earlier.
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
        // Any result will do, even the error for a datagram that is larger than the buffer.
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
    // Elsewhere there is no `poll` to ask.
    #[cfg(not(unix))]
    socket.poll_send_ready(cx)
}

/// Whether a UDP socket is shut down for reading, which receiving does not report.
pub(super) fn is_read_closed(socket: &UdpSocket) -> bool {
    let ready = pin!(socket.ready(Interest::READABLE));
    let ready = ready.poll(&mut Context::from_waker(Waker::noop()));
    matches!(ready, Poll::Ready(Ok(ready)) if ready.is_read_closed())
}

/// Whether an error of a socket that serves many peers concerns only one of them, or the route to it: a connection that
/// closed before it was accepted, an ICMP message about a datagram that was sent earlier.
pub(super) fn concerns_one_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable, Interrupted,
        NetworkDown, NetworkUnreachable,
    };
    #[cfg(unix)]
    {
        use rustix::io::Errno;
        // Errors without an `ErrorKind` that accept(2) lists, and that ICMP messages turn into.
        let errnos = [Errno::PROTO, Errno::NOPROTOOPT, Errno::HOSTDOWN];
        if Errno::from_io_error(error).is_some_and(|errno| errnos.contains(&errno)) {
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

/// Whether an error of a send concerns only the current datagram: its size, its receiver, the room in the network's
/// queue.
pub(super) fn concerns_one_datagram(error: &io::Error) -> bool {
    use io::ErrorKind::{AddrNotAvailable, InvalidInput, NotConnected, PermissionDenied};
    // Errors without an `ErrorKind`.
    #[cfg(unix)]
    {
        use rustix::io::Errno;
        let errnos =
            [Errno::MSGSIZE, Errno::AFNOSUPPORT, Errno::DESTADDRREQ, Errno::ISCONN, Errno::NOBUFS];
        if Errno::from_io_error(error).is_some_and(|errno| errnos.contains(&errno)) {
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
