//! Every combinator hands on every method of the four traits: a default that is left in place would be a silent fault.

use std::collections::BTreeSet;
use std::fs;
use std::future::pending;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use wasmtime_streams::{
    ByteConsumer, ByteProducer, ByteSink, ByteSource, Flush, Halt, ItemConsumer, ItemProducer,
    ItemSink, ItemSource, Signals, Take, Then, Undelivered, Why,
};

/// Writes down what it is asked.
#[derive(Clone, Default)]
struct Probe(Arc<Mutex<Vec<String>>>);

impl Probe {
    fn asked(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }
}

type Answer<T> = Poll<Result<T, Halt<String>>>;

macro_rules! source {
    ($trait:ident) => {
        fn poll_readable(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Option<Poll<Result<(), String>>> {
            self.asked("poll_readable");
            Some(Poll::Pending)
        }

        fn stream_ended(self: Pin<&mut Self>, cut: Option<Why>) {
            self.asked(format!("stream_ended {cut:?}"));
        }

        fn signals(&self, _: &mut Signals) {
            self.asked("signals");
        }
    };
}

impl ByteSource for Probe {
    type Error = String;

    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut [u8],
    ) -> Poll<Result<(usize, Then), String>> {
        self.asked("poll_read");
        Poll::Pending
    }

    source!(ByteSource);
}

impl ItemSource for Probe {
    type Item = u8;
    type Error = String;

    fn poll_items(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: usize,
        _: &mut Vec<u8>,
    ) -> Poll<Result<Then, String>> {
        self.asked("poll_items");
        Poll::Pending
    }

    fn ended(self: Pin<&mut Self>, delivered: Result<(), Undelivered>) {
        self.asked(format!("ended {}", if delivered.is_ok() { "Ok" } else { "Err" }));
    }

    source!(ItemSource);
}

