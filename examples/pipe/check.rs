//! Rejects FROM, TO and a guest that cannot be used together, before anything is opened.

use std::ffi::OsStr;
use std::path::Path;

use crate::arguments::Arguments;
use crate::endpoint::{Endpoint, Kind};

/// Rejects closed standard streams, and an output that is the file of the input or the guest.
pub(crate) fn check(arguments: &Arguments) -> Result<(), String> {
    let Arguments { guest, from, to, .. } = arguments;
    system::is_open(from)?;
    system::is_open(to)?;

    let Some(output) = system::identity_of(to) else { return Ok(()) };
    let refuse = |name: &OsStr, sides| {
        let (name, to) = (name.display(), to.text.display());
        Err(format!("{name} and {to} are one file, {sides}: it would be overwritten"))
    };
    if system::identity_of(from).is_some_and(|input| system::is_same(&input, &output)) {
        return refuse(&from.text, "both FROM and TO");
    }
    let Some(guest) = guest else { return Ok(()) };
    if system::identity(guest).is_some_and(|guest| system::is_same(&guest, &output)) {
        return refuse(guest.as_os_str(), "both the guest and TO");
    }
    Ok(())
}

#[cfg(unix)]
mod system {
    use std::io;

    use rustix::fs::{FileType, OFlags, Stat, fcntl_getfl, fstat, stat};

    use super::{Endpoint, Kind, Path};
    use crate::endpoint::Side;

    pub(super) fn identity_of(endpoint: &Endpoint) -> Option<Stat> {
        match &endpoint.kind {
            Kind::Standard => standard(endpoint.side),
            Kind::File(path) => identity(path),
            _ => None,
        }
    }

    pub(super) fn identity(path: &Path) -> Option<Stat> {
        stat(path).ok()
    }

    /// Whether both are one file, under any name. A terminal or a socket may be both FROM and TO: reading it does not
    /// return what was written.
    pub(super) fn is_same(one: &Stat, other: &Stat) -> bool {
        let is_store = match FileType::from_raw_mode(one.st_mode) {
            FileType::RegularFile | FileType::BlockDevice => true,
            // All unnamed pipes of macOS have the inode number 0.
            FileType::Fifo => one.st_ino != 0,
            _ => false,
        };
        is_store && (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
    }

    fn standard(side: Side) -> Option<Stat> {
        match side {
            Side::From => fstat(io::stdin()).ok(),
            Side::To => fstat(io::stdout()).ok(),
        }
    }

    /// Rejects a closed standard stream. Before `main`, Rust's runtime replaces it by `/dev/null`, opened for reading
    /// and writing: the input would be empty, or the output lost, with status 0.
    pub(super) fn is_open(endpoint: &Endpoint) -> Result<(), String> {
        let (Kind::Standard, Ok(null)) = (&endpoint.kind, stat("/dev/null")) else { return Ok(()) };
        let (name, place, flags) = match endpoint.side {
            Side::From => ("standard input", "FROM", fcntl_getfl(io::stdin())),
            Side::To => ("standard output", "TO", fcntl_getfl(io::stdout())),
        };
        let is_null = standard(endpoint.side).is_some_and(|stat| stat.st_rdev == null.st_rdev);
        match flags {
            Ok(flags) if is_null && flags & OFlags::RWMODE == OFlags::RDWR => Err(format!(
                "{name} is closed, or is /dev/null opened for reading and writing; \
                 if /dev/null is meant, name it as {place}"
            )),
            _ => Ok(()),
        }
    }
}

#[cfg(not(unix))]
mod system {
    use std::fs;
    use std::path::PathBuf;

    use super::{Endpoint, Kind, Path};

    /// Detects neither standard streams nor hard links.
    pub(super) fn identity_of(endpoint: &Endpoint) -> Option<PathBuf> {
        let Kind::File(path) = &endpoint.kind else { return None };
        identity(path)
    }

    pub(super) fn identity(path: &Path) -> Option<PathBuf> {
        fs::canonicalize(path).ok().filter(|path| path.is_file())
    }

    pub(super) fn is_same(one: &Path, other: &Path) -> bool {
        one == other
    }

    pub(super) fn is_open(_: &Endpoint) -> Result<(), String> {
        Ok(())
    }
}
