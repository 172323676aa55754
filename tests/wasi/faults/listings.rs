//! Directories that a guest opens and does not read.

use std::{
    fs::File,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::{runtime::Builder, task::spawn_blocking};

use super::{Guest, World, completed, directory};
use crate::matrix::{HOSTS, Host, Scratch};

/// As many threads as the runtime has for blocking work; by default tokio has 512.
const THREADS: usize = 2;

/// Runs a blocking job of the host's while the guest has as many listings as there are threads. Whether the job got a
/// thread only after the listings were closed; they are closed if it cannot get one before.
async fn waits_for_a_close(host: Host, guest: &Guest<'_>, listings: Vec<u32>) -> bool {
    let closed = Arc::new(AtomicBool::new(false));
    let seen = closed.clone();
    let job = spawn_blocking(move || seen.load(Ordering::SeqCst));
    let close = async {
        closed.store(true, Ordering::SeqCst);
        for listing in listings {
            guest.drop_end("drop-entries", listing).await;
        }
    };
    match host {
        Host::Wasmtime => {
            close.await;
            job.await.unwrap()
        }
        Host::Ours => {
            let waited = job.await.unwrap();
            close.await;
            waited
        }
    }
}

#[test]
fn listings_that_a_guest_does_not_read_hold_no_thread() {
    let scratch = Scratch::new();
    for name in ["one", "two", "three", "four", "five"] {
        scratch.put(name, b"");
    }
    for &host in HOSTS {
        for entries in [0, 1] {
            let runtime =
                Builder::new_current_thread().max_blocking_threads(THREADS).build().unwrap();
            runtime.block_on(World::new().with(host, async |guest| {
                let mut listings = Vec::new();
                for _ in 0..THREADS {
                    let opened = File::open(scratch.path("")).unwrap();
                    let (listing, _) = guest.open_at("list", directory(opened)).await;
                    if entries > 0 {
                        let code = guest.done("read-entries", listing, entries).await;
                        assert_eq!(code, completed(entries));
                    }
                    listings.push(listing);
                }
                let waited = waits_for_a_close(host, guest, listings).await;
                assert_eq!(waited, host == Host::Wasmtime, "{host:?}, {entries} entries read");
            }));
        }
    }
}
