//! Streams whose store is dropped, and streams between two stores.

use futures::channel::mpsc;
use futures::future::Either;
use futures::{StreamExt as _, join};
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;
use wasmtime::AsContext as _;
use wasmtime_streams::to_guest::FromHost;
use wasmtime_streams::{
    ByteProducer, CancelHandle, End, StoreToken, completion::Shared, relay, tokio_io,
};
use wasmtime_streams_testing::{Code, Guest, Setup};

use crate::{Random, Tally};

/// Each stream is in a store of its own, which is dropped with the stream in it.
pub(crate) async fn dropped(streams: u64, random: &mut Random) -> Tally {
    let mut tally = Tally::default();
    for _ in 0..streams {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let (source, parked) = (random.chance(), random.chance());
        let len = random.below(3000) as usize;
        let script = async |guest: &Guest<'_, StoreToken, u8>| {
            if source {
                theirs.write_all(&vec![0; len]).await.unwrap();
                let (producer, done) = tokio_io::read(ours).with_completion();
                let done = guest.with(|store| done.watch_store(store.as_context().data()));
                let stream = guest.source(producer).await;
                let mut left = len as u32;
                while left > 0 {
                    left -= guest.recv(stream, left.div_ceil(2)).await.0.count();
                }
                if parked {
                    assert_eq!(guest.read(stream, 9).await, Code::Blocked);
                }
                Either::Left(done)
            } else {
                let (consumer, done) = tokio_io::write(ours).with_completion();
                let done = guest.with(|store| done.watch_store(store.as_context().data()));
                let stream = guest.sink(consumer).await;
                guest.send_all(stream, &vec![0; len]).await;
                if parked {
                    // It may be answered or not before the store is dropped.
                    let _ = guest.write(stream, 1 << 20).await;
                }
                Either::Right(done)
            }
        };
        let done = Setup::new(StoreToken::new()).drive(script).await.unwrap();
        let end = match done {
            Either::Left(done) => done.await.end,
            Either::Right(done) => done.await.end,
        };
        assert!(matches!(end, End::Abandoned), "{end:?}");
        tally.end("abandoned");
    }
    tally
}

/// What ends a stream between two stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    Writer,
    Reader,
    CancelFrom,
    CancelTo,
}

struct Second {
    producer: ByteProducer<FromHost<u8>, Shared>,
    ends: Ends,
    at: u32,
    cancel: CancelHandle,
}

/// Streams from a guest in one store to a guest in another.
pub(crate) async fn relayed(streams: u64, random: &mut Random) -> Tally {
    let mut tally = Tally::default();
    let (tx, mut rx) = mpsc::unbounded::<Second>();
    let first = Setup::new(()).drive(async |guest: &Guest<'_, (), u8>| {
        let tx = tx;
        for n in 0..streams {
            let all = [Ends::Writer, Ends::Reader, Ends::CancelFrom, Ends::CancelTo];
            let ends = all[n as usize % 4];
            let at = random.below(3000) as u32;
            let (consumer, producer) = relay::byte_parts(2 + random.below(4096) as usize);
            let (consumer, from) = consumer.with_completion();
            let (producer, to) = producer.with_completion();
            let stream = guest.sink(consumer).await;
            let cancel = to.cancel_handle();
            tx.unbounded_send(Second { producer, ends, at, cancel }).unwrap();
            let mut left = match ends {
                Ends::Writer | Ends::CancelFrom => at,
                Ends::Reader | Ends::CancelTo => u32::MAX,
            };
            while left > 0 {
                let n = left.min(1 + random.below(500) as u32);
                let code = guest.send(stream, &vec![0; n as usize]).await;
                left -= code.count();
                if !matches!(code, Code::Completed(_)) {
                    break;
                }
            }
            if ends == Ends::CancelFrom {
                from.cancel();
            }
            guest.drop_writable(stream).await;
            let (from, to) = join!(from, to);
            tally.end(format!("{ends:?}: {:?} and {:?}", from.end, to.end));
        }
    });
    let second = Setup::new(()).drive(async |guest: &Guest<'_, (), u8>| {
        while let Some(Second { producer, ends, at, cancel }) = rx.next().await {
            let stream = guest.source(producer).await;
            let mut left = at;
            let mut code = Code::Completed(0);
            while matches!(code, Code::Completed(_)) {
                match ends {
                    Ends::Reader if left == 0 => break,
                    Ends::CancelTo if left == 0 => cancel.cancel(),
                    _ => {}
                }
                code = guest.recv(stream, left.clamp(1, 300)).await.0;
                left = left.saturating_sub(code.count());
            }
            guest.drop_readable(stream).await;
        }
    });
    let (first, second) = join!(first, second);
    first.and(second).unwrap();
    tally
}
