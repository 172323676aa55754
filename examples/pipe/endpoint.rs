//! Where bytes come from, and where they go.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs;
use std::io::{self, IsTerminal, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use tokio::fs::File;
use tokio::io::AsyncRead;
use tokio::net::{TcpListener, TcpStream, UnixStream};

use crate::output::Output;

/// What FROM and TO name.
pub(crate) struct Endpoint {
    text: OsString,
    kind: Kind,
}

enum Kind {
    Standard,
    File(PathBuf),
    Tcp(String),
    TcpListen(String),
    Unix(PathBuf),
}

pub(crate) struct Input {
    pub(crate) reader: Box<dyn AsyncRead + Send + Unpin>,
    /// How much will come, if that is known.
    pub(crate) length: Option<u64>,
}

impl Endpoint {
    pub(crate) fn parse(argument: &OsStr) -> Result<Self, String> {
        // What is not UTF-8 can only be a file's name.
        let text = argument.to_str().unwrap_or_default();
        let kind = if text == "-" {
            Kind::Standard
        } else if let Some(address) = text.strip_prefix("tcp:") {
            Kind::Tcp(host_and_port(address)?)
        } else if let Some(address) = text.strip_prefix("tcp-listen:") {
            Kind::TcpListen(host_and_port(address)?)
        } else if let Some(path) = text.strip_prefix("unix:") {
            Kind::Unix(not_empty(Path::new(path))?)
        } else {
            Kind::File(not_empty(Path::new(argument))?)
        };
        Ok(Self { text: argument.to_owned(), kind })
    }

    /// Whether to open `other` for writing would empty this.
    pub(crate) fn is_same_file(&self, other: &Self) -> bool {
        let (Kind::File(this), Kind::File(other)) = (&self.kind, &other.kind) else { return false };
        match (fs::canonicalize(this), fs::canonicalize(other)) {
            (Ok(this), Ok(other)) => this == other && this.is_file(),
            _ => false,
        }
    }

    pub(crate) async fn open_input(&self) -> io::Result<Input> {
        match &self.kind {
            Kind::Standard => file_input(duplicate(io::stdin())?).await,
            Kind::File(path) => file_input(File::open(path).await?).await,
            Kind::Tcp(address) => Ok(connection_input(TcpStream::connect(address).await?)),
            Kind::TcpListen(address) => Ok(connection_input(accept(address).await?)),
            Kind::Unix(path) => Ok(connection_input(UnixStream::connect(path).await?)),
        }
    }

    pub(crate) async fn open_output(&self) -> io::Result<Output> {
        match &self.kind {
            Kind::Standard => Output::file(duplicate(io::stdout())?, io::stdout().is_terminal()),
            Kind::File(path) => Output::file(File::create(path).await?, false),
            Kind::Tcp(address) => Output::tcp(TcpStream::connect(address).await?),
            Kind::TcpListen(address) => Output::tcp(accept(address).await?),
            Kind::Unix(path) => Output::unix(UnixStream::connect(path).await?),
        }
    }
}

/// As it was given.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.display().fmt(f)
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

fn not_empty(path: &Path) -> Result<PathBuf, String> {
    if path.as_os_str().is_empty() { Err("a path is empty".to_owned()) } else { Ok(path.into()) }
}

/// Standard input or output as a plain file. It tells its length, where it has one, and is faster than
/// `tokio::io::stdout`, which looks for line ends in all that is written.
fn duplicate(standard: impl AsFd) -> io::Result<File> {
    let fd: OwnedFd = standard.as_fd().try_clone_to_owned()?;
    Ok(File::from_std(fd.into()))
}

async fn file_input(file: File) -> io::Result<Input> {
    let metadata = file.metadata().await?;
    // The system's own files, as in /proc, say 0.
    let length = Some(metadata.len()).filter(|length| *length > 0 && metadata.is_file());
    Ok(Input { reader: Box::new(file), length })
}

fn connection_input(stream: impl AsyncRead + Send + Unpin + 'static) -> Input {
    Input { reader: Box::new(stream), length: None }
}

async fn accept(address: &str) -> io::Result<TcpStream> {
    let listener = TcpListener::bind(address).await?;
    // With port 0 only the system knows which one it is.
    let _ = writeln!(io::stderr(), "listening on {}", listener.local_addr()?);
    let (stream, _) = listener.accept().await?;
    Ok(stream)
}
