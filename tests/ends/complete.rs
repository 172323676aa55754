//! No adapter is missing from the matrix, and no row contradicts itself.

use std::collections::BTreeSet;

use wasmtime_streams::EndReason::{Finished, LimitReached};

use crate::constructors::{complaints, handoffs, public_constructors};
use crate::table::{Closing, Ending, Kind, Resolves, Told};
use crate::{adapters, table, values};

/// What has no row of its own.
const MADE_OF_OTHERS: &[&str] = &[
    // `from_guest_reader` and `to_guest_writer`.
    "tokio_io_duplex",
    // The same stream in another store, with the same object.
    "relay_splice",
    "relay_splice_items",
    // `from_guest_value_consumer`, in a store: a test of its own.
    "from_guest_value",
];

pub fn names() -> impl Iterator<Item = &'static str> {
    let streams = adapters::SOURCES.iter().chain(adapters::SINKS).map(|row| row.name);
    let sources = values::SOURCES.iter().map(|row| row.name);
    streams.chain(sources).chain(values::SINKS.iter().map(|row| row.name))
}

#[test]
fn no_adapter_is_missing_from_the_matrix() {
    let mut constructors = public_constructors();
    constructors.append(&mut handoffs());
    for name in MADE_OF_OTHERS {
        assert!(constructors.remove(*name), "there is no {name}");
    }
    let rows: BTreeSet<_> = names().map(str::to_owned).collect();
    assert_eq!(rows.len(), names().count(), "two rows have one name");
    let complaints = complaints(&constructors, &rows);
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn every_end_has_a_row_for_each_direction() {
    let kinds = |table: &[Ending]| table.iter().map(|ending| ending.kind).collect::<Vec<_>>();
    assert_eq!(kinds(table::SOURCES), Kind::ALL);
    // That a guest drops its end is the end of the data.
    let sinks: Vec<_> = Kind::ALL.into_iter().filter(|kind| *kind != Kind::GuestLeaves).collect();
    assert_eq!(kinds(table::SINKS), sinks);
}

#[test]
fn what_the_tables_say_of_an_end_is_of_one_piece() {
    // Rule "Completion": a sink is closed at the end of the data and at a limit, and at nothing else.
    for ending in table::SOURCES.iter().chain(table::SINKS) {
        let in_order = matches!(ending.with, Told::Is(Finished | LimitReached));
        let closes = ending.closing != Closing::Source && in_order;
        assert_eq!(ending.closing == Closing::Closed, closes, "{ending:?}");
        let with_the_store = matches!(ending.kind, Kind::GuestTraps | Kind::StoreGoes);
        assert_eq!(ending.resolves == Resolves::WithTheStore, with_the_store, "{ending:?}");
    }
}
