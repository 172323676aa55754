//! Spans of the tracing crate: entered while the object works, with one event at the end of the stream.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use futures::stream;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Span, Subscriber};
use wasmtime::StoreContextMut;
use wasmtime_streams::values;
use wasmtime_streams::{ByteConsumer, ByteSink, End, EndReason, sinks, streams, tokio_io};

use crate::support::guest::{Code, World, with_guest};
use crate::support::script::{Reader, Script, Step, Writer};

/// What the subscriber has recorded.
#[derive(Debug, Default)]
struct Seen {
    entered: Vec<Id>,
    /// How often a span was entered.
    enters: usize,
    /// The events, each with its span.
    events: Vec<(u64, String)>,
}

#[derive(Clone, Default)]
struct Recorder {
    seen: Arc<Mutex<Seen>>,
    spans: Arc<AtomicU64>,
}

impl Recorder {
    /// The current span.
    fn current(&self) -> Option<Id> {
        self.seen.lock().unwrap().entered.last().cloned()
    }

    /// The events in `span` since the last call.
    fn events(&self, span: &Span) -> Vec<String> {
        let events = std::mem::take(&mut self.seen.lock().unwrap().events);
        let id = span.id().unwrap().into_u64();
        assert!(events.iter().all(|(parent, _)| *parent == id), "{events:?}");
        events.into_iter().map(|(_, event)| event).collect()
    }
}

/// The fields of an event, in order.
#[derive(Default)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

impl Subscriber for Recorder {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(self.spans.fetch_add(1, Ordering::SeqCst) + 1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let message = fields.0.remove("message").unwrap();
        let rest = fields.0.iter().map(|(name, value)| format!(" {name}={value}"));
        let text = message + &rest.collect::<String>();
        let mut seen = self.seen.lock().unwrap();
        let parent = event.parent().or(seen.entered.last()).map_or(0, Id::into_u64);
        // Wasmtime and tokio have events of their own.
        if event.metadata().target().starts_with("wasmtime_streams") {
            seen.events.push((parent, text));
        }
    }

    fn enter(&self, span: &Id) {
        let mut seen = self.seen.lock().unwrap();
        seen.enters += 1;
        seen.entered.push(span.clone());
    }

    fn exit(&self, span: &Id) {
        assert_eq!(self.seen.lock().unwrap().entered.pop().as_ref(), Some(span));
    }
}

/// Runs a script with a recorder.
fn recorded(script: impl FnOnce(&Recorder, &Span)) {
    let recorder = Recorder::default();
    tracing::subscriber::with_default(recorder.clone(), || {
        script(&recorder, &tracing::debug_span!("stream"));
    });
    assert!(recorder.seen.lock().unwrap().entered.is_empty());
}

#[test]
fn a_source_has_one_event_with_its_end_and_how_much_moved() {
    // Rule "Completion": the event has the same end.
    recorded(|recorder, span| {
        with_guest::<u8, _>(async |guest| {
            let (producer, done) =
                tokio_io::read(&b"12345"[..]).traced(span.clone()).with_completion();
            let stream = guest.source(producer).await;
            while let Code::Completed(_) = guest.recv(stream, 2).await.0 {}
            assert_eq!(recorder.events(span), ["ended moved=5 why=Finished"]);
            let done = done.await;
            assert!(done.inner.into_inner().is_empty());
            guest.drop_readable(stream).await;
            assert!(recorder.events(span).is_empty());

            let reader = Reader::new(Script::new([Step::Data(vec![1]), Step::Fail]));
            let stream = guest.source(tokio_io::read(reader).traced(span.clone())).await;
            while let Code::Completed(_) = guest.recv(stream, 2).await.0 {}
            guest.drop_readable(stream).await;
            assert_eq!(recorder.events(span), ["failed moved=1"]);

            let source = streams::items(stream::iter([1_u8, 2, 3])).traced(span.clone()).limit(2);
            let stream = guest.source(source).await;
            guest.recv(stream, 1).await;
            guest.drop_readable(stream).await;
            assert_eq!(recorder.events(span), ["ended moved=1 why=PeerDropped"]);

            let source = streams::items(stream::pending::<u8>()).traced(span.clone());
            let (source, done) = source.with_completion();
            let stream = guest.source(source).await;
            guest.drop_readable(stream).await;
            assert_eq!(recorder.events(span), ["ended moved=0 why=PeerDropped"]);
            drop(done);

            let source = streams::items(stream::iter([1_u8, 2, 3])).limit(2).traced(span.clone());
            let stream = guest.source(source).await;
            guest.recv(stream, 9).await;
            guest.drop_readable(stream).await;
            assert_eq!(recorder.events(span), ["ended moved=2 why=LimitReached"]);

            let source =
                streams::try_items(stream::iter([Ok(1_u8), Err("broken")])).traced(span.clone());
            let stream = guest.source(source).await;
            guest.recv(stream, 9).await;
            assert_eq!(recorder.events(span), ["failed moved=1"]);
        });
    });
}

