//! Cuts a guest's stream short in every way, for each thing that a host can do with the completion.

use std::any::Any;
use std::fmt::Debug;
use std::time::Duration;

use futures::FutureExt as _;
use futures::channel::oneshot;
use futures::future::{BoxFuture, join3};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use wasmtime::component::StreamReader;
use wasmtime::{AsContext as _, StoreContextMut};
use wasmtime_streams::{
    ByteConsumer, ByteSink, CancelHandle, End, EndReason, ItemConsumer, ItemSink, StoreToken,
};
use wasmtime_streams_testing::{Code, Guest, Setup};

/// What the guest writes before its stream is cut.
pub const BEFORE: &[u8] = b"hello";

/// The time, by tokio's clock, after which a deadline or an idle timeout expires.
const TIME: Duration = Duration::from_secs(5);

/// What cuts a stream short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    Limit,
    Deadline,
    IdleTimeout,
    Token,
    Until,
    Handle,
    Trap,
}

impl Cut {
    pub const ALL: [Self; 7] = [
        Cut::Limit,
        Cut::Deadline,
        Cut::IdleTimeout,
        Cut::Token,
        Cut::Until,
        Cut::Handle,
        Cut::Trap,
    ];

    /// The reason that the receiver must get.
    pub fn why(self) -> EndReason {
        match self {
            Cut::Limit => EndReason::LimitReached,
            Cut::Deadline | Cut::IdleTimeout | Cut::Until => EndReason::TimedOut,
            Cut::Token | Cut::Handle => EndReason::Cancelled,
            Cut::Trap => EndReason::Abandoned,
        }
    }
}

/// What the host does with the completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// There is no completion.
    Without,
    /// The host drops it at once.
    Drops,
    /// The host keeps it without polling it.
    Keeps,
    /// The host awaits it, and drops the result.
    Awaits,
    /// The host awaits it, and keeps the result.
    Holds,
}

impl Host {
    pub const ALL: [Self; 5] = [Host::Without, Host::Drops, Host::Keeps, Host::Awaits, Host::Holds];

    /// A handle and `watch_store` need a completion.
    fn can_be_cut_by(self, cut: Cut) -> bool {
        self != Host::Without || !matches!(cut, Cut::Handle | Cut::Trap)
    }
}

/// How the stream ended, and the adapter.
struct Resolved {
    end: End<String>,
    _object: Box<dyn Any + Send>,
}

/// What the guest is doing when its stream is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writes {
    /// Nothing; it has written [`BEFORE`].
    Idle,
    /// It has written [`BEFORE`], and its next write is parked.
    More,
    /// Its first write is parked.
    Waits,
}

#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub cut: Cut,
    pub host: Host,
    pub writes: Writes,
}

impl Plan {
    /// Every possible plan with one of `writes`.
    pub fn all(writes: &[Writes]) -> impl Iterator<Item = Self> {
        Cut::ALL.into_iter().flat_map(move |cut| {
            // The guest's write over a limit completes: it is never parked.
            let writes = writes.iter().filter(move |w| cut != Cut::Limit || **w == Writes::Idle);
            writes.flat_map(move |writes| {
                let hosts = Host::ALL.into_iter().filter(move |host| host.can_be_cut_by(cut));
                hosts.map(move |host| Self { cut, host, writes: *writes })
            })
        })
    }
}

/// An open stream, and what cuts it.
pub struct Cutting {
    plan: Plan,
    token: CancellationToken,
    until: Option<oneshot::Sender<()>>,
    handle: Option<CancelHandle>,
    done: Option<BoxFuture<'static, Resolved>>,
}

macro_rules! pipes {
    ($pipe:ident, $piped:ident, $consumer:ident, $($sink:tt)*) => {
        /// Pipes a guest's stream into `consumer`, with the layers that the cut needs.
        pub fn $pipe<S>(
            &mut self,
            store: StoreContextMut<'_, StoreToken>,
            stream: StreamReader<u8>,
            consumer: $consumer<S>,
        ) where
            S: $($sink)* + Unpin,
            S::Error: Debug,
        {
            match self.plan.cut {
                Cut::Limit => {
                    self.$piped(store, stream, consumer.limit(BEFORE.len() as u64));
                }
                Cut::Deadline => {
                    let deadline = Instant::now() + TIME;
                    self.$piped(store, stream, consumer.deadline(deadline));
                }
                Cut::IdleTimeout => self.$piped(store, stream, consumer.idle_timeout(TIME)),
                Cut::Token => {
                    let consumer = consumer.cancel_on(self.token.clone());
                    self.$piped(store, stream, consumer);
                }
                Cut::Until => {
                    let (tx, rx) = oneshot::channel();
                    self.until = Some(tx);
                    let consumer = consumer.until(EndReason::TimedOut, rx.map(drop));
                    self.$piped(store, stream, consumer);
                }
                Cut::Handle | Cut::Trap => self.$piped(store, stream, consumer),
            }
        }

        fn $piped<S>(
            &mut self,
            mut store: StoreContextMut<'_, StoreToken>,
            stream: StreamReader<u8>,
            consumer: $consumer<S>,
        ) where
            S: $($sink)* + Unpin,
            S::Error: Debug,
        {
            if self.plan.host == Host::Without {
                return stream.pipe(store, consumer).unwrap();
            }
            let (consumer, done) = consumer.with_completion();
            let done = done.watch_store(store.as_context().data());
            self.handle = Some(done.cancel_handle());
            let done = done.map(|done| Resolved {
                end: done.end.map_err(|error| format!("{error:?}")),
                _object: Box::new(done.inner),
            });
            self.done = Some(done.boxed());
            stream.pipe(&mut store, consumer).unwrap();
        }
    };
}

