//! Blocking readers and writers. The test decides when their jobs run.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use wasmtime_streams::{
    End, Flush,
    blocking::{self, Job},
};
use wasmtime_streams_testing::executor::idle;

use crate::support::guest::{Code, with_guest, with_large_guest};

/// Jobs that wait for the test.
#[derive(Clone, Default)]
struct Jobs(Arc<Mutex<VecDeque<Job>>>);

impl Jobs {
    fn spawn(&self) -> impl FnMut(Job) + Send + 'static {
        let jobs = self.0.clone();
        move |job| jobs.lock().unwrap().push_back(job)
    }

    fn take(&self) -> Option<Job> {
        self.0.lock().unwrap().pop_front()
    }

    /// Runs the only job.
    fn run(&self) {
        let job = self.take().expect("a job");
        job.run();
        assert!(self.take().is_none(), "more than one job");
    }
}

/// How many bytes each call asked for or was given; 0 is a flush.
type Calls = Arc<Mutex<Vec<usize>>>;

/// Gives 1, 2, 3 and so on, as many bytes as are asked for.
#[derive(Debug, Default)]
struct Counter {
    next: u8,
    calls: Calls,
}

impl Read for Counter {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.calls.lock().unwrap().push(buf.len());
        for byte in &mut *buf {
            self.next = self.next.wrapping_add(1);
            *byte = self.next;
        }
        Ok(buf.len())
    }
}

#[test]
fn the_data_of_a_cancelled_read_is_for_the_next_one() {
    // Rule "Cancellation keeps the stream": the job goes on. Nothing is lost or read twice.
    with_guest::<u8, _>(async |guest| {
        let jobs = Jobs::default();
        let reader = Counter::default();
        let calls = reader.calls.clone();
        let stream = guest.source(blocking::read_on(reader, jobs.spawn())).await;
        assert_eq!(guest.read(stream, 4).await, Code::Blocked);
        assert_eq!(guest.cancel_read(stream).await, Code::Cancelled(0));
        jobs.run();
        assert_eq!(guest.recv(stream, 3).await, (Code::Completed(3), vec![1, 2, 3]));
        // The rest is readable without another job, and completes a read that asks for more.
        assert_eq!(guest.read(stream, 0).await, Code::Completed(0));
        assert_eq!(guest.recv(stream, 9).await, (Code::Completed(1), vec![4]));
        assert!(jobs.take().is_none());

        assert_eq!(guest.read(stream, 2).await, Code::Blocked);
        assert_eq!(guest.cancel_read(stream).await, Code::Cancelled(0));
        assert_eq!(guest.read(stream, 5).await, Code::Blocked);
        jobs.run();
        assert_eq!(guest.wait(stream).await, Code::Completed(2));
        assert_eq!(*calls.lock().unwrap(), [4, 2]);
    });
}

#[test]
fn a_zero_length_read_waits_for_a_pending_job_and_starts_none() {
    // Rule "Zero-length reads".
    with_guest::<u8, _>(async |guest| {
        let jobs = Jobs::default();
        let stream = guest.source(blocking::read_on(Counter::default(), jobs.spawn())).await;
        assert_eq!(guest.read(stream, 0).await, Code::Completed(0));
        assert!(jobs.take().is_none());
        assert_eq!(guest.read(stream, 4).await, Code::Blocked);
        assert_eq!(guest.cancel_read(stream).await, Code::Cancelled(0));
        assert_eq!(guest.read(stream, 0).await, Code::Blocked);
        let mut wait = Box::pin(guest.wait(stream));
        assert_eq!(guest.parked(&mut wait).await, None);
        jobs.run();
        assert_eq!(wait.await, Code::Completed(0));
        assert_eq!(guest.recv(stream, 9).await, (Code::Completed(4), vec![1, 2, 3, 4]));
    });
}

#[test]
fn a_reader_is_asked_for_no_more_than_the_buffer_holds() {
    // Rule "Bounded memory": whatever length the guest names.
    with_large_guest::<u8, _>(1 << 24, async |guest| {
        let reader = Counter::default();
        let calls = reader.calls.clone();
        let stream = guest.source(blocking::read_on(reader, |job| job.run())).await;
        assert_eq!(guest.read(stream, 1 << 24).await, Code::Completed(65_536));
        let reader = Counter { next: 0, calls: calls.clone() };
        let stream = guest.source(blocking::read_on(reader, |job| job.run()).buffer(0)).await;
        assert_eq!(guest.read(stream, 1 << 24).await, Code::Completed(1));
        assert_eq!(*calls.lock().unwrap(), [65_536, 1]);
    });
}

