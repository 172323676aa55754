//! Checks that no memory is allocated by a length that the guest names.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use super::check::Check;
use super::probe::SharedSeen;
use super::role::Role;
use super::session::{Log, Side};
use super::{Failure, Finding, Item, Op, executor};

impl<D: Send + 'static, T: Item, R: Role<D, T>> Check<D, T, R> {
    /// Runs one operation with the greatest length that a guest can name.
    pub(super) fn memory_failure(&self, peak: fn() -> usize) -> Option<Failure> {
        const LONGEST: u32 = (1 << 28) - 1;
        const ROOM: usize = 64 << 20;
        /// Steps of the host object after which the operation has moved something.
        const STEPS: usize = 8;
        /// One measurement at a time: the allocator is global.
        static MEASURED: Mutex<()> = Mutex::new(());
        if matches!(R::SIDE, Side::ReadsFuture | Side::WritesFuture) || T::SIZE > 12 {
            return None;
        }
        let _measured = MEASURED.lock().unwrap_or_else(PoisonError::into_inner);
        let (object, mut hooks) = (self.make)();
        let mut control = std::mem::take(&mut hooks.control);
        let (log, seen) = (Log::default(), SharedSeen::default());
        let setup = self.setup().buffer(LONGEST * T::SIZE);
        peak();
        // The bytes that are allocated now: the first call has reset the peak.
        let before = peak();
        let run = AssertUnwindSafe(|| {
            setup.run::<T, _>(async |guest| {
                let handle = object.open(guest, seen.clone()).await?;
                let mut session = self.session(guest, handle, (&log, &seen), &mut control);
                session.start_any(LONGEST).await;
                executor::idle().await;
                for _ in 0..STEPS {
                    session.control.step();
                    executor::idle().await;
                }
                wasmtime::error::Ok(())
            })
        });
        // Traps, panics and stalls are found by other scripts.
        drop(catch_unwind(run));
        let grown = peak().saturating_sub(before);
        (grown > ROOM).then(|| Failure {
            finding: Finding::GuestSizedMemory,
            detail: format!("{grown} bytes for an operation of {LONGEST} items"),
            script: vec![Op::Start(LONGEST)],
            trace: log.take().trace,
            seed: None,
            number: None,
        })
    }
}
