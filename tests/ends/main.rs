//! The matrix of ends: every adapter, in both directions, with everything that can end its stream.
//!
//! `table.rs` has what the guest and the host see of each end, `adapters.rs` what the other side of each adapter sees.
//! Each row of the latter is a test that runs all cells: every end, with a completion and without, with an operation
//! under way and without. `page.rs` compares the tables with `docs/ends.md`.
#![allow(unreachable_pub)] // shared with other targets

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
mod rows;
mod shown;
mod spy;
mod table;
mod values;

#[path = "../support/codec.rs"]
mod codec;
#[path = "../support/constructors.rs"]
mod constructors;
