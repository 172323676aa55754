//! Peekable streams: what only they can answer.

use std::io;

use futures::stream::{self, Peekable};
use futures::{FutureExt as _, StreamExt as _};
use wasmtime::StoreContextMut;
use wasmtime_streams::{End, streams};
use wasmtime_streams_testing::executor::{self, idle};

use crate::support::guest::{Code, Connection, World, with_guest};
use crate::support::script::{Control, FAILURE, ItemStream, Script, Step};

type Items = Peekable<ItemStream<u8>>;

fn items(steps: impl IntoIterator<Item = Step>) -> (Items, Control) {
    let script = Script::new(steps);
    let control = script.control();
    (ItemStream::new(script, |byte| byte).peekable(), control)
}

fn rest(items: Items) -> Vec<u8> {
    executor::run(items.map(io::Result::unwrap).collect())
}

#[test]
fn a_splice_gives_a_peeked_item_back() {
    // Rule "Splice", rule "Zero-length reads": it is out of the stream, but still in the `Peekable`.
    with_guest::<u8, _>(async |guest| {
        let (items, control) = items([Step::Hold, Step::Data(vec![1, 2, 3])]);
        let stream = guest.source(streams::try_peekable(items).spliceable()).await;
        assert_eq!(guest.read(stream, 0).await, Code::Blocked);
        control.release();
        assert_eq!(guest.wait(stream).await, Code::Completed(0));
        let reader = guest.give(stream).await;
        type Source = streams::TryPeekableItems<ItemStream<u8>>;
        let source = guest.with(|store| reader.try_into::<Source>(store)).unwrap();
        assert_eq!(rest(source.into_inner()), [1, 2, 3]);
    });
}

#[test]
fn the_completion_hands_a_peeked_item_back() {
    // Rule "Completion": the host cancels after a zero-length read.
    with_guest::<u8, _>(async |guest| {
        let (items, _) = items([Step::Data(vec![1, 2, 3])]);
        let (producer, done) = streams::try_peekable(items).with_completion();
        let stream = guest.source(producer).await;
        assert_eq!(guest.read(stream, 0).await, Code::Completed(0));
        done.cancel();
        let done = done.await;
        assert_eq!(done.moved, 0);
        assert_eq!(rest(done.inner.into_inner()), [1, 2, 3]);
    });
}

#[test]
fn the_end_is_ready() {
    // Rule "Zero-length reads": it waits for the end, which the next read reports. The script panics if it is polled
    // again.
    with_guest::<u8, _>(async |guest| {
        let (items, control) = items([Step::Data(vec![1]), Step::Hold]);
        let stream = guest.source(streams::try_peekable(items)).await;
        assert_eq!(guest.recv(stream, 1).await, (Code::Completed(1), vec![1]));
        assert_eq!(guest.read(stream, 0).await, Code::Blocked);
        control.release();
        assert_eq!(guest.wait(stream).await, Code::Dropped(0));
    });
}

#[test]
fn an_error_is_ready_and_the_next_read_reports_it() {
    // Rule "Zero-length reads", rule "Items before the error".
    with_guest::<u8, _>(async |guest| {
        let (items, control) = items([Step::Hold, Step::Fail]);
        let (producer, mut done) = streams::try_peekable(items).with_completion();
        let stream = guest.source(producer).await;
        assert_eq!(guest.read(stream, 0).await, Code::Blocked);
        control.release();
        assert_eq!(guest.wait(stream).await, Code::Completed(0));
        idle().await;
        assert!((&mut done).now_or_never().is_none());
        assert_eq!(guest.read(stream, 5).await, Code::Dropped(0));
        assert!(matches!(done.await.end, End::Failed(error) if error.to_string() == FAILURE));
    });
}

#[test]
fn no_more_is_taken_from_the_stream_than_the_guest_asked_for() {
    // Rule "Fill each operation": after a full batch the stream is not peeked at.
    with_guest::<u8, _>(async |guest| {
        let (items, control) = items((1..=6).map(|n| Step::Data(vec![n])));
        let stream = guest.source(streams::try_peekable(items).batch(3)).await;
        assert_eq!(guest.recv(stream, 2).await, (Code::Completed(2), vec![1, 2]));
        assert_eq!(control.steps(), 2);
        assert_eq!(guest.recv(stream, 9).await, (Code::Completed(3), vec![3, 4, 5]));
        assert_eq!(control.steps(), 5);
        assert_eq!(guest.recv(stream, 9).await, (Code::Dropped(1), vec![6]));
    });
}

#[test]
fn a_peeked_connection_is_no_resource_yet() {
    // Rule "Resources are created on delivery".
    with_guest::<wasmtime::component::Resource<Connection>, _>(async |guest| {
        let connections = stream::iter((0..3).map(Connection)).peekable();
        let producer = streams::peekable(connections).deliver_with(
            |mut store: StoreContextMut<'_, World>, connection| {
                Ok(store.data_mut().table.push(connection)?)
            },
        );
        let stream = guest.source(producer).await;
        let count = || guest.with(|mut store| store.data_mut().table.iter_mut().count());
        assert_eq!((guest.read(stream, 0).await, count()), (Code::Completed(0), 0));
        assert_eq!((guest.recv(stream, 2).await.0, count()), (Code::Completed(2), 2));
        assert_eq!((guest.read(stream, 0).await, count()), (Code::Completed(0), 2));
        guest.drop_readable(stream).await;
    });
}

#[test]
fn a_stream_without_errors_is_handed_back_too() {
    // Rule "Splice".
    with_guest::<u32, _>(async |guest| {
        let producer = streams::peekable(stream::iter(0..5_u32).peekable()).spliceable();
        let stream = guest.source(producer).await;
        assert_eq!(guest.read(stream, 2).await, Code::Completed(2));
        assert_eq!(guest.read(stream, 0).await, Code::Completed(0));
        let reader = guest.give(stream).await;
        type Source = streams::PeekableItems<stream::Iter<std::ops::Range<u32>>>;
        let source = guest.with(|store| reader.try_into::<Source>(store)).unwrap();
        assert_eq!(executor::run(source.into_inner().collect::<Vec<_>>()), [2, 3, 4]);
    });
}
