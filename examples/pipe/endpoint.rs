//! The endpoints that FROM and TO name.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

#[cfg(unix)]
use tokio::net::UnixStream;
use tokio::net::{TcpListener, TcpStream};

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Side {
    From,
    To,
}

/// What FROM or TO names.
pub(crate) struct Endpoint {
    pub(crate) side: Side,
    pub(crate) kind: Kind,
    /// The argument as it was given.
    pub(crate) text: OsString,
}

pub(crate) enum Kind {
    Standard,
    File(PathBuf),
    Tcp(String),
    TcpListen(String),
    #[cfg(unix)]
    Unix(PathBuf),
}

/// An open endpoint. A listener has not accepted its connection yet.
pub(crate) enum Opened {
    Standard(File),
    File(File),
    Tcp(TcpStream),
    TcpListener(TcpListener),
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Endpoint {
    pub(crate) fn parse(argument: &OsStr, side: Side) -> Result<Self, String> {
        // An argument that is not UTF-8 can only be a file name.
        let text = argument.to_str().unwrap_or_default();
        let kind = if text == "-" {
            Kind::Standard
        } else if let Some(address) = text.strip_prefix("tcp:") {
            Kind::Tcp(host_and_port(address)?)
        } else if let Some(address) = text.strip_prefix("tcp-listen:") {
            Kind::TcpListen(host_and_port(address)?)
        } else if let Some(path) = text.strip_prefix("unix:") {
            unix(path)?
        } else {
            Kind::File(not_empty(Path::new(argument))?)
        };
        Ok(Self { side, kind, text: argument.to_owned() })
    }

    /// Opens it, but neither truncates a file nor accepts a connection yet: the other endpoint may be unusable.
    pub(crate) async fn open(&self) -> io::Result<Opened> {
        match &self.kind {
            Kind::Standard => standard(self.side).map(Opened::Standard),
            Kind::File(path) if self.side == Side::From => open_to_read(path).map(Opened::File),
            Kind::File(path) => {
                let mut options = OpenOptions::new();
                options.write(true).create(true).truncate(false).open(path).map(Opened::File)
            }
            Kind::Tcp(address) => TcpStream::connect(address).await.map(Opened::Tcp),
            Kind::TcpListen(address) => listen(address).await.map(Opened::TcpListener),
            #[cfg(unix)]
            Kind::Unix(path) => UnixStream::connect(path).await.map(Opened::Unix),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self.side {
            Side::From => "input",
            Side::To => "output",
        };
        write!(f, "{side} {}", self.text.display())
    }
}

fn host_and_port(address: &str) -> Result<String, String> {
    match address.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
            Ok(address.to_owned())
        }
        _ => Err(format!("expected HOST:PORT, found {address:?}")),
    }
}

#[cfg(unix)]
fn unix(path: &str) -> Result<Kind, String> {
    not_empty(Path::new(path)).map(Kind::Unix)
}

#[cfg(not(unix))]
fn unix(path: &str) -> Result<Kind, String> {
    Err(format!("unix:{path}: there are no Unix sockets on this system"))
}

fn not_empty(path: &Path) -> Result<PathBuf, String> {
    if path.as_os_str().is_empty() { Err("a path is empty".to_owned()) } else { Ok(path.into()) }
}

/// Standard input or output as a plain file. A file has a length, and is faster than `tokio::io::stdout`, which
/// searches all output for line ends.
#[cfg(unix)]
fn standard(side: Side) -> io::Result<File> {
    use std::os::fd::AsFd;
    let owned = match side {
        Side::From => io::stdin().as_fd().try_clone_to_owned(),
        Side::To => io::stdout().as_fd().try_clone_to_owned(),
    };
    Ok(owned?.into())
}

#[cfg(windows)]
fn standard(side: Side) -> io::Result<File> {
    use std::os::windows::io::AsHandle;
    let owned = match side {
        Side::From => io::stdin().as_handle().try_clone_to_owned(),
        Side::To => io::stdout().as_handle().try_clone_to_owned(),
    };
    Ok(owned?.into())
}

fn open_to_read(path: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    // A directory can be opened, but not read.
    if file.metadata()?.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "Is a directory"));
    }
    Ok(file)
}

async fn listen(address: &str) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address).await?;
    // With port 0 the system chooses the port.
    let _ = writeln!(io::stderr(), "listening on {}", listener.local_addr()?);
    Ok(listener)
}
