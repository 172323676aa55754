use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use ::tokio::io::{AsyncRead, AsyncWrite};
use ::tokio::net::{TcpListener, TcpStream};
use rustix::fd::{AsFd as _, BorrowedFd};
use rustix::io::Errno;
use rustix::net::sockopt;
use wasmtime_wasi::runtime::with_ambient_tokio_runtime;

use super::address::Family;
use super::connection::{Connection, Reader, Writer};
use super::error::SocketError;
use super::listener::Incoming;
use super::opening::{Connect, Listen};
use super::settings::{Listened, Settings};

type Outcome<T> = Result<T, SocketError>;

/// The backlog of a listener, unless the guest sets it: that of the standard library.
const BACKLOG: u32 = 128;
/// The system takes a positive `int`, and may take it for less.
const MOST_BACKLOG: u32 = i32::MAX as u32;

/// The resource `tcp-socket` of guests that are linked by [`tcp`](super::tcp()).
///
/// A host makes one from any pair of a reader and a writer, and gives it to a guest: as a
/// `Resource<TcpSocket>` in the store's table, or by [`connect_with`](super::Tcp::connect_with) and
/// [`listen_with`](super::Tcp::listen_with).
///
/// ```
/// use tokio::io::duplex;
/// use wasmtime::component::ResourceTable;
/// use wasmtime_streams::wasi::TcpSocket;
///
/// # fn main() -> wasmtime::Result<()> {
/// let (guest, host) = duplex(64 * 1024);
/// let (local, remote) = ("192.0.2.1:80".parse()?, "192.0.2.2:4000".parse()?);
///
/// let mut table = ResourceTable::new(); // the store's
/// let socket = table.push(TcpSocket::from_io(guest, local, remote))?;
/// # let _ = (socket, host);
/// # Ok(())
/// # }
/// ```
pub struct TcpSocket {
    state: State,
    family: Family,
    backlog: u32,
}

enum State {
    /// Neither connected nor listening; perhaps bound.
    Open {
        socket: ::tokio::net::TcpSocket,
        bound: Bound,
        settings: Settings,
    },
    Listening(Listener),
    /// Until the connect has returned. A guest that cancels it leaves the socket so.
    Connecting,
    Connected(Connection),
    Closed(SocketError),
}

#[derive(Clone, Copy)]
pub(super) enum Bound {
    No,
    System,
    /// Recorded for a listener of the host's: the system has not been asked.
    Recorded(SocketAddr),
}

enum Listener {
    System(Arc<TcpListener>),
    Host(SocketAddr),
}

impl fmt::Debug for TcpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Open { bound: Bound::No, .. } => "unbound",
            State::Open { .. } => "bound",
            State::Listening(_) => "listening",
            State::Connecting => "connecting",
            State::Connected(_) => "connected",
            State::Closed(_) => "closed",
        };
        f.debug_tuple("TcpSocket").field(&format_args!("{state}")).finish()
    }
}

