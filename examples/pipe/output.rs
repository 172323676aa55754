//! The output: its writer, and its receiver.

use std::fs;
use std::io::{self, IsTerminal};

use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

use crate::endpoint::Opened;
use crate::hang_up::HangUp;
use crate::peer::{Peer, ReadHalf};
use crate::receiver::Receiver;
use crate::writer::{Target, Writer};

pub(crate) struct Output {
    pub(crate) writer: Writer,
    pub(crate) receiver: Receiver,
    pub(crate) is_terminal: bool,
}

impl Output {
    pub(crate) async fn new(opened: Opened) -> io::Result<Self> {
        match opened {
            // Never truncated: the shell may have opened a file to append.
            Opened::Standard(file) => Self::file(file, false),
            Opened::File(file) => Self::file(file, true),
            Opened::Tcp(stream) => Self::tcp(stream),
            Opened::TcpListener(listener) => Self::tcp(listener.accept().await?.0),
            #[cfg(unix)]
            Opened::Unix(stream) => Self::unix(stream),
        }
    }

    /// A file, a pipe, a terminal or the like.
    fn file(file: fs::File, replace: bool) -> io::Result<Self> {
        let is_terminal = file.is_terminal();
        let receiver = Receiver { hang_up: HangUp::watch(&file)?, peer: None };
        Ok(Self { writer: Writer::file(file, replace)?, receiver, is_terminal })
    }

    fn tcp(stream: TcpStream) -> io::Result<Self> {
        // Send the guest's writes at once.
        stream.set_nodelay(true)?;
        let hang_up = HangUp::watch(&stream)?;
        let (reader, writer) = stream.into_split();
        Ok(Self::connection(ReadHalf::Tcp(reader), Target::Tcp(writer), hang_up))
    }

    #[cfg(unix)]
    fn unix(stream: UnixStream) -> io::Result<Self> {
        let hang_up = HangUp::watch(&stream)?;
        let (reader, writer) = stream.into_split();
        Ok(Self::connection(ReadHalf::Unix(reader), Target::Unix(writer), hang_up))
    }

    fn connection(reader: ReadHalf, target: Target, hang_up: HangUp) -> Self {
        let receiver = Receiver { hang_up, peer: Some(Peer::new(reader)) };
        Self { writer: Writer::connection(target), receiver, is_terminal: false }
    }
}
