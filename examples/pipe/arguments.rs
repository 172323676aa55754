//! The command line.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

use lexopt::{Arg, ValueExt as _};

use crate::Failure;
use crate::endpoint::{Endpoint, Side};

pub(crate) const HELP: &str = "\
Usage: pipe [--guest FILE] [FROM] [TO]

Pipes bytes from FROM to TO through a WebAssembly component.

FROM and TO:
  -                      standard input and output; the default
  PATH                   a file
  tcp:HOST:PORT          connects to HOST
  tcp-listen:HOST:PORT   says on stderr where it listens, and takes one connection
  unix:PATH              connects to a Unix socket

FROM is opened first. In front of a file's name that looks like one of the others put ./
A file TO keeps its content until the first byte is written. FROM, TO and the guest have to
be different files.

Options:
  --guest FILE           the component, in binary or in text form, with the export
                         transform: async func(input: stream<u8>) -> stream<u8>
                         Without it one that upper-cases ASCII is used.
  --wait SECONDS         how long to wait at the end for the peer of TO, if that is a
                         connection; 60 if it is not given
  -h, --help             this text

When every byte is sent, pipe ends its side of the connection to TO and waits until the peer
has ended the other one. What the peer sends is read and dropped. The wait is over with
status 1 if SECONDS have gone by since the peer last acknowledged a byte, and with status 0
if every byte is acknowledged and the peer, which never sent anything, is silent for 5 more
seconds. Acknowledgements are known for Unix sockets, and on Linux for TCP.

If something fails on the way, a TCP connection to TO is reset, so that the peer does not
take what it got for the whole. A file, a pipe or a Unix socket cannot show that.

Exit status:
  0   every byte arrived
  1   FROM or TO could not be opened, or something failed on the way
  2   nothing was opened: the arguments or the guest cannot be used";

pub(crate) struct Arguments {
    pub(crate) guest: Option<PathBuf>,
    pub(crate) from: Endpoint,
    pub(crate) to: Endpoint,
    /// How long to wait at the end for the peer of TO.
    pub(crate) wait: Duration,
}

pub(crate) enum Command {
    Help,
    Pipe(Arguments),
}

impl Command {
    pub(crate) fn parse() -> Result<Self, Failure> {
        parse(lexopt::Parser::from_env()).map_err(|error| Failure::usage(&error))
    }
}

fn parse(mut parser: lexopt::Parser) -> Result<Command, lexopt::Error> {
    let (mut guest, mut wait) = (None, None);
    let mut endpoints: Vec<OsString> = Vec::new();
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("guest") if guest.is_none() => guest = Some(parser.value()?.into()),
            Arg::Long("wait") if wait.is_none() => wait = Some(parser.value()?.parse::<u32>()?),
            Arg::Value(value) if endpoints.len() < 2 => endpoints.push(value),
            Arg::Long("help") | Arg::Short('h') => return Ok(Command::Help),
            other => return Err(other.unexpected()),
        }
    }
    let endpoint = |index: usize, side| {
        let argument = endpoints.get(index).map_or(OsStr::new("-"), OsString::as_os_str);
        Endpoint::parse(argument, side)
    };
    Ok(Command::Pipe(Arguments {
        guest,
        from: endpoint(0, Side::From)?,
        to: endpoint(1, Side::To)?,
        wait: Duration::from_secs(wait.unwrap_or(60).into()),
    }))
}
