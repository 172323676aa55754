//! The models. Each names in its comment the invariants that it checks, by the numbers in the piece's own file.

mod object;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// At most three pre-emptions: a thread that could go on is stopped.
const BOUNDED: Option<usize> = Some(3);

/// Every order.
const UNBOUNDED: Option<usize> = None;

#[derive(Clone, Copy)]
pub(crate) struct Model {
    pub(crate) name: &'static str,
    bound: Option<usize>,
    body: fn(),
}

impl Model {
    /// Tries every order of the steps, and gives how many there are. `bound` replaces the model's own.
    pub(crate) fn run(&self, bound: Option<usize>) -> usize {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = bound.or(self.bound);
        builder.max_branches = 10_000;
        let executions = Arc::new(AtomicUsize::new(0));
        let counted = executions.clone();
        let body = self.body;
        builder.check(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            body();
        });
        executions.load(Ordering::Relaxed)
    }
}

/// The table of a file's models.
macro_rules! models {
    ($file:ident: $($bound:ident($($name:ident),* $(,)?)),*) => {
        pub(super) const MODELS: &[super::Model] = &[$($(super::Model {
            name: concat!(stringify!($file), "::", stringify!($name)),
            bound: super::$bound,
            body: $name,
        },)*)*];
    };
}
use models;

/// Mounts the files of models that are enabled: a variant that is broken on purpose compiles the one that finds it.
macro_rules! files {
    ($($file:ident $feature:literal)*) => {
        $(#[cfg(feature = $feature)] mod $file;)*

        pub(crate) fn all() -> Vec<Model> {
            let files: &[&[Model]] = &[$(#[cfg(feature = $feature)] $file::MODELS,)*];
            files.concat()
        }
    };
}

// Those that take longest first.
files! {
    slot_wakes "slot_wakes"
    slot_ends "slot_ends"
    slot "slot"
    handoff "handoff"
    memory "memory"
    oneshot "oneshot"
    signal "signal"
    job "job"
    stdio "stdio"
}
