//! QUIC streams: what each end is on the other machine, backpressure, items, guests over one connection.
//!
//! Both machines are endpoints in this process, on the loopback device.

mod acknowledged;
mod backpressure;
mod ends;
mod guests;
mod items;
mod lost;
mod machines;

#[path = "../peers/transform.rs"]
#[allow(dead_code, unreachable_pub)] // shared with other targets
mod transform;
