//! No adapter is missing from the matrix, and no row contradicts itself.

use std::collections::BTreeSet;

use wasmtime_streams::EndReason::{Finished, LimitReached};

use crate::constructors::{handoffs, mismatches, public_constructors};
use crate::table::{Closing, Ending, Kind, Reported, Resolves};
use crate::{adapters, table, values};

/// Functions without a row of their own.
const MADE_OF_OTHERS: &[&str] = &[
    // Made of `from_guest_reader` and `to_guest_writer`.
    "tokio_io_duplex",
    // The same stream in another store, with the same object.
    "relay_splice",
    "relay_splice_items",
    // `from_guest_value_consumer`, made in a store: `values.rs` has a test of it.
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
        assert!(constructors.remove(*name), "no constructor is named {name}");
    }
    let rows: BTreeSet<_> = names().map(str::to_owned).collect();
    assert_eq!(rows.len(), names().count(), "two rows have the same name");
    let mismatches = mismatches(&constructors, &rows);
    assert!(mismatches.is_empty(), "{}", mismatches.join("\n"));
}

#[test]
fn every_end_has_a_row_for_each_direction() {
    let kinds = |table: &[Ending]| table.iter().map(|ending| ending.kind).collect::<Vec<_>>();
    assert_eq!(kinds(table::SOURCES), Kind::ALL);
    // A guest that drops its end is the end of the data.
    let sinks: Vec<_> = Kind::ALL.into_iter().filter(|kind| *kind != Kind::GuestLeaves).collect();
    assert_eq!(kinds(table::SINKS), sinks);
}

#[test]
fn the_tables_do_not_contradict_each_other() {
    // Rule "Completion": a sink is closed at the end of the data and at a limit, and never otherwise.
    for ending in table::SOURCES.iter().chain(table::SINKS) {
        let in_order = matches!(ending.with, Reported::Is(Finished | LimitReached));
        let closes = ending.closing != Closing::Source && in_order;
        assert_eq!(ending.closing == Closing::Closed, closes, "{ending:?}");
        let with_the_store = matches!(ending.kind, Kind::GuestTraps | Kind::StoreGoes);
        assert_eq!(ending.resolves == Resolves::WithTheStore, with_the_store, "{ending:?}");
    }
}
