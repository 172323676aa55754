//! A guest that polls and yields instead of waiting, beside sockets and timers of its host.

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;
use tokio::runtime::Builder;
use wasmtime::component::{Component, Linker, StreamReader, TypedFunc};
use wasmtime::{Engine, Store};
use wasmtime_streams::{sockets, tokio_io};

use super::DEADLINE;

/// The number of bytes, their sum, and how often the guest yielded.
type Answers = (u32, u32, u32);

/// A guest that polls and yields, in a store of its own.
struct Polling {
    store: Store<()>,
    run: TypedFunc<(StreamReader<u8>,), (Answers,)>,
}

impl Polling {
    async fn new() -> Self {
        let engine = Engine::default();
        let guest = Component::new(&engine, include_str!("yields.wat")).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Linker::new(&engine).instantiate_async(&mut store, &guest).await.unwrap();
        let run = instance.get_typed_func(&mut store, "run").unwrap();
        Self { store, run }
    }

    async fn run(mut self, true_readiness: bool, socket: UnixStream) -> Answers {
        let input = match true_readiness {
            true => StreamReader::new(&mut self.store, sockets::read(socket)),
            false => StreamReader::new(&mut self.store, tokio_io::read(socket)),
        };
        let (input, run) = (input.unwrap(), self.run);
        let ran = self
            .store
            .run_concurrent(async |accessor| run.call_concurrent(accessor, (input,)).await);
        ran.await.unwrap().unwrap().0
    }
}

#[test]
fn a_guest_that_polls_and_yields_gets_the_data_of_a_socket() {
    // Rule "Register the current waker": the reactor and the timers of the host run, also on the guest's only thread.
    const PIECES: usize = 20;
    for true_readiness in [true, false] {
        for threads in [1, 2] {
            let runtime = match threads {
                1 => Builder::new_current_thread().enable_all().build(),
                _ => Builder::new_multi_thread().enable_all().build(),
            };
            let all = async {
                // Compiled before the first write, or everything would be there at once.
                let guest = Polling::new().await;
                let (socket, mut peer) = UnixStream::pair().unwrap();
                let writes = tokio::spawn(async move {
                    for _ in 0..PIECES {
                        peer.write_all(&[1, 2, 3]).await.unwrap();
                        // A pause without data. The guest yields meanwhile, and a timer fires beside it.
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                });
                let answers = guest.run(true_readiness, socket).await;
                writes.await.unwrap();
                answers
            };
            let (bytes, sum, yields) = runtime
                .unwrap()
                .block_on(async { tokio::time::timeout(DEADLINE, all).await })
                .expect("timed out");
            assert_eq!((bytes, sum), (3 * PIECES as u32, 6 * PIECES as u32));
            assert!(yields >= PIECES as u32 / 2, "it yielded only {yields} times");
        }
    }
}
