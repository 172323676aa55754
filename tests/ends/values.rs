//! The ends of a `future<T>`, with a value and without. Its adapters have neither layers nor a completion.

use std::cell::RefCell;

use futures::FutureExt as _;
use http::HeaderMap;
use tokio::sync::oneshot;
use wasmtime::component::{FutureConsumer, FutureProducer, FutureReader};
use wasmtime::{Engine, Error, Store, StoreContextMut};
use wasmtime_streams::from_guest::value_consumer;
use wasmtime_streams::{self as ws, StoreToken, body::BodyError, from_guest, to_guest};
use wasmtime_streams_testing::{Code, Guest, Setup, executor};

use self::Lacks::{Gives, Traps};

type World<'a> = Guest<'a, StoreToken, u8>;

/// What a guest sees that reads a future without a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lacks {
    /// A value that the host gives instead.
    Gives,
    Traps,
}

impl Lacks {
    pub fn text(self) -> &'static str {
        match self {
            Gives => "a value that the host gives instead",
            Traps => "it traps",
        }
    }
}

/// Sends the value; `false` if nobody waits for it.
type Sends = Box<dyn FnOnce() -> bool>;
type Read = Box<dyn FnOnce(StoreContextMut<'_, StoreToken>) -> FutureReader<u8>>;

pub struct Source {
    pub name: &'static str,
    make: fn() -> (Read, Sends),
    pub lacks: Lacks,
}

fn reads(producer: impl FutureProducer<StoreToken, Item = u8>) -> Read {
    Box::new(|store| FutureReader::new(store, producer).unwrap())
}

fn sends(sender: oneshot::Sender<u8>) -> Sends {
    Box::new(|| sender.send(7).is_ok())
}

fn values_future() -> (Read, Sends) {
    let (tx, rx) = oneshot::channel();
    (reads(ws::values::future(rx.map(|sent| sent.unwrap_or(0)))), sends(tx))
}

fn values_try_future() -> (Read, Sends) {
    let (tx, rx) = oneshot::channel();
    (reads(ws::values::try_future(rx)), sends(tx))
}

fn to_guest_value_producer() -> (Read, Sends) {
    let (sender, producer) = to_guest::value_producer::<u8>();
    (reads(producer), Box::new(|| sender.send(7).is_ok()))
}

/// Made in the store, so its sender exists only later.
fn to_guest_value() -> (Read, Sends) {
    let slot = std::rc::Rc::new(RefCell::new(None));
    let late = slot.clone();
    let read = move |store: StoreContextMut<'_, StoreToken>| {
        let (sender, reader) = to_guest::value::<u8>(store).unwrap();
        late.replace(Some(sender));
        reader
    };
    (Box::new(read), Box::new(move || slot.take().unwrap().send(7).is_ok()))
}

#[rustfmt::skip]
pub const SOURCES: &[Source] = &[
    //       name                          made by                     without a value
    Source { name: "values_future",               make: values_future,               lacks: Gives },
    Source { name: "values_try_future",           make: values_try_future,           lacks: Traps },
    Source { name: "to_guest_value_producer", make: to_guest_value_producer, lacks: Traps },
    Source { name: "to_guest_value",          make: to_guest_value,          lacks: Traps },
];

/// What the host has got: nothing yet, the value, or that there will be none.
type Look = Box<dyn FnMut() -> Option<Result<u8, &'static str>>>;
type Write<'a> = Box<dyn AsyncPipe + 'a>;

/// Pipes a future of the guest.
trait AsyncPipe {
    fn pipe<'a>(self: Box<Self>, guest: &'a World<'_>) -> futures::future::LocalBoxFuture<'a, u32>;
}

impl<C: FutureConsumer<StoreToken, Item = u8> + Unpin> AsyncPipe for C {
    fn pipe<'a>(self: Box<Self>, guest: &'a World<'_>) -> futures::future::LocalBoxFuture<'a, u32> {
        guest.future_sink(*self).boxed_local()
    }
}

