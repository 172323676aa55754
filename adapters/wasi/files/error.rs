use std::error::Error;
use std::{fmt, io};

use wasmtime::component::{ComponentType, Lift, Lower};

use crate::End;

/// Defines the error code, with the text of each case.
macro_rules! codes {
    ($($code:ident = $name:literal: $text:literal,)*) => {
        /// The `error-code` of `wasi:filesystem/types@0.3.0`.
        ///
        /// Made from an [`io::Error`] as Wasmtime's own host does it: by the system's error number, then by its kind. An
        /// `io::Error` of the host's own object can hold a `FileError`, which then goes to the guest as it is:
        /// `io::Error::other(FileError::Quota)`.
        #[non_exhaustive]
        #[derive(Clone, Debug, PartialEq, Eq, ComponentType, Lift, Lower)]
        #[component(variant)]
        pub enum FileError {
            $(
                #[doc = concat!("`", $name, "`: ", $text, ".")]
                #[component(name = $name)]
                $code,
            )*
            /// `other`: anything else, in words if there are any.
            #[component(name = "other")]
            Other(Option<String>),
        }

        impl fmt::Display for FileError {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(FileError::$code => $text,)*
                    FileError::Other(text) => text.as_deref().unwrap_or("another error"),
                })
            }
        }
    };
}

codes! {
    Access = "access": "permission denied",
    Already = "already": "already in progress",
    BadDescriptor = "bad-descriptor": "bad descriptor",
    Busy = "busy": "device or resource busy",
    Deadlock = "deadlock": "resource deadlock avoided",
    Quota = "quota": "storage quota exceeded",
    Exist = "exist": "file exists",
    FileTooLarge = "file-too-large": "file too large",
    IllegalByteSequence = "illegal-byte-sequence": "illegal byte sequence",
    InProgress = "in-progress": "operation in progress",
    Interrupted = "interrupted": "interrupted",
    Invalid = "invalid": "invalid argument",
    Io = "io": "I/O error",
    IsDirectory = "is-directory": "is a directory",
    Loop = "loop": "too many levels of symbolic links",
    TooManyLinks = "too-many-links": "too many links",
    MessageSize = "message-size": "message too large",
    NameTooLong = "name-too-long": "name too long",
    NoDevice = "no-device": "no such device",
    NoEntry = "no-entry": "no such file or directory",
    NoLock = "no-lock": "no locks available",
    InsufficientMemory = "insufficient-memory": "not enough memory",
    InsufficientSpace = "insufficient-space": "no space left on the device",
    NotDirectory = "not-directory": "not a directory",
    NotEmpty = "not-empty": "directory not empty",
    NotRecoverable = "not-recoverable": "state not recoverable",
    Unsupported = "unsupported": "not supported",
    NoTty = "no-tty": "inappropriate I/O control operation",
    NoSuchDevice = "no-such-device": "no such device or address",
    Overflow = "overflow": "value too large",
    NotPermitted = "not-permitted": "operation not permitted",
    Pipe = "pipe": "broken pipe",
    ReadOnly = "read-only": "read-only file system",
    InvalidSeek = "invalid-seek": "invalid seek",
    TextFileBusy = "text-file-busy": "text file busy",
    CrossDevice = "cross-device": "cross-device link",
}

impl Error for FileError {}

crate::plain!(FileError);

impl FileError {
    /// An error of a host object that gives the guest this code.
    pub(super) fn into_io(self) -> io::Error {
        io::Error::other(self)
    }
}

impl From<&io::Error> for FileError {
    fn from(error: &io::Error) -> Self {
        if let Some(own) = error.get_ref().and_then(|inner| inner.downcast_ref::<FileError>()) {
            return own.clone();
        }
        error.raw_os_error().and_then(system).unwrap_or_else(|| match error.kind() {
            io::ErrorKind::NotFound => FileError::NoEntry,
            io::ErrorKind::PermissionDenied => FileError::NotPermitted,
            io::ErrorKind::AlreadyExists => FileError::Exist,
            io::ErrorKind::InvalidInput => FileError::Invalid,
            _ => FileError::Io,
        })
    }
}

