//! Error codes are those of Wasmtime's host.

use std::io;

use wasmtime_streams::End;
use wasmtime_streams::wasi::{SocketError, socket_end};

use super::guest::ErrorCode;

fn wasmtimes(code: ErrorCode) -> SocketError {
    match code {
        ErrorCode::AccessDenied => SocketError::AccessDenied,
        ErrorCode::NotSupported => SocketError::NotSupported,
        ErrorCode::InvalidArgument => SocketError::InvalidArgument,
        ErrorCode::OutOfMemory => SocketError::OutOfMemory,
        ErrorCode::Timeout => SocketError::Timeout,
        ErrorCode::InvalidState => SocketError::InvalidState,
        ErrorCode::AddressNotBindable => SocketError::AddressNotBindable,
        ErrorCode::AddressInUse => SocketError::AddressInUse,
        ErrorCode::RemoteUnreachable => SocketError::RemoteUnreachable,
        ErrorCode::ConnectionRefused => SocketError::ConnectionRefused,
        ErrorCode::ConnectionBroken => SocketError::ConnectionBroken,
        ErrorCode::ConnectionReset => SocketError::ConnectionReset,
        ErrorCode::ConnectionAborted => SocketError::ConnectionAborted,
        ErrorCode::DatagramTooLarge => SocketError::DatagramTooLarge,
        ErrorCode::Other(text) => SocketError::Other(text),
    }
}

#[test]
fn every_system_error_becomes_the_code_that_wasmtime_gives() {
    for errno in 1..=200 {
        let ours = SocketError::from(io::Error::from_raw_os_error(errno));
        let theirs = wasmtimes(ErrorCode::from(io::Error::from_raw_os_error(errno)));
        // The public conversion leaves the broken pipe out; that of Wasmtime's streams has it.
        if io::Error::from_raw_os_error(errno).kind() == io::ErrorKind::BrokenPipe && cfg!(unix) {
            assert_eq!(ours, SocketError::ConnectionBroken);
        } else {
            assert_eq!(ours, theirs, "error {errno}");
        }
    }
}

#[test]
fn every_kind_of_error_becomes_the_code_that_wasmtime_gives() {
    use io::ErrorKind::*;
    let kinds = [
        AddrInUse,
        AddrNotAvailable,
        AlreadyExists,
        BrokenPipe,
        ConnectionAborted,
        ConnectionRefused,
        ConnectionReset,
        HostUnreachable,
        Interrupted,
        InvalidData,
        InvalidInput,
        NetworkDown,
        NetworkUnreachable,
        NotConnected,
        NotFound,
        Other,
        OutOfMemory,
        PermissionDenied,
        TimedOut,
        UnexpectedEof,
        Unsupported,
        WouldBlock,
        WriteZero,
    ];
    for kind in kinds {
        let ours = SocketError::from(io::Error::from(kind));
        match kind {
            // As above: these four are in the conversion of Wasmtime's streams only.
            BrokenPipe => assert_eq!(ours, SocketError::ConnectionBroken),
            HostUnreachable | NetworkDown | NetworkUnreachable => {
                assert_eq!(ours, SocketError::RemoteUnreachable);
            }
            _ => assert_eq!(ours, wasmtimes(ErrorCode::from(io::Error::from(kind))), "{kind:?}"),
        }
    }
}

#[test]
fn a_stream_that_was_cut_short_is_never_ok() {
    assert_eq!(socket_end(End::Finished), Ok(()));
    assert_eq!(socket_end(End::PeerDropped), Ok(()));
    assert_eq!(socket_end(End::TimedOut), Err(SocketError::Timeout));
    assert_eq!(socket_end(End::Cancelled), Err(SocketError::ConnectionAborted));
    assert_eq!(socket_end(End::Abandoned), Err(SocketError::ConnectionAborted));
    assert_eq!(socket_end(End::ReceiverDropped), Err(SocketError::ConnectionBroken));
    assert!(matches!(socket_end(End::LimitReached), Err(SocketError::Other(Some(_)))));
    let undeliverable = End::Undeliverable(wasmtime::Error::msg("a secret of the host"));
    let Err(SocketError::Other(Some(text))) = socket_end(undeliverable) else { panic!() };
    assert!(!text.contains("secret"));
}
