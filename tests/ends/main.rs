//! The matrix of ends: every adapter, in both directions, under everything that can end its stream.
//!
//! `table.rs` says what each end is to the guest and to the host, `adapters.rs` what the other side of each adapter sees of it.
//! Each row of the latter is a test, which runs all cells: each end that there can be, with a completion and without, with an
//! operation under way and without. `docs/ends.md` shows the same tables, and is compared with them.
#![allow(unreachable_pub)] // the support is written as a library would be

mod adapters;
mod cells;
mod complete;
mod host;
mod left;
mod live;
mod made;
mod page;
mod peers;
mod reset;
mod spy;
mod table;
mod values;

#[path = "../support/codec.rs"]
mod codec;
#[path = "../support/constructors.rs"]
mod constructors;
