//! The value between two tasks and the signals, broken.

use super::{Break, DEADLOCK, broken};

const ONESHOT: &str = "src/oneshot.rs";
const SIGNAL: &str = "src/layer/signal.rs";

pub(super) const ONESHOTS: &[Break] = &[
    // A sender that has sent replaces the value when it is dropped.
    broken(
        "oneshot 1",
        ONESHOT,
        &[(
            "            State::Empty | State::Waiting(_) => {",
            "            State::Empty | State::Waiting(_) | State::Sent(_) => {",
        )],
        "oneshot::a_value_wakes_whoever_waits",
        "left: None",
    ),
    // Nobody is woken.
    broken(
        "oneshot 2",
        ONESHOT,
        &[("                    waker.wake();\n", "                    drop(waker);\n")],
        "oneshot::a_value_wakes_whoever_waits",
        DEADLOCK,
    ),
    // The first waker stays.
    broken(
        "oneshot 3",
        ONESHOT,
        &[(
            "                *state = State::Waiting(waker);\n",
            "                *state = State::Waiting(match &before {\n                    State::Waiting(first) => first.clone(),\n                    _ => waker,\n                });\n",
        )],
        "oneshot::only_the_newest_waker_is_kept_and_woken",
        DEADLOCK,
    ),
    // The receiver is woken under the lock.
    broken(
        "oneshot 0a",
        ONESHOT,
        &[(
            "                drop(state);\n                if let State::Waiting(waker) = before {\n                    waker.wake();\n                }\n",
            "                if let State::Waiting(waker) = before {\n                    waker.wake();\n                }\n                drop(state);\n",
        )],
        "oneshot::a_waker_may_own_the_receiver",
        DEADLOCK,
    ),
    // A waker is dropped under the lock.
    broken(
        "oneshot 0b",
        ONESHOT,
        &[(
            "                drop(state);\n                // Outside of the lock.\n                drop(before);\n",
            "                drop(before);\n                drop(state);\n",
        )],
        "oneshot::a_waker_that_is_replaced_may_own_the_sender",
        DEADLOCK,
    ),
];

pub(super) const SIGNALS: &[Break] = &[
    // Both sides are woken under the lock.
    broken(
        "signal 1",
        SIGNAL,
        &[(
            "        let [stream, completion] = std::mem::take(&mut self.lock().wakers);\n        wake_both(stream, completion);\n",
            "        let mut state = self.lock();\n        let [stream, completion] = std::mem::take(&mut state.wakers);\n        wake_both(stream, completion);\n        drop(state);\n",
        )],
        "signal::a_waker_may_own_the_stream",
        DEADLOCK,
    ),
    // The wakers are taken, then `woken` is set.
    broken(
        "signal 2a",
        SIGNAL,
        &[(
            "        self.woken.store(true, Ordering::Release);\n        let [stream, completion] = std::mem::take(&mut self.lock().wakers);\n",
            "        let [stream, completion] = std::mem::take(&mut self.lock().wakers);\n        self.woken.store(true, Ordering::Release);\n",
        )],
        "signal::a_token_wakes_the_waker_of_the_last_poll",
        DEADLOCK,
    ),
    // The first waker stays.
    broken(
        "signal 2b",
        SIGNAL,
        &[(".is_some_and(|w| w.will_wake(cx.waker()))", ".is_some()")],
        "signal::a_token_wakes_the_waker_of_the_last_poll",
        DEADLOCK,
    ),
    // The side that finds the future moved out forgets the wake-up.
    broken(
        "signal 3a",
        SIGNAL,
        &[(
            "            self.woken.store(true, Ordering::Release);\n            drop(state);\n",
            "            drop(state);\n",
        )],
        "signal::a_token_wakes_both_sides",
        DEADLOCK,
    ),
    // Both sides have one waker.
    broken(
        "signal 4a",
        SIGNAL,
        &[("const COMPLETION: usize = 1;", "const COMPLETION: usize = 0;")],
        "signal::a_side_that_polls_does_not_replace_the_waker_of_the_other",
        "completion.is_woken()",
    ),
    // The result wakes nobody.
    broken(
        "signal 4b",
        SIGNAL,
        &[(
            "                wake_both(stream, completion);\n                Poll::Ready(why)",
            "                drop((stream, completion));\n                Poll::Ready(why)",
        )],
        "signal::a_token_wakes_both_sides",
        DEADLOCK,
    ),
    // The other side does not get the result.
    broken(
        "signal 5",
        SIGNAL,
        &[("                state.why = Some(why);\n", "")],
        "signal::a_token_wakes_the_completion",
        DEADLOCK,
    ),
    // The future stays when the stream goes.
    broken(
        "signal 6",
        SIGNAL,
        &[(
            "        let future = state.future.take();\n        let wakers = std::mem::take(&mut state.wakers);\n        drop(state);\n        drop((future, wakers));",
            "        let wakers = std::mem::take(&mut state.wakers);\n        drop(state);\n        drop(wakers);",
        )],
        "signal::the_future_goes_with_the_stream",
        "the future outlives the stream",
    ),
];
