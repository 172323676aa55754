//! The contract kit over every adapter of the crate, over wrong implementations, and over Wasmtime's own.
#![allow(unreachable_pub)] // the support is written as a library would be

#[path = "../support/script.rs"]
#[allow(dead_code)] // the other test target uses all of it
mod script;

mod adapters;
mod front_page;
mod right;
mod wasmtimes_own;
mod wrong;
mod wrong_beside;
mod wrong_cancels;
mod wrong_consumers;
mod wrong_cuts;
mod wrong_ends;
mod wrong_futures;
mod wrong_handles;
mod wrong_producers;
mod wrong_zero_length;
