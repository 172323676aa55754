//! What the other side of each adapter sees of the end. Each row is a test that runs all cells of one adapter.
//!
//! A row is named after its constructor; a suffix distinguishes rows of the same constructor.

use wasmtime_streams::EndReason::{self, Abandoned, Failed, Finished, ReceiverDropped};

use self::AtCut::{LooksLikeTheEnd, TellsWhy};
use self::AtEnd::{Closed, OnceDropped, Told};
use self::Can::{BeAborted, Buffer, Fail, GoOnForEver, StandInAStore, Step, Wait};
use self::Feeder::{AtOnce, WhenDropped};
use self::Leaves::{Is, Nobody, Unnoticed};
use crate::cells;
use crate::host::Host;
use crate::made::{Open, Plan, Sees};
use crate::peers::{
    blocking, channels, futures, handoff, http, iter, listeners, sockets, stored, wires,
};

/// What a test can do with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Can {
    /// An operation can wait for the other side.
    Wait,
    Fail,
    /// It has a delivery or receiving step.
    Step,
    /// It takes items of a write before it can pass them on.
    Buffer,
    /// Only the host or the guest ends it.
    GoOnForEver,
    BeAborted,
    /// It is made in a store, and so has no layers and no completion.
    StandInAStore,
}

/// The reason of the end if the other side goes away before it without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaves {
    Is(EndReason),
    /// The stream goes on.
    Unnoticed,
    /// There is no other side, or its leaving cannot be seen.
    Nobody,
}

/// When the feeder of a source sees that nobody reads any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feeder {
    AtOnce,
    WhenDropped,
    Never,
    Nobody,
}

/// What the other side of a sink sees at the end of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtEnd {
    /// The end: the completion closes the sink, or without one it is dropped.
    Closed,
    /// The end, when the object is dropped.
    OnceDropped,
    /// The end, at once, whether or not the completion is awaited.
    Told,
    Nothing,
    Nobody,
}

/// What the other side of a sink sees at a cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtCut {
    /// The cut with its reason, at once, whether or not the completion is awaited.
    TellsWhy,
    /// What looks like the end, when the object is dropped.
    LooksLikeTheEnd,
    Nothing,
    Nobody,
}

/// What the other side sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    Source(Feeder),
    Sink(AtEnd, AtCut),
}

#[derive(Debug)]
pub struct Row {
    pub name: &'static str,
    pub make: fn(&Host, &Plan) -> Open,
    pub can: &'static [Can],
    pub sight: Sight,
    pub leaves: Leaves,
}

impl Row {
    pub fn is_source(&self) -> bool {
        matches!(self.sight, Sight::Source(_))
    }

    /// Whether the other side sees the end although the completion, which has the object, is not awaited.
    pub fn shows_end_at_once(&self) -> bool {
        matches!(self.sight, Sight::Source(Feeder::AtOnce) | Sight::Sink(Told, _))
    }

    /// What the other side sees of an end. `closed`: a completion closes the sink. `kept`: the object still exists,
    /// with the host or in a completion.
    pub fn sees(&self, reason: EndReason, closed: bool, kept: bool) -> Option<Sees> {
        let (at_end, at_cut) = match self.sight {
            Sight::Source(Feeder::Nobody) | Sight::Sink(AtEnd::Nobody, _) => return None,
            Sight::Source(Feeder::AtOnce) => return Some(Sees::Gone),
            Sight::Source(Feeder::WhenDropped) if !kept => return Some(Sees::Gone),
            Sight::Source(_) | Sight::Sink(AtEnd::Nothing, _) => return Some(Sees::Open),
            Sight::Sink(at_end, at_cut) => (at_end, at_cut),
        };
        Some(match (at_end, at_cut) {
            (_, TellsWhy) if reason != Finished => Sees::Cut(reason),
            (Told, _) => Sees::End,
            (Closed, _) if closed => Sees::End,
            _ if kept => Sees::Open,
            _ => Sees::End,
        })
    }
}

/// Makes each row a test, and a table of all rows.
macro_rules! rows {
    ($table:ident: $($name:ident: $make:path, [$($can:ident)*], $sight:expr, $leaves:expr;)*) => {
        pub const $table: &[Row] = &[$(Row {
            name: stringify!($name),
            make: $make,
            can: &[$($can),*],
            sight: $sight,
            leaves: $leaves,
        }),*];

        $(#[test] fn $name() {
            // Rules "Truncated is never complete" and "Completion".
            cells::run($table.iter().find(|row| row.name == stringify!($name)).unwrap());
        })*
    };
}

const fn reads(feeder: Feeder) -> Sight {
    Sight::Source(feeder)
}

const fn writes(at_end: AtEnd, at_cut: AtCut) -> Sight {
    Sight::Sink(at_end, at_cut)
}

#[rustfmt::skip]
rows! { SOURCES:
    // name                           made by                            a test can                      the feeder sees it     if the feeder leaves
    tokio_io_read:                    wires::tokio_io_read,              [Wait Fail],                    reads(WhenDropped),    Is(Finished);
    tokio_io_buf_read:                wires::tokio_io_buf_read,          [Wait Fail],                    reads(WhenDropped),    Is(Finished);
    futures_io_read:                  wires::futures_io_read,            [Wait Fail],                    reads(WhenDropped),    Is(Finished);
    futures_io_buf_read:              wires::futures_io_buf_read,        [Wait Fail],                    reads(WhenDropped),    Is(Finished);
    codec_read:                       wires::codec_read,                 [Wait Fail Step],               reads(WhenDropped),    Is(Finished);
    sockets_read:                     sockets::read_tcp,                 [Wait Fail],                    reads(WhenDropped),    Is(Finished);
    sockets_read_unix:                sockets::read_unix,                [Wait],                         reads(WhenDropped),    Is(Finished);
    sockets_read_pipe:                sockets::read_pipe,                [Wait],                         reads(WhenDropped),    Is(Finished);
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
    sockets_write_unix:             sockets::write_unix,             [Wait],                  writes(Closed, LooksLikeTheEnd),        Is(Failed);
    sockets_write_pipe:             sockets::write_pipe,             [Wait],                  writes(OnceDropped, LooksLikeTheEnd),   Is(Failed);
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
