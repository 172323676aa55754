//! One item a frame: its length in four bytes, big-endian, then the item as postcard has it.

use std::io;
use std::marker::PhantomData;

use bytes::{Buf as _, BufMut as _, BytesMut};
use postcard::ser_flavors::Flavor;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_util::codec::{Decoder, Encoder};

use super::error::ItemError;

/// The most bytes of a frame, unless the host says otherwise.
pub(super) const MAX_FRAME_LEN: usize = 1024 * 1024;

/// The bytes of a frame's length.
const HEAD: usize = 4;

/// The codec of `T`.
///
/// The frames are those of tokio-util's `LengthDelimitedCodec`, which is not used because it takes the length out of the
/// buffer before it has the rest: data that ends there would look complete. It also allocates by a length that a peer names.
#[derive(Debug)]
pub(super) struct Frames<T> {
    pub(super) max_len: usize,
    // A codec holds no item.
    item: PhantomData<fn() -> T>,
}

impl<T> Frames<T> {
    pub(super) fn new() -> Self {
        Self { max_len: MAX_FRAME_LEN, item: PhantomData }
    }
}

impl<T: DeserializeOwned> Decoder for Frames<T> {
    type Item = T;
    type Error = ItemError;

    fn decode(&mut self, bytes: &mut BytesMut) -> Result<Option<T>, ItemError> {
        let Some(head) = bytes.first_chunk::<HEAD>() else { return Ok(None) };
        let len = usize::try_from(u32::from_be_bytes(*head)).unwrap_or(usize::MAX);
        if len > self.max_len {
            return Err(ItemError::TooLong(self.max_len));
        }
        let Some(frame) = bytes.get(HEAD..).and_then(|rest| rest.get(..len)) else {
            return Ok(None);
        };
        let item = match postcard::take_from_bytes(frame) {
            Ok((item, [])) => item,
            Ok((_, rest)) => {
                let text = format!("{} bytes are left over", rest.len());
                return Err(ItemError::Invalid(text.into()));
            }
            Err(error) => return Err(ItemError::Invalid(error.into())),
        };
        bytes.advance(HEAD + len);
        Ok(Some(item))
    }

    fn decode_eof(&mut self, bytes: &mut BytesMut) -> Result<Option<T>, ItemError> {
        match self.decode(bytes)? {
            None if !bytes.is_empty() => Err(ItemError::Incomplete),
            item => Ok(item),
        }
    }
}

impl<T: Serialize> Encoder<T> for Frames<T> {
    type Error = ItemError;

    fn encode(&mut self, item: T, out: &mut BytesMut) -> Result<(), ItemError> {
        let start = out.len();
        out.put_bytes(0, HEAD);
        let tail = Tail { len: 0, max: self.max_len, out };
        let len = match postcard::serialize_with_flavor(&item, tail) {
            Ok(len) => u32::try_from(len).map_err(|_| ItemError::TooLong(self.max_len))?,
            Err(postcard::Error::SerializeBufferFull) => {
                return Err(ItemError::TooLong(self.max_len));
            }
            Err(error) => return Err(ItemError::Invalid(error.into())),
        };
        if let Some(head) = out.get_mut(start..start + HEAD) {
            head.copy_from_slice(&len.to_be_bytes());
        }
        Ok(())
    }
}

/// Appends a serialized item to the write buffer, up to `max` bytes: no more than that is ever kept of one item.
struct Tail<'a> {
    len: usize,
    max: usize,
    out: &'a mut BytesMut,
}

impl Flavor for Tail<'_> {
    type Output = usize;

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.try_extend(&[byte])
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        if bytes.len() > self.max - self.len {
            return Err(postcard::Error::SerializeBufferFull);
        }
        self.len += bytes.len();
        self.out.put_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<usize> {
        Ok(self.len)
    }
}

impl From<ItemError> for io::Error {
    fn from(error: ItemError) -> Self {
        match error {
            ItemError::Read(error) => error.into(),
            ItemError::Write(error) => error.into(),
            ItemError::Io(error) => error,
            ItemError::Incomplete => io::Error::new(io::ErrorKind::UnexpectedEof, error),
            error => io::Error::new(io::ErrorKind::InvalidData, error),
        }
    }
}
