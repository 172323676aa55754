//! Stream ends that are idle in a waitable set while the host ends them: no event comes, and the next operation reports
//! the end.

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

/// How the host ends the two streams with idle ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    /// Not at all: one of them gets data.
    Not,
    Cancel,
    /// By a signal, while both completions are awaited.
    Signal,
    /// By a signal, while no completion is awaited.
    UnawaitedSignal,
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
            let take = store.data_mut().0.take().expect("the guest gives one stream");
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
                    Ends::UnawaitedSignal => {
                        completions = None;
                        drop(fire);
                    }
                }
                executor::idle().await;
                assert!(!returned.get(), "{ends:?}: an idle end woke the guest");
                data.unbounded_send(7).unwrap();
                // The completions are dropped at the very end.
                (executor::idle().await, completions).1
            };
            join!(call, host).0
        });
        ran.await.unwrap().unwrap().0
    })
}

#[test]
fn an_idle_end_in_a_waitable_set_makes_no_event() {
    // Rule "Completion": the guest sees it at its next operation. Rule "No traps, no panics".
    for ends in [Ends::Not, Ends::Cancel, Ends::Signal, Ends::UnawaitedSignal] {
        let (event, is_awaited, awaited, read, written, left) = run(ends);
        assert_eq!((event, is_awaited), (2, 1), "{ends:?}: not a read of the awaited stream");
        assert_eq!(awaited, 1 << 4 | COMPLETED, "{ends:?}");
        match ends {
            Ends::Not => {
                assert_eq!((read, written), (2 << 4 | COMPLETED, 4 << 4 | COMPLETED));
            }
            _ => assert_eq!((read, written), (DROPPED, DROPPED), "{ends:?}"),
        }
        assert_eq!(left, 0, "{ends:?}: an event is left in the set");
    }
}
