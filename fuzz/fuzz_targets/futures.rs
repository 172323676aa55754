//! `future<T>`s of all kinds, with arbitrary scripts of the guest.
#![no_main]

use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex};
use std::task::ready;

use futures::FutureExt as _;
use libfuzzer_sys::fuzz_target;
use wasmtime::StoreContextMut;
use wasmtime::component::FutureConsumer;
use wasmtime_streams as ws;
use wasmtime_streams_fuzz::{Host, Input, quiet, run, step};
use wasmtime_streams_testing::inner::Script;
use wasmtime_streams_testing::{self as testing, Made, Op};

const VALUE: u32 = 5;

/// The value, after all steps of `script`.
async fn value(mut script: Script) -> io::Result<u32> {
    poll_fn(move |cx| {
        while ready!(script.poll_step(cx)).is_some() {}
        Ok(VALUE).into()
    })
    .await
}

/// `make` makes the consumer, and a closure that receives the value on the host's side.
fn consumer<C, R>(what: &str, ops: &[Op], make: impl Fn() -> (C, R) + 'static)
where
    C: FutureConsumer<(), Item = u32> + Unpin,
    R: FnMut() -> Option<u32> + 'static,
{
    let check = testing::future_consumer(VALUE, move || {
        let (consumer, mut receive) = make();
        let mut received = Vec::new();
        Made::new(consumer).received(move || {
            // A oneshot receiver must not be polled after its value.
            if received.is_empty() {
                received.extend(receive());
            }
            received.clone()
        })
    });
    run(what, &(), check, ops);
}

fuzz_target!(init: quiet(), |bytes: &[u8]| {
    let mut input = Input::new(bytes);
    let adapter = input.byte() % 5;
    let (host, _) = Host::source(input.part(), false);
    let ops = input.ops();
    let inner = host.clone();
    match adapter {
        0 => {
            let check = testing::future_producer(VALUE, move || {
                let script = inner.script();
                let hosts = [(&inner, script.control())];
                step(Made::new(ws::values::future(value(script).map(Result::unwrap))), &hosts)
            });
            run("future", &host, check, &ops);
        }
        1 => {
            let check = testing::future_producer(VALUE, move || {
                let script = inner.script();
                let hosts = [(&inner, script.control())];
                step(Made::new(ws::values::try_future(value(script))), &hosts)
            });
            run("try_future", &host, check, &ops);
        }
        2 => consumer("channels::oneshot_sender", &ops, || {
            let (tx, mut rx) = tokio::sync::oneshot::channel();
            (ws::channels::oneshot_sender(tx), move || rx.try_recv().ok())
        }),
        3 => consumer("oneshot", &ops, || {
            let (tx, mut rx) = futures::channel::oneshot::channel();
            (ws::sinks::oneshot(tx), move || rx.try_recv().ok().flatten())
        }),
        _ => consumer("callback", &ops, || {
            let received = Arc::new(Mutex::new(None));
            let log = received.clone();
            let call = move |_: StoreContextMut<'_, ()>, value: u32| {
                *log.lock().unwrap() = Some(value);
                Ok(())
            };
            (ws::values::callback(call), move || *received.lock().unwrap())
        }),
    }
});
