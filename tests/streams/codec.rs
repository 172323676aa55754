//! Frames: lines, length-delimited ones, and codecs that fail.

use std::io;

use bytes::{Buf as _, Bytes, BytesMut};
use futures::FutureExt as _;
use tokio_util::codec::{
    BytesCodec, Decoder, FramedRead, FramedWrite, LengthDelimitedCodec, LinesCodec, LinesCodecError,
};
use wasmtime::component::StreamReader;
use wasmtime::{Engine, Store, StoreContextMut};
use wasmtime_streams::{End, Flush, codec, streams};
use wasmtime_streams_testing::executor::{self, idle};

use crate::support::codec::ByteCodec;
use crate::support::guest::{Code, Guest, World, with_guest, with_trapping_guest};
use crate::support::script::{Control, Reader, Script, Step, Writer};

fn lines(steps: impl IntoIterator<Item = Step>) -> (FramedRead<Reader, LinesCodec>, Control) {
    let script = Script::new(steps);
    let control = script.control();
    (FramedRead::new(Reader::new(script), LinesCodec::new_with_max_length(16)), control)
}

fn data(text: &str) -> Step {
    Step::Data(text.into())
}

async fn recv(guest: &Guest<'_, String>, stream: u32, len: u32) -> (Code, Vec<String>) {
    let code = guest.recv(stream, len).await.0;
    (code, guest.items(code.count()).await.into_iter().map(Option::unwrap).collect())
}

async fn write(guest: &Guest<'_, String>, stream: u32, items: &[&str]) -> Code {
    let items: Vec<_> = items.iter().map(|item| (*item).to_owned()).collect();
    guest.load_items(&items).await;
    guest.write(stream, items.len() as u32).await
}

#[test]
fn a_frame_may_be_split_anywhere() {
    // Rule "Exactly once, in order".
    let text = "one\ntwo\r\n\nlast";
    for split in 1..text.len() {
        with_guest::<String, _>(async |guest| {
            let (a, b) = text.split_at(split);
            let steps = [data(a), Step::Pending, data(b), Step::Pending];
            let stream = guest.source(codec::read(lines(steps).0)).await;
            let mut got = Vec::new();
            loop {
                let (code, lines) = recv(guest, stream, 2).await;
                got.extend(lines);
                if let Code::Dropped(_) = code {
                    break;
                }
            }
            assert_eq!(got, ["one", "two", "", "last"]);
        });
    }
}

#[test]
fn a_cancel_in_the_middle_of_a_frame_loses_nothing() {
    // Rule "Cancellation keeps the stream": the part that has arrived stays in the read buffer.
    with_guest::<String, _>(async |guest| {
        let steps = [data("he"), Step::Hold, data("llo\nwor"), Step::Hold, data("ld\n")];
        let (lines, control) = lines(steps);
        let stream = guest.source(codec::read(lines)).await;
        for line in ["hello", "world"] {
            assert_eq!(guest.read(stream, 1).await, Code::Blocked);
            idle().await;
            assert_eq!(guest.cancel_read(stream).await, Code::Cancelled(0));
            control.release();
            assert_eq!(recv(guest, stream, 1).await, (Code::Completed(1), vec![line.to_owned()]));
        }
    });
}

#[test]
fn an_incomplete_frame_is_handed_back() {
    // Rule "Completion": the host cancels. Rule "Splice": the guest passes the stream along.
    with_guest::<String, _>(async |guest| {
        let (frames, _) = lines([data("one\nhe"), Step::Hold]);
        let (producer, done) = codec::read(frames).with_completion();
        let stream = guest.source(producer).await;
        assert_eq!(recv(guest, stream, 1).await.1, ["one"]);
        assert_eq!(guest.read(stream, 1).await, Code::Blocked);
        idle().await;
        done.cancel();
        assert_eq!(guest.wait(stream).await, Code::Dropped(0));
        assert_eq!(&done.await.inner.into_inner().into_parts().read_buf[..], b"he");

        let (frames, _) = lines([data("one\ntwo\nhe"), Step::Hold]);
        let stream = guest.source(codec::read(frames).spliceable()).await;
        assert_eq!(recv(guest, stream, 1).await.1, ["one"]);
        let reader = guest.give(stream).await;
        type Source = codec::Read<Reader, LinesCodec>;
        let source = guest.with(|store| reader.try_into::<Source>(store)).unwrap();
        assert_eq!(&source.get_ref().read_buffer()[..], b"two\nhe");
    });
}

