//! The interface's `error-code`, and what becomes one.

use std::error::Error;
use std::{fmt, io};

use rustix::io::Errno;
use wasmtime::component::{ComponentType, Lift, Lower};

use crate::End;

/// The `error-code` of `wasi:sockets/types@0.3.0`.
///
/// An [`io::Error`] becomes one by `From`, with the same results as in Wasmtime's own host.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, Hash, ComponentType, Lift, Lower)]
#[component(variant)]
pub enum SocketError {
    /// Access denied.
    #[component(name = "access-denied")]
    AccessDenied,
    /// The operation is not supported.
    #[component(name = "not-supported")]
    NotSupported,
    /// One of the arguments is invalid.
    #[component(name = "invalid-argument")]
    InvalidArgument,
    /// Not enough memory to complete the operation.
    #[component(name = "out-of-memory")]
    OutOfMemory,
    /// The operation timed out.
    #[component(name = "timeout")]
    Timeout,
    /// The operation is not valid in the socket's state.
    #[component(name = "invalid-state")]
    InvalidState,
    /// The local address is not available.
    #[component(name = "address-not-bindable")]
    AddressNotBindable,
    /// The address is in use, or no ephemeral port is left.
    #[component(name = "address-in-use")]
    AddressInUse,
    /// The remote address is not reachable.
    #[component(name = "remote-unreachable")]
    RemoteUnreachable,
    /// The peer refused the connection.
    #[component(name = "connection-refused")]
    ConnectionRefused,
    /// A write failed because the connection was broken.
    #[component(name = "connection-broken")]
    ConnectionBroken,
    /// The connection was reset.
    #[component(name = "connection-reset")]
    ConnectionReset,
    /// The connection was aborted.
    #[component(name = "connection-aborted")]
    ConnectionAborted,
    /// A datagram was larger than supported.
    #[component(name = "datagram-too-large")]
    DatagramTooLarge,
    /// Anything else, with a text for people.
    #[component(name = "other")]
    Other(Option<String>),
}

impl fmt::Display for SocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SocketError::AccessDenied => "access denied",
            SocketError::NotSupported => "not supported",
            SocketError::InvalidArgument => "invalid argument",
            SocketError::OutOfMemory => "out of memory",
            SocketError::Timeout => "timed out",
            SocketError::InvalidState => "invalid state of the socket",
            SocketError::AddressNotBindable => "the address cannot be bound",
            SocketError::AddressInUse => "the address is in use",
            SocketError::RemoteUnreachable => "the remote address is unreachable",
            SocketError::ConnectionRefused => "the connection was refused",
            SocketError::ConnectionBroken => "the connection is broken",
            SocketError::ConnectionReset => "the connection was reset",
            SocketError::ConnectionAborted => "the connection was aborted",
            SocketError::DatagramTooLarge => "the datagram is too large",
            SocketError::Other(Some(text)) => text,
            SocketError::Other(None) => "the socket failed",
        })
    }
}

impl Error for SocketError {}

impl From<Errno> for SocketError {
    fn from(errno: Errno) -> Self {
        match errno {
            #[cfg(not(windows))]
            Errno::PERM => SocketError::AccessDenied,
            Errno::ACCESS => SocketError::AccessDenied,
            #[cfg(not(windows))]
            Errno::NOMEM => SocketError::OutOfMemory,
            Errno::NOBUFS => SocketError::OutOfMemory,
            #[cfg(not(windows))]
            Errno::PIPE => SocketError::ConnectionBroken,
            #[cfg(target_os = "linux")]
            Errno::NONET => SocketError::RemoteUnreachable,
            Errno::HOSTUNREACH | Errno::HOSTDOWN | Errno::NETDOWN | Errno::NETUNREACH => {
                SocketError::RemoteUnreachable
            }
            Errno::OPNOTSUPP
            | Errno::NOPROTOOPT
            | Errno::PFNOSUPPORT
            | Errno::PROTONOSUPPORT
            | Errno::PROTOTYPE
            | Errno::SOCKTNOSUPPORT
            | Errno::AFNOSUPPORT => SocketError::NotSupported,
            Errno::ISCONN | Errno::NOTCONN | Errno::DESTADDRREQ => SocketError::InvalidState,
            Errno::INVAL => SocketError::InvalidArgument,
            Errno::TIMEDOUT => SocketError::Timeout,
            Errno::ADDRNOTAVAIL => SocketError::AddressNotBindable,
            Errno::ADDRINUSE => SocketError::AddressInUse,
            Errno::CONNREFUSED => SocketError::ConnectionRefused,
            Errno::CONNRESET => SocketError::ConnectionReset,
            Errno::CONNABORTED => SocketError::ConnectionAborted,
            Errno::MSGSIZE => SocketError::DatagramTooLarge,
            _ => SocketError::Other(None),
        }
    }
}

