//! One thread of a soak.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use super::found::Found;
use super::layout::{Layout, Part, Row};
use crate::random::seed_of;
use crate::setup::locked;
use crate::{BoxedCheck, Report};

/// A part that has ended.
pub(super) struct Event {
    pub(super) row: usize,
    pub(super) scripts: Report,
    pub(super) elapsed: Duration,
    pub(super) found: Option<Found>,
}

/// What a thread runs now.
#[derive(Debug)]
pub(super) struct At {
    pub(super) row: usize,
    pub(super) check: usize,
    pub(super) numbers: Range<u64>,
    pub(super) since: Instant,
}

pub(super) struct Worker {
    pub(super) rows: Arc<Vec<Row>>,
    pub(super) layout: Arc<Layout>,
    pub(super) next: Arc<AtomicU64>,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) at: Arc<Mutex<Option<At>>>,
    pub(super) seed: u64,
}

impl Worker {
    /// Runs parts until there are no more.
    pub(super) fn work(self) {
        // A check has one thread. A second thread makes its own.
        let mut made: HashMap<usize, Vec<BoxedCheck>> = HashMap::new();
        let mut stopped = HashSet::new();
        while let Some(part) = self.layout.part(self.next.fetch_add(1, Ordering::Relaxed)) {
            let Part { row, check, numbers } = part;
            if stopped.contains(&(row, check)) {
                continue;
            }
            let Row { name, checks, .. } = &self.rows[row];
            let checks = made.entry(row).or_insert_with(checks);
            let since = Instant::now();
            *locked(&self.at) = Some(At { row, check, numbers: numbers.clone(), since });
            let seed = seed_of(self.seed, name, check);
            let result = checks[check].schedules(seed, numbers);
            let (scripts, found) = match result {
                Ok(report) => (report, None),
                Err(failure) => {
                    stopped.insert((row, check));
                    let found = Found { row: name.clone(), check, failure };
                    (Report::default(), Some(found))
                }
            };
            let event = Event { row, scripts, elapsed: since.elapsed(), found };
            if self.events.send(event).is_err() {
                // The soak has ended early.
                return;
            }
        }
        *locked(&self.at) = None;
    }
}
