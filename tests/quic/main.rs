//! QUIC streams: what each end is on the other machine, backpressure, items, guests over one connection.
//!
//! Both machines are endpoints in this process, on the loopback device.
#![allow(unreachable_pub, dead_code)] // of what is shared with `tests/ends`

mod acknowledged;
mod backpressure;
mod contract;
mod ends;
mod guests;
mod items;
mod lost;
mod machines;
mod matrix;
mod wire;

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

#[path = "../peers/transform.rs"]
#[allow(dead_code, unreachable_pub)] // shared with other targets
mod transform;
