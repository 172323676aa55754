//! What is `Send`, `Sync` and `Unpin`. The compiler checks it.

use std::marker::PhantomPinned;

use bytes::Bytes;
use futures::stream::BoxStream;
use tokio_util::codec::LinesCodec;
use wasmtime_streams::{
    ByteConsumer, ByteProducer, CancelHandle, Completion, End, ItemConsumer, ItemProducer,
    ValueConsumer, ValueProducer,
    blocking::{self, Job},
    channels, codec, from_guest,
    iterators::{self, Collect},
    relay, sinks, sockets,
    streams::{self, Chunks},
    to_guest, tokio_io,
};

use crate::support::script::Writer;

fn send<T: Send>() {}
fn sync<T: Sync>() {}
fn unpin<T: Unpin>() {}

/// An object that must not be moved.
#[derive(Debug)]
struct Pinned(#[allow(dead_code)] PhantomPinned);

#[test]
fn producers_and_consumers_can_move_between_threads() {
    send::<ByteProducer<tokio_io::Read<tokio::fs::File>>>();
    send::<ByteConsumer<tokio_io::Write<tokio::fs::File>>>();
    send::<ByteProducer<sockets::Read<tokio::net::TcpStream>>>();
    send::<ByteConsumer<sockets::Write<tokio::net::TcpStream>>>();
    send::<ItemProducer<sockets::Accept<tokio::net::TcpListener>>>();
    send::<ItemProducer<sockets::Datagrams<tokio::net::UdpSocket>>>();
    send::<ItemConsumer<sockets::SendTo<tokio::net::UdpSocket>>>();
    send::<ItemProducer<streams::Items<BoxStream<'static, u32>>>>();
    send::<ItemConsumer<sinks::Items<Writer<u32>, u32>>>();
    send::<ItemProducer<streams::PeekableItems<BoxStream<'static, u32>>>>();
    send::<ItemProducer<codec::Read<tokio::fs::File, LinesCodec>>>();
    send::<ItemConsumer<codec::Write<tokio::fs::File, LinesCodec, String>>>();
    send::<Completion<tokio_io::Read<tokio::fs::File>, std::io::Error>>();
    send::<ByteProducer<blocking::Read<std::fs::File>>>();
    send::<ByteConsumer<blocking::Write<std::fs::File>>>();
    send::<Job>();
    send::<from_guest::GuestReader>();
    send::<from_guest::GuestItems<String>>();
    send::<from_guest::GuestValue<String>>();
    send::<to_guest::HostWriter>();
    send::<to_guest::HostSink<String>>();
    send::<to_guest::HostValue<String>>();
    sync::<to_guest::HostSink<String>>();
    send::<relay::Relayed<String>>();
    send::<CancelHandle>();
    sync::<CancelHandle>();
    sync::<Completion<tokio_io::Read<tokio::fs::File>, std::io::Error>>();
    send::<End<std::io::Error>>();
}

#[test]
fn channels_are_unpin_whatever_their_items_are() {
    // `with_completion` and `spliceable` require it.
    unpin::<channels::MpscReceiver<Pinned>>();
    unpin::<channels::MpscUnboundedReceiver<Pinned>>();
    unpin::<channels::BroadcastReceiver<Pinned>>();
    unpin::<channels::WatchReceiver<Pinned>>();
    unpin::<channels::MpscSender<Pinned>>();
    unpin::<channels::MpscUnboundedSender<Pinned>>();
    unpin::<channels::BroadcastSender<Pinned>>();
    unpin::<channels::WatchSender<Pinned>>();
}

#[test]
fn types_that_pin_nothing_require_no_unpin() {
    // `FutureReader::pipe` takes an `Unpin` consumer. A completion is awaited in place.
    unpin::<ValueConsumer<u32, Pinned>>();
    unpin::<Completion<Pinned, Pinned>>();
    unpin::<ValueProducer<std::future::Ready<u32>>>();
    unpin::<streams::PeekableItems<BoxStream<'static, PhantomPinned>>>();
    unpin::<codec::Write<tokio::fs::File, LinesCodec, String>>();
    unpin::<Chunks<BoxStream<'static, Bytes>, Bytes>>();
    unpin::<from_guest::GuestItems<Pinned>>();
    unpin::<from_guest::GuestValue<Pinned>>();
    unpin::<from_guest::ToHost<Pinned>>();
    unpin::<to_guest::HostSink<Pinned>>();
    unpin::<to_guest::FromHost<Pinned>>();
    unpin::<iterators::Items<Pinned>>();
    unpin::<iterators::TryItems<Pinned>>();
    unpin::<Collect<Pinned>>();
    unpin::<blocking::Read<Pinned>>();
    unpin::<blocking::Write<Pinned>>();
    unpin::<sockets::Accept<Pinned>>();
    unpin::<sockets::Datagrams<Pinned>>();
    unpin::<sockets::SendTo<Pinned>>();
}