pub struct Sink {
    pub name: &'static str,
    make: fn() -> (Write<'static>, Look),
    /// What the receiver gets if the guest gives no value.
    pub lacks: &'static str,
}

fn channels_oneshot_sender() -> (Write<'static>, Look) {
    let (tx, mut rx) = oneshot::channel();
    let look = move || {
        let sent = (&mut rx).now_or_never()?;
        Some(sent.map_err(|_: oneshot::error::RecvError| "`RecvError`"))
    };
    (Box::new(ws::channels::oneshot_sender(tx)), Box::new(look))
}

fn sinks_oneshot() -> (Write<'static>, Look) {
    let (tx, mut rx) = futures::channel::oneshot::channel();
    let look = move || {
        let sent = (&mut rx).now_or_never()?;
        Some(sent.map_err(|_: futures::channel::oneshot::Canceled| "`Canceled`"))
    };
    (Box::new(ws::sinks::oneshot(tx)), Box::new(look))
}

fn from_guest_value_consumer() -> (Write<'static>, Look) {
    let (consumer, mut value) = value_consumer();
    let look = move || {
        Some((&mut value).now_or_never()?.map_err(|cut| {
            assert_eq!(cut, wasmtime_streams::Cut(wasmtime_streams::EndReason::Abandoned));
            "`Cut`"
        }))
    };
    (Box::new(consumer), Box::new(look))
}

fn values_callback() -> (Write<'static>, Look) {
    let (tx, mut rx) = oneshot::channel();
    let call = move |_: StoreContextMut<'_, StoreToken>, value: u8| {
        let _ = tx.send(value);
        Ok(())
    };
    let look = move || {
        let sent = (&mut rx).now_or_never()?;
        Some(sent.map_err(|_| "it is dropped without a call"))
    };
    (Box::new(ws::values::callback(call)), Box::new(look))
}

fn body_trailers_from_guest() -> (Write<'static>, Look) {
    let make = |_: StoreContextMut<'_, StoreToken>, value: u8| {
        let mut headers = HeaderMap::new();
        headers.insert("value", u32::from(value).into());
        Ok(Ok::<_, BodyError>(Some(headers)))
    };
    let (consumer, mut trailers) = ws::body::trailers_from_guest(make);
    let look = move || {
        Some(match (&mut trailers).now_or_never()? {
            Ok(headers) => Ok(headers.unwrap()["value"].to_str().unwrap().parse().unwrap()),
            Err(BodyError::Aborted) => Err("`BodyError::Aborted`"),
            Err(error) => panic!("{error}"),
        })
    };
    (Box::new(consumer), Box::new(look))
}

#[rustfmt::skip]
pub const SINKS: &[Sink] = &[
    //     name                         made by                    without a value
    Sink { name: "channels_oneshot_sender",       make: channels_oneshot_sender,       lacks: "`RecvError`" },
    Sink { name: "sinks_oneshot",             make: sinks_oneshot,             lacks: "`Canceled`" },
    Sink { name: "values_callback",            make: values_callback,            lacks: "it is dropped without a call" },
    Sink { name: "from_guest_value_consumer", make: from_guest_value_consumer, lacks: "`Cut`" },
    Sink { name: "body_trailers_from_guest",      make: body_trailers_from_guest,      lacks: "`BodyError::Aborted`" },
];

