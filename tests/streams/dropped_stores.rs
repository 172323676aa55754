//! A store that is dropped with streams in it, whatever they were doing. Everything outside of it is notified of the
//! end.

use std::task::{Context, Waker};

use futures::channel::oneshot;
use futures::future::{BoxFuture, FutureExt as _, pending};
use wasmtime_streams::{End, from_guest, relay, to_guest, values};
use wasmtime_streams_testing::executor;

use crate::support::adapters::{Done, sinks, sources};
use crate::support::guest::{Code, Guest, World};
use crate::support::script::{Script, Step, Writer};
use wasmtime_streams_testing::Setup;

/// How the store is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StoreDrop {
    /// After the guest has trapped.
    Trap,
    /// While the guest waits.
    Dropped,
    /// After the guest has returned with its stream open.
    Returned,
}

const WAYS: [StoreDrop; 3] = [StoreDrop::Trap, StoreDrop::Dropped, StoreDrop::Returned];

/// Runs `script` in a store, and drops the store.
fn run_and_drop<R>(goes: StoreDrop, script: impl AsyncFnOnce(&Guest<'_, u8>) -> R) -> R {
    let mut kept = None;
    let keeps = &mut kept;
    let ran = Setup::new(World::default()).run::<u8, ()>(async |guest| {
        *keeps = Some(script(guest).await);
        match goes {
            StoreDrop::Trap => guest.trap().await,
            StoreDrop::Dropped => pending().await,
            StoreDrop::Returned => {}
        }
    });
    match ran.0 {
        Ok(Ok(())) => assert_eq!(goes, StoreDrop::Returned),
        Ok(Err(_)) => assert_eq!(goes, StoreDrop::Trap),
        Err(executor::Stalled) => assert_eq!(goes, StoreDrop::Dropped),
    }
    kept.expect("the script did not end")
}

/// What the stream is doing then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    /// Nothing was ever read or written.
    Nothing,
    /// Something has moved, and no operation is pending.
    Idle,
    /// An operation is parked.
    Parked,
    /// An operation was just started, and is not polled again.
    Started,
    /// A zero-length operation is pending, if the object can tell.
    Asked,
}

const DOING: [Doing; 5] =
    [Doing::Nothing, Doing::Idle, Doing::Parked, Doing::Started, Doing::Asked];

#[test]
fn a_source_is_notified_whatever_it_was_doing() {
    // Rule "Completion": 11 sources, 5 states, 3 ways, also while the completion is awaited.
    let mut ends = 0;
    for source in sources() {
        for (doing, goes) in DOING.into_iter().flat_map(|doing| WAYS.map(|goes| (doing, goes))) {
            let what = format!("{}, {doing:?}, {goes:?}", source.name);
            let (done, moved): (Done, u64) = run_and_drop(goes, async |guest| {
                let script = Script::new([Step::Data(vec![1, 2]), Step::Hold]);
                let (stream, mut done) = source.open(guest, script).await;
                assert!((&mut done).now_or_never().is_none(), "{what}");
                let mut moved = 0;
                if doing != Doing::Nothing {
                    while moved < 2 {
                        moved += guest.recv(stream, 2).await.0.count();
                    }
                }
                match doing {
                    Doing::Nothing | Doing::Idle => {}
                    Doing::Asked => drop(guest.read(stream, 0).await),
                    Doing::Started | Doing::Parked => {
                        assert_eq!(guest.read(stream, 2).await, Code::Blocked, "{what}");
                    }
                }
                if doing == Doing::Parked {
                    executor::idle().await;
                }
                (done, moved.into())
            });
            let (end, counted) = executor::run(done);
            assert!(matches!(end, End::PeerDropped), "{what}: {end:?}");
            assert_eq!(counted, moved, "{what}");
            ends += 1;
        }
    }
    assert_eq!(ends, 11 * 5 * 3);
}

#[test]
fn a_sink_is_notified_whatever_it_was_doing() {
    // Rule "Completion": 6 sinks, 5 states, 3 ways. Without a token it looks like the end of the data, and the sink is
    // closed.
    let mut ends = 0;
    for sink in sinks() {
        for (doing, goes) in DOING.into_iter().flat_map(|doing| WAYS.map(|goes| (doing, goes))) {
            let what = format!("{}, {doing:?}, {goes:?}", sink.name);
            let (done, log, control) = run_and_drop(goes, async |guest| {
                let script = Script::new([Step::Accept(1), Step::Accept(1), Step::Hold]);
                let control = script.control();
                let (stream, mut done, log) = sink.open(guest, Writer::new(script)).await;
                assert!((&mut done).now_or_never().is_none(), "{what}");
                if doing != Doing::Nothing {
                    assert_eq!(guest.send_all(stream, &[1]).await.count(), 1, "{what}");
                    assert_eq!(guest.send_all(stream, &[2]).await.count(), 1, "{what}");
                }
                guest.load(&[3, 4]).await;
                match doing {
                    Doing::Nothing | Doing::Idle => {}
                    Doing::Asked => drop(guest.write(stream, 0).await),
                    Doing::Started | Doing::Parked => {
                        assert_eq!(guest.write(stream, 2).await, Code::Blocked, "{what}");
                    }
                }
                if doing == Doing::Parked {
                    executor::idle().await;
                }
                (done, log, control)
            });
            // What a sink holds is sent when it is closed.
            control.release();
            let (end, _) = executor::run(done);
            assert!(end.is_finished(), "{what}: {end:?}");
            assert!(log.look(|written| written.closed), "{what}");
            let accepted = log.accepted();
            assert!(accepted.starts_with(&[1, 2]) || doing == Doing::Nothing, "{what}");
            ends += 1;
        }
    }
    assert_eq!(ends, 6 * 5 * 3);
}

