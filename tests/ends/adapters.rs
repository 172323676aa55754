//! What the other side of each adapter sees of the end. Each row is a test that runs all cells of one adapter.
//!
//! A row is named after its constructor; a suffix distinguishes rows of the same constructor.

use wasmtime_streams::EndReason::{Abandoned, Failed, Finished, ReceiverDropped};

#[cfg(unix)]
use crate::peers::unix;
use crate::peers::{
    blocking, channels, futures, handoff, http, iter, listeners, sockets, stored, wires,
};
use crate::rows::AtCut::{self, LooksLikeTheEnd, TellsWhy};
use crate::rows::AtEnd::{self, Closed, OnceDropped, Told};
use crate::rows::Can::{BeAborted, Buffer, Fail, GoOnForEver, StandInAStore, Step, Wait};
use crate::rows::Feeder::{self, AtOnce, WhenDropped};
use crate::rows::Leaves::{Is, Nobody, Unnoticed};
use crate::rows::{reads, rows, writes};

#[rustfmt::skip]
rows! { SOURCES:
    // name                           made by                            a test can                      the feeder sees it     if the feeder leaves
    tokio_io_read:                    wires::tokio_io_read,              [Wait Fail],                    reads(WhenDropped),    Is(Finished);
    tokio_io_buf_read:                wires::tokio_io_buf_read,          [Wait Fail],                    reads(WhenDropped),    Is(Finished);
    futures_io_read:                  wires::futures_io_read,            [Wait Fail],                    reads(WhenDropped),    Is(Finished);
    futures_io_buf_read:              wires::futures_io_buf_read,        [Wait Fail],                    reads(WhenDropped),    Is(Finished);
    codec_read:                       wires::codec_read,                 [Wait Fail Step],               reads(WhenDropped),    Is(Finished);
    sockets_read:                     sockets::read_tcp,                 [Wait Fail],                    reads(WhenDropped),    Is(Finished);
    #[cfg(unix)]
    sockets_read_unix:                unix::read_unix,                   [Wait],                         reads(WhenDropped),    Is(Finished);
    #[cfg(unix)]
    sockets_read_pipe:                unix::read_pipe,                   [Wait],                         reads(WhenDropped),    Is(Finished);
    blocking_read_on:                 blocking::blocking_read_on,        [Wait Fail],                    reads(WhenDropped),    Is(Finished);
    blocking_read:                    blocking::blocking_read,           [Wait Fail],                    reads(WhenDropped),    Is(Finished);
    streams_chunks:                   futures::streams_chunks,           [Wait],                         reads(WhenDropped),    Is(Finished);
    streams_try_chunks:               futures::streams_try_chunks,       [Wait Fail],                    reads(WhenDropped),    Is(Finished);
    streams_items:                    futures::streams_items,            [Wait Step],                    reads(WhenDropped),    Is(Finished);
    streams_try_items:                futures::streams_try_items,        [Wait Fail Step],               reads(WhenDropped),    Is(Finished);
    streams_peekable:                 futures::streams_peekable,         [Wait Step],                    reads(WhenDropped),    Is(Finished);
    streams_try_peekable:             futures::streams_try_peekable,     [Wait Fail Step],               reads(WhenDropped),    Is(Finished);
    channels_mpsc_receiver:           channels::mpsc_receiver,           [Wait Step],                    reads(WhenDropped),    Is(Finished);
    channels_mpsc_unbounded_receiver: channels::mpsc_unbounded_receiver, [Wait Step],                    reads(WhenDropped),    Is(Finished);
    channels_broadcast_receiver:      channels::broadcast_receiver,      [Wait Step],                    reads(WhenDropped),    Is(Finished);
    channels_watch_receiver:          channels::watch_receiver,          [Wait Step],                    reads(WhenDropped),    Is(Finished);
    sockets_accept:                   listeners::accept,                 [Wait Fail Step GoOnForEver],   reads(WhenDropped),    Nobody;
    sockets_datagrams:                listeners::datagrams,              [Wait Step],                    reads(Feeder::Never),  Nobody;
    iterators_items:                  iter::iterators_items,             [Step],                         reads(Feeder::Nobody), Nobody;
    iterators_try_items:              iter::iterators_try_items,         [Fail Step],                    reads(Feeder::Nobody), Nobody;
    body_read:                        http::body_read,                   [Wait Fail],                    reads(WhenDropped),    Nobody;
    body_read_trailers:               http::body_read_trailers,          [Wait Fail],                    reads(AtOnce),         Nobody;
    to_guest_producer:                handoff::producer,                 [Wait BeAborted],               reads(AtOnce),         Is(Abandoned);
    to_guest_item_producer:           handoff::item_producer,            [Wait Step BeAborted],          reads(AtOnce),         Is(Abandoned);
    to_guest_writer:                  stored::writer,                    [Wait BeAborted StandInAStore], reads(AtOnce),         Is(Abandoned);
    to_guest_sink:                    stored::sink,                      [Wait BeAborted StandInAStore], reads(AtOnce),         Is(Abandoned);
    relay_byte_parts_second:          handoff::second_bytes,             [Wait BeAborted],               reads(AtOnce),         Is(Abandoned);
    relay_item_parts_second:          handoff::second_items,             [Wait Step BeAborted],          reads(AtOnce),         Is(Abandoned);
}

