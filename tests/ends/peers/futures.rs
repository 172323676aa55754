//! Streams and sinks, made of channels of the futures crate.

use std::io;
use std::task::Poll;

use ::futures::channel::mpsc::{self, UnboundedReceiver, UnboundedSender};
use ::futures::{Stream, StreamExt as _};
use bytes::Bytes;
use wasmtime_streams as ws;

use super::{Fallible, Switch};
use crate::host::{Host, now};
use crate::made::{Open, Peer, Plan, Sees, Shape, byte_sink, byte_source, item_sink, item_source};

/// The sender of a channel that a source reads.
pub struct Feeds<T> {
    sender: Option<UnboundedSender<io::Result<T>>>,
    item: fn() -> T,
}

impl<T> Feeds<T> {
    pub fn new(item: fn() -> T) -> (UnboundedReceiver<io::Result<T>>, Self) {
        let (sender, receiver) = mpsc::unbounded();
        (receiver, Self { sender: Some(sender), item })
    }

    fn send(&self, item: io::Result<T>) {
        assert!(self.sender.as_ref().unwrap().unbounded_send(item).is_ok());
    }
}

impl<T> Peer for Feeds<T> {
    fn give(&mut self) {
        self.send(Ok((self.item)()));
    }

    fn finish(&mut self) {
        self.sender = None;
    }

    fn fail(&mut self) {
        self.send(Err(io::Error::other("scripted failure")));
    }

    fn leave(&mut self) {
        self.sender = None;
    }

    fn sees(&mut self) -> Option<Sees> {
        let sender = self.sender.as_ref()?;
        Some(if sender.is_closed() { Sees::Gone } else { Sees::Open })
    }
}

fn bytes() -> Bytes {
    Bytes::from_static(&[7])
}

fn byte() -> u8 {
    7
}

/// For adapters whose object cannot fail.
fn infallible<T>(receiver: UnboundedReceiver<io::Result<T>>) -> impl Stream<Item = T> + Unpin {
    receiver.map(Result::unwrap)
}

pub fn streams_chunks(_: &Host, plan: &Plan) -> Open {
    let (receiver, peer) = Feeds::new(bytes);
    byte_source(plan, ws::streams::chunks(infallible(receiver)), peer)
}

pub fn streams_try_chunks(_: &Host, plan: &Plan) -> Open {
    let (receiver, peer) = Feeds::new(bytes);
    byte_source(plan, ws::streams::try_chunks(receiver), peer)
}

pub fn streams_items(_: &Host, plan: &Plan) -> Open {
    let (receiver, peer) = Feeds::new(byte);
    item_source(plan, ws::streams::items(infallible(receiver)), |byte| byte, peer)
}

pub fn streams_try_items(_: &Host, plan: &Plan) -> Open {
    let (receiver, peer) = Feeds::new(byte);
    item_source(plan, ws::streams::try_items(receiver), |byte| byte, peer)
}

pub fn streams_peekable(_: &Host, plan: &Plan) -> Open {
    let (receiver, peer) = Feeds::new(byte);
    item_source(plan, ws::streams::peekable(infallible(receiver).peekable()), |byte| byte, peer)
}

pub fn streams_try_peekable(_: &Host, plan: &Plan) -> Open {
    let (receiver, peer) = Feeds::new(byte);
    item_source(plan, ws::streams::try_peekable(receiver.peekable()), |byte| byte, peer)
}

/// The receiver of a channel that a sink writes.
struct Receives<T> {
    receiver: Option<mpsc::Receiver<T>>,
    switch: Switch,
}

/// A channel with room for two items: one for its sender, and one more.
fn receives<T>() -> (Fallible<mpsc::Sender<T>>, Receives<T>) {
    let (sender, receiver) = mpsc::channel(1);
    let (object, switch) = Fallible::new(sender);
    (object, Receives { receiver: Some(receiver), switch })
}

impl<T> Peer for Receives<T> {
    fn take(&mut self) {
        self.sees();
    }

    fn fail(&mut self) {
        self.switch.fail();
    }

    fn leave(&mut self) {
        self.receiver = None;
    }

    fn sees(&mut self) -> Option<Sees> {
        let receiver = self.receiver.as_mut()?;
        loop {
            match now(|cx| receiver.poll_next_unpin(cx)) {
                Poll::Ready(Some(_)) => {}
                Poll::Ready(None) => return Some(Sees::End),
                Poll::Pending => return Some(Sees::Open),
            }
        }
    }
}

pub fn sinks_chunks(_: &Host, plan: &Plan) -> Open {
    let (object, peer) = receives::<Bytes>();
    byte_sink(plan, ws::sinks::chunks(object), Shape::UNFLUSHED, peer)
}

pub fn sinks_items(_: &Host, plan: &Plan) -> Open {
    let (object, peer) = receives::<u8>();
    item_sink(plan, ws::sinks::items(object), |byte| byte, Shape::UNFLUSHED, peer)
}
