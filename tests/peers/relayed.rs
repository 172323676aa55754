//! Real guests in several stores on several threads. The output of one is the input of the next.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::thread;

use futures::executor::block_on;
use futures::future::join;
use tokio::io::{AsyncRead, ReadBuf};
use wasmtime::component::StreamReader;
use wasmtime_streams::{ByteSource, End, from_guest, iterators, relay, tokio_io};

use crate::transform::Transform;

fn text(len: usize) -> Vec<u8> {
    (0..len).map(|i| b'a' + (i / 7 % 26) as u8).collect()
}

/// Runs a store on a thread of its own until `done` resolves.
fn run<R: Send + 'static>(
    mut guest: Transform,
    done: impl Future<Output = R> + Send + 'static,
) -> thread::JoinHandle<R> {
    thread::spawn(move || {
        block_on(async {
            let done = pin!(done);
            guest.store.run_concurrent(async |_| done.await).await.expect("the guest trapped")
        })
    })
}

#[test]
fn sixteen_mebibytes_cross_between_two_stores_on_two_threads() {
    // Rule "Exactly once, in order": an inspection sees all bytes.
    const LEN: usize = 16 << 20;
    let (mut one, mut two) = (block_on(Transform::upper()), block_on(Transform::rot13()));
    let output = block_on(one.call(iterators::items(text(LEN))));
    let seen = Arc::new(AtomicUsize::new(0));
    let look = seen.clone();
    let look = move |bytes: &[u8]| {
        look.fetch_add(bytes.len(), Ordering::Relaxed);
    };
    let relayed = relay::bytes(&mut one.store, output, &mut two.store, 256 * 1024, look).unwrap();
    let output = block_on(two.pass_to(relayed.stream));
    let (consumer, done) = iterators::collect_bytes(LEN).with_completion();
    output.pipe(&mut two.store, consumer).unwrap();
    let first = run(one, relayed.from);
    let (to, done) = run(two, join(relayed.to, done)).join().unwrap();
    let from = first.join().unwrap();
    assert!(from.end.is_finished() && to.end.is_finished() && done.end.is_finished());
    assert_eq!([from.moved, to.moved, done.moved], [LEN as u64; 3]);
    assert_eq!(seen.load(Ordering::Relaxed), LEN);
    let rot13 = |byte: u8| if byte < b'N' { byte + 13 } else { byte - 13 };
    let expected = text(LEN).into_iter().map(|byte| rot13(byte.to_ascii_uppercase()));
    assert!(done.inner.into_inner().into_iter().eq(expected));
}

#[test]
fn items_are_mapped_between_two_stores_on_two_threads() {
    // Rule "Exactly once, in order": each byte becomes a number.
    const LEN: usize = 1 << 20;
    let (mut one, mut two) = (block_on(Transform::upper()), block_on(Transform::pass()));
    let output = block_on(one.call(iterators::items(text(LEN))));
    let map = |byte: u8| u32::from(byte) + 1000;
    let relayed = relay::items(&mut one.store, output, &mut two.store, 1000, map).unwrap();
    let (consumer, done) = iterators::collect::<u32>(LEN).with_completion();
    relayed.stream.pipe(&mut two.store, consumer).unwrap();
    let first = run(one, relayed.from);
    let done = run(two, done).join().unwrap();
    assert!(first.join().unwrap().end.is_finished() && done.end.is_finished());
    let expected = text(LEN).into_iter().map(|byte| map(byte.to_ascii_uppercase()));
    assert!(done.inner.into_inner().into_iter().eq(expected));
}

#[test]
fn a_chain_of_three_stores_gives_the_same_as_one() {
    // Rule "Exactly once, in order": rotated, made upper case, rotated back.
    const LEN: usize = 1 << 20;
    let [mut one, mut two, mut three] =
        [block_on(Transform::rot13()), block_on(Transform::upper()), block_on(Transform::rot13())];
    let output = block_on(one.call(iterators::items(text(LEN))));
    let first = relay::bytes(&mut one.store, output, &mut two.store, 1000, |_| {}).unwrap();
    let output = block_on(two.pass_to(first.stream));
    let second = relay::bytes(&mut two.store, output, &mut three.store, 100_000, |_| {}).unwrap();
    let output = block_on(three.pass_to(second.stream));
    let (consumer, done) = iterators::collect_bytes(LEN).with_completion();
    output.pipe(&mut three.store, consumer).unwrap();
    let one = run(one, first.from);
    let two = run(two, second.from);
    let done = run(three, done).join().unwrap();
    assert!(one.join().unwrap().end.is_finished() && two.join().unwrap().end.is_finished());
    assert!(done.end.is_finished());
    assert!(done.inner.into_inner() == text(LEN).to_ascii_uppercase());
}