macro_rules! sink {
    () => {
        fn poll_writable(self: Pin<&mut Self>, _: &mut Context<'_>) -> Option<Answer<()>> {
            self.asked("poll_writable");
            Some(Poll::Pending)
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Answer<()> {
            self.asked("poll_flush");
            Poll::Pending
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Answer<()> {
            self.asked("poll_close");
            Poll::Pending
        }

        fn op_cancelled(self: Pin<&mut Self>) {
            self.asked("op_cancelled");
        }

        fn stream_ended(self: Pin<&mut Self>, cut: Option<Why>) {
            self.asked(format!("stream_ended {cut:?}"));
        }

        fn flush_policy(&mut self, policy: Flush) {
            self.asked(format!("flush_policy {policy:?}"));
        }

        fn signals(&self, _: &mut Signals) {
            self.asked("signals");
        }
    };
}

impl ByteSink for Probe {
    type Error = String;

    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Answer<usize> {
        self.asked("poll_write");
        Poll::Pending
    }

    sink!();
}

impl ItemSink for Probe {
    type Item = u8;
    type Error = String;

    fn poll_accept(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        items: &mut dyn Take<u8>,
    ) -> Answer<()> {
        assert_eq!((items.remaining(), items.taken()), (3, 0));
        assert_eq!((items.take_one(), items.taken()), (Some(7), 1));
        assert_eq!((items.take(9, &mut Vec::new()), items.taken()), (2, 3));
        self.asked("poll_accept");
        Poll::Pending
    }

    fn delivery_failed(self: Pin<&mut Self>, error: wasmtime::Error) {
        self.asked(format!("delivery_failed {error}"));
    }

    sink!();
}

/// Three items of a guest's write.
struct Sevens(usize);

impl Take<u8> for Sevens {
    fn remaining(&self) -> usize {
        3 - self.0
    }

    fn taken(&self) -> usize {
        self.0
    }

    fn take(&mut self, max: usize, out: &mut Vec<u8>) -> usize {
        let n = max.min(self.remaining());
        out.resize(out.len() + n, 7);
        self.0 += n;
        n
    }

    fn take_one(&mut self) -> Option<u8> {
        self.0 += 1;
        Some(7)
    }
}

fn error() -> wasmtime::Error {
    wasmtime::Error::msg("no use")
}

/// Calls one method through the combinator, and returns its name, if it reached the probe.
macro_rules! ask {
    ($type:ident, $row:ident, |$p:ident| $wrap:expr, $expected:literal, |$wrapped:ident, $cx:ident| $ask:expr) => {{
        let probe = Probe::default();
        let $p = $type::new(probe.clone());
        let mut object = Box::pin($wrap.into_inner());
        let ($wrapped, $cx) = (object.as_mut(), &mut Context::from_waker(Waker::noop()));
        probe.0.lock().unwrap().clear();
        assert!($ask, "{}: what `{}` answers is not handed on", $row, $expected);
        let asked = probe.0.lock().unwrap().clone();
        assert!(
            asked.iter().any(|asked| asked == $expected),
            "{}: `{}` is not handed on: {asked:?}",
            $row,
            $expected
        );
        $expected.split(' ').next().unwrap()
    }};
}

/// Asks everything of the trait, and checks that it is everything.
macro_rules! all {
    ($trait:ident, $type:ident, $row:ident, |$p:ident| $wrap:expr, $($expected:literal: |$wrapped:ident, $cx:ident| $ask:expr;)*) => {{
        let asked = [$(ask!($type, $row, |$p| $wrap, $expected, |$wrapped, $cx| $ask)),*];
        assert_eq!(BTreeSet::from(asked.map(str::to_owned)), methods(stringify!($trait)), "{}", stringify!($trait));
    }};
}

macro_rules! sink_methods {
    ($trait:ident, $type:ident, $row:ident, |$p:ident| $wrap:expr, $($rest:tt)*) => {
        all! { $trait, $type, $row, |$p| $wrap,
            "poll_writable": |w, cx| matches!($trait::poll_writable(w, cx), Some(Poll::Pending));
            "poll_flush": |w, cx| $trait::poll_flush(w, cx).is_pending();
            "poll_close": |w, cx| $trait::poll_close(w, cx).is_pending();
            "op_cancelled": |w, _cx| { $trait::op_cancelled(w); true };
            "stream_ended Some(TimedOut)": |w, _cx| { $trait::stream_ended(w, Some(Why::TimedOut)); true };
            "flush_policy OnClose": |w, _cx| { $trait::flush_policy(w.get_mut(), Flush::OnClose); true };
            "signals": |w, _cx| { $trait::signals(&*w, &mut Signals::default()); true };
            $($rest)*
        }
    };
}

/// One line adds a combinator.
macro_rules! combinators {
    ($($name:literal: |$p:ident| $bytes:expr, |$q:ident| $items:expr;)*) => {
        const ROWS: &[&str] = &[$($name),*];

        #[test]
        fn every_combinator_of_sources_hands_on_every_method() {
            $({
                let row = $name;
                all! { ByteSource, ByteProducer, row, |$p| $bytes,
                    "poll_read": |w, cx| ByteSource::poll_read(w, cx, &mut [0; 3]).is_pending();
                    "poll_readable": |w, cx| matches!(ByteSource::poll_readable(w, cx), Some(Poll::Pending));
                    "stream_ended Some(TimedOut)": |w, _cx| { ByteSource::stream_ended(w, Some(Why::TimedOut)); true };
                    "signals": |w, _cx| { ByteSource::signals(&*w, &mut Signals::default()); true };
                }
                all! { ItemSource, ItemProducer, row, |$q| $items,
                    "poll_items": |w, cx| ItemSource::poll_items(w, cx, 3, &mut Vec::new()).is_pending();
                    "poll_readable": |w, cx| matches!(ItemSource::poll_readable(w, cx), Some(Poll::Pending));
                    "ended Ok": |w, _cx| { ItemSource::ended(w, Ok(())); true };
                    "stream_ended Some(TimedOut)": |w, _cx| { ItemSource::stream_ended(w, Some(Why::TimedOut)); true };
                    "signals": |w, _cx| { ItemSource::signals(&*w, &mut Signals::default()); true };
                }
            })*
        }

        #[test]
        fn every_combinator_of_sinks_hands_on_every_method() {
            $({
                let row = $name;
                sink_methods! { ByteSink, ByteConsumer, row, |$p| $bytes,
                    "poll_write": |w, cx| ByteSink::poll_write(w, cx, &[7; 3]).is_pending();
                }
                sink_methods! { ItemSink, ItemConsumer, row, |$q| $items,
                    "poll_accept": |w, cx| ItemSink::poll_accept(w, cx, &mut Sevens(0)).is_pending();
                    "delivery_failed no use": |w, _cx| { ItemSink::delivery_failed(w, error()); true };
                }
            })*
        }
    };
}

combinators! {
    "Limit": |p| p.limit(9), |p| p.limit(9);
    "Until": |p| p.until(Why::Cancelled, pending()), |p| p.until(Why::Cancelled, pending());
    "Inspect": |p| p.inspect(|_: &[u8]| {}), |p| p.inspect(|_: &u8| {});
    "Traced": |p| p.traced(tracing::Span::none()), |p| p.traced(tracing::Span::none());
    "Completing": |p| p.with_completion().0, |p| p.with_completion().0;
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The names of a trait's methods.
fn methods(name: &str) -> BTreeSet<String> {
    let text = read("src/source.rs") + &read("src/sink.rs");
    let start = text.find(&format!("\npub trait {name}:")).unwrap();
    let body = &text[start..];
    let body = &body[..body.find("\n}").unwrap()];
    let fns = body.lines().filter_map(|line| line.strip_prefix("    fn "));
    fns.map(|line| line.split('(').next().unwrap().to_owned()).collect()
}

/// The types in `path` that implement one of the traits over something that does.
fn wrappers(path: &Path, names: &mut BTreeSet<String>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            wrappers(&entry.unwrap().path(), names);
        }
        return;
    }
    let text = fs::read_to_string(path).unwrap();
    // With all spaces gone, so that it does not matter where the line was broken.
    for item in text.split("\nimpl<").skip(1) {
        let head = item.split('{').next().unwrap().split_whitespace().collect::<String>();
        for name in ["ByteSource", "ItemSource", "ByteSink", "ItemSink"] {
            if let Some((_, implementor)) = head.split_once(&format!("{name}for"))
                && head.contains(&format!(":{name}"))
            {
                names.insert(implementor.split('<').next().unwrap().to_owned());
            }
        }
    }
}

#[test]
fn no_combinator_is_missing_from_the_table() {
    let mut names = BTreeSet::new();
    for folder in ["src", "adapters"] {
        wrappers(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut names);
    }
    assert_eq!(names, ROWS.iter().map(|row| (*row).to_owned()).collect());
}
