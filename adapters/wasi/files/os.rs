//! The operating system's files.
//!
//! Offsets beyond `i64::MAX` are refused here: the largest `u64` means the file's own position to `preadv2`, and a guest
//! may name it.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::sync::{Mutex, PoisonError};

#[cfg(target_os = "linux")]
use super::place;
use super::{At, ReadAt, WriteAt};

/// On Linux, reads what the page cache has are made without a thread.
impl ReadAt for File {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        check(offset)?;
        #[cfg(unix)]
        return std::os::unix::fs::FileExt::read_at(self, buf, offset);
        #[cfg(windows)]
        return std::os::windows::fs::FileExt::seek_read(self, buf, offset);
        #[cfg(not(any(unix, windows)))]
        return Err({
            let _ = buf;
            ErrorKind::Unsupported.into()
        });
    }

    #[cfg(target_os = "linux")]
    fn try_read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        use rustix::io::{Errno, ReadWriteFlags, preadv2};

        check(offset)?;
        if place::copies_slowly(buf, offset) {
            return piecewise(self, buf, offset);
        }
        let bufs = &mut [io::IoSliceMut::new(buf)];
        match preadv2(self, bufs, offset, ReadWriteFlags::NOWAIT) {
            // Linux 5.9 and 5.10 can answer 0 before the end (see preadv2(2)).
            Ok(0) if self.metadata()?.len() > offset => Err(ErrorKind::WouldBlock.into()),
            Ok(n) => Ok(n),
            Err(Errno::AGAIN | Errno::INTR) => Err(ErrorKind::WouldBlock.into()),
            // `read_at` finds what is wrong, if it is not only this way of reading.
            Err(_) => Err(ErrorKind::Unsupported.into()),
        }
    }
}

/// Reads into memory of our own first. It stops where the page cache does.
#[cfg(target_os = "linux")]
fn piecewise(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    let (mut piece, from) = place::buffer(buf.len().min(place::PIECE), offset);
    let piece = &mut piece[from..];
    let mut done = 0;
    for part in buf.chunks_mut(piece.len()) {
        let piece = &mut piece[..part.len()];
        match file.try_read_at(piece, offset + done as u64) {
            Ok(n) => {
                part[..n].copy_from_slice(&piece[..n]);
                done += n;
                if n < part.len() {
                    break;
                }
            }
            Err(error) if done == 0 => return Err(error),
            Err(_) => break,
        }
    }
    Ok(done)
}

/// At the end of the file as Wasmtime does it: on Linux the kernel appends, whatever the flags of the file are.
///
/// Elsewhere, and on file systems that cannot do this, one append at a time runs in the process. On Unix it sets
/// `O_APPEND` for as long; on Windows it asks for the length first, so another process that appends can be overwritten.
impl WriteAt for File {
    fn write_at(&self, buf: &[u8], at: At) -> io::Result<usize> {
        match at {
            At::Offset(offset) => write(self, buf, offset),
            At::End => append(self, buf),
        }
    }
}

fn check(offset: u64) -> io::Result<()> {
    match i64::try_from(offset) {
        Ok(_) => Ok(()),
        Err(_) => Err(ErrorKind::InvalidInput.into()),
    }
}

fn write(file: &File, buf: &[u8], offset: u64) -> io::Result<usize> {
    check(offset)?;
    #[cfg(unix)]
    return std::os::unix::fs::FileExt::write_at(file, buf, offset);
    #[cfg(windows)]
    return std::os::windows::fs::FileExt::seek_write(file, buf, offset);
    #[cfg(not(any(unix, windows)))]
    return Err({
        let _ = (file, buf);
        ErrorKind::Unsupported.into()
    });
}

fn append(file: &File, buf: &[u8]) -> io::Result<usize> {
    #[cfg(target_os = "linux")]
    {
        use rustix::io::{Errno, ReadWriteFlags, pwritev2};

        let bufs = &[io::IoSlice::new(buf)];
        match pwritev2(file, bufs, 0, ReadWriteFlags::APPEND) {
            Err(Errno::NOSYS | Errno::OPNOTSUPP) => {}
            answer => return Ok(answer?),
        }
    }
    append_alone(file, buf)
}

/// Appends where the system has no call for it. Two appends at a time could both find the same end, or leave the flag
/// behind that the other has set.
fn append_alone(file: &File, buf: &[u8]) -> io::Result<usize> {
    static ALONE: Mutex<()> = Mutex::new(());
    // It guards no data, so a panic cannot have spoilt any.
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    #[cfg(unix)]
    {
        use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

        let flags = fcntl_getfl(file)?;
        fcntl_setfl(file, flags | OFlags::APPEND)?;
        let answer = rustix::io::write(file, buf);
        // The bytes are written, whatever becomes of the flag.
        let _ = fcntl_setfl(file, flags);
        Ok(answer?)
    }
    #[cfg(not(unix))]
    write(file, buf, file.metadata()?.len())
}