#[test]
fn an_undeliverable_item_is_in_an_event_with_what_moved_before_it() {
    // Rule "Items before the error": also if it is in the last batch, and with a completion.
    for completion in [false, true] {
        recorded(|recorder, span| {
            with_guest::<u8, _>(async |guest| {
                let source = streams::items(stream::iter([1_u8, 2, 3]))
                    .traced(span.clone())
                    .deliver_with(|_: StoreContextMut<'_, World>, n: u8| match n {
                        3 => Err(wasmtime::Error::msg("no use for 3")),
                        n => Ok(n),
                    });
                let stream = if completion {
                    let (source, done) = source.with_completion();
                    let stream = guest.source(source).await;
                    assert_eq!(guest.recv(stream, 9).await.0, Code::Dropped(2));
                    let done = done.await;
                    assert!(matches!(done.end, End::Undeliverable(_)), "{:?}", done.end);
                    assert_eq!(done.moved, 2);
                    stream
                } else {
                    let stream = guest.source(source).await;
                    assert_eq!(guest.recv(stream, 9).await.0, Code::Dropped(2));
                    stream
                };
                guest.drop_readable(stream).await;
                let events = recorder.events(span);
                assert_eq!(events.len(), 1, "{events:?}");
                assert!(events[0].starts_with("undeliverable error=no use for 3"), "{events:?}");
                assert!(events[0].ends_with("lost=1 moved=2"), "{events:?}");

                let sink = sinks::items(Writer::<u8>::new(Script::new([]))).traced(span.clone());
                let sink = sink.receive_with(|_: StoreContextMut<'_, World>, n: u8| match n {
                    3 => Err(wasmtime::Error::msg("no use for 3")),
                    n => Ok(n),
                });
                let stream = if completion {
                    let (sink, done) = sink.with_completion();
                    let stream = guest.sink(sink).await;
                    guest.send(stream, &[1, 2, 3]).await;
                    let done = done.await;
                    assert!(matches!(done.end, End::Undeliverable(_)), "{:?}", done.end);
                    stream
                } else {
                    let stream = guest.sink(sink).await;
                    guest.send(stream, &[1, 2, 3]).await;
                    stream
                };
                guest.drop_writable(stream).await;
                let events = recorder.events(span);
                assert_eq!(events.len(), 1, "{events:?}");
                assert!(events[0].starts_with("undeliverable error=no use for 3"), "{events:?}");
            });
        });
    }
}

