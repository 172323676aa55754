//! An executor drops the task that `driven_by` gave it, while the stream's object is being polled.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use futures::executor::block_on;
use wasmtime::component::StreamReader;
use wasmtime::{Engine, Store};
use wasmtime_streams::completion::Drive;
use wasmtime_streams::{ByteProducer, ByteSource, EndReason, Then, iterators};

use crate::support::guest::{Code, with_guest};

type Task = Arc<Mutex<Option<Drive>>>;

/// Counts how often it is notified of its end, and whether it still lives.
#[derive(Clone, Default)]
struct Watched {
    ended: Arc<AtomicUsize>,
    alive: Arc<()>,
}

impl Watched {
    fn is_dropped_after_one_end(&self) -> bool {
        self.ended.load(Ordering::SeqCst) == 1 && Arc::strong_count(&self.alive) == 1
    }
}

/// Calls `poll` in each poll, and never gives anything.
struct Source<F> {
    watched: Watched,
    poll: F,
}

impl<F: FnMut() + Send + Unpin + 'static> ByteSource for Source<F> {
    type Error = Infallible;

    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut [u8],
    ) -> Poll<Result<(usize, Then), Infallible>> {
        (self.poll)();
        // The end wakes the operation.
        Poll::Pending
    }

    fn ended(self: Pin<&mut Self>, reason: EndReason) {
        assert_eq!(reason, EndReason::Abandoned);
        self.watched.ended.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_source_may_drop_the_task_that_drives_its_own_completion() {
    // Rule "Completion": nobody waits for a poll that is under way.
    let watched = Watched::default();
    with_guest::<u8, _>(async |guest| {
        let task = Task::default();
        let (own, kept) = (task.clone(), task);
        let poll = move || drop(own.lock().unwrap().take());
        let source = Source { watched: watched.clone(), poll };
        let (producer, done) = ByteProducer::new(source).with_completion();
        let driven = done.driven_by(move |drive| *kept.lock().unwrap() = Some(drive));
        let stream = guest.source(producer).await;
        assert_eq!(guest.recv(stream, 8).await.0, Code::Dropped(0));
        assert!(driven.await.is_err(), "the task was dropped");
        assert!(watched.is_dropped_after_one_end(), "the guest still has its end");
        guest.drop_readable(stream).await;
    });
}

#[test]
fn a_task_that_another_thread_drops_ends_the_stream_and_the_object() {
    // Rule "Completion": the poll that is under way ends the stream.
    let engine = Engine::default();
    for round in 0..300_usize {
        let watched = Watched::default();
        let (polls, task) = (Arc::new(Barrier::new(2)), Task::default());
        let (begun, kept) = (polls.clone(), task.clone());
        let mut first = true;
        let poll = move || {
            if std::mem::take(&mut first) {
                begun.wait();
                // The other thread drops the task now, a little before or after the poll has returned.
                (0..round * 20).for_each(|_| std::hint::spin_loop());
            }
        };
        let source = Source { watched: watched.clone(), poll };
        let (producer, done) = ByteProducer::new(source).with_completion();
        let driven = done.driven_by(move |drive| *kept.lock().unwrap() = Some(drive));
        let dropper = thread::spawn(move || {
            polls.wait();
            drop(task.lock().unwrap().take());
        });
        let mut store = Store::new(&engine, ());
        let stream = StreamReader::new(&mut store, producer).unwrap();
        let (sink, done) = iterators::collect_bytes(8).with_completion();
        stream.pipe(&mut store, sink).unwrap();
        let (sent, over) = std::sync::mpsc::channel();
        thread::spawn(move || {
            let _ = block_on(store.run_concurrent(async |_| done.await)).unwrap();
            sent.send(store).unwrap();
        });
        let store = over.recv_timeout(Duration::from_secs(20)).expect("the stream never ends");
        dropper.join().unwrap();
        assert!(block_on(driven).is_err(), "the task was dropped");
        drop(store);
        assert!(watched.is_dropped_after_one_end());
    }
}
