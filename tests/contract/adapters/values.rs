//! The rows of `future<T>`.

use std::sync::{Arc, Mutex};

use ::futures::FutureExt as _;
use ::tokio::sync::oneshot::Receiver;
use wasmtime::StoreContextMut;
use wasmtime_streams as ws;
use wasmtime_streams::testing::{self, Made, Report};

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
        .assert()
    };
}

/// A value that comes once the test moves the host on.
macro_rules! value {
    ($make:expr) => {
        testing::future_producer(5_u32, || {
            let (tx, rx) = ::tokio::sync::oneshot::channel::<u32>();
            let mut tx = Some(tx);
            Made::new($make(rx)).step(move || tx.take().is_some_and(|tx| tx.send(5).is_ok()))
        })
        .assert()
    };
}

fn calls() -> Report {
    testing::future_consumer(5_u32, || {
        let received = Arc::new(Mutex::new(Vec::new()));
        let log = received.clone();
        let call = move |_: StoreContextMut<'_, ()>, value: u32| {
            log.lock().unwrap().push(value);
            Ok(())
        };
        Made::new(ws::callback(call)).received(move || received.lock().unwrap().clone())
    })
    .assert()
}

#[rustfmt::skip]
rows! {
    future: value!(|rx: Receiver<u32>| ws::future(rx.map(Result::unwrap)));
    try_future: value!(ws::try_future);
    tokio_oneshot: oneshot!(::tokio::sync::oneshot::channel::<u32>(), ws::tokio_oneshot);
    oneshot: oneshot!(::futures::channel::oneshot::channel::<u32>(), ws::oneshot);
    callback: calls();
}