#[test]
fn a_job_that_is_never_run_is_an_error_that_hands_the_reader_back() {
    // Rule "Completion": an error and not a hang, also while the guest waits.
    for parked in [false, true] {
        with_guest::<u8, _>(async |guest| {
            let jobs = Jobs::default();
            let spawn = jobs.spawn();
            let (producer, done) = match parked {
                true => blocking::read_on(Counter::default(), spawn).with_completion(),
                false => blocking::read_on(Counter::default(), drop).with_completion(),
            };
            let stream = guest.source(producer).await;
            if parked {
                assert_eq!(guest.read(stream, 4).await, Code::Blocked);
                idle().await;
                drop(jobs.take());
                assert_eq!(guest.wait(stream).await, Code::Dropped(0));
            } else {
                assert_eq!(guest.read(stream, 4).await, Code::Dropped(0));
            }
            let done = done.await;
            let End::Failed(error) = done.end else { panic!("{:?}", done.end) };
            assert!(error.to_string().contains("dropped without being run"), "{error}");
            assert_eq!(done.inner.into_inner().unwrap().next, 0);
        });
    }
}

/// Panics in every call.
struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        std::panic::panic_any(());
    }
}

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        std::panic::panic_any(());
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_job_that_panics_is_an_error_and_not_a_hang() {
    // Rule "No traps, no panics": the panic stays in the job's thread, and the guest goes on.
    with_guest::<u8, _>(async |guest| {
        let jobs = Jobs::default();
        let panics = || catch_unwind(AssertUnwindSafe(|| jobs.run())).unwrap_err();
        let (producer, done) = blocking::read_on(Broken, jobs.spawn()).with_completion();
        let stream = guest.source(producer).await;
        assert_eq!(guest.read(stream, 4).await, Code::Blocked);
        idle().await;
        panics();
        assert_eq!(guest.wait(stream).await, Code::Dropped(0));
        let mut done = done.await;
        assert!(matches!(&done.end, End::Failed(error) if error.to_string().contains("panicked")));
        done.inner.settled().await;
        assert!(done.inner.into_inner().is_none());

        let (consumer, done) = blocking::write_on(Broken, jobs.spawn()).with_completion();
        let stream = guest.sink(consumer).await;
        guest.load(&[1, 2]).await;
        assert_eq!(guest.write(stream, 2).await, Code::Blocked);
        idle().await;
        panics();
        assert_eq!(guest.wait(stream).await, Code::Dropped(2));
        let done = done.await;
        assert!(matches!(&done.end, End::Failed(error) if error.to_string().contains("panicked")));
        assert!(done.inner.into_inner().is_none());
    });
}

#[test]
fn a_reader_that_is_in_a_job_is_handed_back_with_what_it_read() {
    // Rule "Completion": the host loses nothing that was read.
    with_guest::<u8, _>(async |guest| {
        let jobs = Jobs::default();
        let (producer, done) =
            blocking::read_on(Counter::default(), jobs.spawn()).with_completion();
        let stream = guest.source(producer).await;
        assert_eq!(guest.read(stream, 3).await, Code::Blocked);
        idle().await;
        done.cancel();
        assert_eq!(guest.wait(stream).await, Code::Dropped(0));
        let mut source: blocking::Read<Counter> = done.await.inner;
        assert!(source.get_ref().is_none() && source.get_mut().is_none());
        let mut settled = Box::pin(source.settled());
        assert!(futures::poll!(&mut settled).is_pending());
        jobs.run();
        settled.await;
        assert_eq!(source.get_ref().unwrap().next, 3);
        let (reader, rest) = source.into_parts();
        assert_eq!((reader.unwrap().next, rest), (3, vec![1, 2, 3]));
    });
}

/// Takes at most `room` bytes, `part` at a time, and then fails.
#[derive(Debug)]
struct Small {
    part: usize,
    room: usize,
    got: Vec<u8>,
    calls: Calls,
}

impl Small {
    fn new(part: usize, room: usize) -> Self {
        Self { part, room, got: Vec::new(), calls: Calls::default() }
    }
}

