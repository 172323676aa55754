use std::io::{self, ErrorKind};

use crate::{EndReason, Then};

/// What the last read on a thread gave, as far as the guest has not taken it.
#[derive(Default)]
pub(crate) struct Buffered {
    bytes: Vec<u8>,
    /// How many of `bytes` precede what the guest has not taken.
    taken: usize,
    end: Option<io::Result<()>>,
}

impl Buffered {
    /// Reads by `read` into `bytes`, from the place `from` on. It replaces what was taken before.
    pub(crate) fn fill(
        &mut self,
        mut bytes: Vec<u8>,
        from: usize,
        mut read: impl FnMut(&mut [u8]) -> io::Result<usize>,
    ) {
        let read = loop {
            match read(&mut bytes[from..]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        match read {
            Ok(0) => self.end = Some(Ok(())),
            Err(error) => self.end = Some(Err(error)),
            Ok(n) => {
                bytes.truncate(from + n);
                (self.bytes, self.taken) = (bytes, from);
            }
        }
    }

    /// Ends the stream with an error, after the bytes that are left.
    #[cfg(feature = "wasi")] // an offset can overflow
    pub(crate) fn fail(&mut self, error: io::Error) {
        self.end = Some(Err(error));
    }

    /// What a read would return without the object: `None` if unknown. An error is left to the read itself.
    pub(crate) fn readable(&self) -> Option<Then> {
        match &self.end {
            _ if !self.bytes.is_empty() => Some(Then::More),
            Some(Ok(())) => Some(Then::End(EndReason::Finished)),
            Some(Err(_)) => Some(Then::Stop),
            None => None,
        }
    }

    /// Takes bytes, or the end after the last one: `None` if there is neither.
    pub(crate) fn take(&mut self, buf: &mut [u8]) -> Option<io::Result<(usize, Then)>> {
        let rest = &self.bytes[self.taken..];
        let n = rest.len().min(buf.len());
        buf[..n].copy_from_slice(&rest[..n]);
        self.taken += n;
        let all = self.taken == self.bytes.len();
        if all {
            // Rule "Bounded memory": an idle stream holds no buffer.
            (self.bytes, self.taken) = (Vec::new(), 0);
        }
        if n > 0 {
            return Some(Ok((n, if all { Then::Stop } else { Then::More })));
        }
        let end = self.end.take()?;
        Some(end.map(|()| (0, Then::End(EndReason::Finished))))
    }

    /// The bytes that the guest has not taken.
    pub(crate) fn into_rest(mut self) -> Vec<u8> {
        self.bytes.drain(..self.taken);
        self.bytes
    }
}