/// A host object that waits for its other end in the store.
type Waiting = BoxFuture<'static, &'static str>;

/// Gives the other ends to the guest, or takes them from it.
async fn host_objects(guest: &Guest<'_, u8>) -> Vec<(&'static str, Waiting)> {
    let (stream, writable) = guest.stream().await;
    let mut reader = guest.with(|store| from_guest::reader(store, stream, 4)).unwrap();
    assert_eq!(guest.send(writable, &[1, 2]).await, Code::Completed(2));
    let read = async move {
        let mut all = Vec::new();
        let read = futures::AsyncReadExt::read_to_end(&mut reader, &mut all).await;
        if read.is_ok() && all == [1, 2] { "the end" } else { "wrong" }
    };

    let (stream, writable) = guest.stream().await;
    let mut items = guest.with(|store| from_guest::items(store, stream, 4)).unwrap();
    assert_eq!(guest.send(writable, &[1, 2]).await, Code::Completed(2));
    let take = async move {
        let mut all = Vec::new();
        while let Some(item) = items.next_item().await {
            all.push(item);
        }
        if all == [1, 2] { "the end" } else { "wrong" }
    };

    let (mut writer, stream) = guest.with(|store| to_guest::writer(store, 2)).unwrap();
    guest.take(stream).await;
    let write = async move {
        match futures::AsyncWriteExt::write_all(&mut writer, &[0; 9]).await {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => "gone",
            _ => "wrong",
        }
    };

    let (mut sink, stream) = guest.with(|store| to_guest::sink::<u8>(store, 2)).unwrap();
    guest.take(stream).await;
    let send = async move {
        match sink.send_batch(vec![0; 9]).await {
            Err(unsent) if unsent.items.len() >= 7 => "gone",
            _ => "wrong",
        }
    };

    let (value, reader) = guest.with(|store| to_guest::value::<u8>(store)).unwrap();
    guest.take_future(reader).await;
    let offer = async move { if value.send(5) == Err(5) { "gone" } else { "wrong" } };

    let (tx, rx) = oneshot::channel::<()>();
    let never = values::future(rx.map(|_| 0_u8));
    guest.future_source(never).await;
    let cancelled = async move {
        let mut tx = tx;
        tx.cancellation().await;
        "gone"
    };

    let (consumer, value) = from_guest::value_consumer::<u8>();
    guest.future_sink(consumer).await;
    let wait = async move { if value.await.is_err() { "no value" } else { "wrong" } };

    let (consumer, producer) = relay::byte_parts(4);
    let (from, from_done) = consumer.with_completion();
    let (to, to_done) = producer.with_completion();
    guest.sink(from).await;
    guest.source(to).await;
    let relayed = async move {
        match (from_done.await.end, to_done.await.end) {
            (End::Finished | End::PeerDropped, End::Finished | End::PeerDropped) => "both",
            _ => "wrong",
        }
    };

    vec![
        ("from_guest::reader", read.boxed()),
        ("from_guest::items", take.boxed()),
        ("to_guest::writer", write.boxed()),
        ("to_guest::sink", send.boxed()),
        ("to_guest::value", offer.boxed()),
        ("a Rust future", cancelled.boxed()),
        ("from_guest::value", wait.boxed()),
        ("relay", relayed.boxed()),
    ]
}

#[test]
fn a_host_object_sees_that_its_other_end_is_gone() {
    // Rule "Completion", rule "Register the current waker": whether it already waits or asks later.
    for goes in WAYS {
        for waits in [false, true] {
            let objects = run_and_drop(goes, async |guest| {
                let mut objects = host_objects(guest).await;
                for (name, object) in
                    objects.iter_mut().filter(|(name, _)| waits && *name != "to_guest::value")
                {
                    let mut cx = Context::from_waker(Waker::noop());
                    assert!(object.poll_unpin(&mut cx).is_pending(), "{name}");
                }
                objects
            });
            for (name, object) in objects {
                let expected = match name {
                    "from_guest::reader" | "from_guest::items" => "the end",
                    "from_guest::value" => "no value",
                    "relay" => "both",
                    _ => "gone",
                };
                assert_eq!(executor::run(object), expected, "{name}, {goes:?}, waits: {waits}");
            }
        }
    }
}
