//! JetStream: acknowledgements, redelivery, backpressure, every end, and results that are published.
//!
//! Each test starts a server of its own. Where `nats-server` is not installed they say so, and fail with `CI=true`.

mod bounds;
mod contract;
mod ends;
mod publishing;
mod reading;
mod results;
mod server;

use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;
