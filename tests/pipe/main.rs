//! The `pipe` example as a user runs it: a process with real files, pipes and sockets.
#![cfg(all(feature = "tokio", unix))]

#[path = "../support/example.rs"]
#[allow(unreachable_pub)] // written as a library would be, for more than one test target
mod example;
mod failures;
mod files;
mod limits;
mod openings;
mod peers;
mod process;
mod same_file;
mod standard_streams;
mod terminals;
mod transfers;