#[test]
fn a_sink_has_one_event_with_its_end_and_one_with_its_close() {
    // Rule "Completion", rule "The completion closes the sink".
    recorded(|recorder, span| {
        with_guest::<u8, _>(async |guest| {
            let (consumer, done) =
                tokio_io::write(Vec::new()).traced(span.clone()).with_completion();
            let stream = guest.sink(consumer).await;
            guest.send_all(stream, &[1, 2, 3]).await;
            guest.drop_writable(stream).await;
            assert_eq!(recorder.events(span), ["ended moved=3 why=Finished"]);
            let done = done.await;
            assert_eq!(recorder.events(span), ["closed moved=3"]);
            assert_eq!(done.inner.into_inner(), [1, 2, 3]);

            let consumer = tokio_io::write(Vec::new()).traced(span.clone()).limit(2);
            let (consumer, done) = consumer.with_completion();
            let stream = guest.sink(consumer).await;
            guest.send_all(stream, &[1, 2, 3]).await;
            drop(done.await);
            assert_eq!(recorder.events(span), ["ended moved=2 why=LimitReached", "closed moved=2"]);

            let writer = Writer::new(Script::new([Step::Accept(1), Step::Fail]));
            let (consumer, done) =
                sinks::items::<_, u8>(writer).traced(span.clone()).with_completion();
            let stream = guest.sink(consumer).await;
            guest.send_all(stream, &[1]).await;
            guest.send_all(stream, &[2]).await;
            drop(done.await);
            assert_eq!(recorder.events(span), ["failed moved=1"]);

            let (consumer, done) =
                tokio_io::write(Vec::new()).traced(span.clone()).with_completion();
            let stream = guest.sink(consumer).await;
            done.cancel();
            drop(done.await);
            assert_eq!(recorder.events(span), ["ended moved=0 why=Cancelled"]);
            guest.drop_writable(stream).await;

            let writer = Writer::with_flush(Script::new([]), Script::new([Step::Fail]));
            let consumer = tokio_io::write(writer).traced(span.clone());
            let consumer = consumer.flush(wasmtime_streams::Flush::OnClose);
            let (consumer, done) = consumer.with_completion();
            let stream = guest.sink(consumer).await;
            guest.send_all(stream, &[1]).await;
            guest.drop_writable(stream).await;
            drop(done.await);
            let events = recorder.events(span);
            assert_eq!(events, ["ended moved=1 why=Finished", "failed to close moved=1"]);

            let stream = guest.sink(tokio_io::write(Vec::new()).traced(span.clone())).await;
            guest.drop_writable(stream).await;
            assert_eq!(recorder.events(span), ["ended moved=0 why=Finished"]);
        });
    });
}

/// Checks in which span it is polled.
struct Inside(Recorder, Span);

impl ByteSink for Inside {
    type Error = std::convert::Infallible;

    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<Result<usize, End<Self::Error>>> {
        assert_eq!(self.0.current(), self.1.id());
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), End<Self::Error>>> {
        assert_eq!(self.0.current(), self.1.id());
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), End<Self::Error>>> {
        assert_eq!(self.0.current(), self.1.id());
        Poll::Ready(Err(End::TimedOut))
    }

    fn ended(self: Pin<&mut Self>, _: EndReason) {}
}

#[test]
fn the_object_is_polled_inside_of_the_span() {
    // Rule "Completion": also when it is flushed and closed.
    recorded(|recorder, span| {
        with_guest::<u8, _>(async |guest| {
            let inside = recorder.clone();
            let source = stream::poll_fn(move |_| {
                Poll::Ready(inside.current().map(|id| id.into_u64() as u8))
            });
            let stream = guest.source(streams::items(source).traced(span.clone()).limit(2)).await;
            let id = span.id().unwrap().into_u64() as u8;
            assert_eq!(guest.recv(stream, 9).await.1, [id, id]);
            guest.drop_readable(stream).await;
            assert_eq!(recorder.events(span), ["ended moved=2 why=LimitReached"]);

            let consumer =
                ByteConsumer::new(Inside(recorder.clone(), span.clone())).traced(span.clone());
            let (consumer, done) = consumer.with_completion();
            let stream = guest.sink(consumer).await;
            guest.send_all(stream, &[1]).await;
            guest.drop_writable(stream).await;
            assert!(matches!(done.await.end, End::TimedOut));
            let events = recorder.events(span);
            assert_eq!(events[0], "ended moved=1 why=Finished");
            assert_eq!(events[1], "not closed moved=1 why=TimedOut");
            assert!(recorder.seen.lock().unwrap().enters >= 4);
        });
    });
}

#[test]
fn a_value_has_one_event_with_whether_the_guest_got_it() {
    // Rule "Completion": for a future.
    recorded(|recorder, span| {
        with_guest::<u32, _>(async |guest| {
            let value = values::future(std::future::ready(5_u32)).traced(span.clone());
            let handle = guest.future_source(value).await;
            assert_eq!(guest.future_read(handle).await, Code::Completed(0));
            assert_eq!(recorder.events(span), ["ended moved=1 why=Finished"]);

            let value = values::future(std::future::pending::<u32>()).traced(span.clone());
            let handle = guest.future_source(value).await;
            guest.future_drop_readable(handle).await;
            assert_eq!(recorder.events(span), ["ended moved=0 why=PeerDropped"]);
        });
    });
}