/// Runs a guest to its end or its trap, and drops the store.
fn run(script: impl AsyncFnOnce(&World<'_>)) -> Result<(), Error> {
    Setup::new(StoreToken::new()).run(script).0.expect("stalled")
}

/// Gives the guest a future; if `parked`, starts a read.
async fn begin(guest: &World<'_>, read: Read, parked: bool) -> u32 {
    let reader = guest.with(read);
    let future = guest.take_future(reader).await;
    if parked {
        assert_eq!(guest.future_read(future).await, Code::Blocked);
        executor::idle().await;
    }
    future
}

async fn answer(guest: &World<'_>, future: u32, parked: bool) -> Code {
    match parked || guest.future_read(future).await == Code::Blocked {
        true => guest.wait(future).await,
        false => Code::Completed(0),
    }
}

#[test]
fn a_guest_gets_the_value_of_a_future_or_what_the_adapter_gives_instead() {
    // Rule "No traps, no panics": a future must resolve, so without a value the guest can only trap.
    for Source { name, make, lacks } in SOURCES {
        for parked in [false, true] {
            run(async |guest| {
                let (read, send) = make();
                let future = begin(guest, read, parked).await;
                assert!(send(), "{name}");
                assert_eq!(answer(guest, future, parked).await, Code::Completed(0), "{name}");
            })
            .unwrap();
            let without = run(async |guest| {
                let (read, send) = make();
                let future = begin(guest, read, parked).await;
                drop(send);
                assert_eq!(answer(guest, future, parked).await, Code::Completed(0), "{name}");
            });
            assert_eq!(without.is_err(), *lacks == Traps, "{name}: {without:?}");
        }
    }
}

#[test]
fn the_sender_of_a_future_sees_that_nobody_waits_for_it() {
    // Rule "Completion": the guest drops its end, traps, or its store is dropped.
    for Source { name, make, .. } in SOURCES {
        for parked in [false, true] {
            for end in ["guest", "trap", "store"] {
                let mut kept = None;
                let ended = run(async |guest| {
                    let (read, send) = make();
                    let future = begin(guest, read, parked).await;
                    if end == "guest" {
                        if parked {
                            let cancelled = guest.future_cancel_read(future).await;
                            assert_eq!(cancelled, Code::Cancelled(0), "{name}");
                        }
                        guest.future_drop_readable(future).await;
                        executor::idle().await;
                        assert!(!send(), "{name}");
                        return;
                    }
                    kept = Some(send);
                    if end == "trap" {
                        guest.trap().await;
                    }
                });
                assert_eq!(ended.is_err(), end == "trap", "{name}");
                assert!(kept.is_none_or(|send| !send()), "{name}, {end}, {parked}");
            }
        }
    }
}

#[test]
fn a_step_that_fails_on_a_value_is_a_trap() {
    // Rule "No traps, no panics".
    let failure = || Error::msg("scripted failure");
    let read = run(async |guest| {
        let producer = ws::values::future(async { 7 })
            .deliver_with(move |_: StoreContextMut<'_, StoreToken>, _: u8| Err::<u8, _>(failure()));
        let future = guest.future_source(producer).await;
        guest.future_read(future).await;
    });
    let written = run(async |guest| {
        let call = move |_: StoreContextMut<'_, StoreToken>, _: u8| Err(failure());
        let future = guest.future_sink(ws::values::callback(call)).await;
        guest.future_write(future).await;
    });
    for trap in [read.unwrap_err(), written.unwrap_err()] {
        assert!(format!("{trap:#}").contains("scripted failure"), "{trap:#}");
    }
}

#[test]
fn the_host_gets_the_value_of_a_guest_or_sees_that_there_is_none() {
    // Rule "Truncated is never complete": a guest cannot drop its end without a value, but it can trap, and its store
    // can be dropped.
    for Sink { name, make, lacks } in SINKS {
        for end in ["value", "trap", "store"] {
            let mut kept = None;
            let ended = run(async |guest| {
                let (consumer, mut look) = make();
                let future = consumer.pipe(guest).await;
                assert_eq!(look(), None, "{name}");
                if end == "value" {
                    guest.load(&[7]).await;
                    assert_eq!(guest.future_write(future).await, Code::Completed(0), "{name}");
                    assert_eq!(look(), Some(Ok(7)), "{name}");
                    return;
                }
                kept = Some(look);
                if end == "trap" {
                    guest.trap().await;
                }
            });
            assert_eq!(ended.is_err(), end == "trap", "{name}");
            assert!(kept.is_none_or(|mut look| look() == Some(Err(*lacks))), "{name}, {end}");
        }
    }
}

#[test]
fn a_guest_does_not_see_that_its_receiver_left() {
    // Rule "No traps, no panics".
    for Sink { name, make, .. } in SINKS {
        run(async |guest| {
            let (consumer, look) = make();
            let future = consumer.pipe(guest).await;
            drop(look);
            assert_eq!(guest.future_write(future).await, Code::Completed(0), "{name}");
        })
        .unwrap();
    }
}

#[test]
fn a_value_taken_from_a_store_ends_with_a_cut_when_the_store_is_dropped() {
    // Rule "Truncated is never complete": the same as `from_guest::value_consumer`, in one call.
    let mut store = Store::new(&Engine::default(), ());
    let future =
        FutureReader::new(&mut store, ws::values::future(std::future::pending::<u8>())).unwrap();
    let mut value = from_guest::value(&mut store, future).unwrap();
    assert_eq!((&mut value).now_or_never(), None);
    drop(store);
    assert_eq!(
        value.now_or_never(),
        Some(Err(wasmtime_streams::Cut(wasmtime_streams::EndReason::Abandoned)))
    );
}