impl From<io::Error> for FileError {
    fn from(error: io::Error) -> Self {
        Self::from(&error)
    }
}

/// The code of a system's error number; for a number without one, the kind decides.
#[cfg(unix)]
fn system(number: i32) -> Option<FileError> {
    use rustix::io::Errno;

    const CODES: &[(Errno, FileError)] = &[
        (Errno::ACCESS, FileError::Access),
        (Errno::ALREADY, FileError::Already),
        (Errno::BADF, FileError::BadDescriptor),
        (Errno::BUSY, FileError::Busy),
        (Errno::EXIST, FileError::Exist),
        (Errno::FBIG, FileError::FileTooLarge),
        (Errno::ILSEQ, FileError::IllegalByteSequence),
        (Errno::INPROGRESS, FileError::InProgress),
        (Errno::INTR, FileError::Interrupted),
        (Errno::INVAL, FileError::Invalid),
        (Errno::IO, FileError::Io),
        (Errno::ISDIR, FileError::IsDirectory),
        (Errno::LOOP, FileError::Loop),
        (Errno::MLINK, FileError::TooManyLinks),
        (Errno::NAMETOOLONG, FileError::NameTooLong),
        (Errno::NOENT, FileError::NoEntry),
        (Errno::NOMEM, FileError::InsufficientMemory),
        (Errno::NOSPC, FileError::InsufficientSpace),
        (Errno::NOTDIR, FileError::NotDirectory),
        (Errno::NOTEMPTY, FileError::NotEmpty),
        (Errno::NOTSUP, FileError::Unsupported),
        // The same number on Linux.
        (Errno::OPNOTSUPP, FileError::Unsupported),
        (Errno::OVERFLOW, FileError::Overflow),
        (Errno::PERM, FileError::NotPermitted),
        (Errno::PIPE, FileError::Pipe),
        (Errno::SPIPE, FileError::InvalidSeek),
    ];
    // Not by `Errno::from_raw_os_error`, which panics on a number that no system has.
    let code = CODES.iter().find(|(errno, _)| errno.raw_os_error() == number);
    code.map(|(_, code)| code.clone())
}

/// The numbers of winerror.h.
#[cfg(not(unix))]
fn system(number: i32) -> Option<FileError> {
    Some(match number {
        5 | 32 => FileError::Access,
        6 => FileError::BadDescriptor,
        21 | 170 => FileError::Busy,
        80 | 183 => FileError::Exist,
        131 | 4390 => FileError::Invalid,
        336 => FileError::IsDirectory,
        681 => FileError::Loop,
        111 => FileError::NameTooLong,
        2 | 3 | 123 => FileError::NoEntry,
        8 | 14 => FileError::InsufficientMemory,
        267 => FileError::NotDirectory,
        145 => FileError::NotEmpty,
        50 => FileError::Unsupported,
        1314 => FileError::NotPermitted,
        109 => FileError::Pipe,
        _ => return None,
    })
}

/// The result of a file's stream, for the future beside it.
///
/// The end of the data is `Ok`, and so is a guest that stops reading. An error of the file has its
/// [own code](FileError). A stream that was cut short is never `Ok`: a limit is `quota`, a receiver that has left is
/// `pipe`, and the rest is `other` with the reason in words.
///
/// ```
/// use std::io::ErrorKind;
/// use wasmtime_streams::{End, wasi::{FileError, file_end}};
///
/// assert_eq!(file_end(End::Finished), Ok(()));
/// assert_eq!(file_end(End::Failed(ErrorKind::NotFound.into())), Err(FileError::NoEntry));
/// assert!(file_end(End::TimedOut).is_err());
/// ```
///
/// # Errors
///
/// For any end but [`End::Finished`] and [`End::PeerDropped`].
pub fn file_end(end: End<io::Error>) -> Result<(), FileError> {
    end.into_result().map_err(|cut| match cut {
        End::Failed(error) => error.into(),
        End::LimitReached => FileError::Quota,
        End::ReceiverDropped => FileError::Pipe,
        cut => FileError::Other(Some(cut.reason().text().to_owned())),
    })
}
