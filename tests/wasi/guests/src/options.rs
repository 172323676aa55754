//! The options, which are the same in all guests.

use crate::wasi::cli::environment;

/// How a guest moves data.
#[derive(Clone, Debug)]
pub struct Options {
    /// The length of each operation, in bytes or items.
    pub buffer: usize,
    /// Whether an operation of length zero goes before each.
    pub zero: bool,
    /// Whether each operation is started and cancelled once before it is run to its end.
    pub cancel: bool,
    /// Reading stops, and the stream is dropped, after so many bytes or items.
    pub drop_after: Option<u64>,
    /// How many streams to stdout are open at the same time.
    pub streams: usize,
    /// Whether the streams to stdout are written at the same time, instead of in turn.
    pub at_once: bool,
    /// Where reading a file begins.
    pub offset: u64,
    /// Where writing a file begins.
    pub at: u64,
    /// How many connections a server accepts.
    pub connections: u64,
    /// The arguments that are no options.
    pub rest: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            buffer: 4096,
            zero: false,
            cancel: false,
            drop_after: None,
            streams: 1,
            at_once: false,
            offset: 0,
            at: 0,
            connections: 1,
            rest: Vec::new(),
        }
    }
}

impl Options {
    /// The options of a command; its first argument is its name.
    pub fn of_the_command() -> Result<Self, &'static str> {
        Self::parse(environment::get_arguments().into_iter().skip(1))
    }

    /// Options from separate words.
    pub fn parse(words: impl IntoIterator<Item = String>) -> Result<Self, &'static str> {
        let mut options = Self::default();
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let mut number =
                || words.next().and_then(|word| word.parse::<u64>().ok()).ok_or("no-number");
            match word.as_str() {
                "--buffer" => options.buffer = size(number()?)?,
                "--zero" => options.zero = true,
                "--cancel" => options.cancel = true,
                "--drop-after" => options.drop_after = Some(number()?),
                "--streams" => options.streams = size(number()?)?,
                "--at-once" => options.at_once = true,
                "--offset" => options.offset = number()?,
                "--at" => options.at = number()?,
                "--connections" => options.connections = number()?,
                word if word.starts_with("--") => return Err("unknown-option"),
                _ => options.rest.push(word),
            }
        }
        Ok(options)
    }

    /// The argument at `index`, which is no option.
    pub fn argument(&self, index: usize) -> Option<&str> {
        self.rest.get(index).map(String::as_str)
    }
}

/// A length of operations, or a number of streams: from 1 to 8 Mi.
fn size(number: u64) -> Result<usize, &'static str> {
    match usize::try_from(number) {
        Ok(number @ 1..=0x80_0000) => Ok(number),
        _ => Err("out-of-range"),
    }
}
