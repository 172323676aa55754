//! Error codes.

use std::io::{self, ErrorKind};

use wasmtime_streams::End;
use wasmtime_streams::wasi::{FileError, file_end};
use wasmtime_wasi::p3::bindings::filesystem::types::ErrorCode;

#[test]
fn error_codes_are_those_of_wasmtimes_own_host() {
    let numbers = (1..4096).map(io::Error::from_raw_os_error);
    let kinds = [
        ErrorKind::NotFound,
        ErrorKind::PermissionDenied,
        ErrorKind::AlreadyExists,
        ErrorKind::InvalidInput,
        ErrorKind::StorageFull,
        ErrorKind::Unsupported,
        ErrorKind::WriteZero,
        ErrorKind::Other,
    ];
    for error in numbers.chain(kinds.map(io::Error::from)) {
        let wasmtimes = format!("{:?}", ErrorCode::from(&error));
        assert_eq!(format!("ErrorCode::{:?}", FileError::from(&error)), wasmtimes, "{error:?}");
    }
}

#[test]
fn an_error_number_that_no_system_has_is_an_io_error() {
    // Wasmtime's own conversion panics on these.
    for number in [i32::MIN, -1, 0, 4096, i32::MAX] {
        assert_eq!(FileError::from(io::Error::from_raw_os_error(number)), FileError::Io);
    }
}

#[test]
fn only_a_stream_that_was_not_cut_short_ends_well() {
    assert_eq!(file_end(End::Finished), Ok(()));
    assert_eq!(file_end(End::PeerDropped), Ok(()));
    assert_eq!(file_end(End::ReceiverDropped), Err(FileError::Pipe));
    assert_eq!(file_end(End::LimitReached), Err(FileError::Quota));
    let failed = End::Failed(io::Error::other(FileError::CrossDevice));
    assert_eq!(file_end(failed), Err(FileError::CrossDevice));
    for end in [
        End::Abandoned,
        End::Cancelled,
        End::TimedOut,
        End::Undeliverable(wasmtime::Error::msg("")),
    ] {
        let text = format!("{end:?}");
        assert!(matches!(file_end(end), Err(FileError::Other(Some(_)))), "{text}");
    }
}