#[rustfmt::skip]
rows! { SINKS:
    // name                         made by                          a test can               at the end, at a cut                    if the receiver leaves
    tokio_io_write:                 wires::tokio_io_write,           [Wait Fail],             writes(Closed, LooksLikeTheEnd),        Is(Failed);
    futures_io_write:               wires::futures_io_write,         [Wait Fail],             writes(Closed, LooksLikeTheEnd),        Is(Failed);
    codec_write:                    wires::codec_write,              [Wait Fail Step Buffer], writes(Closed, LooksLikeTheEnd),        Is(Failed);
    sockets_write:                  sockets::write_tcp,              [],                      writes(Closed, LooksLikeTheEnd),        Is(Failed);
    #[cfg(unix)]
    sockets_write_unix:             unix::write_unix,                [Wait],                  writes(Closed, LooksLikeTheEnd),        Is(Failed);
    #[cfg(unix)]
    sockets_write_pipe:             unix::write_pipe,                [Wait],                  writes(OnceDropped, LooksLikeTheEnd),   Is(Failed);
    blocking_write_on:              blocking::blocking_write_on,     [Wait Fail Buffer],      writes(OnceDropped, LooksLikeTheEnd),   Is(Failed);
    blocking_write:                 blocking::blocking_write,        [Wait Fail Buffer],      writes(OnceDropped, LooksLikeTheEnd),   Is(Failed);
    sinks_chunks:                   futures::sinks_chunks,           [Wait Fail],             writes(Closed, LooksLikeTheEnd),        Is(Failed);
    sinks_items:                    futures::sinks_items,            [Wait Fail Step],        writes(Closed, LooksLikeTheEnd),        Is(Failed);
    channels_mpsc_sender:           channels::mpsc_sender,           [Wait Step],             writes(Closed, LooksLikeTheEnd),        Is(ReceiverDropped);
    channels_mpsc_unbounded_sender: channels::mpsc_unbounded_sender, [Step],                  writes(Closed, LooksLikeTheEnd),        Is(ReceiverDropped);
    channels_broadcast_sender:      channels::broadcast_sender,      [Step],                  writes(Closed, LooksLikeTheEnd),        Unnoticed;
    channels_watch_sender:          channels::watch_sender,          [Step],                  writes(Closed, LooksLikeTheEnd),        Unnoticed;
    sockets_send_to:                listeners::send_to,              [Step],                  writes(AtEnd::Nothing, AtCut::Nothing), Nobody;
    iterators_collect:              iter::iterators_collect,         [Step],                  writes(AtEnd::Nobody, AtCut::Nobody),   Nobody;
    iterators_collect_bytes:        iter::iterators_collect_bytes,   [],                      writes(AtEnd::Nobody, AtCut::Nobody),   Nobody;
    iterators_for_each:             iter::iterators_for_each,        [Step],                  writes(AtEnd::Nobody, AtCut::Nobody),   Nobody;
    iterators_for_each_batch:       iter::iterators_for_each_batch,  [Step],                  writes(AtEnd::Nobody, AtCut::Nobody),   Nobody;
    body_from_guest:                http::body_from_guest,           [Wait],                  writes(Told, TellsWhy),                 Is(ReceiverDropped);
    from_guest_consumer:            handoff::consumer,               [Wait],                  writes(Told, TellsWhy),                 Is(ReceiverDropped);
    from_guest_item_consumer:       handoff::item_consumer,          [Wait Step],             writes(Told, TellsWhy),                 Is(ReceiverDropped);
    from_guest_reader:              stored::reader,                  [Wait StandInAStore],    writes(Told, TellsWhy),                 Is(ReceiverDropped);
    from_guest_items:               stored::items,                   [Wait StandInAStore],    writes(Told, TellsWhy),                 Is(ReceiverDropped);
    relay_byte_parts:               handoff::first_bytes,            [Wait],                  writes(Told, TellsWhy),                 Is(ReceiverDropped);
    relay_item_parts:               handoff::first_items,            [Wait Step],             writes(Told, TellsWhy),                 Is(ReceiverDropped);
    relay_bytes:                    stored::relay_bytes,             [Wait StandInAStore],    writes(Told, TellsWhy),                 Is(ReceiverDropped);
    relay_items:                    stored::relay_items,             [Wait StandInAStore],    writes(Told, TellsWhy),                 Is(ReceiverDropped);
}
