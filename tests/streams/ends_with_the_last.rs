//! The end comes with the last bytes or items, also if they fit exactly and the source knows that nothing is left
//! without taking more.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures::channel::mpsc;
use futures::future::ready;
use futures::{FutureExt as _, Stream, StreamExt as _, stream};
use http_body::Frame;
use http_body_util::{Full, StreamBody};
use tokio::sync::{broadcast, mpsc as tokio_mpsc, watch};
use wasmtime::StoreContextMut;
use wasmtime_streams::{
    ByteProducer, ByteSource, End, ItemProducer, ItemSource, body, channels, iterators, streams,
    to_guest,
};

use crate::support::guest::{Code, Guest, World, with_guest};

const DATA: [u8; 3] = [1, 2, 3];

/// What a test of one source found wrong.
type Wrong = Vec<String>;

/// Reads `len` at once. The end must come with the last of them, for the guest and for the host.
macro_rules! fits {
    ($guest:ident, $wrong:ident, $name:expr, $len:expr, $make:expr) => {
        let stream = $guest.source($make).await;
        let bare = $guest.recv(stream, $len).await;
        let (producer, mut done) = $make.with_completion();
        let stream = $guest.source(producer).await;
        let completing = $guest.recv(stream, $len).await;
        let end = (&mut done).now_or_never().map(|done| (done.end.is_finished(), done.moved));
        let looked_at = $make.limit(1000).inspect(|_| {});
        let stream = $guest.source(looked_at).await;
        let layered = $guest.recv(stream, $len).await;
        let expected = (Code::Dropped($len), &DATA[3 - $len..]);
        for (what, (code, got)) in
            [("bare", bare), ("with a completion", completing), ("with layers", layered)]
        {
            if (code, &got[..]) != expected {
                $wrong.push(format!("{}, {what}: {code:?} with {got:?}", $name));
            }
        }
        if end != Some((true, $len)) {
            $wrong.push(format!("{}: the completion resolves to {end:?}", $name));
        }
    };
}

async fn item_fits<S: ItemSource<Item = u8> + Unpin>(
    guest: &Guest<'_, u8>,
    wrong: &mut Wrong,
    name: &str,
    make: impl Fn() -> ItemProducer<S>,
) {
    fits!(guest, wrong, name, 3, make());
}

async fn bytes_fit<S: ByteSource + Unpin>(
    guest: &Guest<'_, u8>,
    wrong: &mut Wrong,
    name: &str,
    make: impl Fn() -> ByteProducer<S>,
) {
    fits!(guest, wrong, name, 3, make());
}

/// A stream that reports how much is left, and panics if it is asked for more.
struct Exact(u8);

impl Exact {
    fn next_item(&mut self) -> Option<u8> {
        assert!(self.0 < 3, "asked for more than its size hint");
        self.0 += 1;
        Some(self.0)
    }
}

impl Stream for Exact {
    type Item = u8;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<u8>> {
        Poll::Ready(self.get_mut().next_item())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = 3 - usize::from(self.0);
        (left, Some(left))
    }
}

impl Iterator for Exact {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        self.next_item()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        Stream::size_hint(self)
    }
}

fn ok(item: u8) -> Result<u8, Infallible> {
    Ok(item)
}

