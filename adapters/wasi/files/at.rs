use std::io::{self, ErrorKind};
use std::sync::Arc;

use bytes::Bytes;

/// A host object that is read at an offset, for [`read_at`](crate::wasi::read_at()): a file, or data in memory.
///
/// Implemented for [`File`](std::fs::File), slices, arrays, [`Vec<u8>`], [`Bytes`], and an [`Arc`], [`Box`] or `'static`
/// reference of any implementation.
///
/// ```
/// use std::io;
/// use wasmtime_streams::wasi::ReadAt;
///
/// /// The same byte without an end.
/// struct Repeat(u8);
///
/// impl ReadAt for Repeat {
///     fn read_at(&self, buf: &mut [u8], _offset: u64) -> io::Result<usize> {
///         buf.fill(self.0);
///         Ok(buf.len())
///     }
/// }
/// # assert_eq!(Repeat(7).read_at(&mut [0; 3], 9).unwrap(), 3);
/// ```
pub trait ReadAt: Send + 'static {
    /// Reads bytes that begin at `offset`, and returns how many; 0 is the end of the data.
    ///
    /// It may block: it runs on one of tokio's blocking threads. `buf` is not empty. The guest chooses `offset`, so it
    /// can lie beyond the end.
    ///
    /// # Errors
    ///
    /// An error ends the stream. [`Interrupted`](ErrorKind::Interrupted) is retried. An [`io::Error`] that holds a
    /// [`FileError`](crate::wasi::FileError) gives the guest that error code.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Reads like [`read_at`](Self::read_at), but never blocks: it runs on the executor's thread, and `buf` may be the
    /// guest's memory.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](ErrorKind::WouldBlock): this read is done by `read_at` instead.
    /// [`Unsupported`](ErrorKind::Unsupported), the default: so is every later read of the stream. Any other error
    /// ends the stream.
    fn try_read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let _ = (buf, offset);
        Err(ErrorKind::Unsupported.into())
    }
}

/// A host object that is written at an offset, for [`write_at`](crate::wasi::write_at()).
///
/// Implemented for [`File`](std::fs::File), and an [`Arc`], [`Box`] or `'static` reference of any implementation.
pub trait WriteAt: Send + 'static {
    /// Writes bytes at `at`, and returns how many: at least 1.
    ///
    /// It may block: it runs on one of tokio's blocking threads. `buf` is not empty. The guest chooses the offset, so
    /// it can lie far beyond the end: an object in memory must not allocate by it.
    ///
    /// # Errors
    ///
    /// An error ends the stream. [`Interrupted`](ErrorKind::Interrupted) is retried, and 0 bytes are a
    /// [`WriteZero`](ErrorKind::WriteZero). An [`io::Error`] that holds a [`FileError`](crate::wasi::FileError) gives
    /// the guest that error code.
    fn write_at(&self, buf: &[u8], at: At) -> io::Result<usize>;
}

/// Where [`write_at`](crate::wasi::write_at()) writes.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// From this offset on.
    Offset(u64),
    /// Each write at the end that the object has by then.
    End,
}

/// Implements a trait for what points to an implementation.
macro_rules! pointers {
    ($trait:ident: $($method:ident($buf:ty, $place:ty)),*) => {
        pointers!(@ $trait, Arc<T> [+ Sync]: $($method($buf, $place)),*);
        pointers!(@ $trait, &'static T [+ Sync]: $($method($buf, $place)),*);
        pointers!(@ $trait, Box<T> []: $($method($buf, $place)),*);
    };
    (@ $trait:ident, $pointer:ty [$($sync:tt)*]: $($method:ident($buf:ty, $place:ty)),*) => {
        impl<T: $trait $($sync)* + ?Sized> $trait for $pointer {
            $(
                fn $method(&self, buf: $buf, place: $place) -> io::Result<usize> {
                    T::$method(self, buf, place)
                }
            )*
        }
    };
}

pointers!(ReadAt: read_at(&mut [u8], u64), try_read_at(&mut [u8], u64));
pointers!(WriteAt: write_at(&[u8], At));

/// Copies the bytes of `data` that begin at `offset`.
fn copy(data: &[u8], buf: &mut [u8], offset: u64) -> usize {
    let rest = usize::try_from(offset).ok().and_then(|offset| data.get(offset..)).unwrap_or(&[]);
    let n = rest.len().min(buf.len());
    buf[..n].copy_from_slice(&rest[..n]);
    n
}

/// Implements `ReadAt` for data in memory, which never blocks.
macro_rules! in_memory {
    ($($type:ty),*) => {$(
        impl ReadAt for $type {
            fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
                Ok(copy(self, buf, offset))
            }

            fn try_read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
                Ok(copy(self, buf, offset))
            }
        }
    )*};
}

in_memory!([u8], Vec<u8>, Bytes);

impl<const N: usize> ReadAt for [u8; N] {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        Ok(copy(self, buf, offset))
    }

    fn try_read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        Ok(copy(self, buf, offset))
    }
}
