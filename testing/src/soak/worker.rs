//! One thread of a soak.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use super::HUNG;
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
#[derive(Clone, Debug)]
pub(super) struct At {
    pub(super) row: usize,
    pub(super) check: usize,
    pub(super) numbers: Range<u64>,
    pub(super) since: Instant,
}

/// How long a thread has run the same part.
#[derive(Default)]
pub(super) struct Stays {
    since: Option<Instant>,
    waited: Duration,
}

impl Stays {
    /// What the thread runs, if it has run that for too long. `tick` has passed since the last call.
    pub(super) fn hung(&mut self, at: &Option<At>, tick: Duration) -> Option<At> {
        let since = at.as_ref().map(|at| at.since);
        self.waited = if since == self.since { self.waited + tick } else { Duration::ZERO };
        self.since = since;
        at.clone().filter(|_| self.waited > HUNG)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_stays_is_hung_and_a_stopped_process_is_not() {
        let at = || Some(At { row: 0, check: 0, numbers: 0..1, since: Instant::now() });
        let (first, second, mut stays) = (at(), at(), Stays::default());
        assert!(stays.hung(&first, Duration::from_secs(3600)).is_none());
        for _ in 0..120 {
            assert!(stays.hung(&first, Duration::from_secs(1)).is_none());
        }
        assert!(stays.hung(&first, Duration::from_secs(1)).is_some());
        assert!(stays.hung(&second, Duration::from_secs(1)).is_none());
        assert!(stays.hung(&None, Duration::from_secs(1)).is_none());
    }
}
