//! Random schedules: long scripts of all kinds of operations, each found again by its seed and its number.

use std::ops::Range;

use super::check::Check;
use super::explore::{Explorer, Origin};
use super::random::Random;
use super::role::Role;
use super::session::Side;
use super::{Failure, Item, Op, Report};

/// Operations in the longest schedule, without those that end it.
const LONGEST: usize = 32;

/// How many items the guest asks for.
const SIZES: [u32; 12] = [0, 0, 1, 1, 2, 2, 3, 4, 5, 7, 64, 65_536];

/// Which operations apply to the implementation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Applies {
    reads: bool,
    cut: bool,
}

impl Applies {
    fn schedule(self, random: &mut Random) -> Vec<Op> {
        let len = 1 + random.below(LONGEST);
        let mut ops: Vec<_> = (0..len).map(|_| Self::op(random)).collect();
        let mut insert = |ops: &mut Vec<Op>, applies: bool, one_in: usize, op: Op| {
            if random.below(one_in) == 0 && applies {
                ops.insert(random.below(ops.len() + 1), op);
            }
        };
        insert(&mut ops, self.reads, 4, Op::Ask);
        insert(&mut ops, self.reads, 3, Op::Pass);
        insert(&mut ops, self.cut, 3, Op::Cut);
        insert(&mut ops, true, 8, Op::Trap);
        insert(&mut ops, true, 8, Op::DropStore);
        ops
    }

    fn op(random: &mut Random) -> Op {
        match random.below(64) {
            0..20 => Op::Start(SIZES[random.below(SIZES.len())]),
            20..34 => Op::Step,
            34..39 => Op::Wake,
            39..46 => Op::Idle,
            46..54 => Op::Wait,
            54..63 => Op::Cancel,
            _ => Op::Drop,
        }
    }
}

impl<D: Send + 'static, T: Item, R: Role<D, T>> Check<D, T, R> {
    fn applies(&self) -> Applies {
        *self.applies.get_or_init(|| {
            // Also finds out what the rest of the checks compares with.
            self.script(&[]);
            let cut = (self.make)().1.control.cut.is_some();
            let stream = matches!(R::SIDE, Side::Reads | Side::Writes);
            Applies { reads: R::SIDE == Side::Reads, cut: cut && stream }
        })
    }

    /// Runs the random schedules of `seed` with these numbers.
    ///
    /// They are longer and more varied than the scripts of [`run`](Check::run): up to 36 operations, all kinds of [`Op`],
    /// and any combination of them. A schedule depends on its seed and number only, so that one of millions can be run
    /// alone. [`Soak`](super::Soak) runs those of many checks on all cores.
    ///
    /// # Errors
    ///
    /// The first finding, with the shortest script that shows it.
    pub fn schedules(&self, seed: u64, numbers: Range<u64>) -> Result<Report, Box<Failure>> {
        let applies = self.applies();
        let case = |script: &[Op]| self.script(script);
        let mut explorer = Explorer::new(&self.plan, &case, seed);
        for number in numbers {
            let script = applies.schedule(&mut Random::of(seed, number));
            explorer.try_script(&script, Origin { seed: Some(seed), number: Some(number) })?;
        }
        Ok(explorer.report)
    }

    /// Runs one script, for fuzzers: see [`Op::decode`].
    ///
    /// # Errors
    ///
    /// The finding, with the shortest script that shows it.
    pub fn run_script(&self, ops: &[Op]) -> Result<Report, Box<Failure>> {
        self.applies();
        let case = |script: &[Op]| self.script(script);
        let mut explorer = Explorer::new(&self.plan, &case, self.plan.seed);
        explorer.try_script(ops, Origin::default())?;
        Ok(explorer.report)
    }

    /// Hides the types, to keep the checks of many implementations in one table.
    pub fn boxed(self) -> BoxedCheck {
        BoxedCheck(Box::new(self))
    }
}

/// A [`Check`] of any implementation.
#[derive(Debug)]
#[must_use = "nothing is checked until it is run"]
pub struct BoxedCheck(Box<dyn AnyCheck>);

trait AnyCheck: std::fmt::Debug {
    fn run(self: Box<Self>) -> Result<Report, Box<Failure>>;
    fn schedules(&self, seed: u64, numbers: Range<u64>) -> Result<Report, Box<Failure>>;
    fn run_script(&self, ops: &[Op]) -> Result<Report, Box<Failure>>;
}

impl<D: Send + 'static, T: Item, R: Role<D, T>> AnyCheck for Check<D, T, R> {
    fn run(self: Box<Self>) -> Result<Report, Box<Failure>> {
        Check::run(*self)
    }

    fn schedules(&self, seed: u64, numbers: Range<u64>) -> Result<Report, Box<Failure>> {
        Check::schedules(self, seed, numbers)
    }

    fn run_script(&self, ops: &[Op]) -> Result<Report, Box<Failure>> {
        Check::run_script(self, ops)
    }
}

impl BoxedCheck {
    /// Like [`Check::run`].
    ///
    /// # Errors
    ///
    /// The first finding, with the shortest script that shows it.
    pub fn run(self) -> Result<Report, Box<Failure>> {
        self.0.run()
    }

    /// Like [`Check::assert`].
    ///
    /// # Panics
    ///
    /// If there is a finding, with the text of its [`Failure`].
    #[track_caller]
    pub fn assert(self) -> Report {
        match self.run() {
            Ok(report) => report,
            Err(failure) => panic!("\n{failure}\n"),
        }
    }

    /// Like [`Check::schedules`].
    ///
    /// # Errors
    ///
    /// The first finding, with the shortest script that shows it.
    pub fn schedules(&self, seed: u64, numbers: Range<u64>) -> Result<Report, Box<Failure>> {
        self.0.schedules(seed, numbers)
    }

    /// Like [`Check::run_script`].
    ///
    /// # Errors
    ///
    /// The finding, with the shortest script that shows it.
    pub fn run_script(&self, ops: &[Op]) -> Result<Report, Box<Failure>> {
        self.0.run_script(ops)
    }
}
