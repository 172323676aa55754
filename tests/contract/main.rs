//! The contract kit, run over every adapter, over wrong implementations, and over Wasmtime's own producers.
#![allow(unreachable_pub)] // shared with other targets

#[path = "../support/script.rs"]
#[allow(dead_code)] // `streams` uses all of it
mod script;

mod adapters;
mod front_page;
mod right;
mod soak;
mod soaked;
mod wasmtimes_own;
mod wrong;
mod wrong_beside;
mod wrong_cancels;
mod wrong_consumers;
mod wrong_cuts;
mod wrong_ends;
mod wrong_futures;
mod wrong_handles;
mod wrong_passes;
mod wrong_producers;
mod wrong_zero_length;
