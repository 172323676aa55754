//! Guests in two stores over one connection, on two threads.

use std::pin::pin;
use std::thread;

use futures::future::join;
use tokio::runtime::Builder;
use wasmtime_streams::{iterators, quic};

use crate::machines::Machines;
use crate::transform::Transform;

fn text(len: usize) -> Vec<u8> {
    (0..len).map(|i| b'a' + (i / 7 % 26) as u8).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_mebibytes_go_from_guest_to_guest() {
    // Rule "Exactly once, in order": from the host to one guest, over QUIC to the other, and back on a second stream.
    const LEN: usize = 4 << 20;
    let machines = Machines::new().await;
    let (there, far_in) = machines.stream().await;
    let mut back = machines.far.open_uni().await.unwrap();
    back.write_all(b"!").await.unwrap();
    let mut near_in = machines.near.accept_uni().await.unwrap();
    near_in.read_exact(&mut [0]).await.unwrap();

    let far = thread::spawn(move || {
        let runtime = Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut guest = Transform::rot13().await;
            let (source, received) = quic::read(far_in).with_completion();
            let output = guest.call(source).await;
            let (sink, sent) = quic::write(back).with_completion();
            output.pipe(&mut guest.store, sink).unwrap();
            let done = pin!(join(received, sent));
            let (received, sent) = guest.store.run_concurrent(async |_| done.await).await.unwrap();
            assert!(received.end.is_finished(), "{received:?}");
            assert!(sent.end.is_finished(), "{sent:?}");
            [received.moved, sent.moved]
        })
    });

    let mut guest = Transform::upper().await;
    let output = guest.call(iterators::items(text(LEN))).await;
    let (sink, sent) = quic::write(there).with_completion();
    output.pipe(&mut guest.store, sink).unwrap();
    let (all, collected) = iterators::collect_bytes(LEN).with_completion();
    let input = wasmtime::component::StreamReader::new(&mut guest.store, quic::read(near_in));
    input.unwrap().pipe(&mut guest.store, all).unwrap();
    let done = pin!(join(sent, collected));
    let (sent, collected) = guest.store.run_concurrent(async |_| done.await).await.unwrap();
    assert!(sent.end.is_finished(), "{sent:?}");
    assert_eq!(far.join().unwrap(), [LEN as u64; 2]);
    let rot13 = |byte: u8| if byte < b'N' { byte + 13 } else { byte - 13 };
    let expected = text(LEN).into_iter().map(|byte| rot13(byte.to_ascii_uppercase()));
    assert!(collected.inner.into_inner().into_iter().eq(expected));
}

#[tokio::test]
async fn a_guest_that_dies_cuts_the_output_of_the_guest_on_the_other_machine() {
    // Rule "Truncated is never complete": it runs out of fuel in the middle of its data.
    let machines = Machines::new().await;
    let (there, far_in) = machines.stream().await;
    let mut one = Transform::upper().await;
    let output = one.call(iterators::items(text(1 << 20))).await;
    let (sink, sent) = quic::write(there).with_completion();
    let sent = sent.watch_store(one.store.data());
    output.pipe(&mut one.store, sink).unwrap();
    one.store.set_fuel(100_000).unwrap();

    let mut two = Transform::rot13().await;
    let (source, received) = quic::read(far_in).with_completion();
    let output = two.call(source).await;
    let (all, collected) = iterators::collect_bytes(1 << 20).with_completion();
    output.pipe(&mut two.store, all).unwrap();

    let dies = async {
        let mut sent = sent;
        one.store.run_concurrent(async |_| (&mut sent).await).await.unwrap_err();
        drop(one);
        sent.await
    };
    let done = pin!(join(received, collected));
    let (sent, two) = tokio::join!(dies, two.store.run_concurrent(async |_| done.await));
    let (received, collected) = two.unwrap();
    assert!(matches!(sent.end, wasmtime_streams::End::Abandoned), "{sent:?}");
    assert!(matches!(received.end, wasmtime_streams::End::Abandoned), "{received:?}");
    // The guest takes a cut of its input for the end, so its own end is in order: the host asks the completion.
    assert!(collected.end.is_finished());
}
