//! JetStream: acknowledgements, redelivery, backpressure, every end, and results that are published.
//!
//! Each test starts a server of its own. Where `nats-server` is not installed they say so, and fail with `CI=true`.
#![allow(unreachable_pub, dead_code)] // of what is shared with `tests/ends`

mod bounds;
mod contract;
mod ends;
mod matrix;
mod publishing;
mod reading;
mod results;
mod server;

use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

#[path = "../ends/cells.rs"]
mod cells;
#[path = "../support/completed.rs"]
mod completed;
#[path = "../support/constructors.rs"]
mod constructors;
#[path = "../ends/host.rs"]
mod host;
#[path = "../ends/live.rs"]
mod live;
#[path = "../ends/made.rs"]
mod made;
#[path = "../ends/rows.rs"]
mod rows;
#[path = "../ends/shown.rs"]
mod shown;
#[path = "../ends/spy.rs"]
mod spy;
#[path = "../ends/table.rs"]
mod table;
