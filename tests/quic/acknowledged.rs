//! A completion waits until the other machine has everything.

use std::pin::pin;
use std::thread;

use futures::FutureExt as _;
use quinn::TransportConfig;
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::task::yield_now;
use tokio::time::timeout;
use wasmtime::component::StreamReader;
use wasmtime_streams::{iterators, quic};

use crate::machines::{LONG, client, server, store};

#[test]
fn a_completion_waits_until_the_other_machine_has_everything() {
    // Rule "The completion closes the sink": the other machine stands still, until it is run again.
    let [near, far] = [(); 2].map(|()| Builder::new_current_thread().enable_all().build().unwrap());
    let server = far.block_on(async { server(TransportConfig::default()) });
    let address = server.local_addr().unwrap();
    let client = near.block_on(async { client(TransportConfig::default()) });
    let accepting = far.spawn(async move { server.accept().await.unwrap().await.unwrap() });
    // Runs the other machine until the connection stands.
    let (connection, far_connection) = std::thread::scope(|scope| {
        let far = scope.spawn(|| far.block_on(accepting).unwrap());
        let near = near.block_on(async { client.connect(address, "localhost").unwrap().await });
        (near.unwrap(), far.join().unwrap())
    });

    let mut store = store();
    near.block_on(async {
        let (sink, done) = quic::write(connection.open_uni().await.unwrap()).with_completion();
        let data = StreamReader::new(&mut store, iterators::items(*b"all of it")).unwrap();
        data.pipe(&mut store, sink).unwrap();
        let mut run = pin!(store.run_concurrent(async |_| done.await));
        for _ in 0..100 {
            assert!(run.as_mut().now_or_never().is_none(), "nothing was acknowledged yet");
            yield_now().await;
        }
        assert!(connection.stats().frame_tx.stream > 0, "it was sent");
        // The other machine goes on, without a read of its guest.
        let (stop, stopped) = oneshot::channel::<()>();
        let runs = thread::spawn(move || far.block_on(stopped));
        let done = timeout(LONG, run).await.expect("the completion does not resolve").unwrap();
        assert!(done.end.is_finished());
        drop(stop);
        runs.join().unwrap().unwrap_err();
    });
    drop(far_connection);
}