#[test]
fn all_frames_in_memory_are_taken_and_the_reader_is_not_asked_for_more() {
    // Rule "Fill each operation".
    with_guest::<String, _>(async |guest| {
        let (lines, control) = lines([data("1\n2\n3\n"), data("4\n")]);
        let stream = guest.source(codec::read(lines)).await;
        assert_eq!(
            recv(guest, stream, 9).await,
            (Code::Completed(3), ["1", "2", "3"].map(String::from).to_vec())
        );
        assert_eq!(control.steps(), 1);
        assert_eq!(recv(guest, stream, 9).await.1, ["4"]);
        assert_eq!(control.steps(), 2);
        assert_eq!(recv(guest, stream, 9).await.0, Code::Dropped(0));
    });
}

#[test]
fn a_decoder_that_fails_ends_the_stream_after_the_frames_before() {
    // Rule "Items before the error"; nothing after the bad frame is decoded.
    with_guest::<String, _>(async |guest| {
        let long = "x".repeat(20);
        let (lines, control) = lines([data(&format!("1\n2\n{long}\n3\n")), data("4\n")]);
        let (producer, done) = codec::read(lines).with_completion();
        let stream = guest.source(producer).await;
        let (code, lines) = recv(guest, stream, 9).await;
        assert_eq!((code, lines.concat()), (Code::Dropped(2), "12".to_owned()));
        assert_eq!(control.steps(), 1);
        let done = done.await;
        assert!(matches!(done.end, End::Failed(LinesCodecError::MaxLineLengthExceeded)));
        assert_eq!(done.moved, 2);
    });
}

#[test]
fn an_incomplete_frame_at_the_end_is_an_error_of_the_decoder() {
    // Rule "Items before the error": a frame of 3 bytes, and then half of one.
    with_guest::<String, _>(async |guest| {
        let bytes = [&[0, 0, 0, 3][..], b"abc", &[0, 0, 0, 9], b"d"].concat();
        let reader = Reader::new(Script::new([Step::Data(bytes)]));
        let frames = FramedRead::new(reader, LengthDelimitedCodec::new());
        let producer =
            codec::read(frames).deliver_with(|_: StoreContextMut<'_, World>, frame: BytesMut| {
                Ok(String::from_utf8(frame.to_vec())?)
            });
        let (producer, done) = producer.with_completion();
        let stream = guest.source(producer).await;
        assert_eq!(recv(guest, stream, 9).await, (Code::Dropped(1), vec!["abc".to_owned()]));
        let done = done.await;
        let End::Failed(error) = done.end else { panic!("{:?}", done.end) };
        assert!(error.to_string().contains("remaining"), "{error}");
        assert_eq!(&done.inner.get_ref().read_buffer()[..], b"d");
    });
}

/// Frames of one byte each. Fails once, and panics if it is asked again.
struct FailsOnce(bool);

impl Decoder for FailsOnce {
    type Item = u8;
    type Error = io::Error;

    fn decode(&mut self, bytes: &mut BytesMut) -> io::Result<Option<u8>> {
        assert!(!self.0, "decoded after an error");
        let byte = bytes.first().copied();
        bytes.advance(bytes.len().min(1));
        self.0 = byte == Some(0);
        if self.0 { Err(io::ErrorKind::InvalidData.into()) } else { Ok(byte) }
    }
}

#[test]
fn a_framed_reader_is_not_polled_after_its_error() {
    // Rule "Items before the error": the trap comes with the next read, which decodes nothing.
    let error = with_trapping_guest::<u8, _>(async |guest| {
        let reader = Reader::new(Script::new([Step::Data(vec![1, 2, 0, 3])]));
        let stream =
            guest.source(codec::read(FramedRead::new(reader, FailsOnce(false))).trap_on_error());
        let stream = stream.await;
        assert_eq!(guest.recv(stream, 9).await, (Code::Completed(2), vec![1, 2]));
        guest.read(stream, 9).await;
    });
    assert!(error.root_cause().is::<io::Error>(), "{error:?}");
}

