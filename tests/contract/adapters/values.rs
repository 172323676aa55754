//! Rows: `future<T>`.

use std::sync::{Arc, Mutex};

use ::futures::FutureExt as _;
use ::tokio::runtime::Builder;
use ::tokio::sync::oneshot::Receiver;
use ::tokio::task::yield_now;
use wasmtime::StoreContextMut;
use wasmtime_streams as ws;
use wasmtime_streams_testing::{self as testing, BoxedCheck, Made};

/// Checks a consumer of a future into a oneshot channel.
macro_rules! oneshot {
    ($channel:expr, $make:expr) => {
        testing::future_consumer(5_u32, || {
            let (tx, mut rx) = $channel;
            let mut received = Vec::new();
            Made::new($make(tx)).received(move || {
                // A oneshot receiver must not be polled after its value.
                if received.is_empty() {
                    received.extend((&mut rx).now_or_never().and_then(Result::ok));
                }
                received.clone()
            })
        })
        .boxed()
    };
}

/// A value that arrives with a step of the host.
macro_rules! value {
    ($make:expr) => {
        testing::future_producer(5_u32, || {
            let (tx, rx) = ::tokio::sync::oneshot::channel::<u32>();
            let mut tx = Some(tx);
            Made::new($make(rx)).step(move || tx.take().is_some_and(|tx| tx.send(5).is_ok()))
        })
        .boxed()
    };
}

/// The value of a task, which ends with a step of the host.
fn task() -> BoxedCheck {
    testing::future_producer(5_u32, || {
        let runtime = Builder::new_current_thread().build().unwrap();
        let (tx, rx) = ::tokio::sync::oneshot::channel::<u32>();
        let task = runtime.spawn(async { rx.await.unwrap_or(0) });
        let ended = task.abort_handle();
        let mut tx = Some(tx);
        Made::new(ws::values::try_future(task)).step(move || {
            let sent = tx.take().is_some_and(|tx| tx.send(5).is_ok());
            runtime.block_on(async {
                while sent && !ended.is_finished() {
                    yield_now().await;
                }
            });
            sent
        })
    })
    .boxed()
}

fn calls() -> BoxedCheck {
    testing::future_consumer(5_u32, || {
        let received = Arc::new(Mutex::new(Vec::new()));
        let log = received.clone();
        let call = move |_: StoreContextMut<'_, ()>, value: u32| {
            log.lock().unwrap().push(value);
            Ok(())
        };
        Made::new(ws::values::callback(call)).received(move || received.lock().unwrap().clone())
    })
    .boxed()
}

#[rustfmt::skip]
rows! {
    values_future: value!(|rx: Receiver<u32>| ws::values::future(rx.map(Result::unwrap)));
    values_try_future: value!(ws::values::try_future);
    values_try_future_of_a_task: task();
    channels_oneshot_sender: oneshot!(::tokio::sync::oneshot::channel::<u32>(), ws::channels::oneshot_sender);
    sinks_oneshot: oneshot!(::futures::channel::oneshot::channel::<u32>(), ws::sinks::oneshot);
    values_callback: calls();
}
