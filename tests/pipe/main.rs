//! The `pipe` example as a user meets it: a process with real files, pipes and sockets.
#![cfg(all(feature = "tokio", unix))]

mod failures;
mod process;
mod transfers;
