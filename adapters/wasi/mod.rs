//! WASI 0.3: a guest's stdio, files, directories and TCP sockets over this crate's adapters.
//!
//! Needs the feature `wasi`.

mod files;
mod stdio;
mod tcp;
