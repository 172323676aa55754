//! A codec of one-byte frames, for scripted objects, which split the bytes anywhere.

use std::io;

use bytes::{Buf as _, BufMut as _, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

/// Decodes each byte with this function, and encodes bytes unchanged.
#[derive(Debug)]
pub struct ByteCodec<T>(pub fn(u8) -> T);

impl<T> Decoder for ByteCodec<T> {
    type Item = T;
    type Error = io::Error;

    fn decode(&mut self, bytes: &mut BytesMut) -> io::Result<Option<T>> {
        Ok(bytes.has_remaining().then(|| (self.0)(bytes.get_u8())))
    }
}

impl Encoder<u8> for ByteCodec<u8> {
    type Error = io::Error;

    fn encode(&mut self, byte: u8, out: &mut BytesMut) -> io::Result<()> {
        out.put_u8(byte);
        Ok(())
    }
}
