//! The matrix of ends over messages of a script: see `tests/ends`. What becomes of the messages is in `ends.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use async_nats::jetstream::Message;
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use wasmtime_streams::EndReason::{Abandoned, Finished};
use wasmtime_streams::nats::{self, Delivery};

use crate::constructors::addresses_of;
use crate::contract::message;
use crate::host::Host;
use crate::made::{Open, Peer, Plan, Sees, item_source};
use crate::rows::Can::{Fail, GoOnForEver, Step, Wait};
use crate::rows::Feeder;
use crate::rows::Leaves::Is;
use crate::rows::{reads, rows};
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

#[rustfmt::skip]
rows! { SOURCES:
    nats_read:        read,        [Wait Fail Step GoOnForEver], reads(Feeder::Nobody), Is(Abandoned);
    nats_read_finite: read_finite, [Wait Fail Step],             reads(Feeder::Nobody), Is(Finished);
}

#[test]
fn the_page_of_ends_shows_these_rows() {
    let addresses = addresses_of("nats");
    let mut shown: BTreeMap<_, _> = shown::sources();
    shown.retain(|label, _| label.starts_with("nats::"));
    assert_eq!(shown, shown::expected(SOURCES, &addresses));
    // `publish` has none: it waits for a server.
    let rows: BTreeSet<_> = ["nats::publish", "nats::read"].map(str::to_owned).into();
    assert_eq!(addresses, rows);
}
