//! Runs all short scripts and random long ones, and shrinks a script that shows a finding.

use std::fmt;

use super::{Failure, Finding, Report};

/// One step of a script. A step that does not apply, such as a wait without a pending operation, does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// The guest starts to read or write this many items; 0 is a zero-length operation.
    Start(u32),
    /// The host object advances by one step. Before a `Cancel` this is a race: the host object advances after the guest
    /// has cancelled, right before the implementation answers.
    Step,
    /// Runs until nothing can run any more.
    Idle,
    /// The guest waits for its operation. Whenever nothing can run, the host object advances, while it can.
    Wait,
    /// The guest cancels its operation.
    Cancel,
    /// The guest drops its end. The rest of the script is not run.
    Drop,
    /// The guest reads to the last item, and then repeats zero-length reads until one does not complete.
    Ask,
    /// The host cuts the stream by [`Made::cut`](super::Made::cut).
    Cut,
    /// The guest traps. The rest of the script is not run.
    Trap,
    /// The store is dropped. The rest of the script is not run.
    DropStore,
}

impl Op {
    /// Decodes a fuzzer's `bytes` into a script: each byte is one step, and every byte is valid. Never decodes to
    /// [`Ask`](Op::Ask), [`Cut`](Op::Cut), [`Trap`](Op::Trap) or [`DropStore`](Op::DropStore).
    ///
    /// ```
    /// # use wasmtime_streams_testing::Op;
    /// assert_eq!(Op::decode(&[0, 0x18, 5]), [Op::Start(0), Op::Start(3), Op::Wait]);
    /// ```
    pub fn decode(bytes: &[u8]) -> Vec<Op> {
        let decode = |byte: &u8| match (byte & 7, u32::from(byte >> 3)) {
            // A `Drop` ends the script, so it is rare.
            (7, 31) => Op::Drop,
            (3, _) => Op::Step,
            (4, _) => Op::Idle,
            (5 | 7, _) => Op::Wait,
            (6, _) => Op::Cancel,
            // At most 65,536 items, which fit into the buffer of every guest.
            (_, n @ 24..) => Op::Start(1 << (n - 15)),
            (_, n) => Op::Start(n),
        };
        bytes.iter().map(decode).collect()
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Op::Start(0) => f.write_str("ask for readiness"),
            Op::Start(n) => write!(f, "start {n}"),
            Op::Step => f.write_str("host step"),
            Op::Idle => f.write_str("idle"),
            Op::Wait => f.write_str("wait"),
            Op::Cancel => f.write_str("cancel"),
            Op::Drop => f.write_str("drop"),
            Op::Ask => f.write_str("ask for the end"),
            Op::Cut => f.write_str("host cut"),
            Op::Trap => f.write_str("trap"),
            Op::DropStore => f.write_str("drop the store"),
        }
    }
}

/// The result of one script.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) findings: Vec<(Finding, String)>,
    pub(super) trace: Vec<String>,
    pub(super) polls: usize,
    pub(super) wakes: usize,
}

/// Operations appended to all scripts that are at least `shorter` operations shorter than the longest ones.
#[derive(Clone, Copy, Debug)]
pub(super) struct Suffix {
    pub(super) ops: &'static [Op],
    pub(super) shorter: usize,
}

/// Which scripts to run, and which deviations are allowed.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) ops: Vec<Op>,
    pub(super) endings: Vec<Suffix>,
    pub(super) depth: usize,
    pub(super) random: usize,
    pub(super) seed: u64,
    pub(super) replay: Option<Vec<Op>>,
    pub(super) allowed: Vec<Finding>,
}

impl Plan {
    pub(super) fn new(sizes: &[u32]) -> Self {
        let mut ops: Vec<_> = sizes.iter().map(|size| Op::Start(*size)).collect();
        ops.extend([Op::Step, Op::Idle, Op::Wait, Op::Cancel, Op::Drop]);
        let (endings, allowed) = (Vec::new(), Vec::new());
        Self { ops, endings, depth: 3, random: 200, seed: 1, replay: None, allowed }
    }
}

/// Operations in the longest random script.
const LONGEST: usize = 24;

/// SplitMix64. A random generator of its own, so that the scripts of a seed never change.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound.max(1) as u64) as usize
    }
}

