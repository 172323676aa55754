//! Records from one tokio channel through a guest into another one, in batches: `cargo run --example rows`
//!
//! Each channel has room for 8 rows, so a slow receiver holds up the guest, and the guest the sender.

#![allow(missing_docs)] // of what `bindgen!` makes

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::mpsc;
use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, Result, Store};
use wasmtime_streams::{channels, transform};

wasmtime::component::bindgen!({
    inline: "
        package example:rows;
        world rows {
            record row { id: u32, name: string }
            export transform: async func(input: stream<row>) -> stream<row>;
        }
    ",
});
// There are no streams or resources in it, so it can cross from store to host as it is.
wasmtime_streams::plain!(Row);

const ROWS: u32 = 1000;
const CHANNEL: usize = 8;

/// How many rows were sent and are not received yet, now and at most.
static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);
static AT_MOST: AtomicUsize = AtomicUsize::new(0);

async fn send(to_guest: mpsc::Sender<Row>) {
    for id in 0..ROWS {
        // Waits while the channel is full; fails when the guest wants no more.
        let Ok(permit) = to_guest.reserve().await else { break };
        AT_MOST.fetch_max(UNDER_WAY.fetch_add(1, Relaxed) + 1, Relaxed);
        permit.send(Row { id, name: format!("row {id}") });
    }
}

async fn receive(mut from_guest: mpsc::Receiver<Row>) -> (u32, Option<Row>) {
    let (mut count, mut last) = (0, None);
    while let Some(row) = from_guest.recv().await {
        UNDER_WAY.fetch_sub(1, Relaxed);
        count += 1;
        if count % 100 == 0 {
            println!("{count:>5} rows, the last is {:?}", row.name);
            tokio::time::sleep(Duration::from_millis(20)).await; // slower than the sender
        }
        last = Some(row);
    }
    (count, last)
}

#[tokio::main]
async fn main() -> Result<()> {
    let engine = Engine::default();
    let component = Component::from_file(&engine, "examples/guests/rows.wasm")?;
    let mut store = Store::new(&engine, ());
    let guest = Rows::instantiate_async(&mut store, &component, &Linker::new(&engine)).await?;

    let (to_guest, rx) = mpsc::channel(CHANNEL);
    let (tx, from_guest) = mpsc::channel(CHANNEL);
    let sender = tokio::spawn(send(to_guest));
    let receiver = tokio::spawn(receive(from_guest));

    let input = channels::mpsc_receiver(rx);
    let output = channels::mpsc_sender(tx);
    let call = async |store: &_, input| guest.call_transform(store, input).await;
    let done = transform(&mut store, input, output, call).await;
    let (read, written) = (done.input.moved, done.output.moved);
    // The guest's trap; then whether each stream came to its end. The sender in `done.output` is dropped here: the
    // receiver's `None`.
    done.result?;
    done.input.end.into_result()?;
    done.output.end.into_result()?;

    sender.await?;
    let (count, _) = receiver.await?;
    println!("the guest read {read} rows and wrote {written}; {count} were received");
    println!("at most {} rows were under way", AT_MOST.load(Relaxed));
    Ok(())
}
