//! Host objects that become resources when the guest gets them, and host objects again when it passes them on.
//!
//! ```text
//! cargo run --example resources
//! ```

use tokio::sync::mpsc;
use wasmtime::component::{Component, Linker, Resource, ResourceTable, ResourceType, StreamReader};
use wasmtime::{Engine, Result, Store, StoreContextMut};
use wasmtime_streams::{channels, iterators, transform};

/// A host object, `conn` in the guest.
#[derive(Debug)]
struct Conn(u32);

#[derive(Default)]
struct Data {
    table: ResourceTable,
}

type Conns = StreamReader<Resource<Conn>>;

#[tokio::main]
async fn main() -> Result<()> {
    let engine = Engine::default();
    let component = Component::from_file(&engine, "examples/guests/conns.wat")?;
    let mut linker = Linker::<Data>::new(&engine);
    linker.root().resource("conn", ResourceType::host::<Conn>(), |mut store, rep| {
        store.data_mut().table.delete(Resource::<Conn>::new_own(rep))?;
        Ok(())
    })?;
    let mut store = Store::new(&engine, Data::default());
    let guest = linker.instantiate_async(&mut store, &component).await?;
    let func = guest.get_typed_func::<(Conns,), (Conns,)>(&mut store, "transform")?;

    let input = iterators::items((0..100).map(Conn)).deliver_with(
        |mut store: StoreContextMut<'_, Data>, conn| Ok(store.data_mut().table.push(conn)?),
    );
    let (tx, mut rx) = mpsc::channel(8);
    let output = channels::mpsc_sender(tx).receive_with(
        |mut store: StoreContextMut<'_, Data>, conn: Resource<Conn>| {
            Ok(store.data_mut().table.delete(conn)?)
        },
    );
    let received = tokio::spawn(async move {
        let mut got = Vec::new();
        while rx.recv_many(&mut got, 100).await > 0 {}
        got
    });
    let call = async |store: &_, input| Ok(func.call_concurrent(store, (input,)).await?.0);
    let done = transform(&mut store, input, output, call).await;
    done.result?;
    let received: Vec<Conn> = received.await?;
    println!("{} back, the first {:?}, out {:?}", received.len(), received[0], done.output.end);
    assert!(received.iter().map(|conn| conn.0).eq(0..100));
    assert!(store.data().table.is_empty());
    Ok(())
}
