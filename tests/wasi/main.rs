//! WASI 0.3 over this crate's adapters.

#![allow(unreachable_pub)] // shared with other targets

#[path = "../support/script.rs"]
mod script;

mod faults;
mod files;
mod matrix;
mod stdio;
mod tcp;
