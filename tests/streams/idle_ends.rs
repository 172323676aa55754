//! Ends of streams that are idle in a waitable set while the host ends them: no event comes, and the next operation
//! says it.

use std::cell::Cell;

use futures::channel::{mpsc, oneshot};
use futures::{FutureExt as _, join};
use wasmtime::component::{Component, Linker, StreamReader};
use wasmtime::{Engine, Result, Store, StoreContextMut};
use wasmtime_streams::{Completion, EndReason, iterators, streams, tokio_io};
use wasmtime_streams_testing::executor;

use crate::support::script::{Reader, Script, Step};

/// What the guest returns: see idle_ends.wat.
type Answers = (u32, u32, u32, u32, u32, u32);

/// How the host ends the two streams whose ends are idle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    /// Not at all: the data of one comes.
    Not,
    Cancel,
    /// By a signal, while both completions are awaited.
    Signal,
    /// By a signal, and nobody awaits a completion.
    UnheardSignal,
}

const DROPPED: u32 = 1;
const COMPLETED: u32 = 0;

/// Takes the guest's stream.
type Take = Box<dyn FnOnce(StoreContextMut<'_, State>, StreamReader<u8>) -> Result<()> + Send>;

#[derive(Default)]
struct State(Option<Take>);

fn run(ends: Ends) -> Answers {
    let engine = Engine::default();
    let guest = Component::new(&engine, include_str!("idle_ends.wat")).unwrap();
    let mut linker = Linker::<State>::new(&engine);
    linker
        .root()
        .func_wrap("take", |mut store: StoreContextMut<'_, State>, (stream,)| {
            let take = store.data_mut().0.take().expect("it gives one stream");
            take(store, stream)
        })
        .unwrap();

    let (fire, fired) = oneshot::channel::<()>();
    let fired = fired.map(drop).shared();
    let script = Script::new([Step::Hold, Step::Data(vec![1, 2])]);
    let control = script.control();
    let idle = tokio_io::read(Reader::new(script)).until(EndReason::TimedOut, fired.clone());
    let (idle, source) = idle.with_completion();
    let consumer = iterators::collect_bytes(64).until(EndReason::TimedOut, fired);
    let (consumer, sink) = consumer.with_completion();
    let take: Take = Box::new(|store, stream| stream.pipe(store, consumer));
    let (data, awaited) = mpsc::unbounded::<u8>();

    let mut store = Store::new(&engine, State(Some(take)));
    executor::run(async {
        let instance = linker.instantiate_async(&mut store, &guest).await.unwrap();
        let run = instance
            .get_typed_func::<(StreamReader<u8>, StreamReader<u8>), (Answers,)>(&mut store, "run")
            .unwrap();
        let idle = StreamReader::new(&mut store, idle).unwrap();
        let awaited = StreamReader::new(&mut store, streams::items(awaited)).unwrap();
        let returned = Cell::new(false);
        let ran = store.run_concurrent(async |accessor| {
            let call = async {
                let answers = run.call_concurrent(accessor, (idle, awaited)).await;
                returned.set(true);
                answers
            };
            let host = async {
                executor::idle().await;
                let mut completions = Some((source, sink));
                match ends {
                    Ends::Not => control.release(),
                    Ends::Cancel => {
                        let (source, sink) = completions.take().unwrap();
                        source.cancel();
                        sink.cancel();
                        let _ended: (Completion<_, _>, Completion<_, _>) = (source, sink);
                    }
                    Ends::Signal => {
                        let (source, sink) = completions.take().unwrap();
                        let ended = async { join!(source, sink) };
                        drop(fire);
                        ended.await;
                    }
                    Ends::UnheardSignal => {
                        completions = None;
                        drop(fire);
                    }
                }
                executor::idle().await;
                assert!(!returned.get(), "{ends:?}: an end that is idle woke the guest");
                data.unbounded_send(7).unwrap();
                // They are dropped only when all is over.
                (executor::idle().await, completions).1
            };
            join!(call, host).0
        });
        ran.await.unwrap().unwrap().0
    })
}

#[test]
fn an_end_that_is_idle_in_a_waitable_set_is_silent_until_it_is_used() {
    // Rule "Completion": the guest learns it at its next operation; rule "No traps, no panics".
    for ends in [Ends::Not, Ends::Cancel, Ends::Signal, Ends::UnheardSignal] {
        let (event, is_awaited, awaited, read, written, left) = run(ends);
        assert_eq!((event, is_awaited), (2, 1), "{ends:?}: a read of the stream that is awaited");
        assert_eq!(awaited, 1 << 4 | COMPLETED, "{ends:?}");
        match ends {
            Ends::Not => {
                assert_eq!((read, written), (2 << 4 | COMPLETED, 4 << 4 | COMPLETED));
            }
            _ => assert_eq!((read, written), (DROPPED, DROPPED), "{ends:?}"),
        }
        assert_eq!(left, 0, "{ends:?}: no event is left in the set");
    }
}
