//! Where Wasmtime's majors differ in what a host or a guest sees of a stream: the table of docs/guide/upgrading.md. Each
//! test expects what the major does that it is built with.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::FutureExt as _;
use wasmtime::component::{
    Component, Destination, Linker, StreamProducer, StreamReader, StreamResult, VecBuffer,
};
use wasmtime::{AsContextMut as _, Engine, Result, Store, StoreContextMut};
use wasmtime_streams::{iterators, streams};
use wasmtime_streams_testing::{Code, Guest, Setup, executor};

/// The major of Wasmtime, which is that of this crate.
fn major() -> u32 {
    env!("CARGO_PKG_VERSION_MAJOR").parse().unwrap()
}

#[test]
fn the_major_of_this_crate_is_wasmtimes() {
    // The other tests rely on it.
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock");
    let lock = std::fs::read_to_string(lock).unwrap();
    let (_, wasmtime) = lock.split_once("name = \"wasmtime\"\nversion = \"").unwrap();
    assert_eq!(wasmtime.split('.').next(), Some(env!("CARGO_PKG_VERSION_MAJOR")));
}

/// A run that panics, or ends.
fn run<R>(future: impl Future<Output = Result<R>>) -> std::thread::Result<Result<R>> {
    catch_unwind(AssertUnwindSafe(|| executor::run(future)))
}

/// Checks that a panic is Wasmtime's, about a run inside a run.
fn refused(panic: Box<dyn Any + Send>) {
    let message = panic.downcast_ref::<&str>().expect("a message");
    assert!(message.contains("Recursive"), "{message}");
}

#[test]
fn a_store_runs_inside_a_run_of_another_store_from_49_on() {
    let engine = Engine::default();
    let (mut outer, mut inner) = (Store::new(&engine, ()), Store::new(&engine, ()));
    let (consumer, collected) = iterators::collect(8).with_completion();
    let reader = StreamReader::new(&mut inner, iterators::items(0..3_u32)).unwrap();
    reader.pipe(&mut inner, consumer).unwrap();
    let nested = run(outer.run_concurrent(async |_| {
        // All that the inner run needs is there: it moves the items of its own store.
        let collected = inner.run_concurrent(async |_| collected.await).await?;
        wasmtime::error::Ok(collected.inner.into_inner())
    }));
    match major() {
        48 => refused(nested.expect_err("it panics")),
        _ => assert_eq!(nested.expect("no panic").unwrap().unwrap(), [0, 1, 2]),
    }
}

#[test]
fn a_store_never_runs_inside_its_own_run() {
    let mut store = Store::new(&Engine::default(), ());
    let nested = run(store.run_concurrent(async |accessor| {
        accessor.with(|mut access| {
            let nested = access.as_context_mut().run_concurrent(async |_| ()).now_or_never();
            nested.expect("refused at once")
        })
    }));
    match major() {
        48 => refused(nested.expect_err("it panics")),
        _ => {
            let error = nested.expect("no panic").unwrap().unwrap_err();
            assert!(format!("{error:?}").contains("Recursive"), "{error:?}");
        }
    }
}

/// Fails while the guest waits. The crate's own producers never do: rule "No traps, no panics".
struct Failing {
    polled: bool,
}

impl<D> StreamProducer<D> for Failing {
    type Item = u8;
    type Buffer = VecBuffer<u8>;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        _: StoreContextMut<'a, D>,
        _: Destination<'a, u8, VecBuffer<u8>>,
        _: bool,
    ) -> Poll<Result<StreamResult>> {
        if std::mem::replace(&mut self.polled, true) {
            return Poll::Ready(Err(wasmtime::format_err!("the producer fails")));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

#[test]
fn a_store_whose_run_failed_takes_no_more_calls_from_50_on() {
    let engine = Engine::default();
    let guest = Component::new(&engine, include_str!("guest.wat")).unwrap();
    let mut store = Store::new(&engine, ());
    executor::run(async {
        let linker = Linker::new(&engine);
        // The first is left in its call.
        let first = linker.instantiate_async(&mut store, &guest).await.unwrap();
        let second = linker.instantiate_async(&mut store, &guest).await.unwrap();
        let read = first.get_typed_func::<(StreamReader<u8>,), ()>(&mut store, "read").unwrap();
        let answer = second.get_typed_func::<(), (u32,)>(&mut store, "answer").unwrap();

        assert_eq!(answer.call_async(&mut store, ()).await.unwrap().0, 42);
        let stream = StreamReader::new(&mut store, Failing { polled: false }).unwrap();
        let ran = store
            .run_concurrent(async |accessor| read.call_concurrent(accessor, (stream,)).await)
            .await;
        assert!(format!("{:?}", ran.unwrap_err()).contains("the producer fails"));

        let after = answer.call_async(&mut store, ()).await;
        match major() {
            48 | 49 => assert_eq!(after.unwrap().0, 42),
            _ => {
                let error = after.unwrap_err();
                assert!(format!("{error:?}").contains("cannot enter"), "{error:?}");
            }
        }
    });
}

#[test]
fn an_end_that_was_reported_as_dropped_takes_no_operation_from_50_on() {
    let (answer, _) = Setup::new(()).run(async |guest: &Guest<'_, (), u8>| {
        let (mut reader, writable) = guest.stream().await;
        guest.with(|store| reader.close(store)).unwrap();
        // No operation is under way: the event is for an idle end.
        assert_eq!(guest.wait(writable).await, Code::Dropped(0));
        let code = guest.write(writable, 1).await;
        guest.drop_writable(writable).await;
        code
    });
    let answer = answer.expect("it stalls");
    match major() {
        48 | 49 => assert_eq!(answer.unwrap(), Code::Dropped(0)),
        _ => {
            let trap = format!("{:?}", answer.unwrap_err());
            assert!(trap.contains("dropped"), "{trap}");
        }
    }
}

#[test]
fn a_store_that_is_always_ready_yields_every_128_turns_from_50_on() {
    // Each operation of the scripted guest takes at least one turn of Wasmtime's loop, and none of them waits.
    const READS: usize = 2_000;
    let (read, effort) = Setup::new(()).run::<u32, _>(async |guest| {
        let stream = guest.source(streams::items(futures::stream::iter(0..))).await;
        for _ in 0..READS {
            assert_eq!(guest.read(stream, 1).await, Code::Completed(1));
        }
        guest.drop_readable(stream).await;
    });
    read.expect("it stalls").expect("it traps");
    match major() {
        48 | 49 => assert!(effort.polls < READS / 128, "{effort:?}"),
        _ => assert!(effort.polls >= READS / 128, "{effort:?}"),
    }
}
