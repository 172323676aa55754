//! The result future of a stream, dropped before the end: the stream goes on, and nothing is left behind.

use std::sync::{Arc, Mutex};

use futures::FutureExt as _;
use wasmtime_streams::{End, completion::Drive, sinks, streams, tokio_io};
use wasmtime_streams_testing::executor::idle;

use crate::support::guest::{Code, Guest, with_guest};
use crate::support::script::{Reader, Script, Step, Writer};

/// `result<_, u32>`
type Outcome = Result<(), u32>;

/// How often the end was mapped. Dropped with the last copy of the function that maps it.
type Mapped = Arc<Mutex<usize>>;

fn map<E>(mapped: &Mapped) -> impl FnOnce(End<E>) -> Outcome + Send + use<E> {
    let mapped = mapped.clone();
    move |_| {
        *mapped.lock().unwrap() += 1;
        Ok(())
    }
}

/// What the guest does with the future before it drops it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    Nothing,
    /// Starts a read, and cancels it at once.
    Cancel,
    /// Starts a read, and cancels it once it is parked.
    Parked,
}

const BEFORE: [Before; 3] = [Before::Nothing, Before::Cancel, Before::Parked];

async fn drop_future(guest: &Guest<'_, Outcome>, future: u32, before: Before) {
    if before != Before::Nothing {
        assert_eq!(guest.future_read(future).await, Code::Blocked);
        if before == Before::Parked {
            idle().await;
        }
        assert_eq!(guest.future_cancel_read(future).await, Code::Cancelled(0));
    }
    guest.future_drop_readable(future).await;
}

#[test]
fn a_source_goes_on_without_its_future() {
    // Rule "Completion": also while a read of the stream is parked.
    for before in BEFORE {
        for parked in [false, true] {
            with_guest::<Outcome, _>(async |guest| {
                let mapped = Mapped::default();
                let (tx, rx) = futures::channel::mpsc::unbounded();
                tx.unbounded_send(Ok(())).unwrap();
                let (stream, ended) =
                    guest.with(|store| streams::items(rx).into_wit(store, map(&mapped))).unwrap();
                let (stream, ended) = (guest.take(stream).await, guest.take_future(ended).await);
                assert_eq!(guest.recv(stream, 1).await.0, Code::Completed(1));
                if parked {
                    assert_eq!(guest.read(stream, 9).await, Code::Blocked);
                }
                drop_future(guest, ended, before).await;
                tx.unbounded_send(Err(7)).unwrap();
                let code = match parked {
                    true => guest.wait(stream).await,
                    false => guest.recv(stream, 9).await.0,
                };
                assert_eq!(code, Code::Completed(1));
                assert_eq!(guest.items(1).await, [Some(Err(7))]);
                drop(tx);
                assert_eq!(guest.recv(stream, 9).await.0, Code::Dropped(0));
                assert_eq!((*mapped.lock().unwrap(), Arc::strong_count(&mapped)), (0, 1));
            });
        }
    }
}

#[test]
fn a_sink_goes_on_without_its_future() {
    // Rule "The completion closes the sink": a task that drives it closes it. Without a task the sink is dropped
    // unclosed.
    for before in BEFORE {
        for driven in [false, true] {
            with_guest::<Outcome, _>(async |guest| {
                let mapped = Mapped::default();
                let writer = Writer::new(Script::new([]));
                let log = writer.log();
                let task = Arc::new(Mutex::new(None::<Drive>));
                let (stream, writable) = guest.stream().await;
                let ended = guest.with(|store| match driven {
                    false => sinks::items(writer).pipe_wit(store, stream, map(&mapped)),
                    true => {
                        let (task, map) = (task.clone(), map(&mapped));
                        let spawn = move |drive| *task.lock().unwrap() = Some(drive);
                        sinks::items(writer).pipe_wit_on(store, stream, spawn, map)
                    }
                });
                let ended = guest.take_future(ended.unwrap()).await;
                guest.load_items(&[Ok(()), Err(3)]).await;
                assert_eq!(guest.write(writable, 1).await, Code::Completed(1));
                drop_future(guest, ended, before).await;
                assert_eq!(guest.write(writable, 1).await, Code::Completed(1));
                guest.drop_writable(writable).await;
                if let Some(task) = task.lock().unwrap().take() {
                    task.now_or_never().expect("the task waits");
                }
                log.look(|written| {
                    assert_eq!((written.accepted.len(), written.closed), (2, driven));
                    assert!(written.dropped);
                });
                assert_eq!((*mapped.lock().unwrap(), Arc::strong_count(&mapped)), (0, 1));
            });
        }
    }
}

#[test]
fn streams_of_bytes_go_on_without_their_future() {
    // Rule "Completion": here the host closes the future itself.
    with_guest::<u8, _>(async |guest| {
        let mapped = Mapped::default();
        let script = Script::new([Step::Data(vec![1]), Step::Hold, Step::Data(vec![2])]);
        let control = script.control();
        let source = tokio_io::read(Reader::new(script));
        let (stream, mut ended) = guest.with(|store| source.into_wit(store, map(&mapped))).unwrap();
        let stream = guest.take(stream).await;
        assert_eq!(guest.recv(stream, 9).await.1, [1]);
        assert_eq!(guest.read(stream, 9).await, Code::Blocked);
        guest.with(|store| ended.close(store)).unwrap();
        control.release();
        assert_eq!(guest.wait(stream).await, Code::Completed(1));
        assert_eq!(guest.recv(stream, 9).await.0, Code::Dropped(0));
        assert_eq!((*mapped.lock().unwrap(), Arc::strong_count(&mapped)), (0, 1));

        let writer = Writer::new(Script::new([]));
        let log = writer.log();
        let (stream, writable) = guest.stream().await;
        let ended =
            guest.with(|store| tokio_io::write(writer).pipe_wit(store, stream, map(&mapped)));
        assert_eq!(guest.send(writable, &[1]).await, Code::Completed(1));
        guest.with(|store| ended.unwrap().close(store)).unwrap();
        assert_eq!(guest.send(writable, &[2]).await, Code::Completed(1));
        guest.drop_writable(writable).await;
        assert_eq!(log.accepted(), [1, 2]);
        assert_eq!((*mapped.lock().unwrap(), Arc::strong_count(&mapped)), (0, 1));
    });
}
