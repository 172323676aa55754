//! The adapters over real peers: sockets, files, channels between tasks, servers, with real guests.
// Helpers are shared with other targets.
#![allow(unreachable_pub)]

mod blocking;
mod bodies;
mod channels;
#[cfg(unix)]
mod children;
mod codec;
mod cooperation;
#[path = "../support/cuts.rs"]
#[allow(dead_code)] // `streams` uses all of it
mod cuts;
mod datagrams;
#[cfg(unix)]
mod descriptors;
#[cfg(unix)]
mod files;
mod gone_runtimes;
mod handoffs;
mod http;
mod http_cuts;
mod killed;
mod lifted;
mod listeners;
mod relay;
mod relayed;
mod resets;
#[cfg(unix)]
mod shut_down;
#[cfg(unix)]
mod socket_ends;
#[cfg(unix)]
mod sockets;
#[cfg(unix)]
mod stdin;
mod transform;
mod transformed;
#[cfg(unix)]
mod yields;

use std::time::Duration;

use tokio::runtime::Builder;
use wasmtime::component::{LinkerInstance, ResourceTable};
use wasmtime_streams_testing::{self as testing, Item, Setup};

/// A scripted guest in a store with a resource table.
type Guest<'a, T> = testing::Guest<'a, ResourceTable, T>;

/// What reaches this hangs: everything here happens at once.
const DEADLINE: Duration = Duration::from_secs(30);

/// Runs `script` against a fresh guest on a runtime of one thread, with real I/O.
fn with_guest<T: Item, R>(script: impl AsyncFnOnce(&Guest<'_, T>) -> R) -> R {
    with_guest_and(|_| Ok(()), script)
}

/// The same, with further imports.
fn with_guest_and<T: Item, R>(
    link: impl Fn(&mut LinkerInstance<'_, ResourceTable>) -> wasmtime::Result<()> + 'static,
    script: impl AsyncFnOnce(&Guest<'_, T>) -> R,
) -> R {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let setup = Setup::new(ResourceTable::new()).link(link);
    let script = async { tokio::time::timeout(DEADLINE, setup.drive(script)).await };
    runtime.block_on(script).expect("timed out").expect("the guest trapped")
}