#[test]
fn a_peekable_framed_reader_waits_for_a_whole_frame() {
    // Rule "Zero-length reads": half of a frame is not ready.
    use futures::StreamExt as _;
    with_guest::<String, _>(async |guest| {
        let (lines, control) = lines([data("he"), Step::Hold, data("llo\n")]);
        let stream = guest.source(streams::try_peekable(lines.peekable())).await;
        assert_eq!(guest.read(stream, 0).await, Code::Blocked);
        let mut wait = Box::pin(guest.wait(stream));
        assert_eq!(guest.parked(&mut wait).await, None);
        control.release();
        assert_eq!(wait.await, Code::Completed(0));
        assert_eq!(recv(guest, stream, 9).await.1, ["hello"]);
    });
}

#[test]
fn a_write_is_held_until_its_frames_are_written_and_flushed() {
    // Rule "Flush policy".
    with_guest::<String, _>(async |guest| {
        let script = Script::new([Step::Accept(3), Step::Hold]);
        let flush = Script::new([Step::Hold, Step::Accept(0)]);
        let (control, flushes) = (script.control(), flush.control());
        let writer = Writer::with_flush(script, flush);
        let log = writer.log();
        let frames = FramedWrite::new(writer, LinesCodec::new());
        let stream = guest.sink(codec::write::<_, _, String>(frames)).await;
        assert_eq!(write(guest, stream, &["ab", "cd"]).await, Code::Blocked);
        let mut wait = Box::pin(guest.wait(stream));
        assert_eq!(guest.parked(&mut wait).await, None);
        assert_eq!(log.accepted(), b"ab\n");
        control.release();
        assert_eq!(guest.parked(&mut wait).await, None);
        assert_eq!(
            (log.accepted(), log.look(|written| written.flushed)),
            (b"ab\ncd\n".to_vec(), 0)
        );
        flushes.release();
        assert_eq!(wait.await, Code::Completed(2));
        assert_eq!(log.look(|written| written.flushed), 6);
    });
}

#[test]
fn a_full_write_buffer_holds_the_guest() {
    // Rule "Backpressure": the buffer takes 4 bytes. With a batch of 1 no item is taken beyond that.
    with_guest::<u8, _>(async |guest| {
        let script = Script::new([Step::Hold]);
        let control = script.control();
        let writer = Writer::new(script);
        let log = writer.log();
        let frames = FramedWrite::with_capacity(writer, ByteCodec(|byte| byte), 4);
        let consumer = codec::write::<_, _, u8>(frames).batch(1).flush(Flush::OnClose);
        let (consumer, done) = consumer.with_completion();
        let stream = guest.sink(consumer).await;
        assert_eq!(guest.send(stream, &[1, 2, 3, 4, 5, 6]).await, Code::Completed(4));
        assert_eq!(guest.write(stream, 2).await, Code::Blocked);
        idle().await;
        assert_eq!(guest.cancel_write(stream).await, Code::Cancelled(0));
        // Rule "Zero-length writes": this sink can tell.
        assert_eq!(guest.write(stream, 0).await, Code::Blocked);
        control.release();
        assert_eq!(guest.wait(stream).await, Code::Completed(0));
        assert_eq!(guest.send(stream, &[5, 6]).await, Code::Completed(2));
        guest.drop_writable(stream).await;
        assert_eq!(done.await.moved, 6);
        assert_eq!(log.accepted(), [1, 2, 3, 4, 5, 6]);
    });
}

/// Frames of at most 4 bytes, each after one byte for its length.
fn short_frames(writer: Writer<u8>) -> FramedWrite<Writer<u8>, LengthDelimitedCodec> {
    let codec =
        LengthDelimitedCodec::builder().length_field_type::<u8>().max_frame_length(4).new_codec();
    FramedWrite::new(writer, codec)
}

fn frame(_: StoreContextMut<'_, World>, item: String) -> wasmtime::Result<Bytes> {
    Ok(item.into())
}