#[test]
fn items_that_fit_exactly_come_with_the_end_if_the_source_knows_it() {
    // Rule "The end goes with the last items": a size hint that nothing is left, a channel that is closed and empty.
    let mut wrong = Wrong::new();
    with_guest::<u8, _>(async |guest| {
        let wrong = &mut wrong;
        item_fits(guest, wrong, "streams::items", || streams::items(stream::iter(DATA))).await;
        item_fits(guest, wrong, "streams::items, boxed", || {
            streams::items(stream::iter(DATA).boxed())
        })
        .await;
        item_fits(guest, wrong, "streams::items, not asked again", || streams::items(Exact(0)))
            .await;
        item_fits(guest, wrong, "streams::items, chained", || {
            streams::items(stream::once(ready(1)).chain(stream::iter([2, 3])))
        })
        .await;
        item_fits(guest, wrong, "streams::try_items", || {
            streams::try_items(stream::iter(DATA.map(ok)))
        })
        .await;
        item_fits(guest, wrong, "streams::peekable", || {
            streams::peekable(stream::iter(DATA).peekable())
        })
        .await;
        item_fits(guest, wrong, "streams::try_peekable", || {
            streams::try_peekable(stream::iter(DATA.map(ok)).peekable())
        })
        .await;
        item_fits(guest, wrong, "iterators::items", || iterators::items(DATA)).await;
        item_fits(guest, wrong, "iterators::items, not asked again", || iterators::items(Exact(0)))
            .await;
        item_fits(guest, wrong, "iterators::items of a range", || iterators::items(1..=3_u8)).await;
        item_fits(guest, wrong, "iterators::items of a map", || {
            iterators::items(vec![0, 1, 2].into_iter().map(|n| n + 1))
        })
        .await;
        item_fits(guest, wrong, "iterators::try_items", || iterators::try_items(DATA.map(ok)))
            .await;
        item_fits(guest, wrong, "a closed channel of the futures crate", || {
            let (tx, rx) = mpsc::unbounded();
            DATA.iter().for_each(|item| tx.unbounded_send(*item).unwrap());
            streams::items(rx)
        })
        .await;
    });
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn closed_channels_give_their_last_items_with_the_end() {
    // Rule "The end goes with the last items".
    let mut wrong = Wrong::new();
    with_guest::<u8, _>(async |guest| {
        let wrong = &mut wrong;
        item_fits(guest, wrong, "channels::mpsc_receiver", || {
            let (tx, rx) = tokio_mpsc::channel(3);
            DATA.iter().for_each(|item| tx.try_send(*item).unwrap());
            channels::mpsc_receiver(rx)
        })
        .await;
        item_fits(guest, wrong, "channels::mpsc_unbounded_receiver", || {
            let (tx, rx) = tokio_mpsc::unbounded_channel();
            DATA.iter().for_each(|item| tx.send(*item).unwrap());
            channels::mpsc_unbounded_receiver(rx)
        })
        .await;
        item_fits(guest, wrong, "channels::broadcast_receiver", || {
            let (tx, rx) = broadcast::channel(3);
            for item in DATA {
                tx.send(item).unwrap();
            }
            channels::broadcast_receiver(rx)
        })
        .await;
        item_fits(guest, wrong, "to_guest::sink", || {
            let (mut sink, producer) = to_guest::item_producer(64);
            DATA.iter().for_each(|item| sink.try_send(*item).unwrap());
            sink.close();
            producer
        })
        .await;
        fits!(
            guest,
            wrong,
            "channels::watch_receiver",
            1,
            channels::watch_receiver(watch::channel(3).1)
        );
    });
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn bytes_that_fit_exactly_come_with_the_end_if_the_source_knows_it() {
    // Rule "The end goes with the last items": chunks whose stream has none left, a body that is at its end.
    let mut wrong = Wrong::new();
    with_guest::<u8, _>(async |guest| {
        let wrong = &mut wrong;
        let parts = || stream::iter([&DATA[..2], &DATA[2..]]);
        bytes_fit(guest, wrong, "streams::chunks", || streams::chunks(parts())).await;
        bytes_fit(guest, wrong, "streams::chunks, one", || {
            streams::chunks(stream::iter([&DATA[..]]))
        })
        .await;
        bytes_fit(guest, wrong, "streams::try_chunks", || {
            streams::try_chunks(parts().map(Ok::<_, Infallible>))
        })
        .await;
        bytes_fit(guest, wrong, "body::read", || body::read(Full::new(&DATA[..]))).await;
        bytes_fit(guest, wrong, "to_guest::writer", || {
            let (mut writer, producer) = to_guest::producer(64);
            let mut cx = Context::from_waker(Waker::noop());
            assert!(writer.poll_write(&mut cx, &DATA).is_ready());
            writer.close();
            producer
        })
        .await;
        // Read in two parts: the rest of a chunk is the last data.
        for (name, stream) in [
            ("streams::chunks", guest.source(streams::chunks(stream::iter([&DATA[..]]))).await),
            ("body::read", guest.source(body::read(Full::new(&DATA[..]))).await),
        ] {
            assert_eq!(guest.recv(stream, 2).await, (Code::Completed(2), vec![1, 2]), "{name}");
            let last = guest.recv(stream, 1).await;
            if last != (Code::Dropped(1), vec![3]) {
                wrong.push(format!("{name}, the rest of a chunk: {last:?}"));
            }
        }
    });
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_end_comes_with_the_last_batch_too() {
    // Rule "The end goes with the last items": also if the batch bounds a read and not the guest's length, and if a
    // step makes the items.
    with_guest::<u8, _>(async |guest| {
        let stream = guest.source(iterators::items(0..6_u8).batch(3)).await;
        assert_eq!(guest.recv(stream, 9).await, (Code::Completed(3), vec![0, 1, 2]));
        assert_eq!(guest.recv(stream, 9).await, (Code::Dropped(3), vec![3, 4, 5]));
        let double = |_: StoreContextMut<'_, World>, item: u8| Ok(2 * item);
        let stream = guest.source(streams::items(stream::iter(DATA)).deliver_with(double)).await;
        assert_eq!(guest.recv(stream, 3).await, (Code::Dropped(3), vec![2, 4, 6]));
    });
}

#[test]
fn a_source_that_does_not_know_its_end_is_not_asked_for_more_than_fits() {
    // Rule "Fill each operation": its end comes one read later, and costs no item.
    with_guest::<u8, _>(async |guest| {
        let odd = |item: &u8| item % 2 == 1;
        let stream = guest.source(iterators::items([1_u8, 3, 4].into_iter().filter(odd))).await;
        assert_eq!(guest.recv(stream, 2).await, (Code::Completed(2), vec![1, 3]));
        assert_eq!(guest.recv(stream, 2).await.0, Code::Dropped(0));

        let odd = |item: &u8| ready(item % 2 == 1);
        let stream = guest.source(streams::items(stream::iter([1_u8, 3, 4]).filter(odd))).await;
        assert_eq!(guest.recv(stream, 2).await, (Code::Completed(2), vec![1, 3]));
        assert_eq!(guest.recv(stream, 2).await.0, Code::Dropped(0));

        // A body of frames does not know that it is at its end: trailers may follow.
        let frames = stream::iter([Ok::<_, Infallible>(Frame::data(Bytes::from_static(&DATA)))]);
        let stream = guest.source(body::read(StreamBody::new(frames))).await;
        assert_eq!(guest.recv(stream, 3).await, (Code::Completed(3), DATA.to_vec()));
        assert_eq!(guest.recv(stream, 3).await.0, Code::Dropped(0));
    });
}

#[test]
fn an_error_after_items_that_fit_exactly_is_not_the_end() {
    // Rule "Items before the error": something is left, and the next read reports it.
    with_guest::<u8, _>(async |guest| {
        let failing = stream::iter([Ok(1_u8), Ok(2), Err("broken")]);
        let (producer, done) = streams::try_items(failing).with_completion();
        let stream = guest.source(producer).await;
        assert_eq!(guest.recv(stream, 2).await, (Code::Completed(2), vec![1, 2]));
        assert_eq!(guest.recv(stream, 2).await.0, Code::Dropped(0));
        assert!(matches!(done.await.end, End::Failed("broken")));

        let failing = stream::iter([Ok(&DATA[..]), Err("broken")]);
        let (producer, done) = streams::try_chunks(failing).with_completion();
        let stream = guest.source(producer).await;
        assert_eq!(guest.recv(stream, 3).await, (Code::Completed(3), DATA.to_vec()));
        assert_eq!(guest.recv(stream, 3).await.0, Code::Dropped(0));
        assert!(matches!(done.await.end, End::Failed("broken")));
    });
}
