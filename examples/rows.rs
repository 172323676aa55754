//! Records, by `bindgen!`: from a tokio channel through a guest into another one, in batches, with backpressure.
//!
//! ```text
//! cargo run --example rows
//! ```

#![allow(missing_docs)] // of what `bindgen!` makes

use tokio::sync::mpsc;
use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, Result, Store};
use wasmtime_streams::{channels, transform};

wasmtime::component::bindgen!({
    inline: "
        package test:rows;
        world rows {
            record row { id: u32, name: string }
            export transform: async func(input: stream<row>) -> stream<row>;
        }
    ",
});
wasmtime_streams::plain!(Row);

#[tokio::main]
async fn main() -> Result<()> {
    let engine = Engine::default();
    let component = Component::from_file(&engine, "examples/guests/rows.wat")?;
    let mut store = Store::new(&engine, ());
    let guest = Rows::instantiate_async(&mut store, &component, &Linker::new(&engine)).await?;

    let (to_guest, rx) = mpsc::channel(8);
    let (tx, mut from_guest) = mpsc::channel::<Row>(8);
    tokio::spawn(async move {
        for id in 0..1000 {
            let row = Row { id, name: format!("row {id}") };
            if to_guest.send(row).await.is_err() {
                break;
            }
        }
    });
    let sum = tokio::spawn(async move {
        let (mut rows, mut sum) = (0, 0);
        while let Some(row) = from_guest.recv().await {
            assert_eq!(row.name, format!("row {}", row.id));
            (rows, sum) = (rows + 1, sum + row.id);
        }
        (rows, sum)
    });
    let call = async |store: &_, input| guest.call_transform(store, input).await;
    let done =
        transform(&mut store, channels::mpsc_receiver(rx), channels::mpsc_sender(tx), call).await;
    done.result?;
    let sum = sum.await?;
    println!(
        "{sum:?}, in {:?} {}, out {:?} {}",
        done.input.end.reason(),
        done.input.moved,
        done.output.end.reason(),
        done.output.moved
    );
    assert_eq!(sum, (1000, 499_500));
    Ok(())
}
