//! A guest writes into a blocking writer whose runtime was shut down.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use futures::executor::block_on;
use tokio::runtime::Builder;
use wasmtime_streams::{End, Flush, blocking};
use wasmtime_streams_testing::{Code, Guest, Setup};

/// A writer that keeps what it gets.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What happens to five bytes that a guest writes after the shutdown of the runtime.
struct Outcome {
    /// The answer to the guest's write.
    code: Code,
    end: End<io::Error>,
    moved: u64,
    written: Vec<u8>,
    handed_back: Vec<u8>,
}

fn write_without_a_runtime(flush: Flush) -> Outcome {
    let runtime = Builder::new_current_thread().build().unwrap();
    let kept = Kept::default();
    let consumer = {
        let _entered = runtime.enter();
        blocking::write(kept.clone()).flush(flush)
    };
    let (consumer, done) = consumer.with_completion();
    drop(runtime);
    let code = block_on(Setup::new(()).drive(async |guest: &Guest<'_, (), u8>| {
        let stream = guest.sink(consumer).await;
        let code = guest.send(stream, b"hello").await;
        guest.drop_writable(stream).await;
        code
    }));
    let done = block_on(done);
    let (end, moved) = (done.end, done.moved);
    let (writer, handed_back) = done.inner.into_parts();
    assert!(writer.is_some(), "the writer is gone");
    let written = kept.0.lock().unwrap().clone();
    Outcome { code: code.unwrap(), end, moved, written, handed_back }
}

#[test]
fn bytes_that_were_accepted_and_not_written_are_handed_back() {
    // Rule "Completion": the guest's write was completed, and the host gets the bytes back.
    for (flush, code) in [(Flush::OnClose, Code::Completed(5)), (Flush::EachOp, Code::Dropped(5))] {
        let outcome = write_without_a_runtime(flush);
        assert_eq!(outcome.code, code);
        assert!(matches!(outcome.end, End::Failed(_)), "{:?}", outcome.end);
        assert_eq!(outcome.moved, 5);
        assert_eq!((&outcome.written[..], &outcome.handed_back[..]), (&b""[..], &b"hello"[..]));
    }
}