impl From<&io::Error> for SocketError {
    fn from(error: &io::Error) -> Self {
        use io::ErrorKind;
        if let Some(errno) = Errno::from_io_error(error) {
            return errno.into();
        }
        match error.kind() {
            ErrorKind::PermissionDenied => SocketError::AccessDenied,
            ErrorKind::Unsupported => SocketError::NotSupported,
            ErrorKind::InvalidInput => SocketError::InvalidArgument,
            ErrorKind::OutOfMemory => SocketError::OutOfMemory,
            ErrorKind::TimedOut => SocketError::Timeout,
            ErrorKind::NotConnected => SocketError::InvalidState,
            ErrorKind::AddrNotAvailable => SocketError::AddressNotBindable,
            ErrorKind::AddrInUse => SocketError::AddressInUse,
            ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown => {
                SocketError::RemoteUnreachable
            }
            ErrorKind::ConnectionRefused => SocketError::ConnectionRefused,
            ErrorKind::BrokenPipe => SocketError::ConnectionBroken,
            ErrorKind::ConnectionReset => SocketError::ConnectionReset,
            ErrorKind::ConnectionAborted => SocketError::ConnectionAborted,
            _ => SocketError::Other(None),
        }
    }
}

impl From<io::Error> for SocketError {
    fn from(error: io::Error) -> Self {
        (&error).into()
    }
}

/// The result that the sockets interface reports for the end of a stream, for
/// [`into_wit`](crate::ByteProducer::into_wit) and [`pipe_wit`](crate::ByteConsumer::pipe_wit).
///
/// Only the end of the data, and a guest that reads no further, are `Ok`. A stream that was cut short never is:
///
/// | end | error |
/// |---|---|
/// | [`Failed`](End::Failed) | that of the [`io::Error`] |
/// | [`TimedOut`](End::TimedOut) | `timeout` |
/// | [`Cancelled`](End::Cancelled), [`Abandoned`](End::Abandoned) | `connection-aborted` |
/// | [`ReceiverDropped`](End::ReceiverDropped) | `connection-broken` |
/// | [`LimitReached`](End::LimitReached), [`Undeliverable`](End::Undeliverable) | `other`, with a text |
///
/// # Errors
///
/// As in the table.
///
/// ```
/// use std::io;
/// use wasmtime_streams::End;
/// use wasmtime_streams::wasi::{SocketError, socket_end};
///
/// assert_eq!(socket_end(End::Finished), Ok(()));
/// assert_eq!(socket_end(End::TimedOut), Err(SocketError::Timeout));
/// let reset = io::Error::from(io::ErrorKind::ConnectionReset);
/// assert_eq!(socket_end(End::Failed(reset)), Err(SocketError::ConnectionReset));
/// ```
pub fn socket_end(end: End<io::Error>) -> Result<(), SocketError> {
    match end.into_result() {
        Ok(()) => Ok(()),
        Err(End::Failed(error)) => Err(error.into()),
        Err(End::TimedOut) => Err(SocketError::Timeout),
        Err(End::Cancelled | End::Abandoned) => Err(SocketError::ConnectionAborted),
        Err(End::ReceiverDropped) => Err(SocketError::ConnectionBroken),
        // The text names the reason, and nothing of the host.
        Err(cut) => Err(SocketError::Other(Some(cut.reason().text().to_owned()))),
    }
}
