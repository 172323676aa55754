//! The slot of a stream and its completion, broken.

use super::{Break, DEADLOCK, broken};

const SLOT: &str = "src/completion/slot.rs";
const ENDING: &str = "src/completion/ending.rs";
const SHARED: &str = "src/completion/shared.rs";

pub(super) const ALL: &[Break] = &[
    // The canceller waits for the lock.
    broken(
        "slot 1a",
        ENDING,
        &[(
            "if let Some(state) = self.try_lock() {\n            if state.end.is_none() {",
            "{\n            let state = locked(&self.state);\n            if state.end.is_none() {",
        )],
        "slot::a_canceller_may_hold_a_lock_that_the_poll_waits_for",
        DEADLOCK,
    ),
    // The completion waits for the lock.
    broken(
        "slot 1b",
        ENDING,
        &[(
            "let Some(state) = self.try_lock() else { return Poll::Pending };",
            "let state = locked(&self.state);",
        )],
        "slot::a_source_may_poll_its_own_completion",
        DEADLOCK,
    ),
    // The flag comes before the reason.
    broken(
        "slot 2",
        ENDING,
        &[
            ("        locked(&self.reason).get_or_insert(reason);\n", ""),
            (
                "            return;\n        }\n        fence(Ordering::SeqCst);\n",
                "            return;\n        }\n        locked(&self.reason).get_or_insert(reason);\n        fence(Ordering::SeqCst);\n",
            ),
        ],
        "slot::two_cancels_and_an_operation_end_the_stream_as_the_first",
        "the stream has not ended",
    ),
    // Whoever unlocks does not look.
    broken(
        "slot 3a",
        SLOT,
        &[("        if self.cancel_requested.load(Ordering::Relaxed) {\n", "        if false {\n")],
        "slot::a_cancel_beside_an_operation_ends_the_stream",
        "notified of 0 ends",
    ),
    // It looks, then unlocks.
    broken(
        "slot 3b",
        SLOT,
        &[(
            "        drop(state);\n        fence(Ordering::SeqCst);\n        if self.cancel_requested.load(Ordering::Relaxed) {\n",
            "        let requested = self.cancel_requested.load(Ordering::Relaxed);\n        drop(state);\n        if requested {\n",
        )],
        "slot::a_cancel_beside_an_operation_ends_the_stream",
        "notified of 0 ends",
    ),
    // No fence between the unlock and the look.
    broken(
        "slot 3c",
        SLOT,
        &[(
            "        drop(state);\n        fence(Ordering::SeqCst);\n        if self.cancel_requested",
            "        drop(state);\n        if self.cancel_requested",
        )],
        "slot::a_cancel_beside_an_operation_ends_the_stream",
        "notified of 0 ends",
    ),
    // No fence between the request and the try.
    broken(
        "slot 3d",
        ENDING,
        &[(
            "        fence(Ordering::SeqCst);\n        if let Some(state) = self.try_lock()",
            "        if let Some(state) = self.try_lock()",
        )],
        "slot::a_cancel_beside_an_operation_ends_the_stream",
        "notified of 0 ends",
    ),
    // The completion looks, then registers.
    broken(
        "slot 4a",
        ENDING,
        &[
            (
                "        self.register_completion(cx);\n        // Invariant 4",
                "        // Invariant 4",
            ),
            (
                "let Some(state) = self.try_lock() else { return Poll::Pending };",
                "let state = self.try_lock();\n        self.register_completion(cx);\n        let Some(state) = state else { return Poll::Pending };",
            ),
        ],
        "slot_wakes::the_end_of_a_stream_wakes_the_completion",
        DEADLOCK,
    ),
    // The end wakes nobody.
    broken(
        "slot 4b",
        SLOT,
        &[(
            "        drop(stale);\n        self.slot.unlocked_ended();\n",
            "        drop(stale);\n        self.slot.drop_orphan();\n",
        )],
        "slot_wakes::the_end_of_a_stream_wakes_the_completion",
        DEADLOCK,
    ),
    // The completion wakes itself while another thread notifies the object.
    broken(
        "slot 4c",
        ENDING,
        &[(
            "        if state.end.is_none() {\n            self.unlock(state);\n        } else {\n",
            "        if state.end.is_none() {\n            self.unlock(state);\n        } else {\n            return (self.unlock_ended(state), polled).1;\n            #[allow(unreachable_code)]\n",
        )],
        "slot_ends::ended_may_drop_the_stream",
        "maximum number of branches",
    ),
    // An operation that finds the stream ended wakes nobody after its unlock.
    broken(
        "slot 4d",
        SLOT,
        &[(
            "        if state.end.is_some() {\n            drop(state);\n            self.unlocked_ended();\n        } else {",
            "        if state.end.is_some() {\n            drop(state);\n        } else {",
        )],
        "slot_wakes::the_completion_is_woken_though_another_has_the_lock_when_it_looks",
        DEADLOCK,
    ),
    // A cancel does not wake a completion that waits for a close.
    broken(
        "slot 4e",
        ENDING,
        &[(
            "        // The completion gives up a close that is under way.\n        self.unlocked_ended();\n",
            "        self.drop_orphan();\n",
        )],
        "slot_wakes::a_cancel_gives_up_a_close_that_is_under_way",
        DEADLOCK,
    ),
    // The operation unlocks, then registers.
    broken(
        "slot 5",
        SLOT,
        &[(
            "        let stale = locked(&self.wakers).operation.replace(waker);\n        self.unlock(state);\n",
            "        self.unlock(state);\n        let stale = locked(&self.wakers).operation.replace(waker);\n",
        )],
        "slot_wakes::a_cancel_wakes_a_parked_operation",
        DEADLOCK,
    ),
    // Whoever ends the stream does not see that it has ended.
    broken(
        "slot 6",
        SLOT,
        &[(
            "        if state.end.is_some() {\n            drop(state);\n            return self.unlocked_ended();\n        }\n",
            "",
        )],
        "slot_ends::an_end_and_a_cancel_are_one_end",
        "notified of 2 ends",
    ),
    // The object is notified under the lock.
    broken(
        "slot 7a",
        SLOT,
        &[
            (
                "        state.end = Some(End::Finished);\n        drop(state);\n",
                "        state.end = Some(End::Finished);\n",
            ),
            (
                "            stream.notify::<K, S>((self.pin)(object), end, lost);\n",
                "            stream.notify::<K, S>((self.pin)(object), end, lost);\n            drop(state);\n",
            ),
        ],
        "slot_ends::ended_may_drop_the_stream",
        DEADLOCK,
    ),
    // The end that stood for the real one stays.
    broken(
        "slot 7b",
        SLOT,
        &[(
            "let stale = mem::replace(&mut state.end, self.end.take());",
            "let stale = self.end.take();",
        )],
        "slot_ends::ended_may_drop_the_stream",
        "End::Cancelled",
    ),
    // Both are woken under the lock of the wakers.
    broken(
        "slot 8a",
        SLOT,
        &[(
            "        let Wakers { operation, completion } = mem::take(&mut *locked(&self.wakers));\n        wake_both(operation, completion);",
            "        let mut wakers = locked(&self.wakers);\n        wake_both(wakers.operation.take(), wakers.completion.take());",
        )],
        "slot_wakes::a_waker_may_own_the_stream",
        DEADLOCK,
    ),
    // A waker is dropped under that lock.
    broken(
        "slot 8b",
        SLOT,
        &[(
            "        let stale = locked(&self.wakers).completion.replace(waker);\n        drop(stale);",
            "        let mut wakers = locked(&self.wakers);\n        wakers.completion = Some(waker);",
        )],
        "slot_wakes::a_waker_that_is_replaced_may_own_the_stream",
        DEADLOCK,
    ),
    // The stream takes the contents though a handle can reach the slot.
    broken(
        "slot 9a",
        SHARED,
        &[(
            "        if Arc::weak_count(&self.slot) == 0\n            && let Some(slot) = Arc::get_mut(&mut self.slot)\n            \
         // Else the stream is about to end, and the slot does that. Nobody else has the slot, so this is up to date.\n            \
         && !slot.cancel_requested.load(Ordering::Relaxed)\n        {\n            slot.clear_wakers();\n            \
         let state = slot.state.get_mut().unwrap_or_else(PoisonError::into_inner);\n",
            "        {\n            let state = &mut *locked(&self.slot.state);\n",
        )],
        "slot_ends::a_handle_that_outlives_the_completion_still_cancels",
        "assertion failed",
    ),
    // The wakers of a completion that is gone stay.
    broken(
        "slot 9b",
        SHARED,
        &[("            slot.clear_wakers();\n", "")],
        "slot_ends::a_stream_whose_completion_is_gone_needs_no_slot",
        "keeps the waker",
    ),
    // The contents do not come back.
    broken(
        "slot 9c",
        SHARED,
        &[("            *locked(&self.slot.state) = state;\n", "            drop(state);\n")],
        "slot_ends::a_stream_whose_completion_is_gone_needs_no_slot",
        "notified of 0 ends",
    ),
    // The cancel comes before the flag, and nobody looks after it.
    broken(
        "slot 10a",
        ENDING,
        &[(
            "        self.orphaned.store(true, Ordering::Relaxed);\n        self.cut(EndReason::Abandoned);\n        // A poll that is under way does it when it unlocks.\n        self.drop_orphan();\n",
            "        self.cut(EndReason::Abandoned);\n        self.orphaned.store(true, Ordering::Relaxed);\n",
        )],
        "slot_ends::an_orphan_is_dropped_once_the_stream_has_ended",
        "is kept though",
    ),
    // Whoever puts the object back does not look.
    broken(
        "slot 10b",
        SLOT,
        &[(
            "        drop(stale);\n        self.slot.unlocked_ended();\n",
            "        drop(stale);\n        self.slot.wake();\n",
        )],
        "slot_ends::an_orphan_is_dropped_once_the_stream_has_ended",
        "is kept though",
    ),
    // Whoever has had the lock does not look.
    broken(
        "slot 10c",
        SLOT,
        &[(
            "        self.wake();\n        self.drop_orphan();\n    }\n",
            "        self.wake();\n    }\n",
        )],
        "slot_ends::an_orphan_is_dropped_though_a_cancel_comes_first",
        "is kept though",
    ),
    // A cancel that finds the stream ended does not look.
    broken(
        "slot 10d",
        ENDING,
        &[(
            "        // The completion gives up a close that is under way.\n        self.unlocked_ended();\n",
            "        self.wake();\n",
        )],
        "slot_ends::an_orphan_is_dropped_though_a_cancel_finds_the_stream_ended",
        "is kept though",
    ),
    // A cancel that meets the look for an orphan is lost.
    broken(
        "slot 10e",
        SLOT,
        &[(
            "            return self.unlock(state);\n        }\n        let object = state.object.take();",
            "            return drop(state);\n        }\n        let object = state.object.take();",
        )],
        "slot_ends::an_orphan_is_dropped_though_a_cancel_comes_first",
        "notified of 0 ends",
    ),
    // No fence between the unlock and the look.
    broken(
        "slot 10f",
        SLOT,
        &[(
            "        fence(Ordering::SeqCst);\n        if !self.orphaned",
            "        if !self.orphaned",
        )],
        "slot_ends::an_orphan_is_dropped_though_a_cancel_comes_first",
        "is kept though",
    ),
    // The pipe and the drop each look, then write.
    broken(
        "piping a",
        SLOT,
        &[(
            "        if self.piping.compare_exchange(from, to, Ordering::Relaxed, Ordering::Acquire).is_err() {",
            "        if self.piping.load(Ordering::Acquire) == from {\n            self.piping.store(to, Ordering::Relaxed);\n        } else {",
        )],
        "slot_ends::a_pipe_that_succeeds_beside_a_drop_is_one_end",
        "notified of 0 ends",
    ),
    // The cut comes after the swap.
    broken(
        "piping b",
        ENDING,
        &[
            (
                "        if !ok {\n            // Before the swap: a drop beside it must not look like the guest's.\n            self.cut(EndReason::Abandoned);\n        }\n",
                "",
            ),
            (
                "            self.end_dropped();\n        }\n",
                "            self.end_dropped();\n        }\n        if !ok {\n            self.cut(EndReason::Abandoned);\n        }\n",
            ),
        ],
        "slot_ends::a_pipe_that_fails_beside_a_drop_is_one_end",
        "left: Finished",
    ),
];
