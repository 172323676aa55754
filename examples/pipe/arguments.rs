//! The command line.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process;

use lexopt::Arg;

use crate::Failure;
use crate::endpoint::Endpoint;

const HELP: &str = "\
Usage: pipe [--guest FILE] [FROM] [TO]

Pipes bytes from FROM to TO through a WebAssembly component.

FROM and TO:
  -                      standard input and output; the default
  PATH                   a file
  tcp:HOST:PORT          connects to HOST
  tcp-listen:HOST:PORT   says on stderr where it listens, and takes one connection
  unix:PATH              connects to a Unix socket

FROM is opened first. In front of a file's name that looks like one of the others put ./

Options:
  --guest FILE           the component, in binary or in text form, with the export
                         transform: async func(input: stream<u8>) -> stream<u8>
                         Without it one that upper-cases ASCII is used.
  -h, --help             this text

Exit status: 0 if every byte arrived; 1 if something failed on the way; 2 if the
arguments or the guest cannot be used.";

pub(crate) struct Arguments {
    pub(crate) guest: Option<PathBuf>,
    pub(crate) from: Endpoint,
    pub(crate) to: Endpoint,
}

impl Arguments {
    pub(crate) fn parse() -> Result<Self, Failure> {
        parse(lexopt::Parser::from_env())
            .map_err(|error| Failure::Unusable(format!("{error}\nTry `pipe --help`.")))
    }
}

fn parse(mut parser: lexopt::Parser) -> Result<Arguments, lexopt::Error> {
    let mut guest = None;
    let mut endpoints = Vec::new();
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("guest") if guest.is_none() => guest = Some(parser.value()?.into()),
            Arg::Value(value) if endpoints.len() < 2 => endpoints.push(Endpoint::parse(&value)?),
            Arg::Long("help") | Arg::Short('h') => {
                let _ = writeln!(io::stdout(), "{HELP}");
                process::exit(0)
            }
            other => return Err(other.unexpected()),
        }
    }
    let mut endpoints = endpoints.into_iter();
    let mut next = || endpoints.next().map_or_else(|| Endpoint::parse(OsStr::new("-")), Ok);
    let (from, to) = (next()?, next()?);
    if from.is_same_file(&to) {
        return Err(format!("{from} is both FROM and TO: it would be emptied first").into());
    }
    Ok(Arguments { guest, from, to })
}