#[test]
fn frames_before_the_one_that_cannot_be_encoded_are_sent() {
    // Rule "Items before the error": the bad item is lost with the error. Those after it are handed back.
    for (items, left) in
        [(&["one", "two", "eleven", "four"][..], 1), (&["one", "two", "eleven"], 0)]
    {
        with_guest::<String, _>(async |guest| {
            let flush = Script::new([Step::Hold, Step::Accept(0)]);
            let control = flush.control();
            let writer = Writer::with_flush(Script::new([]), flush);
            let log = writer.log();
            let (consumer, mut done) =
                codec::write(short_frames(writer)).receive_with(frame).with_completion();
            let stream = guest.sink(consumer).await;
            assert_eq!(write(guest, stream, items).await, Code::Blocked);
            let mut wait = Box::pin(guest.wait(stream));
            assert_eq!(guest.parked(&mut wait).await, None);
            assert!((&mut done).now_or_never().is_none());
            control.release();
            assert_eq!(wait.await, Code::Dropped(items.len() as u32));
            assert_eq!(log.accepted(), b"\x03one\x03two");
            assert_eq!(log.look(|written| written.flushed), 8);
            let done = done.await;
            assert!(matches!(done.end, End::Failed(_)), "{:?}", done.end);
            let (_, unsent) = done.inner.into_parts();
            assert_eq!(Vec::from(unsent), ["four"].map(Bytes::from)[..left]);
        });
    }
}

#[test]
fn an_error_of_the_encoder_is_reported_after_a_cancel_too() {
    // Rule "Cancellation keeps the stream": by the next write, or by the completion if there is none.
    for again in [true, false] {
        with_guest::<String, _>(async |guest| {
            let flush = Script::new([Step::Hold, Step::Accept(0)]);
            let control = flush.control();
            let writer = Writer::with_flush(Script::new([]), flush);
            let log = writer.log();
            let (consumer, done) =
                codec::write(short_frames(writer)).receive_with(frame).with_completion();
            let stream = guest.sink(consumer).await;
            // A single item and a batch are encoded in different places.
            assert_eq!(write(guest, stream, &["eleven"]).await, Code::Blocked);
            assert_eq!(guest.cancel_write(stream).await, Code::Cancelled(1));
            control.release();
            if again {
                assert_eq!(write(guest, stream, &["one"]).await, Code::Dropped(0));
            }
            guest.drop_writable(stream).await;
            assert!(matches!(done.await.end, End::Failed(_)));
            assert_eq!(log.accepted(), b"");
        });
    }
}

#[test]
fn what_a_failed_writer_did_not_accept_is_handed_back() {
    // Rule "Completion": the bytes in the write buffer, and the items that were not encoded.
    with_guest::<String, _>(async |guest| {
        let writer = Writer::new(Script::new([Step::Accept(4), Step::Fail]));
        let log = writer.log();
        let frames = FramedWrite::with_capacity(writer, LinesCodec::new(), 6);
        let (consumer, done) = codec::write::<_, _, String>(frames).with_completion();
        let stream = guest.sink(consumer).await;
        assert_eq!(write(guest, stream, &["ab", "cd", "ef", "gh"]).await, Code::Dropped(4));
        let done = done.await;
        assert!(matches!(done.end, End::Failed(LinesCodecError::Io(_))), "{:?}", done.end);
        let (frames, unsent) = done.inner.into_parts();
        assert_eq!((&log.accepted()[..], &frames.write_buffer()[..]), (&b"ab\nc"[..], &b"d\n"[..]));
        assert_eq!(Vec::from(unsent), ["ef", "gh"]);
    });
}

#[test]
fn frames_of_bytes_become_lists_on_delivery() {
    // Rule "Host to host": length-delimited frames in, their bytes out.
    let mut store = Store::new(&Engine::default(), ());
    let input: &[u8] = b"\0\0\0\x03one\0\0\0\0\0\0\0\x05three";
    let frames = FramedRead::new(input, LengthDelimitedCodec::new());
    let (producer, source) = codec::read(frames)
        .deliver_with(|_: StoreContextMut<'_, ()>, frame: BytesMut| Ok(frame.to_vec()))
        .with_completion();
    let reader = StreamReader::new(&mut store, producer).unwrap();
    let frames = FramedWrite::new(Vec::new(), BytesCodec::new());
    let (consumer, sink) = codec::write(frames)
        .receive_with(|_: StoreContextMut<'_, ()>, frame: Vec<u8>| Ok(Bytes::from(frame)))
        .with_completion();
    reader.pipe(&mut store, consumer).unwrap();
    let run = store.run_concurrent(async |_| (source.await, sink.await));
    let (source, sink) = executor::run(run).unwrap();
    assert!(source.end.is_finished() && sink.end.is_finished());
    assert_eq!((source.moved, sink.moved), (3, 3));
    assert_eq!(sink.inner.into_inner().into_inner(), b"onethree");
}
