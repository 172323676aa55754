//! Runs all short scripts and random long ones, and shrinks a script that shows a finding.

use super::random::Random;
use super::{Failure, Finding, Op, Report};

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

/// Runs the scripts of `plan` by `case`.
pub(super) fn explore(plan: &Plan, case: &dyn Fn(&[Op]) -> Outcome) -> Result<Report, Failure> {
    let mut explorer = Explorer::new(plan, case, plan.seed);
    if let Some(script) = &plan.replay {
        explorer.try_script(script, Origin::default())?;
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
    let mut random = Random::new(plan.seed);
    for number in 0..plan.random {
        let len = plan.depth + 1 + random.below(LONGEST - plan.depth.min(LONGEST));
        let mut script: Vec<_> = (0..len).map(|_| plan.ops[random.below(plan.ops.len())]).collect();
        // Every second script gets an ending, at a random place.
        if number % 2 == 1 && !plan.endings.is_empty() {
            let at = random.below(len);
            let Suffix { ops, .. } = plan.endings[random.below(plan.endings.len())];
            script.splice(at..at, ops.iter().copied());
        }
        explorer.try_script(&script, Origin { seed: Some(plan.seed), number: None })?;
    }
    match plan.allowed.iter().find(|allowed| !explorer.seen.contains(*allowed)) {
        None => Ok(explorer.report),
        Some(allowed) => Err(Failure {
            finding: Finding::DeclaredInVain,
            detail: format!("{allowed:?} was allowed, but no script shows it"),
            script: Vec::new(),
            trace: Vec::new(),
            seed: None,
            number: None,
        }),
    }
}

/// Where a random script comes from.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Origin {
    pub(super) seed: Option<u64>,
    pub(super) number: Option<u64>,
}

pub(super) struct Explorer<'a> {
    plan: &'a Plan,
    case: &'a dyn Fn(&[Op]) -> Outcome,
    seen: Vec<Finding>,
    pub(super) report: Report,
}

impl<'a> Explorer<'a> {
    pub(super) fn new(plan: &'a Plan, case: &'a dyn Fn(&[Op]) -> Outcome, seed: u64) -> Self {
        let report = Report { seed, ..Report::default() };
        Self { plan, case, seen: Vec::new(), report }
    }

    /// All scripts that continue `script` by `more` operations, and then by `ending`.
    fn all(&mut self, script: &mut Vec<Op>, more: usize, ending: &[Op]) -> Result<(), Failure> {
        if more == 0 && ending.is_empty() {
            return self.try_script(script, Origin::default());
        }
        // Nothing after a drop is run.
        if script.last() == Some(&Op::Drop) {
            return Ok(());
        }
        if more == 0 {
            return self.try_script(&[script.as_slice(), ending].concat(), Origin::default());
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

    pub(super) fn try_script(&mut self, script: &[Op], origin: Origin) -> Result<(), Failure> {
        let outcome = self.run(script);
        match self.finding(&outcome) {
            None => Ok(()),
            Some(found) => Err(self.shrink(script.to_vec(), outcome, found, origin)),
        }
    }

    /// Removes operations one by one, while the rest still shows a finding.
    fn shrink(
        &mut self,
        mut script: Vec<Op>,
        mut outcome: Outcome,
        mut found: (Finding, String),
        Origin { seed, number }: Origin,
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
        Failure { finding, detail, script, trace: outcome.trace, seed, number }
    }
}