impl Write for Small {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.calls.lock().unwrap().push(buf.len());
        if self.got.len() == self.room {
            return Err(ErrorKind::StorageFull.into());
        }
        let n = buf.len().min(self.part).min(self.room - self.got.len());
        self.got.extend_from_slice(&buf[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.calls.lock().unwrap().push(0);
        Ok(())
    }
}

#[test]
fn a_write_is_done_and_flushed_by_one_job() {
    // Rule "Flush policy": the guest's write completes when it is flushed.
    with_guest::<u8, _>(async |guest| {
        let jobs = Jobs::default();
        let writer = Small::new(3, 99);
        let calls = writer.calls.clone();
        let stream = guest.sink(blocking::write_on(writer, jobs.spawn())).await;
        guest.load(&[1, 2, 3, 4, 5]).await;
        assert_eq!(guest.write(stream, 5).await, Code::Blocked);
        idle().await;
        jobs.run();
        assert_eq!(guest.wait(stream).await, Code::Completed(5));
        assert_eq!(*calls.lock().unwrap(), [5, 2, 0]);
    });
}

#[test]
fn without_a_flush_a_write_completes_at_once_and_the_next_one_waits() {
    // Rule "Backpressure": the guest is one buffer ahead at most.
    with_guest::<u8, _>(async |guest| {
        let jobs = Jobs::default();
        let writer = Small::new(99, 99);
        let calls = writer.calls.clone();
        let consumer = blocking::write_on(writer, jobs.spawn()).flush(Flush::OnClose).buffer(4);
        let (consumer, done) = consumer.with_completion();
        let stream = guest.sink(consumer).await;
        guest.load(&[1, 2, 3, 4, 5]).await;
        assert_eq!(guest.write(stream, 5).await, Code::Completed(4));
        assert_eq!(guest.write(stream, 0).await, Code::Blocked);
        assert_eq!(guest.cancel_write(stream).await, Code::Cancelled(0));
        assert_eq!(guest.write(stream, 1).await, Code::Blocked);
        idle().await;
        jobs.run();
        assert_eq!(guest.wait(stream).await, Code::Completed(1));
        guest.drop_writable(stream).await;
        jobs.run();
        let mut done = Box::pin(done);
        assert!(futures::poll!(&mut done).is_pending());
        jobs.run();
        assert_eq!(done.await.inner.into_inner().unwrap().got, [1, 2, 3, 4, 1]);
        assert_eq!(*calls.lock().unwrap(), [4, 1, 0]);
    });
}

#[test]
fn a_write_that_the_guest_cancels_goes_on() {
    // Rule "Cancellation keeps the stream": what was accepted is written, once.
    with_guest::<u8, _>(async |guest| {
        let jobs = Jobs::default();
        let (consumer, done) =
            blocking::write_on(Small::new(2, 99), jobs.spawn()).with_completion();
        let stream = guest.sink(consumer).await;
        guest.load(&[1, 2, 3]).await;
        assert_eq!(guest.write(stream, 3).await, Code::Blocked);
        assert_eq!(guest.cancel_write(stream).await, Code::Cancelled(3));
        assert_eq!(guest.write(stream, 1).await, Code::Blocked);
        idle().await;
        jobs.run();
        idle().await;
        jobs.run();
        assert_eq!(guest.wait(stream).await, Code::Completed(1));
        guest.drop_writable(stream).await;
        let done = done.await;
        assert_eq!((done.moved, done.inner.into_inner().unwrap().got), (4, vec![1, 2, 3, 1]));
    });
}

#[test]
fn what_could_not_be_written_is_handed_back_with_the_writer() {
    // Rule "Completion": the next operation and the completion report the error.
    for policy in [Flush::EachOp, Flush::OnClose] {
        with_guest::<u8, _>(async |guest| {
            let consumer = blocking::write_on(Small::new(2, 3), |job| job.run()).flush(policy);
            let (consumer, done) = consumer.with_completion();
            let stream = guest.sink(consumer).await;
            let code = guest.send(stream, &[1, 2, 3, 4, 5]).await;
            if policy == Flush::EachOp {
                assert_eq!(code, Code::Dropped(5));
            } else {
                assert_eq!(code, Code::Completed(5));
                assert_eq!(guest.send(stream, &[6]).await, Code::Dropped(0));
            }
            let done = done.await;
            assert!(
                matches!(&done.end, End::Failed(error) if error.kind() == ErrorKind::StorageFull)
            );
            let (writer, rest) = done.inner.into_parts();
            assert_eq!((writer.unwrap().got, rest), (vec![1, 2, 3], vec![4, 5]));
        });
    }
}

#[test]
fn a_writer_that_takes_nothing_fails_with_write_zero() {
    // Rule "A write of zero bytes is an error".
    with_guest::<u8, _>(async |guest| {
        let (consumer, done) =
            blocking::write_on(Small::new(0, 9), |job| job.run()).with_completion();
        let stream = guest.sink(consumer).await;
        assert_eq!(guest.send(stream, &[1]).await, Code::Dropped(1));
        let done = done.await;
        assert!(matches!(done.end, End::Failed(error) if error.kind() == ErrorKind::WriteZero));
    });
}

#[test]
fn an_idle_blocking_stream_holds_no_buffer() {
    // Rule "Bounded memory": a buffer exists only while it is in use.
    assert!(size_of::<blocking::Read<std::fs::File>>() < 128);
    assert!(size_of::<blocking::Write<std::fs::File>>() < 128);
}
