//! A codec of frames of one byte each, which the scripted objects cut as they like.

use std::io;

use bytes::{Buf as _, BufMut as _, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

/// Decodes each byte to what this makes of it, and encodes bytes as they are.
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
