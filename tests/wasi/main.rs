//! WASI 0.3 over this crate's adapters.

#[path = "../support/script.rs"]
mod script;

mod files;
mod stdio;
mod tcp;
