//! `future<T>` in both directions.

use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use futures::FutureExt as _;
use tokio::runtime::{Builder, Runtime};
use tokio::task::{AbortHandle, yield_now};
use tokio_util::task::AbortOnDropHandle;
use wasmtime::StoreContextMut;
use wasmtime_streams::{channels, sinks, values};

use crate::support::guest::{BUFFER, Code, World, with_guest, with_trapping_guest};
use wasmtime_streams_testing::executor::idle;

#[test]
fn a_future_resolves_when_the_rust_future_does() {
    // Rule "Register the current waker".
    with_guest::<u32, _>(async |guest| {
        let (tx, rx) = futures::channel::oneshot::channel();
        let handle = guest.future_source(values::future(rx.map(Result::unwrap))).await;
        assert_eq!(guest.future_read(handle).await, Code::Blocked);
        let mut wait = Box::pin(guest.wait(handle));
        assert_eq!(guest.parked(&mut wait).await, None);
        tx.send(7).unwrap();
        assert_eq!(wait.await, Code::Completed(0));
        assert_eq!(guest.dump(BUFFER, 4).await, [7, 0, 0, 0]);
    });
}

#[test]
fn a_cancelled_read_of_a_future_goes_on_with_the_next_one() {
    // Rule "Cancellation keeps the stream".
    for parked in [false, true] {
        with_guest::<u32, _>(async |guest| {
            let (tx, rx) = tokio::sync::oneshot::channel();
            let handle = guest.future_source(values::try_future(rx)).await;
            assert_eq!(guest.future_read(handle).await, Code::Blocked);
            if parked {
                idle().await;
            }
            assert_eq!(guest.future_cancel_read(handle).await, Code::Cancelled(0));
            tx.send(9).unwrap();
            assert_eq!(guest.future_read(handle).await, Code::Completed(0));
            assert_eq!(guest.dump(BUFFER, 4).await, [9, 0, 0, 0]);
        });
    }
}

#[test]
fn a_cancelled_read_takes_no_value_though_it_is_ready() {
    // Rule "Cancellation keeps the stream": the value stays with the Rust future, and the next read gets it.
    with_guest::<u32, _>(async |guest| {
        // Becomes ready without a wake-up, so that the cancel comes first.
        let ready = Arc::new(Mutex::new(false));
        let gate = ready.clone();
        let value = poll_fn(move |_| match *gate.lock().unwrap() {
            true => Poll::Ready(5_u32),
            false => Poll::Pending,
        });
        let handle = guest.future_source(values::future(value)).await;
        assert_eq!(guest.future_read(handle).await, Code::Blocked);
        idle().await;
        *ready.lock().unwrap() = true;
        assert_eq!(guest.future_cancel_read(handle).await, Code::Cancelled(0));
        assert_eq!(guest.future_read(handle).await, Code::Completed(0));
        assert_eq!(guest.dump(BUFFER, 4).await, [5, 0, 0, 0]);
    });
}

#[test]
fn a_guest_that_drops_a_future_drops_the_rust_future() {
    // Rule "Completion": for a future.
    let alive = Arc::new(());
    with_guest::<u32, _>(async |guest| {
        let held = alive.clone();
        let never = async move {
            let _held = held;
            std::future::pending::<u32>().await
        };
        let handle = guest.future_source(values::future(never)).await;
        assert_eq!(guest.future_read(handle).await, Code::Blocked);
        assert_eq!(guest.future_cancel_read(handle).await, Code::Cancelled(0));
        guest.future_drop_readable(handle).await;
        assert_eq!(Arc::strong_count(&alive), 1);
    });
}

#[test]
fn a_future_that_fails_is_a_trap_if_the_host_chose_that() {
    // Rule "No traps, no panics".
    let error = with_trapping_guest::<u32, _>(async |guest| {
        let (tx, rx) = tokio::sync::oneshot::channel::<u32>();
        let handle = guest.future_source(values::try_future(rx)).await;
        drop(tx);
        guest.future_read(handle).await;
    });
    assert!(format!("{error:?}").contains("channel closed"), "{error:?}");
}

#[test]
fn a_value_is_mapped_with_store_access_on_delivery() {
    // Rule "Resources are created on delivery".
    with_guest::<u32, _>(async |guest| {
        let made = Arc::new(Mutex::new(0));
        let count = made.clone();
        let producer = values::future(std::future::ready("seven")).deliver_with(
            move |_: StoreContextMut<'_, World>, word: &str| {
                *count.lock().unwrap() += 1;
                Ok(word.len() as u32)
            },
        );
        let handle = guest.future_source(producer).await;
        assert_eq!(*made.lock().unwrap(), 0);
        assert_eq!(guest.future_read(handle).await, Code::Completed(0));
        assert_eq!((guest.dump(BUFFER, 4).await, *made.lock().unwrap()), (vec![5, 0, 0, 0], 1));
    });
}

#[test]
fn a_callback_gets_the_value_of_a_guest_with_store_access() {
    // Rule "Exactly once, in order".
    with_guest::<u32, _>(async |guest| {
        let got = Arc::new(Mutex::new(None));
        let sent = got.clone();
        let consumer = values::callback(move |_: StoreContextMut<'_, World>, value: u32| {
            *sent.lock().unwrap() = Some(value);
            Ok(())
        });
        let handle = guest.future_sink(consumer).await;
        guest.load(&[3, 1, 0, 0]).await;
        assert_eq!(guest.future_write(handle).await, Code::Completed(0));
        assert_eq!(*got.lock().unwrap(), Some(259));
    });
}

