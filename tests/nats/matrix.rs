//! The matrix of ends over messages of a script, and over a server that answers only when the matrix gives it a turn: see
//! `tests/ends`. What becomes of the messages is in `ends.rs`.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io;
use std::rc::Rc;

use async_nats::jetstream::Message;
use async_nats::jetstream::message::PublishMessage;
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use wasmtime_streams::EndReason::{Abandoned, Finished};
use wasmtime_streams::Flush;
use wasmtime_streams::nats::{self, Delivery};

use crate::cells;
use crate::constructors::addresses_of;
use crate::contract::{World, message};
use crate::host::Host;
use crate::made::{Open, Peer, Plan, Sees, Shape, item_sink, item_source};
use crate::rows::Can::{Fail, GoOnForEver, Step, Wait};
use crate::rows::Leaves::{Is, Nobody};
use crate::rows::{AtCut, AtEnd, Feeder, Row};
use crate::rows::{reads, rows, writes};
use crate::shown;

type Sent = io::Result<Message>;

/// What is in the place of the server.
struct Feeds(Option<UnboundedSender<Sent>>);

impl Feeds {
    fn new() -> (UnboundedReceiver<Sent>, Self) {
        let (sender, receiver) = unbounded();
        (receiver, Self(Some(sender)))
    }

    fn send(&self, message: Sent) {
        // The guest may be gone.
        let _ = self.0.as_ref().unwrap().unbounded_send(message);
    }
}

impl Peer for Feeds {
    fn give(&mut self) {
        self.send(Ok(message(7)));
    }

    fn finish(&mut self) {
        self.0 = None;
    }

    fn fail(&mut self) {
        self.send(Err(io::Error::other("scripted failure")));
    }

    fn leave(&mut self) {
        self.0 = None;
    }

    fn sees(&mut self) -> Option<Sees> {
        None
    }
}

fn number(delivery: Delivery) -> u8 {
    delivery.message.payload[0]
}

fn read(_: &Host, plan: &Plan) -> Open {
    let (messages, peer) = Feeds::new();
    item_source(plan, nats::read(messages), number, peer)
}

fn read_finite(_: &Host, plan: &Plan) -> Open {
    let (messages, peer) = Feeds::new();
    item_source(plan, nats::read(messages).finite(), number, peer)
}

/// What the guest's items become.
const ITEM: u8 = 7;

/// How many messages may wait for their acknowledgement.
const IN_FLIGHT: u32 = 2;

thread_local! {
    /// The server of a row, whose cells run on one thread.
    static WORLD: RefCell<Option<Rc<World>>> = const { RefCell::new(None) };
}

/// Stops the server when the row has run: a runtime cannot end with its thread.
struct Stop;

impl Drop for Stop {
    fn drop(&mut self) {
        WORLD.take();
    }
}

/// The server, and whoever reads what it has stored.
struct Stores {
    host: Host,
    world: Rc<World>,
    subject: String,
    after: u64,
}

impl Peer for Stores {
    fn take(&mut self) {
        self.step();
    }

    fn step(&mut self) {
        // The task of the sink is on the runtime of the matrix, the connection on the other.
        self.host.turn();
        self.world.settle();
        self.host.turn();
    }

    /// There is no end of a stream: a reader sees the guest's items and nothing else.
    fn sees(&mut self) -> Option<Sees> {
        self.step();
        let stored = self.world.stored(&self.subject, self.after);
        assert!(stored.iter().all(|item| *item == ITEM), "{stored:?}");
        Some(Sees::Open)
    }
}

fn publish(host: &Host, plan: &Plan) -> Open {
    let world = WORLD.with_borrow(Option::clone).expect("`nats_publish` has started it");
    let (subject, after) = world.next();
    let to = subject.clone();
    let message = move |item: u8| {
        PublishMessage::build().payload(vec![item].into()).outbound_message(to.clone())
    };
    let sink = nats::publish(world.server.nats.clone(), message).in_flight(IN_FLIGHT as usize);
    let peer = Stores { host: host.clone(), world, subject, after };
    // A flush would wait for the server.
    let shape = Shape { room: IN_FLIGHT, flush: Flush::OnClose };
    item_sink(plan, sink, |_| ITEM, shape, peer)
}

#[rustfmt::skip]
rows! { SOURCES:
    nats_read:        read,        [Wait Fail Step GoOnForEver], reads(Feeder::Nobody), Is(Abandoned);
    nats_read_finite: read_finite, [Wait Fail Step],             reads(Feeder::Nobody), Is(Finished);
}

pub const SINKS: &[Row] = &[Row {
    name: "nats_publish",
    make: publish,
    can: &[Wait, Step],
    sight: writes(AtEnd::Nothing, AtCut::Nothing),
    leaves: Nobody,
}];

#[test]
fn nats_publish() {
    // Rules "Truncated is never complete" and "Completion".
    let Some(world) = World::new() else { return };
    WORLD.set(Some(Rc::new(world)));
    let _stop = Stop;
    cells::run(&SINKS[0]);
}

#[test]
fn the_page_of_ends_shows_these_rows() {
    let addresses = addresses_of("nats");
    for (mut shown, rows) in [(shown::sources(), SOURCES), (shown::sinks(), SINKS)] {
        shown.retain(|label, _| label.starts_with("nats::"));
        assert_eq!(shown, shown::expected(rows, &addresses));
    }
    let rows: BTreeSet<_> = SOURCES.iter().chain(SINKS).map(|row| row.name).collect();
    assert_eq!(rows, ["nats_publish", "nats_read", "nats_read_finite"].into());
    assert_eq!(addresses, ["nats::publish", "nats::read"].map(str::to_owned).into());
}