#[test]
fn a_store_that_dies_cuts_the_stream_in_the_other() {
    // Rule "Completion": one call watches both stores. The guest that lives ends in order.
    for kills_first in [true, false] {
        let (mut one, mut two) = (block_on(Transform::upper()), block_on(Transform::rot13()));
        let output = block_on(one.call(iterators::items(text(1 << 20))));
        let relayed = relay::bytes(&mut one.store, output, &mut two.store, 1000, |_| {})
            .unwrap()
            .watch_stores(one.store.data(), two.store.data());
        let output = block_on(two.pass_to(relayed.stream));
        let (consumer, done) = iterators::collect_bytes(1 << 20).with_completion();
        output.pipe(&mut two.store, consumer).unwrap();
        let victim = if kills_first { &mut one } else { &mut two };
        victim.store.set_fuel(100_000).unwrap();
        let first = thread::spawn(move || {
            let mut from = relayed.from;
            let ran = block_on(one.store.run_concurrent(async |_| (&mut from).await));
            drop(one);
            (ran.is_err(), ran.unwrap_or_else(|_| block_on(from)).end)
        });
        let second = thread::spawn(move || {
            let mut both = pin!(join(relayed.to, done));
            let ran = block_on(two.store.run_concurrent(async |_| both.as_mut().await));
            drop(two);
            let trapped = ran.is_err();
            let (to, done) = ran.unwrap_or_else(|_| block_on(both));
            (trapped, to.end, done.end)
        });
        let (one_trapped, from) = first.join().unwrap();
        let (two_trapped, to, output) = second.join().unwrap();
        assert_eq!((one_trapped, two_trapped), (kills_first, !kills_first));
        assert!(matches!(to, End::Abandoned), "{to:?}");
        if kills_first {
            assert!(matches!(from, End::Abandoned) && output.is_finished(), "{from:?} {output:?}");
        } else {
            assert!(matches!(from, End::ReceiverDropped), "{from:?}");
        }
    }
}

/// A reader that counts its polls and its drop.
struct Watched(Arc<AtomicUsize>, &'static [u8]);

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let n = buf.remaining();
        let answer = Pin::new(&mut self.1).poll_read(cx, buf);
        self.0.fetch_add(n - buf.remaining(), Ordering::Relaxed);
        answer
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.0.fetch_add(1000, Ordering::Relaxed);
    }
}

#[test]
fn a_splice_moves_the_object_and_outlives_the_first_store() {
    // Rule "Splice": the guest only passed the stream on, and its store may be dropped.
    let (mut one, mut two) = (block_on(Transform::pass()), block_on(Transform::upper()));
    let reads = Arc::new(AtomicUsize::new(0));
    let input = tokio_io::read(Watched(reads.clone(), b"hello")).spliceable();
    let output = block_on(one.call(input));
    let spliced = relay::splice::<tokio_io::Read<Watched>>(&mut one.store, output, &mut two.store);
    drop(one);
    assert_eq!(reads.load(Ordering::Relaxed), 0, "it was read or dropped");
    let output = block_on(two.pass_to(spliced.unwrap().unwrap()));
    let mut reader = from_guest::reader(&mut two.store, output, 100).unwrap();
    let all = two.store.run_concurrent(async |_| {
        let mut all = Vec::new();
        tokio::io::AsyncReadExt::read_to_end(&mut reader, &mut all).await.map(|_| all)
    });
    assert_eq!(block_on(all).unwrap().unwrap(), b"HELLO");
    assert_eq!(reads.load(Ordering::Relaxed), 1005);
}

#[test]
fn a_stream_that_the_guest_made_is_relayed_where_a_splice_is_refused() {
    // Rule "Splice".
    fn moved<S: ByteSource + wasmtime_streams::relay::Splice + Unpin>(
        one: &mut Transform,
        stream: StreamReader<u8>,
        two: &mut Transform,
    ) -> StreamReader<u8> {
        match relay::splice::<S>(&mut one.store, stream, &mut two.store) {
            Ok(spliced) => spliced.unwrap(),
            Err(stream) => {
                let relayed = relay::bytes(&mut one.store, stream, &mut two.store, 100, |_| {});
                relayed.unwrap().stream
            }
        }
    }
    let (mut one, mut two) = (block_on(Transform::upper()), block_on(Transform::rot13()));
    let output = block_on(one.call(tokio_io::read(&b"uryyb"[..]).spliceable()));
    let stream = moved::<tokio_io::Read<&[u8]>>(&mut one, output, &mut two);
    let output = block_on(two.pass_to(stream));
    let (consumer, done) = iterators::collect_bytes(100).with_completion();
    output.pipe(&mut two.store, consumer).unwrap();
    let (stop, stopped) = futures::channel::oneshot::channel::<()>();
    let first = run(one, stopped);
    assert_eq!(run(two, done).join().unwrap().inner.into_inner(), b"HELLO");
    drop(stop);
    let _ = first.join().unwrap();
}
