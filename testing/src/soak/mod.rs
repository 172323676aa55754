//! Random schedules over a table of checks, on all cores.

mod found;
mod layout;
mod worker;

use std::fmt;
use std::num::NonZero;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

pub use self::found::{Found, Progress, RowReport, SoakReport};
use self::layout::{Layout, Row};
use self::worker::{Event, Stays, Worker};
use super::random::seed_of;
use super::setup::locked;
use super::{BoxedCheck, Failure, Report};

/// How long a thread may take for a part, which has at most [`layout::PART`] schedules of milliseconds each.
const HUNG: Duration = Duration::from_secs(120);

/// How often the progress is shown.
const TICK: Duration = Duration::from_millis(200);

/// Runs random schedules over a table of checks, on all cores, and finds each again by its seed and number.
///
/// ```
/// use wasmtime_streams_testing::{Made, Soak, producer};
/// # use std::pin::Pin;
/// # use std::task::{Context, Poll};
/// # use wasmtime::component::{Destination, StreamProducer, StreamResult, VecBuffer};
/// # use wasmtime::{AsContextMut as _, Result, StoreContextMut};
/// # struct MyProducer(Vec<u8>);
/// # impl<D: 'static> StreamProducer<D> for MyProducer {
/// #     type Item = u8;
/// #     type Buffer = VecBuffer<u8>;
/// #     fn poll_produce<'a>(
/// #         mut self: Pin<&mut Self>, _: &mut Context<'_>, mut store: StoreContextMut<'a, D>,
/// #         mut destination: Destination<'a, u8, VecBuffer<u8>>, finish: bool,
/// #     ) -> Poll<Result<StreamResult>> {
/// #         if finish {
/// #             return Poll::Ready(Ok(StreamResult::Cancelled));
/// #         }
/// #         let n = destination.remaining(store.as_context_mut()).unwrap_or(1).min(self.0.len());
/// #         destination.set_buffer(self.0.drain(..n).collect::<Vec<_>>().into());
/// #         let end = self.0.is_empty();
/// #         Poll::Ready(Ok(if end { StreamResult::Dropped } else { StreamResult::Completed }))
/// #     }
/// # }
///
/// let numbers = || vec![producer(vec![1, 2, 3], || Made::new(MyProducer(vec![1, 2, 3]))).boxed()];
/// let soak = Soak::new(1).row("my_producer", numbers).schedules(1000);
/// let report = soak.run(|_| {});
/// println!("{report}");
/// assert!(report.findings.is_empty());
/// # assert_eq!(report.report.scripts, 1000);
///
/// // The schedule 17 of the first check of this row, alone.
/// soak.replay("my_producer", 0, 17).expect("a row of this name").expect("no finding");
/// ```
#[must_use = "nothing is checked until it is run"]
pub struct Soak {
    rows: Arc<Vec<Row>>,
    schedules: u64,
    seed: u64,
    threads: usize,
}

impl fmt::Debug for Soak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rows, schedules, seed, threads } = self;
        let mut debug = f.debug_struct("Soak");
        debug.field("rows", &rows.len()).field("schedules", schedules);
        debug.field("seed", seed).field("threads", threads).finish()
    }
}

impl Soak {
    /// A soak without rows. The same seed gives the same schedules.
    pub fn new(seed: u64) -> Self {
        let threads = thread::available_parallelism().map_or(1, NonZero::get);
        Self { rows: Arc::default(), schedules: 10_000, seed, threads }
    }

    /// Adds a row. Each thread makes its checks once.
    pub fn row(
        self,
        name: impl Into<String>,
        checks: impl Fn() -> Vec<BoxedCheck> + Send + Sync + 'static,
    ) -> Self {
        self.add(name.into(), layout::PART, Box::new(checks))
    }

    /// Adds a row that gets a twentieth of the schedules of another: one that uses up something scarce, such as ports.
    pub fn rare_row(
        self,
        name: impl Into<String>,
        checks: impl Fn() -> Vec<BoxedCheck> + Send + Sync + 'static,
    ) -> Self {
        self.add(name.into(), layout::PART / 20, Box::new(checks))
    }

    fn add(mut self, name: String, part: u64, checks: layout::Checks) -> Self {
        let count = checks().len();
        let rows = Arc::get_mut(&mut self.rows).expect("not shared before it runs");
        rows.push(Row { name, part, checks, count });
        self
    }

    /// How many schedules to run, 10,000 by default. The checks of all rows take turns.
    pub fn schedules(mut self, schedules: u64) -> Self {
        self.schedules = schedules;
        self
    }

    /// On how many threads, by default as many as there are cores.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// Runs the schedules, and calls `progress` several times a second. A check with a finding is not run again; the
    /// others go on. Ends early if a schedule hangs: its thread is left behind then.
    ///
    /// # Panics
    ///
    /// If a row panics while it makes its checks.
    pub fn run(&self, mut progress: impl FnMut(Progress)) -> SoakReport {
        let began = Instant::now();
        let layout = Arc::new(Layout::new(&self.rows, self.schedules));
        let next = Arc::new(AtomicU64::new(0));
        let (events, reports) = mpsc::channel();
        let mut working = Vec::new();
        for _ in 0..self.threads {
            let at = Arc::new(Mutex::new(None));
            let worker = Worker {
                rows: self.rows.clone(),
                layout: layout.clone(),
                next: next.clone(),
                events: events.clone(),
                at: at.clone(),
                seed: self.seed,
            };
            working.push((at, thread::spawn(move || worker.work()), Stays::default()));
        }
        drop(events);
        let mut report = SoakReport::new(self.seed, &self.rows);
        let mut ticked = Instant::now();
        loop {
            match reports.recv_timeout(TICK) {
                Ok(Event { row, scripts, elapsed, found }) => {
                    report.add(row, scripts, elapsed, found)
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
            }
            progress(Progress {
                done: report.report.scripts as u64,
                all: self.schedules,
                findings: report.findings.len(),
            });
            // In ticks, not by the clock: the whole process may have been stopped for a while.
            let tick = ticked.elapsed().min(2 * TICK);
            ticked = Instant::now();
            let hung = working.iter_mut().find_map(|(at, _, stays)| stays.hung(&locked(at), tick));
            if let Some(at) = hung {
                next.store(u64::MAX / 2, Ordering::Relaxed);
                let name = &self.rows[at.row].name;
                report.hung =
                    Some(format!("{name}, check {}, schedules {:?}", at.check, at.numbers));
                report.elapsed = began.elapsed();
                return report;
            }
        }
        for (_, thread, _) in working {
            thread.join().expect("a row that makes its checks");
        }
        report.elapsed = began.elapsed();
        report
    }

    /// Runs one schedule again: `None` if there is no such row or check.
    ///
    /// # Errors
    ///
    /// Its finding, with the shortest script that shows it.
    pub fn replay(
        &self,
        row: &str,
        check: usize,
        number: u64,
    ) -> Option<Result<Report, Box<Failure>>> {
        let found = self.rows.iter().find(|found| found.name == row)?;
        let checks = (found.checks)();
        let seed = seed_of(self.seed, row, check);
        Some(checks.get(check)?.schedules(seed, number..number + 1))
    }
}
