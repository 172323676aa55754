//! Streams that are cut at random points leave nothing behind: no entry in the store, no task, no file, no memory.
//!
//! `LEAKS_SEED` and `LEAKS_STREAMS` change the run. The figures are printed to the process's own stderr.
#![cfg(target_os = "linux")]

mod cut;
mod kinds;
mod stores;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use peak_alloc::PeakAlloc;
use tokio::runtime::{Builder, Handle};
use wasmtime::AsContextMut as _;
use wasmtime_streams_testing::{Guest, Setup};

use self::kinds::Plan;

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

/// How many streams are open at a time.
const BATCH: usize = 50;

/// A small random number generator (SplitMix64).
#[derive(Clone)]
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }

    fn chance(&mut self) -> bool {
        self.below(2) == 0
    }
}

/// How many streams of each kind there were, and how their completions resolved.
#[derive(Default)]
struct Tally {
    kinds: BTreeMap<String, u64>,
    ends: BTreeMap<String, u64>,
}

impl Tally {
    fn kind(&mut self, kind: impl Into<String>) {
        *self.kinds.entry(kind.into()).or_default() += 1;
    }

    fn end(&mut self, end: impl Into<String>) {
        *self.ends.entry(end.into()).or_default() += 1;
    }

    /// Starts again, in the assert_same memory.
    fn reset(&mut self) {
        self.kinds.values_mut().chain(self.ends.values_mut()).for_each(|count| *count = 0);
    }
}

/// What the process holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    bytes: usize,
    files: usize,
    tasks: usize,
}

impl Held {
    fn now() -> Self {
        Self {
            bytes: ALLOCATED.current_usage(),
            files: fs::read_dir("/proc/self/fd").unwrap().count(),
            tasks: Handle::current().metrics().num_alive_tasks(),
        }
    }
}

type World = ();

/// How many entries the store's tables have.
fn entries(guest: &Guest<'_, World, u8>) -> usize {
    guest.with(|mut store| store.as_context_mut().concurrent_state_table_size())
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |n| n.parse().expect("a number"))
}

/// Opens `streams` streams in batches, and ends each.
async fn streams(
    guest: &Guest<'_, World, u8>,
    streams: u64,
    tally: &mut Tally,
    random: &mut Random,
) {
    tally.reset();
    for batch in 0..streams.div_ceil(BATCH as u64) {
        let mut open = Vec::new();
        for n in 0..BATCH as u64 {
            // Every second stream ends in order.
            let plan = Plan::new(batch * BATCH as u64 + n, random);
            tally.kind(plan.name());
            open.push(cut::open(guest, plan).await);
        }
        while !open.is_empty() {
            let stream = open.swap_remove(random.below(open.len() as u64) as usize);
            let end = stream.end(guest, random).await;
            tally.end(end);
        }
    }
}

fn print(text: &str) {
    // The test harness hides what a passing test prints.
    let mut stderr = std::io::stderr();
    writeln!(stderr, "leaks: {text}").unwrap();
}

fn list(counts: &BTreeMap<String, u64>) -> String {
    let counts = counts.iter().map(|(name, count)| format!("{name} {count}"));
    counts.collect::<Vec<_>>().join(", ")
}

/// Asserts that everything is back where it was. Memory may have grown a little, for tables and queues.
fn assert_same(before: Held, after: Held) {
    assert_eq!((before.files, before.tasks), (after.files, after.tasks), "{before:?}, {after:?}");
    let grown = after.bytes.saturating_sub(before.bytes);
    assert!(grown < 4096, "grown by {grown} bytes");
}

#[test]
fn ten_thousand_streams_leave_nothing_behind() {
    // A hang fails this test, and does not stop the others.
    let (tx, rx) = mpsc::channel();
    let thread = thread::spawn(move || {
        run();
        let _ = tx.send(());
    });
    match rx.recv_timeout(Duration::from_secs(300)) {
        Err(RecvTimeoutError::Timeout) => panic!("it hangs"),
        _ => thread.join().unwrap(),
    }
}

fn run() {
    let (seed, count) = (number("LEAKS_SEED", 1), number("LEAKS_STREAMS", 10_000));
    // The clock is paused, and advances only to a deadline.
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let random = &mut Random(seed);
    runtime.block_on(async {
        // A first run makes what grows only once: tables, the runtime's queues, the guest's component.
        stores::dropped(40, random).await;
        stores::relayed(40, random).await;
        let before = Held::now();

        let store = Setup::new(()).drive(async |guest: &Guest<'_, World, u8>| {
            let tally = &mut Tally::default();
            streams(guest, 20 * BATCH as u64, tally, random).await;
            let (held, table) = (Held::now(), entries(guest));
            streams(guest, count, tally, random).await;
            let (now, left) = (Held::now(), entries(guest));
            print(&format!("seed {seed}, {count} streams: {}", list(&tally.kinds)));
            print(&format!("ended as: {}", list(&tally.ends)));
            print(&format!("table entries {table} before, {left} after; {held:?}, {now:?}"));
            assert_eq!(table, left, "entries in the store's table");
            assert_same(held, now);
        });
        store.await.unwrap();

        let tally = stores::dropped(count / 20, random).await;
        print(&format!(
            "{} streams in stores that were dropped: {}",
            count / 20,
            list(&tally.ends)
        ));
        let tally = stores::relayed(count / 20, random).await;
        print(&format!("{} streams between two stores: {}", count / 20, list(&tally.ends)));
        let after = Held::now();
        print(&format!("before all stores {before:?}, after them {after:?}"));
        assert_same(before, after);
    });
}