#[test]
fn the_value_of_a_guest_resolves_a_oneshot() {
    // Rule "Exactly once, in order".
    with_guest::<u32, _>(async |guest| {
        guest.load(&[8, 0, 0, 0]).await;
        let (tx, rx) = tokio::sync::oneshot::channel();
        let handle = guest.future_sink(channels::oneshot_sender(tx)).await;
        assert_eq!(guest.future_write(handle).await, Code::Completed(0));
        assert_eq!(rx.await, Ok(8));
        let (tx, rx) = futures::channel::oneshot::channel();
        let handle = guest.future_sink(sinks::oneshot(tx)).await;
        assert_eq!(guest.future_write(handle).await, Code::Completed(0));
        assert_eq!(rx.await, Ok(8));
    });
}

#[test]
fn a_oneshot_without_a_receiver_does_not_affect_the_guest() {
    // Rule "No traps, no panics".
    with_guest::<u32, _>(async |guest| {
        let (tx, rx) = tokio::sync::oneshot::channel::<u32>();
        drop(rx);
        let handle = guest.future_sink(channels::oneshot_sender(tx)).await;
        assert_eq!(guest.future_write(handle).await, Code::Completed(0));
    });
}

#[test]
fn a_callback_that_fails_is_a_trap() {
    // Rule "No traps, no panics".
    let error = with_trapping_guest::<u32, _>(async |guest| {
        let consumer = values::callback(|_: StoreContextMut<'_, World>, value: u32| {
            Err(wasmtime::Error::msg(format!("no use for {value}")))
        });
        let handle = guest.future_sink(consumer).await;
        guest.load(&[4, 0, 0, 0]).await;
        guest.future_write(handle).await;
    });
    assert!(format!("{error:?}").contains("no use for 4"), "{error:?}");
}

fn runtime() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}

/// Runs the runtime on this thread until the task has ended.
fn end(runtime: &Runtime, task: &AbortHandle) {
    runtime.block_on(async {
        while !task.is_finished() {
            yield_now().await;
        }
    });
}

#[test]
fn a_task_resolves_a_future() {
    // Rule "Register the current waker": the guest waits, and the runtime wakes it.
    with_guest::<u32, _>(async |guest| {
        let runtime = runtime();
        for fallible in [false, true] {
            let task = runtime.spawn(async { 7 });
            let abort = task.abort_handle();
            let handle = match fallible {
                true => guest.future_source(values::try_future(task)).await,
                false => {
                    guest.future_source(values::future(task.map(|ended| ended.unwrap_or(0)))).await
                }
            };
            assert_eq!(guest.future_read(handle).await, Code::Blocked);
            idle().await;
            end(&runtime, &abort);
            assert_eq!(guest.wait(handle).await, Code::Completed(0));
            assert_eq!(guest.dump(BUFFER, 4).await, [7, 0, 0, 0]);
        }
    });
}

#[test]
fn a_task_that_panics_is_a_trap_or_the_value_given_instead() {
    // Rule "No traps, no panics": a trap only if the host chose that.
    let runtime = runtime();
    let panic = || runtime.spawn(async { std::panic::panic_any("no value") });
    with_guest::<u32, _>(async |guest| {
        let task = panic();
        let abort = task.abort_handle();
        let producer = values::future(task.map(|ended: Result<u32, _>| ended.unwrap_or(404)));
        let handle = guest.future_source(producer).await;
        assert_eq!(guest.future_read(handle).await, Code::Blocked);
        idle().await;
        end(&runtime, &abort);
        assert_eq!(guest.wait(handle).await, Code::Completed(0));
        assert_eq!(guest.dump(BUFFER, 4).await, [148, 1, 0, 0]);
    });
    let error = with_trapping_guest::<u32, _>(async |guest| {
        let task = runtime.spawn(async { std::panic::panic_any("no value") });
        let abort = task.abort_handle();
        let handle = guest.future_source(values::try_future::<_, u32, _>(task)).await;
        assert_eq!(guest.future_read(handle).await, Code::Blocked);
        idle().await;
        end(&runtime, &abort);
        guest.wait(handle).await;
    });
    let error =
        error.downcast_ref::<tokio::task::JoinError>().expect("another error than the task's");
    assert!(error.is_panic(), "{error:?}");
}

#[test]
fn a_task_goes_on_when_the_guest_drops_its_future_unless_its_handle_aborts_it() {
    // Rule "Completion": the Rust future is dropped. The handle of a tokio task detaches it; that of tokio-util aborts
    // it.
    let runtime = runtime();
    for abort_on_drop in [false, true] {
        let alive = Arc::new(());
        let held = alive.clone();
        let (go, gone) = tokio::sync::oneshot::channel::<()>();
        let task = runtime.spawn(async move {
            let _held = held;
            let _ = gone.await;
            7
        });
        let abort = task.abort_handle();
        with_guest::<u32, _>(async |guest| {
            let handle = match abort_on_drop {
                true => guest.future_source(values::try_future(AbortOnDropHandle::new(task))).await,
                false => guest.future_source(values::try_future(task)).await,
            };
            assert_eq!(guest.future_read(handle).await, Code::Blocked);
            assert_eq!(guest.future_cancel_read(handle).await, Code::Cancelled(0));
            guest.future_drop_readable(handle).await;
        });
        if abort_on_drop {
            end(&runtime, &abort);
            assert!(go.is_closed());
        } else {
            runtime.block_on(yield_now());
            assert!(!abort.is_finished() && !go.is_closed());
            go.send(()).unwrap();
            end(&runtime, &abort);
        }
        assert_eq!(Arc::strong_count(&alive), 1);
    }
}
