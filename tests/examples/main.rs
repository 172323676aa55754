//! Runs examples as processes, with real peers.

#[path = "../support/example.rs"]
#[allow(unreachable_pub)] // shared with other targets
mod example;
mod http;