impl Cutting {
    fn new(plan: Plan) -> Self {
        let token = CancellationToken::new();
        Self { plan, token, until: None, handle: None, done: None }
    }

    pipes!(pipe_bytes, bytes_piped, ByteConsumer, ByteSink);
    pipes!(pipe_items, items_piped, ItemConsumer, ItemSink<Item = u8>);

    /// Cuts the stream. For a limit, the guest writes more; a guest that traps never returns.
    async fn cut(&mut self, guest: &Guest<'_, StoreToken, u8>) {
        match self.plan.cut {
            Cut::Limit => {}
            Cut::Deadline | Cut::IdleTimeout => sleep(TIME + Duration::from_millis(1)).await,
            Cut::Token => self.token.cancel(),
            Cut::Until => drop(self.until.take()),
            Cut::Handle => self.handle.as_ref().unwrap().cancel(),
            Cut::Trap => guest.trap().await,
        }
    }
}

/// Signals between the guest and the receiver.
#[derive(Clone, Default)]
pub struct Signs {
    /// The receiver allows the cut.
    pub may_cut: CancellationToken,
    /// The guest has seen the cut, or its store is gone.
    pub is_cut: CancellationToken,
    /// The receiver has finished.
    over: CancellationToken,
}

/// Lets a guest write into the consumer of `pipe`, cuts the stream by `plan`, and returns what the receiver `far`
/// returns. The guest drops its end only after that.
pub async fn run<R>(
    plan: Plan,
    pipe: impl FnOnce(&mut Cutting, StoreContextMut<'_, StoreToken>, StreamReader<u8>),
    far: impl AsyncFnOnce(&Signs) -> R,
) -> R {
    let signs = Signs::default();
    let (give_done, done) = oneshot::channel();
    let mut cutting = Cutting::new(plan);
    let near = async {
        let script = async |guest: &Guest<'_, StoreToken, u8>| {
            let (reader, stream) = guest.stream().await;
            guest.with(|store| pipe(&mut cutting, store, reader));
            assert!(give_done.send(cutting.done.take()).is_ok());
            if plan.writes != Writes::Waits {
                assert_eq!(guest.send(stream, BEFORE).await, Code::Completed(5));
            }
            if plan.writes != Writes::Idle {
                assert_eq!(guest.write(stream, 5).await, Code::Blocked);
                // Lets the write register its waker.
                sleep(Duration::from_millis(1)).await;
            }
            signs.may_cut.cancelled().await;
            cutting.cut(guest).await;
            let code = match plan.writes {
                Writes::Idle => guest.write(stream, 5).await,
                _ => guest.wait(stream).await,
            };
            assert_eq!(code, Code::Dropped(0));
            signs.is_cut.cancel();
            signs.over.cancelled().await;
            guest.drop_writable(stream).await;
        };
        let ran = Setup::new(StoreToken::new()).drive(script).await;
        assert_eq!(ran.is_err(), plan.cut == Cut::Trap);
        signs.is_cut.cancel();
    };
    let completion = async {
        let Some(done) = done.await.expect("`pipe` sends it before anything can fail") else {
            return;
        };
        let expected = format!("{:?}", plan.cut.why());
        match plan.host {
            Host::Awaits => assert_eq!(format!("{:?}", done.await.end), expected),
            Host::Holds => {
                let resolved = done.await;
                signs.over.cancelled().await;
                assert_eq!(format!("{:?}", resolved.end), expected);
            }
            Host::Keeps => {
                signs.over.cancelled().await;
                drop(done);
            }
            Host::Drops | Host::Without => {}
        }
    };
    let far = async {
        let seen = far(&signs).await;
        signs.over.cancel();
        seen
    };
    join3(near, completion, far).await.2
}
