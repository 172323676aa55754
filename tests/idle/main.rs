//! How much memory an idle stream keeps. A test target of its own, as it counts every allocation in the process.

mod held;
mod pieces;

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use futures::executor::block_on;
use peak_alloc::PeakAlloc;
use wasmtime::{Engine, Result, Store};
use wasmtime_streams::from_guest::{self, GuestItems, GuestReader, ToHost};
use wasmtime_streams::to_guest::{self, HostSink, HostWriter};
use wasmtime_streams::{ByteSink, EndReason};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Tests take settle: none may count what another allocates.
static COUNTED: Mutex<()> = Mutex::new(());

const STREAMS: usize = 200;
const CAPACITY: usize = 1 << 20;

/// What each stream may keep. Even the smallest buffer would exceed it.
const KEPT: usize = 512;

/// What all streams of bytes may keep together, however many there are.
const SHARED: usize = 1 << 20;

/// Writes and reads `len` bytes twice on each stream without waiting in between, which uses both buffers of each. Then
/// waits on it once, on both sides.
async fn bytes(streams: &mut [(HostWriter, GuestReader)], len: usize) -> Result<()> {
    let data = vec![7; len];
    for (writer, reader) in streams {
        let mut left = 0;
        for keep in [1, 0] {
            let mut written = 0;
            while written < len {
                written += poll_fn(|cx| writer.poll_write(cx, &data[written..])).await?;
            }
            left += len;
            settle().await;
            while left > keep {
                let mut buf = vec![0; 1000.min(left - keep)];
                left -= poll_fn(|cx| reader.poll_read(cx, &mut buf)).await?;
            }
        }
        assert!(poll_fn(|cx| Poll::Ready(reader.poll_read(cx, &mut [0]).is_pending())).await);
    }
    Ok(())
}

/// The same for items.
async fn items(streams: &mut [(HostSink<u64>, GuestItems<u64>)], len: usize) -> Result<()> {
    for (sink, items) in streams {
        let mut left = 0;
        for keep in [1, 0] {
            sink.send_batch(vec![7; len]).await.map_err(|unsent| unsent.error)?;
            left += len;
            settle().await;
            while left > keep {
                items.next_item().await;
                left -= 1;
            }
        }
        assert!(poll_fn(|cx| Poll::Ready(items.poll_item(cx).is_pending())).await);
    }
    Ok(())
}

/// Polls the store until it has nothing more to do.
async fn settle() {
    let mut left = 100;
    poll_fn(|cx| {
        left -= 1;
        cx.waker().wake_by_ref();
        if left == 0 { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// How many bytes each stream keeps after `round`, beyond what it keeps after the first round.
async fn kept(mut round: impl AsyncFnMut(usize) -> Result<()>) -> Result<usize> {
    // The first round fills Wasmtime's own tables.
    round(1).await?;
    settle().await;
    let before = ALLOCATOR.current_usage();
    let mut most = 0;
    for len in [10_000, 100_000] {
        round(len).await?;
        settle().await;
        most = most.max(ALLOCATOR.current_usage().saturating_sub(before + SHARED) / STREAMS);
    }
    Ok(most)
}

#[test]
fn an_idle_stream_keeps_no_buffer() -> Result<()> {
    // docs/contract.md, "Memory": nothing while it is idle, whatever its capacity.
    let _counted = COUNTED.lock().unwrap();
    let mut store = Store::new(&Engine::default(), ());
    let (mut byte_streams, mut item_streams) = (Vec::new(), Vec::new());
    for _ in 0..STREAMS {
        let (writer, stream) = to_guest::writer(&mut store, CAPACITY)?;
        byte_streams.push((writer, from_guest::reader(&mut store, stream, CAPACITY)?));
        let (sink, stream) = to_guest::sink::<u64>(&mut store, CAPACITY)?;
        item_streams.push((sink, from_guest::items(&mut store, stream, CAPACITY)?));
    }
    let run = store.run_concurrent(async |_| {
        let bytes = kept(async |len| bytes(&mut byte_streams, len).await).await?;
        let items = kept(async |len| items(&mut item_streams, len).await).await?;
        wasmtime::error::Ok((bytes, items))
    });
    let (bytes, items) = block_on(run)??;
    assert!(bytes <= KEPT, "each byte stream keeps {bytes} bytes");
    assert!(items <= KEPT, "each item stream keeps {items} bytes");
    Ok(())
}

/// How many bytes are kept after a write waited for room, everything was read, and `end` happened instead of the write.
fn kept_after(end: impl FnOnce(Pin<&mut ToHost<u8>>, &mut Context<'_>)) -> usize {
    let cx = &mut Context::from_waker(Waker::noop());
    let data = vec![7; 64 << 10];
    let mut buf = data.clone();
    let before = ALLOCATOR.current_usage();
    let (mut consumer, mut reader) = from_guest::consumer(4 * SHARED);
    let mut sink = Pin::new(consumer.get_mut());
    while sink.as_mut().poll_write(cx, &data).is_ready() {}
    while reader.poll_read(cx, &mut buf).is_ready() {}
    end(sink, cx);
    ALLOCATOR.current_usage() - before
}

#[test]
fn a_waiting_write_that_is_given_up_keeps_no_buffer() {
    // docs/contract.md, "Memory". The reader leaves its memory to a write that waits.
    let _counted = COUNTED.lock().unwrap();
    let most = SHARED + KEPT;
    let kept = kept_after(|sink, _| sink.op_cancelled());
    assert!(kept <= most, "{kept} bytes after the guest cancelled the write");
    let kept = kept_after(|sink, cx| assert!(sink.poll_writable(cx).unwrap().is_ready()));
    assert!(kept <= most, "{kept} bytes after the guest only asked whether there is room");
    let kept = kept_after(|sink, _| sink.ended(EndReason::Finished));
    assert!(kept <= most, "{kept} bytes after the guest dropped its end");
}

#[test]
fn a_hand_over_reuses_the_memory_of_a_dropped_one() {
    // docs/contract.md, "Memory".
    let _counted = COUNTED.lock().unwrap();
    let cx = &mut Context::from_waker(Waker::noop());
    let data = vec![7; 64 << 10];
    let mut buf = data.clone();
    for (read, part) in [(0, 0), (0, 1000), (1, 1000), (3, 0), (4, 0)] {
        let mut round = || {
            let (mut consumer, mut reader) = from_guest::consumer(4 * data.len());
            let mut sink = Pin::new(consumer.get_mut());
            while sink.as_mut().poll_write(cx, &data).is_ready() {}
            for _ in 0..read {
                assert!(reader.poll_read(cx, &mut buf).is_ready());
            }
            assert!(part == 0 || reader.poll_read(cx, &mut buf[..part]).is_ready());
        };
        round();
        let before = ALLOCATOR.current_usage();
        ALLOCATOR.reset_peak_usage();
        round();
        let taken = ALLOCATOR.peak_usage() - before;
        assert!(
            taken < data.len() / 2,
            "{taken} bytes allocated, after {read} reads and one of {part} bytes"
        );
    }
}
