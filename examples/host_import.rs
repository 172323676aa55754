//! Host functions that return and take streams, each with a result: `cargo run --example host_import -- SOURCE TARGET`
//!
//! The guest opens SOURCE by one host function, and saves it with numbered lines as TARGET by the other one. A stream alone
//! does not tell an end from a failure, so each has a result beside it.

#![allow(missing_docs)] // of what `bindgen!` makes

use tokio::fs::File;
use wasmtime::component::{Accessor, Component, FutureReader, HasSelf, Linker, StreamReader};
use wasmtime::{Engine, Error, Result, Store};
use wasmtime_streams::{End, tokio_io};

wasmtime::component::bindgen!({
    inline: "
        package example:copy;
        interface files {
            /// The content, and whether it came to its end.
            open: async func(name: string) -> result<tuple<stream<u8>, future<result<_, string>>>, string>;
            /// Resolves when the content is in the file.
            save: async func(name: string, content: stream<u8>) -> result<future<result<_, string>>, string>;
        }
        world copy {
            import files;
            /// The number of lines.
            export copy: async func(source: string, target: string) -> result<u64, string>;
        }
    ",
    // A full table of the store is no error of the interface: it is a trap.
    imports: { default: trappable },
});
use example::copy::files;

type Outcome = std::result::Result<(), String>;

type Answer<T> = Result<std::result::Result<T, String>>; // the outer error is a trap

struct Host; // the data of the store; directories that the guest may use, for example

impl files::Host for Host {}

impl<T: Send + 'static> files::HostWithStore<T> for HasSelf<Host> {
    async fn open(
        store: &Accessor<T, Self>,
        name: String,
    ) -> Answer<(StreamReader<u8>, FutureReader<Outcome>)> {
        match File::open(&name).await {
            Ok(file) => store.with(|store| {
                tokio_io::read(file).into_wit(store, move |end| outcome(&name, end)).map(Ok)
            }),
            Err(error) => Ok(Err(format!("{name}: {error}"))),
        }
    }

    async fn save(
        store: &Accessor<T, Self>,
        name: String,
        mut content: StreamReader<u8>,
    ) -> Answer<FutureReader<Outcome>> {
        let file = File::create(&name).await;
        store.with(|store| match file {
            // A task flushes and closes the file, whether or not the guest awaits the result.
            Ok(file) => {
                let spawn = |task| drop(tokio::spawn(task));
                let outcome = move |end| outcome(&name, end);
                tokio_io::write(file).pipe_wit_on(store, content, spawn, outcome).map(Ok)
            }
            // A reader that is only dropped stays in the store.
            Err(error) => content.close(store).map(|()| Err(format!("{name}: {error}"))),
        })
    }
}

fn outcome(name: &str, end: End<std::io::Error>) -> Outcome {
    end.into_result().map_err(|end| format!("{name}: {end}"))
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [source, target] =
        arguments.try_into().map_err(|_| Error::msg("usage: host_import SOURCE TARGET"))?;
    let engine = Engine::default();
    let component = Component::from_file(&engine, "examples/guests/copy.wasm")?;
    let mut linker = Linker::new(&engine);
    Copy::add_to_linker::<_, HasSelf<Host>>(&mut linker, |host| host)?;
    let mut store = Store::new(&engine, Host);
    let guest = Copy::instantiate_async(&mut store, &component, &linker).await?;

    let copied = store.run_concurrent(async |store| guest.call_copy(store, source, target).await);
    let lines = copied.await??.map_err(Error::msg)?;
    println!("{lines} lines copied");
    Ok(())
}
