//! HTTP bodies.

use std::io;
use std::pin::Pin;
use std::task::Poll;

use bytes::Bytes;
use http_body::{Body as _, Frame};
use http_body_util::StreamBody;
use wasmtime_streams::{
    self as ws, Flush,
    body::{self, BodyError, GuestBody},
};

use super::futures::Feeds;
use super::handoff::{Next, Receives};
use crate::host::{Host, now, now_or_never};
use crate::made::{Open, Peer, Plan, Sees, Shape, byte_sink, byte_source};

fn frame() -> Frame<Bytes> {
    Frame::data(Bytes::from_static(&[7]))
}

pub fn body_read(_: &Host, plan: &Plan) -> Open {
    let (receiver, peer) = Feeds::new(frame);
    byte_source(plan, ws::body::read(StreamBody::new(receiver)), peer)
}

/// The receiver of the trailers, and what feeds the body.
struct Waits {
    feeds: Feeds<Frame<Bytes>>,
    trailers: Option<body::Trailers<io::Error>>,
}

impl Peer for Waits {
    fn give(&mut self) {
        self.feeds.give();
    }

    fn finish(&mut self) {
        self.feeds.finish();
    }

    fn fail(&mut self) {
        self.feeds.fail();
    }

    fn sees(&mut self) -> Option<Sees> {
        let trailers = self.trailers.as_mut()?;
        let Some(trailers) = now_or_never(trailers) else { return Some(Sees::Open) };
        self.trailers = None;
        Some(match trailers {
            Ok(_) => Sees::End,
            Err(wasmtime_streams::End::Abandoned | wasmtime_streams::End::Failed(_)) => Sees::Gone,
            Err(error) => panic!("{error}"),
        })
    }
}

pub fn body_read_trailers(_: &Host, plan: &Plan) -> Open {
    let (receiver, feeds) = Feeds::new(frame);
    let (producer, trailers) = ws::body::read(StreamBody::new(receiver)).with_trailers();
    byte_source(plan, producer, Waits { feeds, trailers: Some(trailers) })
}

fn reads(body: &mut GuestBody) -> Next {
    match now(|cx| Pin::new(body).poll_frame(cx)) {
        Poll::Pending => Next::Sees(Sees::Open),
        Poll::Ready(Some(Ok(_))) => Next::Item,
        Poll::Ready(None) => Next::Sees(Sees::End),
        Poll::Ready(Some(Err(BodyError::Cut(reason)))) => Next::Sees(Sees::Cut(reason)),
        Poll::Ready(Some(Err(error))) => panic!("{error}"),
    }
}

pub fn body_from_guest(_: &Host, plan: &Plan) -> Open {
    let (consumer, body) = ws::body::from_guest(2, None);
    let shape = Shape { room: 2, flush: Flush::EachOp };
    byte_sink(plan, consumer, shape, Receives::new(body, reads))
}
