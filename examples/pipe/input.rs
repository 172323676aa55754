//! The input.

use std::fs;
use std::io;

use tokio::fs::File;
use tokio::io::AsyncRead;

use crate::endpoint::Opened;

pub(crate) struct Input {
    pub(crate) reader: Box<dyn AsyncRead + Send + Unpin>,
    /// The number of bytes, if it is known.
    pub(crate) length: Option<u64>,
}

impl Input {
    pub(crate) async fn new(opened: Opened) -> io::Result<Self> {
        match opened {
            Opened::Standard(file) | Opened::File(file) => Self::file(file),
            Opened::Tcp(stream) => Ok(Self::connection(stream)),
            Opened::TcpListener(listener) => Ok(Self::connection(listener.accept().await?.0)),
            #[cfg(unix)]
            Opened::Unix(stream) => Ok(Self::connection(stream)),
        }
    }

    fn connection(stream: impl AsyncRead + Send + Unpin + 'static) -> Self {
        Self { reader: Box::new(stream), length: None }
    }

    /// A file, a pipe, a terminal, or whatever else standard input is.
    fn file(file: fs::File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        // Files such as those in /proc report 0.
        let length = Some(metadata.len()).filter(|length| *length > 0 && metadata.is_file());
        #[cfg(unix)]
        if let Some(pipe) = crate::nonblocking::reader(&file)? {
            return Ok(Self { reader: Box::new(pipe), length });
        }
        Ok(Self { reader: Box::new(File::from_std(file)), length })
    }
}
