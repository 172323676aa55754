//! Models of the pieces of `wasmtime-streams` that share state between threads by a protocol of their own.
//!
//! The pieces are compiled from the library's own files. `sync` replaces the library's module of that name by loom's
//! types, and `stand_in` what they name of Wasmtime. `models NAME` tries every order of the steps of one model and
//! prints how many there are; `models NAME N` with at most N pre-emptions, whatever the model's own bound is; `models`
//! prints the names.

#![forbid(unsafe_code)]
// The models do not use all of the pieces.
#![allow(dead_code, unused_imports)]

extern crate self as wasmtime;

#[path = "../../../src/completion/mod.rs"]
mod completion;
#[path = "../../../src/end.rs"]
mod end;
#[path = "../../../src/handoff/mod.rs"]
mod handoff;
#[path = "../../../adapters/blocking/job.rs"]
mod job;
#[path = "../../../src/layer/mod.rs"]
mod layer;
#[path = "../../../src/oneshot.rs"]
mod oneshot;
#[path = "../../../src/place.rs"]
mod place;
#[path = "../../../src/sink.rs"]
mod sink;
#[path = "../../../src/source.rs"]
mod source;
#[path = "../../../adapters/wasi/stdio/shared.rs"]
mod stdio;
#[path = "../../../src/wake.rs"]
mod wake;

mod models;
mod stand_in;
mod sync;
mod task;

pub use self::completion::{CancelHandle, Completed, Completion, StoreToken};
pub use self::end::{Cut, End, EndReason};
pub use self::layer::Meter;
pub use self::sink::{ByteSink, Flush, ItemSink, Take};
pub use self::source::{ByteSource, ItemSource, Then};
pub use self::stand_in::*;

/// Counts what is allocated, for the models of memory.
#[global_allocator]
static ALLOCATED: peak_alloc::PeakAlloc = peak_alloc::PeakAlloc;

fn main() {
    let models = models::all();
    let mut args = std::env::args().skip(1);
    let Some(name) = args.next() else {
        models.iter().for_each(|model| println!("{}", model.name));
        return;
    };
    let bound = args.next().map(|bound| bound.parse().expect("the bound is a number"));
    match models.iter().find(|model| model.name == name) {
        Some(model) => println!("{}", model.run(bound)),
        None => {
            eprintln!("there is no model {name}");
            std::process::exit(2);
        }
    }
}
