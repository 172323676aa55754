//! Two guests in two stores on two threads. One's output is the other's input.

use std::convert::Infallible;
use std::fmt;
use std::future::{Future, pending};
use std::pin::pin;
use std::thread;

use futures::channel::oneshot;
use futures::executor::block_on;
use futures::future::{Either, join, select};
use wasmtime::component::{Component, Linker, StreamReader, TypedFunc};
use wasmtime::{Config, Engine, Result, Store};
use wasmtime_streams::{Completed, End, StoreToken, iterators, relay};

use super::plan::{Kill, LENGTH, Plan, Victim};

const UPPER: &str = include_str!("../../../examples/guests/upper.wat");
const ROT13: &str = include_str!("../../../examples/guests/rot13.wat");

/// Runs the chain, and kills a guest as `plan` says.
pub(crate) fn run(plan: &Plan) -> Result<Outcome> {
    let engine = Engine::new(Config::new().consume_fuel(true))?;
    let mut one = Guest::load(&engine, UPPER)?;
    let mut two = Guest::load(&engine, ROT13)?;
    let text: Vec<u8> = (0..LENGTH).map(|i| b'A' + (i % 59) as u8).collect();
    let expected: Vec<u8> = text.iter().map(|byte| rot13(byte.to_ascii_uppercase())).collect();

    // Each guest returns its output at once, and continues while its store runs.
    let (producer, input) = iterators::items(text).with_completion();
    let input = input.watch_store(one.store.data());
    let stream = StreamReader::new(&mut one.store, producer)?;
    let stream = one.call(stream)?;

    let (kill, killed) = oneshot::channel();
    let look = plan.kill_after(kill);
    let relayed = relay::bytes(&mut one.store, stream, &mut two.store, plan.capacity, look)?
        .watch_stores(one.store.data(), two.store.data());

    let stream = two.call(relayed.stream)?;
    let (consumer, output) = iterators::collect_bytes(LENGTH).with_completion();
    let output = output.watch_store(two.store.data());
    stream.pipe(&mut two.store, consumer)?;

    let (killed_one, killed_two) = match plan.kill {
        Kill::Drop(Victim::First, _) => (Some(killed), None),
        Kill::Drop(Victim::Second, _) => (None, Some(killed)),
        Kill::Trap(Victim::First, fuel) => {
            one.store.set_fuel(fuel)?;
            (None, None)
        }
        Kill::Trap(Victim::Second, fuel) => {
            two.store.set_fuel(fuel)?;
            (None, None)
        }
        Kill::Nothing => (None, None),
    };
    // On two threads, each with any executor.
    let first = live(one.store, join(input, relayed.from), killed_one);
    let second = live(two.store, join(relayed.to, output), killed_two);
    let ((input, from), (to, output)) = thread::scope(|scope| {
        let first = scope.spawn(|| block_on(first));
        let second = block_on(second);
        (first.join().expect("the first store does not panic"), second)
    });
    let is_prefix = expected.starts_with(output.inner.get_ref());
    Ok(Outcome {
        input: input.into(),
        from: from.into(),
        to: to.into(),
        output: output.into(),
        is_prefix,
    })
}

/// Runs a store until `ends`, the completions of its streams, resolve. A store that traps or is killed is dropped,
/// which makes them resolve.
async fn live<R>(
    mut store: Store<StoreToken>,
    ends: impl Future<Output = R>,
    killed: Option<oneshot::Receiver<()>>,
) -> R {
    let mut ends = pin!(ends);
    let killed = async {
        if let Some(killed) = killed
            && let Ok(()) = killed.await
        {
            return;
        }
        // No kill.
        pending().await
    };
    // The kill is awaited outside the store: inside, the guest may keep the thread busy.
    let ended = {
        let run = store.run_concurrent(async |_| ends.as_mut().await);
        match select(pin!(run), pin!(killed)).await {
            Either::Left((Ok(ended), _)) => Some(ended),
            Either::Left((Err(_trap), _)) => None,
            Either::Right(_) => None,
        }
    };
    drop(store);
    match ended {
        Some(ended) => ended,
        None => ends.await,
    }
}

fn rot13(byte: u8) -> u8 {
    match byte {
        b'A'..=b'M' => byte + 13,
        b'N'..=b'Z' => byte - 13,
        _ => byte,
    }
}

/// A guest in its own store, whose data is a token that watches the store.
struct Guest {
    store: Store<StoreToken>,
    transform: TypedFunc<(StreamReader<u8>,), (StreamReader<u8>,)>,
}

impl Guest {
    fn load(engine: &Engine, text: &str) -> Result<Self> {
        let component = Component::new(engine, text)?;
        let mut store = Store::new(engine, StoreToken::new());
        store.set_fuel(u64::MAX)?;
        let instance = block_on(Linker::new(engine).instantiate_async(&mut store, &component))?;
        let transform = instance.get_typed_func(&mut store, "transform")?;
        Ok(Self { store, transform })
    }

    /// Calls the guest with its input, and returns its output.
    fn call(&mut self, input: StreamReader<u8>) -> Result<StreamReader<u8>> {
        let Self { store, transform } = self;
        let call = store.run_concurrent(async |accessor| {
            transform.call_concurrent(accessor, (input,)).await.map(|(output,)| output)
        });
        block_on(call)?
    }
}

/// How a stream ended.
pub(crate) struct Ended {
    pub(crate) end: End<Infallible>,
    pub(crate) moved: u64,
}

/// How all streams ended, in the order in which bytes flow.
pub(crate) struct Outcome {
    pub(crate) input: Ended,
    pub(crate) from: Ended,
    pub(crate) to: Ended,
    pub(crate) output: Ended,
    /// The output is a prefix of the expected output.
    pub(crate) is_prefix: bool,
}

impl<S> From<Completed<S, Infallible>> for Ended {
    fn from(done: Completed<S, Infallible>) -> Self {
        Self { end: done.end, moved: done.moved }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} after {}", self.end, self.moved)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { input, from, to, output, .. } = self;
        write!(f, "First guest: in {input}, out {from}. Second: in {to}, out {output}.")
    }
}
