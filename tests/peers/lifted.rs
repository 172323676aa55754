//! The output of a real guest in other tasks, on other threads and executors, and protocols over it.

use std::thread;

use futures::executor::block_on;
use futures::{StreamExt as _, TryStreamExt as _};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, join, split};
use tokio::sync::oneshot;
use tokio::time::timeout;
use wasmtime::component::StreamReader;
use wasmtime::{AsContextMut as _, Trap};
use wasmtime_streams::{StoreToken, from_guest, iterators, to_guest, tokio_io};

use crate::DEADLINE;
use crate::transform::Transform;

const MIB: usize = 1 << 20;

/// Lines of lower-case letters.
fn text(len: usize) -> Vec<u8> {
    (0..len).map(|i| if i % 61 == 60 { b'\n' } else { b'a' + (i / 7 % 26) as u8 }).collect()
}

fn lines(text: &[u8]) -> Vec<String> {
    String::from_utf8(text.to_ascii_uppercase()).unwrap().lines().map(str::to_owned).collect()
}

/// Runs the guest's store in a task of its own until the returned sender is dropped.
fn run_in_task(mut guest: Transform) -> oneshot::Sender<()> {
    let (running, over) = oneshot::channel();
    tokio::spawn(async move { guest.store.run_concurrent(async |_| over.await).await });
    running
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_output_of_a_guest_is_read_by_lines_in_another_task() {
    // Rule "Exactly once, in order": `AsyncBufRead`, with a capacity below the length of a line and one above.
    let text = text(200_000);
    for capacity in [16, 64 * 1024] {
        let mut guest = Transform::upper().await;
        let output = guest.call(iterators::items(text.clone())).await;
        let reader = from_guest::reader(&mut guest.store, output, capacity).unwrap();
        let running = run_in_task(guest);
        let task = tokio::spawn(async move {
            let (mut reader, mut all) = (reader.lines(), Vec::new());
            while let Some(line) = reader.next_line().await.unwrap() {
                all.push(line);
            }
            all
        });
        let all = timeout(DEADLINE, task).await.expect("timed out").unwrap();
        assert!(all == lines(&text));
        drop(running);
    }
}

#[tokio::test]
async fn the_output_of_a_guest_is_read_by_another_executor_on_another_thread() {
    // Rule "Register the current waker": whatever executor reads.
    let text = text(200_000);
    let mut guest = Transform::upper().await;
    let output = guest.call(iterators::items(text.clone())).await;
    let reader = from_guest::reader(&mut guest.store, output, 1000).unwrap();
    let (done, all) = oneshot::channel();
    thread::spawn(move || {
        let lines = futures::io::AsyncBufReadExt::lines(reader).try_collect::<Vec<_>>();
        done.send(block_on(lines).unwrap()).unwrap();
    });
    let run = guest.store.run_concurrent(async |_| all.await.unwrap());
    assert!(timeout(DEADLINE, run).await.expect("timed out").unwrap() == lines(&text));
}

#[tokio::test]
async fn items_are_a_stream_on_another_thread() {
    // Rule "Exactly once, in order": bytes are items, too.
    let mut guest = Transform::upper().await;
    let output = guest.call(iterators::items(text(100_000))).await;
    let mut items = from_guest::items(&mut guest.store, output, 512).unwrap();
    let (done, count) = oneshot::channel();
    thread::spawn(move || {
        let all = block_on(items.by_ref().collect::<Vec<u8>>());
        assert!(items.cut().is_none());
        done.send(all).unwrap();
    });
    let run = guest.store.run_concurrent(async |_| count.await.unwrap());
    let all = timeout(DEADLINE, run).await.expect("timed out").unwrap();
    assert!(all == text(100_000).to_ascii_uppercase());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mebibyte_goes_through_a_guest_and_back_with_a_half_close() {
    // Rule "Exactly once, in order": the guest ends its output only once the host has ended the input.
    for capacity in [1000, 64 * 1024] {
        let mut guest = Transform::upper().await;
        let (writer, input) = to_guest::writer(&mut guest.store, capacity).unwrap();
        let output = guest.pass_to(input).await;
        let reader = from_guest::reader(&mut guest.store, output, capacity).unwrap();
        let running = run_in_task(guest);
        // Does what `tokio_io::duplex` does, for a guest that takes its input first.
        let (mut reader, mut writer) = split(join(reader, writer));
        let writes = tokio::spawn(async move {
            writer.write_all(&text(MIB)).await.unwrap();
            writer.shutdown().await.unwrap();
            writer
        });
        let mut all = Vec::new();
        let reads = async { reader.read_to_end(&mut all).await.unwrap() };
        assert_eq!(timeout(DEADLINE, reads).await.expect("timed out"), MIB);
        assert!(all == text(MIB).to_ascii_uppercase());
        assert!(writes.await.unwrap().write_all(b"more").await.is_err(), "the writer is open");
        drop(running);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_duplex_works_with_a_guest_that_gives_its_output_first() {
    // Rule "Exactly once, in order": the guest returns the host's own input as its output, as an import would get it.
    let mut guest = Transform::pass().await;
    let (mut far, input) = to_guest::writer(&mut guest.store, 100).unwrap();
    let output = guest.pass_to(input).await;
    let (socket, input) = tokio_io::duplex(&mut guest.store, output, 100).unwrap();
    let reader = from_guest::reader(&mut guest.store, input, 100).unwrap();
    let running = run_in_task(guest);
    let (mut reads, mut writes) = split(socket);
    tokio::spawn(async move {
        tokio::io::copy(&mut reads, &mut writes).await.unwrap();
        writes.shutdown().await.unwrap();
    });
    tokio::spawn(async move {
        far.write_all(&text(MIB)).await.unwrap();
        far.shutdown().await.unwrap();
    });
    let mut all = Vec::new();
    let mut reader = reader;
    // The copy ends at the end of the input, and shuts its writer down.
    let read = reader.read_to_end(&mut all);
    assert_eq!(timeout(DEADLINE, read).await.expect("timed out").unwrap(), MIB);
    assert!(all == text(MIB));
    drop(running);
}

/// Calls the guest within `from_guest::run`.
macro_rules! called {
    ($guest:ident, $producer:expr) => {{
        let transform = $guest.transform;
        async move |accessor: &wasmtime::component::Accessor<StoreToken>| {
            let input = accessor.with(|store| StreamReader::new(store, $producer))?;
            let (output,) = transform.call_concurrent(accessor, (input,)).await?;
            Ok(output)
        }
    }};
}

#[tokio::test]
async fn run_calls_the_guest_and_uses_its_output() {
    // Rule "Exactly once, in order": in a task of its own, so everything must be `Send`.
    let guest = Transform::upper().await;
    let task = tokio::spawn(async move {
        let mut guest = guest;
        let call = called!(guest, iterators::items(text(MIB)));
        from_guest::run(&mut guest.store, 4096, call, async |mut reader| {
            let mut all = Vec::new();
            reader.read_to_end(&mut all).await.map(|_| all)
        })
        .await
    });
    let all = timeout(DEADLINE, task).await.expect("timed out").unwrap().unwrap().unwrap();
    assert!(all == text(MIB).to_ascii_uppercase());
}

#[tokio::test]
async fn a_guest_that_traps_ends_run_with_its_error() {
    // Rule "Completion": the host neither waits for the rest nor takes the part for everything.
    for fuel in [100, 10_000, 500_000] {
        let mut guest = Transform::upper().await;
        guest.store.set_fuel(fuel).unwrap();
        let call = called!(guest, iterators::items(text(MIB)));
        let mut got = 0;
        let run = from_guest::run(&mut guest.store, 4096, call, async |mut reader| {
            let mut buf = [0; 1000];
            loop {
                match reader.read(&mut buf).await.unwrap() {
                    0 => return,
                    n => got += n,
                }
            }
        });
        let error = timeout(DEADLINE, run).await.expect("timed out").unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Trap::OutOfFuel));
        assert!(got < MIB);
    }
}

#[tokio::test]
async fn a_host_that_returns_early_from_run_leaves_a_usable_store() {
    // Rule "Completion": the guest sees its other end dropped when the store runs again, and can be called again.
    let mut guest = Transform::upper().await;
    for _ in 0..3 {
        let call = called!(guest, iterators::items(text(MIB)));
        let run = from_guest::run(&mut guest.store, 4096, call, async |mut reader| {
            let mut start = [0; 10];
            reader.read_exact(&mut start).await.map(|_| start)
        });
        let start = timeout(DEADLINE, run).await.expect("timed out").unwrap().unwrap();
        assert_eq!(start[..], text(10).to_ascii_uppercase());
    }
}

#[tokio::test]
async fn run_can_write_too() {
    // Rule "Exactly once, in order": the parts are made before the call.
    let mut guest = Transform::upper().await;
    let (mut writer, producer) = to_guest::producer(100);
    let call = called!(guest, producer);
    let run = from_guest::run(&mut guest.store, 100, call, async move |mut reader| {
        let mut answer = [0; 5];
        for word in [b"hello", b"world"] {
            writer.write_all(word).await?;
            reader.read_exact(&mut answer).await?;
            assert_eq!(answer[..], word.to_ascii_uppercase());
        }
        writer.shutdown().await?;
        reader.read(&mut answer).await
    });
    assert_eq!(timeout(DEADLINE, run).await.expect("timed out").unwrap().unwrap(), 0);
}

#[tokio::test]
async fn a_timer_fires_beside_the_guest_in_run() {
    // Rule "Completion": the host's part runs outside of the store, in which a timer might not be polled.
    let mut guest = Transform::upper().await;
    let (writer, producer) = to_guest::producer(100);
    let call = called!(guest, producer);
    let run = from_guest::run(&mut guest.store, 100, call, async |mut reader| {
        timeout(std::time::Duration::from_millis(10), reader.read_u8()).await
    });
    assert!(timeout(DEADLINE, run).await.expect("timed out").unwrap().is_err());
    drop(writer);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_dropped_on_another_thread_ends_a_read() {
    // Rule "Completion": without a token it looks like the end of the data, with one it is a cut.
    for watched in [false, true] {
        let mut guest = Transform::upper().await;
        let (near, mut far) = tokio::io::duplex(100);
        let output = guest.call(tokio_io::read(near)).await;
        let (consumer, mut reader) = from_guest::consumer(100);
        if watched {
            let (consumer, done) = consumer.with_completion();
            drop(done.watch_store(guest.store.data()));
            output.pipe(&mut guest.store, consumer).unwrap();
        } else {
            output.pipe(guest.store.as_context_mut(), consumer).unwrap();
        }
        let running = run_in_task(guest);
        far.write_all(b"half of ").await.unwrap();
        let mut half = [0; 8];
        reader.read_exact(&mut half).await.unwrap();
        drop(running);
        match reader.read(&mut half).await {
            Ok(n) => assert!(!watched && n == 0),
            Err(error) => {
                let cut = error.get_ref().and_then(|error| error.downcast_ref());
                assert_eq!(
                    cut,
                    Some(&wasmtime_streams::Cut(wasmtime_streams::EndReason::Abandoned))
                );
                assert!(watched);
            }
        }
    }
}
