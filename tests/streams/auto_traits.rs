//! What is `Send`, `Sync` and `Unpin`, checked when it is compiled.

use std::marker::PhantomPinned;

use bytes::Bytes;
use futures::stream::BoxStream;
use tokio_util::codec::LinesCodec;
use wasmtime_streams::{
    ByteConsumer, ByteProducer, CancelHandle, Chunks, Collect, Completion, End, FramedReadItems,
    FramedWriteItems, ItemConsumer, ItemProducer, IterItems, Job, PeekableItems, SinkItems,
    StdRead, StdWrite, StreamItems, TokioAccept, TokioBroadcastReceiver, TokioBroadcastSender,
    TokioDatagrams, TokioRead, TokioReceiver, TokioSendTo, TokioSender, TokioSocketRead,
    TokioSocketWrite, TokioUnboundedReceiver, TokioUnboundedSender, TokioWatchReceiver,
    TokioWatchSender, TokioWrite, TryIterItems, ValueConsumer, ValueProducer, lift, lower, relay,
};

use crate::support::script::Writer;

fn send<T: Send>() {}
fn sync<T: Sync>() {}
fn unpin<T: Unpin>() {}

/// An object that must stay where it is.
#[derive(Debug)]
struct Pinned(#[allow(dead_code)] PhantomPinned);

#[test]
fn producers_and_consumers_can_move_between_threads() {
    send::<ByteProducer<TokioRead<tokio::fs::File>>>();
    send::<ByteConsumer<TokioWrite<tokio::fs::File>>>();
    send::<ByteProducer<TokioSocketRead<tokio::net::TcpStream>>>();
    send::<ByteConsumer<TokioSocketWrite<tokio::net::TcpStream>>>();
    send::<ItemProducer<TokioAccept<tokio::net::TcpListener>>>();
    send::<ItemProducer<TokioDatagrams<tokio::net::UdpSocket>>>();
    send::<ItemConsumer<TokioSendTo<tokio::net::UdpSocket>>>();
    send::<ItemProducer<StreamItems<BoxStream<'static, u32>>>>();
    send::<ItemConsumer<SinkItems<Writer<u32>, u32>>>();
    send::<ItemProducer<PeekableItems<BoxStream<'static, u32>>>>();
    send::<ItemProducer<FramedReadItems<tokio::fs::File, LinesCodec>>>();
    send::<ItemConsumer<FramedWriteItems<tokio::fs::File, LinesCodec, String>>>();
    send::<Completion<TokioRead<tokio::fs::File>, std::io::Error>>();
    send::<ByteProducer<StdRead<std::fs::File>>>();
    send::<ByteConsumer<StdWrite<std::fs::File>>>();
    send::<Job>();
    send::<lift::GuestReader>();
    send::<lift::GuestItems<String>>();
    send::<lift::GuestValue<String>>();
    send::<lower::HostWriter>();
    send::<lower::HostSink<String>>();
    send::<lower::HostValue<String>>();
    sync::<lower::HostSink<String>>();
    send::<relay::Relayed<String>>();
    send::<CancelHandle>();
    sync::<CancelHandle>();
    sync::<Completion<TokioRead<tokio::fs::File>, std::io::Error>>();
    send::<End<std::io::Error>>();
}

#[test]
fn channels_are_unpin_whatever_their_items_are() {
    // `with_completion` and `spliceable` ask for it.
    unpin::<TokioReceiver<Pinned>>();
    unpin::<TokioUnboundedReceiver<Pinned>>();
    unpin::<TokioBroadcastReceiver<Pinned>>();
    unpin::<TokioWatchReceiver<Pinned>>();
    unpin::<TokioSender<Pinned>>();
    unpin::<TokioUnboundedSender<Pinned>>();
    unpin::<TokioBroadcastSender<Pinned>>();
    unpin::<TokioWatchSender<Pinned>>();
}

#[test]
fn what_is_never_pinned_inside_asks_for_no_unpin() {
    // `FutureReader::pipe` wants an `Unpin` consumer; a completion is awaited in place.
    unpin::<ValueConsumer<u32, Pinned>>();
    unpin::<Completion<Pinned, Pinned>>();
    unpin::<ValueProducer<std::future::Ready<u32>>>();
    unpin::<PeekableItems<BoxStream<'static, PhantomPinned>>>();
    unpin::<FramedWriteItems<tokio::fs::File, LinesCodec, String>>();
    unpin::<Chunks<BoxStream<'static, Bytes>, Bytes>>();
    unpin::<lift::GuestItems<Pinned>>();
    unpin::<lift::GuestValue<Pinned>>();
    unpin::<lift::ToHost<Pinned>>();
    unpin::<lower::HostSink<Pinned>>();
    unpin::<lower::FromHost<Pinned>>();
    unpin::<IterItems<Pinned>>();
    unpin::<TryIterItems<Pinned>>();
    unpin::<Collect<Pinned>>();
    unpin::<StdRead<Pinned>>();
    unpin::<StdWrite<Pinned>>();
    unpin::<TokioAccept<Pinned>>();
    unpin::<TokioDatagrams<Pinned>>();
    unpin::<TokioSendTo<Pinned>>();
}