/// Runs the scripts of `plan` by `case`.
pub(super) fn explore(plan: &Plan, case: &dyn Fn(&[Op]) -> Outcome) -> Result<Report, Failure> {
    let mut explorer = Explorer {
        plan,
        case,
        seen: Vec::new(),
        report: Report { seed: plan.seed, ..Report::default() },
    };
    if let Some(script) = &plan.replay {
        explorer.try_script(script, None)?;
        return Ok(explorer.report);
    }
    // Shortest first: their findings need no shrinking.
    for len in 0..=plan.depth {
        explorer.all(&mut Vec::new(), len, &[])?;
    }
    for Suffix { ops, shorter } in &plan.endings {
        for len in 0..=plan.depth.saturating_sub(*shorter) {
            explorer.all(&mut Vec::new(), len, ops)?;
        }
    }
    let mut random = Random(plan.seed);
    for number in 0..plan.random {
        let len = plan.depth + 1 + random.below(LONGEST - plan.depth.min(LONGEST));
        let mut script: Vec<_> = (0..len).map(|_| plan.ops[random.below(plan.ops.len())]).collect();
        // Every second script gets an ending, at a random place.
        if number % 2 == 1 && !plan.endings.is_empty() {
            let at = random.below(len);
            let Suffix { ops, .. } = plan.endings[random.below(plan.endings.len())];
            script.splice(at..at, ops.iter().copied());
        }
        explorer.try_script(&script, Some(plan.seed))?;
    }
    match plan.allowed.iter().find(|allowed| !explorer.seen.contains(*allowed)) {
        None => Ok(explorer.report),
        Some(allowed) => Err(Failure {
            finding: Finding::DeclaredInVain,
            detail: format!("{allowed:?} was allowed, but no script shows it"),
            script: Vec::new(),
            trace: Vec::new(),
            seed: None,
        }),
    }
}

struct Explorer<'a> {
    plan: &'a Plan,
    case: &'a dyn Fn(&[Op]) -> Outcome,
    seen: Vec<Finding>,
    report: Report,
}

impl Explorer<'_> {
    /// All scripts that continue `script` by `more` operations, and then by `ending`.
    fn all(&mut self, script: &mut Vec<Op>, more: usize, ending: &[Op]) -> Result<(), Failure> {
        if more == 0 && ending.is_empty() {
            return self.try_script(script, None);
        }
        // Nothing after a drop is run.
        if script.last() == Some(&Op::Drop) {
            return Ok(());
        }
        if more == 0 {
            return self.try_script(&[script.as_slice(), ending].concat(), None);
        }
        for op in &self.plan.ops {
            script.push(*op);
            self.all(script, more - 1, ending)?;
            script.pop();
        }
        Ok(())
    }

    fn run(&mut self, script: &[Op]) -> Outcome {
        self.report.scripts += 1;
        self.report.operations += script.len();
        let outcome = (self.case)(script);
        self.report.polls += outcome.polls;
        self.report.wakes += outcome.wakes;
        for (finding, _) in &outcome.findings {
            if self.plan.allowed.contains(finding) && !self.seen.contains(finding) {
                self.seen.push(*finding);
            }
        }
        outcome
    }

    /// The first finding that is not allowed.
    fn finding(&self, outcome: &Outcome) -> Option<(Finding, String)> {
        let mut findings = outcome.findings.iter();
        findings.find(|(finding, _)| !self.plan.allowed.contains(finding)).cloned()
    }

    fn try_script(&mut self, script: &[Op], seed: Option<u64>) -> Result<(), Failure> {
        let outcome = self.run(script);
        match self.finding(&outcome) {
            None => Ok(()),
            Some(found) => Err(self.shrink(script.to_vec(), outcome, found, seed)),
        }
    }

    /// Removes operations one by one, while the rest still shows a finding.
    fn shrink(
        &mut self,
        mut script: Vec<Op>,
        mut outcome: Outcome,
        mut found: (Finding, String),
        seed: Option<u64>,
    ) -> Failure {
        let mut at = 0;
        while at < script.len() {
            let mut shorter = script.clone();
            shorter.remove(at);
            let tried = self.run(&shorter);
            match self.finding(&tried) {
                Some(still) => {
                    (script, outcome, found) = (shorter, tried, still);
                    at = 0;
                }
                None => at += 1,
            }
        }
        let (finding, detail) = found;
        Failure { finding, detail, script, trace: outcome.trace, seed }
    }
}
