//! An encoder that fails in the middle of an item: nothing of that item is sent.

use std::io;

use bytes::{BufMut as _, BytesMut};
use tokio_util::codec::{Encoder, FramedWrite};
use wasmtime_streams::{End, Flush, codec};
use wasmtime_streams_testing::executor::idle;

use crate::support::guest::{Code, with_guest};
use crate::support::script::{Script, Step, Writer};

/// Two bytes for each item. Refuses 9 after it has written half of it.
struct Halving;

impl Encoder<u8> for Halving {
    type Error = io::Error;

    fn encode(&mut self, item: u8, out: &mut BytesMut) -> io::Result<()> {
        out.put_u8(item);
        if item == 9 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        out.put_u8(item);
        Ok(())
    }
}

#[test]
fn nothing_of_an_item_that_cannot_be_encoded_is_sent() {
    // Rule "Items before the error": in a batch, one by one, and as a single item. The frames before it are complete.
    for (items, expected) in
        [(&[1, 2, 9, 4][..], &[1, 1, 2, 2][..]), (&[1, 9], &[1, 1]), (&[9, 4], &[]), (&[9], &[])]
    {
        for batch in [1, 64] {
            for completion in [false, true] {
                with_guest::<u8, _>(async |guest| {
                    let writer = Writer::new(Script::new([]));
                    let log = writer.log();
                    let frames = FramedWrite::new(writer, Halving);
                    let consumer = codec::write::<_, _, u8>(frames).batch(batch);
                    if completion {
                        let (consumer, done) = consumer.with_completion();
                        let stream = guest.sink(consumer).await;
                        guest.send_all(stream, items).await;
                        let done = done.await;
                        assert!(matches!(done.end, End::Failed(_)), "{:?}", done.end);
                        let frames = done.inner.into_parts().0;
                        assert!(frames.write_buffer().is_empty(), "{:?}", frames.write_buffer());
                    } else {
                        let stream = guest.sink(consumer).await;
                        let code = guest.send_all(stream, items).await;
                        assert!(matches!(code, Code::Dropped(_)), "{code:?}");
                    }
                    assert_eq!(log.accepted(), expected, "{items:?} in batches of {batch}");
                    assert_eq!(log.look(|written| written.flushed), expected.len());
                });
            }
        }
    }
}

#[test]
fn nothing_of_an_item_that_cannot_be_encoded_is_sent_after_a_cancel() {
    // Rule "Cancellation keeps the stream": the frames before it wait in the write buffer.
    with_guest::<u8, _>(async |guest| {
        let script = Script::new([Step::Hold]);
        let control = script.control();
        let writer = Writer::new(script);
        let log = writer.log();
        let consumer = codec::write::<_, _, u8>(FramedWrite::new(writer, Halving));
        let (consumer, done) = consumer.flush(Flush::OnClose).with_completion();
        let stream = guest.sink(consumer).await;
        guest.load(&[1, 9, 3]).await;
        assert_eq!(guest.write(stream, 3).await, Code::Blocked);
        idle().await;
        assert_eq!(guest.cancel_write(stream).await, Code::Cancelled(3));
        control.release();
        assert_eq!(guest.send(stream, &[4]).await, Code::Dropped(0));
        assert!(matches!(done.await.end, End::Failed(_)));
        assert_eq!(log.accepted(), [1, 1]);
    });
}