impl TcpSocket {
    /// A connected socket over any object that reads and writes: a TLS stream, a pipe in memory, a tunnel.
    ///
    /// The guest is told the two addresses. Zero-length operations complete at once, and socket options are
    /// `not-supported`. When the guest ends what it sends, the object is shut down, on a task of its own.
    pub fn from_io<S>(io: S, local: SocketAddr, remote: SocketAddr) -> Self
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let (reader, writer) = ::tokio::io::split(io);
        Self::from_halves(reader, writer, local, remote)
    }

    /// Like [`from_io`](Self::from_io), over a reader and a writer. The reader is dropped with the guest's stream, which is
    /// how it learns that nobody reads.
    pub fn from_halves<R, W>(reader: R, writer: W, local: SocketAddr, remote: SocketAddr) -> Self
    where
        R: AsyncRead + Send + 'static,
        W: AsyncWrite + Send + 'static,
    {
        let connection = Connection::host(Box::pin(reader), Box::pin(writer), local, remote);
        Self::connected(connection, Family::of(remote))
    }

    /// A connected socket over one of the operating system's, with its readiness and its options.
    ///
    /// # Errors
    ///
    /// That of [`local_addr`](TcpStream::local_addr).
    pub fn from_stream(stream: TcpStream) -> io::Result<Self> {
        let family = Family::of(stream.local_addr()?);
        Ok(Self::accepted(stream, family))
    }

    pub(super) fn accepted(stream: TcpStream, family: Family) -> Self {
        Self::connected(Connection::system(stream), family)
    }

    fn connected(connection: Connection, family: Family) -> Self {
        Self { state: State::Connected(connection), family, backlog: BACKLOG }
    }

    pub(super) fn create(family: Family, settings: Settings) -> Outcome<Self> {
        let socket = match family {
            Family::V4 => ::tokio::net::TcpSocket::new_v4()?,
            Family::V6 => {
                let socket = ::tokio::net::TcpSocket::new_v6()?;
                sockopt::set_ipv6_v6only(&socket, true)?;
                socket
            }
        };
        let state = State::Open { socket, bound: Bound::No, settings };
        Ok(Self { state, family, backlog: BACKLOG })
    }

    /// The settings for a bind to `addr`, whose check comes before [`bind`](Self::bind).
    pub(super) fn before_bind(&self, addr: SocketAddr) -> Outcome<Settings> {
        match &self.state {
            State::Open { bound: Bound::No, settings, .. } if self.family.can_bind(addr) => {
                Ok(settings.clone())
            }
            State::Open { bound: Bound::No, .. } => Err(SocketError::InvalidArgument),
            _ => Err(SocketError::InvalidState),
        }
    }

    pub(super) fn bind(&mut self, addr: SocketAddr) -> Outcome<()> {
        let State::Open { socket, bound, settings } = &mut self.state else {
            return Err(SocketError::InvalidState);
        };
        *bound = match settings.listen {
            Some(_) => Bound::Recorded(addr),
            None => bind(socket, addr).map(|()| Bound::System)?,
        };
        Ok(())
    }

    /// Begins to connect. The outcome of [`Connect::run`] goes to [`finish_connect`](Self::finish_connect).
    pub(super) fn start_connect(&mut self, addr: SocketAddr) -> Outcome<Connect> {
        let State::Open { .. } = &self.state else { return Err(SocketError::InvalidState) };
        if !self.family.can_connect(addr) {
            return Err(SocketError::InvalidArgument);
        }
        match std::mem::replace(&mut self.state, State::Connecting) {
            State::Open { socket, bound, settings } => {
                Ok(Connect { socket, bound, settings, addr, family: self.family })
            }
            _ => Err(SocketError::InvalidState),
        }
    }

    pub(super) fn finish_connect(&mut self, outcome: Outcome<TcpSocket>) -> Outcome<()> {
        let outcome = outcome.and_then(|socket| match socket.state {
            State::Connected(connection) => Ok(connection),
            // Only a connect hook could give one, and the host makes no other sockets.
            _ => Err(SocketError::InvalidState),
        });
        match outcome {
            Ok(connection) => {
                self.state = State::Connected(connection);
                Ok(())
            }
            Err(error) => {
                self.state = State::Closed(error.clone());
                Err(error)
            }
        }
    }

    /// What [`Listen::check`] needs before [`listen`](Self::listen).
    pub(super) fn before_listen(&self) -> Outcome<Listen> {
        let State::Open { socket, bound, settings } = &self.state else {
            return Err(SocketError::InvalidState);
        };
        let bound = match bound {
            Bound::No => None,
            Bound::System => Some(socket.local_addr()?),
            Bound::Recorded(addr) => Some(*addr),
        };
        Ok(Listen { bound, implicit: self.family.unspecified(), settings: settings.clone() })
    }

    /// Listens: on `hosted`, or by the system.
    pub(super) fn listen(&mut self, hosted: Option<Listened>) -> Outcome<Incoming> {
        let family = self.family;
        let State::Open { socket, bound, settings } = &mut self.state else {
            return Err(SocketError::InvalidState);
        };
        if let Some((local, connections)) = hosted {
            let incoming = Incoming::host(connections, family, settings.clone());
            self.state = State::Listening(Listener::Host(local));
            return Ok(incoming);
        }
        // Not every system binds in `listen`.
        if matches!(bound, Bound::No) {
            bind(socket, family.unspecified())?;
            *bound = Bound::System;
        }
        let failed = State::Closed(SocketError::Other(None));
        let State::Open { socket, settings, .. } = std::mem::replace(&mut self.state, failed)
        else {
            return Err(SocketError::InvalidState);
        };
        match with_ambient_tokio_runtime(|| socket.listen(self.backlog)) {
            Ok(listener) => {
                let listener = Arc::new(listener);
                self.state = State::Listening(Listener::System(listener.clone()));
                Ok(Incoming::system(listener, family, settings))
            }
            Err(error) => {
                let error = SocketError::from(error);
                self.state = State::Closed(error.clone());
                Err(error)
            }
        }
    }

    pub(super) fn take_reader(&mut self) -> Outcome<Reader> {
        self.connection_mut()?.take_reader()
    }

    pub(super) fn take_writer(&mut self) -> Outcome<Writer> {
        self.connection_mut()?.take_writer()
    }

    fn connection_mut(&mut self) -> Outcome<&mut Connection> {
        match &mut self.state {
            State::Connected(connection) => Ok(connection),
            State::Closed(error) => Err(error.clone()),
            _ => Err(SocketError::InvalidState),
        }
    }

    pub(super) fn local_addr(&self) -> Outcome<SocketAddr> {
        match &self.state {
            State::Open { bound: Bound::No, .. } | State::Connecting => {
                Err(SocketError::InvalidState)
            }
            State::Open { bound: Bound::Recorded(addr), .. } => Ok(*addr),
            State::Open { socket, .. } => Ok(socket.local_addr()?),
            State::Listening(Listener::System(listener)) => Ok(listener.local_addr()?),
            State::Listening(Listener::Host(local)) => Ok(*local),
            State::Connected(connection) => connection.local_addr(),
            State::Closed(error) => Err(error.clone()),
        }
    }

    pub(super) fn remote_addr(&self) -> Outcome<SocketAddr> {
        match &self.state {
            State::Connected(connection) => connection.remote_addr(),
            State::Closed(error) => Err(error.clone()),
            _ => Err(SocketError::InvalidState),
        }
    }

    pub(super) fn is_listening(&self) -> bool {
        matches!(self.state, State::Listening(_))
    }

    pub(super) fn family(&self) -> Family {
        self.family
    }

    pub(super) fn set_backlog(&mut self, size: u64) -> Outcome<()> {
        if size == 0 {
            return Err(SocketError::InvalidArgument);
        }
        let size = u32::try_from(size).unwrap_or(MOST_BACKLOG).min(MOST_BACKLOG);
        match &self.state {
            // For the first `listen`.
            State::Open { .. } => {}
            // To listen again changes the backlog, where the system allows it.
            State::Listening(Listener::System(listener)) => {
                let size = i32::try_from(size).unwrap_or(i32::MAX);
                rustix::net::listen(listener, size).map_err(|_| SocketError::NotSupported)?;
            }
            // A hint, which the host's channel has no use for.
            State::Listening(Listener::Host(_)) => {}
            State::Closed(error) => return Err(error.clone()),
            State::Connecting | State::Connected(_) => return Err(SocketError::InvalidState),
        }
        self.backlog = size;
        Ok(())
    }

    /// Calls `f` with the descriptor, for a socket option.
    pub(super) fn with_fd<R>(
        &self,
        f: impl FnOnce(BorrowedFd<'_>, Family) -> Outcome<R>,
    ) -> Outcome<R> {
        match &self.state {
            State::Open { socket, .. } => f(socket.as_fd(), self.family),
            State::Listening(Listener::System(listener)) => f(listener.as_fd(), self.family),
            State::Listening(Listener::Host(_)) => Err(SocketError::NotSupported),
            State::Connecting => Err(SocketError::InvalidState),
            State::Connected(connection) => connection.with_fd(|fd| f(fd, self.family)),
            State::Closed(error) => Err(error.clone()),
        }
    }

    /// Closes the socket so that its peer sees an error.
    pub(super) fn reset(self) {
        if let State::Connected(connection) = self.state {
            connection.reset();
        }
    }
}

pub(super) fn bind(socket: &::tokio::net::TcpSocket, addr: SocketAddr) -> Outcome<()> {
    // The interface wants a bind not to depend on connections that were closed lately. On Windows it never does, and the
    // option means something else.
    #[cfg(not(windows))]
    let _ = sockopt::set_socket_reuseaddr(socket, true);
    socket.bind(addr).map_err(|error| match Errno::from_io_error(&error) {
        // The address is of another family.
        Some(Errno::AFNOSUPPORT) => SocketError::InvalidArgument,
        // No ephemeral port is left.
        #[cfg(windows)]
        Some(Errno::NOBUFS) => SocketError::AddressInUse,
        _ => error.into(),
    })
}
