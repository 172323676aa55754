//! Readers and writers, over a pipe in memory.

use std::pin::Pin;
use std::task::Poll;

use tokio::io::{AsyncRead as _, AsyncWrite as _, BufReader, DuplexStream, ReadBuf, duplex};
use tokio_util::codec::{FramedRead, FramedWrite};
use tokio_util::compat::{TokioAsyncReadCompatExt as _, TokioAsyncWriteCompatExt as _};
use wasmtime_streams as ws;

use super::{Fallible, Switch};
use crate::codec::ByteCodec;
use crate::host::{Host, now};
use crate::made::{Open, Peer, Plan, Sees, Shape, byte_sink, byte_source, item_sink, item_source};

/// The other end of a pipe that a source reads.
struct Feeds {
    other: Option<DuplexStream>,
    switch: Switch,
}

fn feeds() -> (Fallible<DuplexStream>, Feeds) {
    let (ours, theirs) = duplex(64);
    let (object, switch) = Fallible::new(ours);
    (object, Feeds { other: Some(theirs), switch })
}

impl Feeds {
    fn write(&mut self) -> Option<Poll<std::io::Result<usize>>> {
        let other = self.other.as_mut()?;
        Some(now(|cx| Pin::new(other).poll_write(cx, &[7])))
    }
}

impl Peer for Feeds {
    fn give(&mut self) {
        assert!(matches!(self.write(), Some(Poll::Ready(Ok(1)))));
    }

    fn finish(&mut self) {
        let other = self.other.as_mut().unwrap();
        assert!(now(|cx| Pin::new(other).poll_shutdown(cx)).is_ready());
    }

    fn fail(&mut self) {
        self.switch.fail();
    }

    fn leave(&mut self) {
        self.other = None;
    }

    fn sees(&mut self) -> Option<Sees> {
        Some(match self.write()? {
            Poll::Ready(Err(_)) => Sees::Gone,
            _ => Sees::Open,
        })
    }
}

/// The other end of a pipe that a sink writes.
struct Receives {
    other: Option<DuplexStream>,
    switch: Switch,
}

/// With room for two bytes.
fn receives() -> (Fallible<DuplexStream>, Receives) {
    let (ours, theirs) = duplex(2);
    let (object, switch) = Fallible::new(ours);
    (object, Receives { other: Some(theirs), switch })
}

impl Peer for Receives {
    fn take(&mut self) {
        self.sees();
    }

    fn fail(&mut self) {
        self.switch.fail();
    }

    fn leave(&mut self) {
        self.other = None;
    }

    fn sees(&mut self) -> Option<Sees> {
        let other = self.other.as_mut()?;
        loop {
            let mut buf = [0; 8];
            let mut buf = ReadBuf::new(&mut buf);
            match now(|cx| Pin::new(&mut *other).poll_read(cx, &mut buf)) {
                Poll::Pending => return Some(Sees::Open),
                Poll::Ready(Ok(())) if buf.filled().is_empty() => return Some(Sees::End),
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => panic!("{error}"),
            }
        }
    }
}

pub fn tokio_io_read(_: &Host, plan: &Plan) -> Open {
    let (object, peer) = feeds();
    byte_source(plan, ws::tokio_io::read(object), peer)
}

pub fn tokio_io_buf_read(_: &Host, plan: &Plan) -> Open {
    let (object, peer) = feeds();
    byte_source(plan, ws::tokio_io::buf_read(BufReader::new(object)), peer)
}

pub fn futures_io_read(_: &Host, plan: &Plan) -> Open {
    let (object, peer) = feeds();
    byte_source(plan, ws::futures_io::read(object.compat()), peer)
}

pub fn futures_io_buf_read(_: &Host, plan: &Plan) -> Open {
    let (object, peer) = feeds();
    byte_source(plan, ws::futures_io::buf_read(BufReader::new(object).compat()), peer)
}

pub fn codec_read(_: &Host, plan: &Plan) -> Open {
    let (object, peer) = feeds();
    let frames = FramedRead::new(object, ByteCodec(|byte| byte));
    item_source(plan, ws::codec::read(frames), |byte| byte, peer)
}

pub fn tokio_io_write(_: &Host, plan: &Plan) -> Open {
    let (object, peer) = receives();
    byte_sink(plan, ws::tokio_io::write(object), Shape::EXACT, peer)
}

pub fn futures_io_write(_: &Host, plan: &Plan) -> Open {
    let (object, peer) = receives();
    byte_sink(plan, ws::futures_io::write(object.compat_write()), Shape::EXACT, peer)
}

pub fn codec_write(_: &Host, plan: &Plan) -> Open {
    let (object, peer) = receives();
    let frames = FramedWrite::new(object, ByteCodec(|byte: u8| byte));
    item_sink(plan, ws::codec::write(frames), |byte| byte, Shape::EXACT, peer)
}
