//! Measures by alternating runs, and their medians.

use std::fmt;
use std::time::Duration;

use wasmtime::Result;

use crate::clock::Spent;
use crate::measure::{Row, Subject, median};

/// One side of a row: what a number of operations takes.
pub(crate) type Side<'a> = dyn FnMut(u64) -> Result<Spent> + 'a;

/// How long and how often to measure.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    run: Duration,
    pairs: usize,
}

/// A row of times. The CPU time counts.
pub(crate) struct Timed {
    pub(crate) cpu: Row,
    pub(crate) wall: Row,
}

impl Effort {
    pub(crate) const FULL: Self = Self { run: Duration::from_millis(10), pairs: 180 };
    pub(crate) const QUICK: Self = Self { run: Duration::from_millis(2), pairs: 5 };

    /// Longer and fewer runs, for rows with several threads.
    pub(crate) fn long(self) -> Self {
        Self { run: self.run * 4, pairs: (self.pairs / 3).max(3) }
    }

    /// The number of operations in a run of the intended length. A run can only take too long, for example the first
    /// one, or one that other load interrupts.
    fn calibrate(self, side: &mut Side<'_>) -> Result<u64> {
        let mut ops = 1;
        loop {
            let mut time = side(ops)?.cpu;
            for _ in 0..2 {
                time = time.min(side(ops)?.cpu);
            }
            if time * 4 >= self.run || ops > 1 << 40 {
                let scale = self.run.as_secs_f64() / time.as_secs_f64();
                return Ok(((ops as f64 * scale) as u64).max(1));
            }
            ops *= 4;
        }
    }

    /// The two runs of a pair are adjacent and about equally long, and alternate in going first, so that other load on
    /// the machine affects both.
    pub(crate) fn compare(
        self,
        subject: Subject,
        ours: &mut Side<'_>,
        peer: &mut Side<'_>,
    ) -> Result<Timed> {
        let ops = [self.calibrate(ours)?, self.calibrate(peer)?];
        let mut pairs = Vec::new();
        for pair in 0..self.pairs {
            let [ours, peer] = if pair % 2 == 0 {
                let ours = ours(ops[0])?;
                [ours, peer(ops[1])?]
            } else {
                let peer = peer(ops[1])?;
                [ours(ops[0])?, peer]
            };
            pairs.push([(ours, ops[0]), (peer, ops[1])]);
        }
        Ok(Timed {
            cpu: row(&subject, &pairs, |spent| spent.cpu),
            wall: row(&subject, &pairs, |spent| spent.wall),
        })
    }
}

/// The medians. That of the ratios is more stable than the ratio of the medians.
fn row(subject: &Subject, pairs: &[[(Spent, u64); 2]], of: fn(Spent) -> Duration) -> Row {
    let nanos = |(spent, ops): (Spent, u64)| of(spent).as_nanos() as f64 / ops as f64;
    let sides = |index: usize| median(pairs.iter().map(|pair| nanos(pair[index])).collect());
    let ratios = pairs.iter().map(|pair| nanos(pair[1]) / nanos(pair[0])).collect();
    Row { subject: subject.clone(), ours: sides(0), peer: sides(1), ratio: median(ratios) }
}

impl fmt::Display for Timed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Row { subject: Subject { name, peer, unit, floor, .. }, .. } = &self.cpu;
        write!(f, "ROW name={name} peer={peer}")?;
        for (what, row) in [("cpu", &self.cpu), ("wall", &self.wall)] {
            let (ours, theirs, ratio) = (row.ours, row.peer, row.ratio);
            write!(f, " {what}={ours:.0}ns/{unit}:{theirs:.0} {what}-ratio={ratio:.2}")?;
        }
        write!(f, " floor={floor:.2} below={}", if self.cpu.is_below() { "yes" } else { "no" })
    }
}

/// A row that is no time: what must not be exceeded.
pub(crate) struct Bound {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) ours: f64,
    pub(crate) peer: f64,
    pub(crate) most: f64,
}

impl Bound {
    pub(crate) fn is_exceeded(&self) -> bool {
        self.ours > self.most
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, unit, ours, peer, most, .. } = self;
        let exceeded = if self.is_exceeded() { "yes" } else { "no" };
        write!(f, "ROW name={name} ours={ours}{unit} peer=wasmtime:{peer}{unit} ")?;
        write!(f, "at-most={most}{unit} exceeded={exceeded}")
    }
}
