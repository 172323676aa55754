//! The examples as processes, with real peers.

#[path = "../support/example.rs"]
#[allow(unreachable_pub)] // written as a library would be, for more than one test target
mod example;
mod http;
