//! The futures crate's I/O alone, on its executor: no tokio in the program.
//!
//! ```text
//! cargo run --example no_tokio
//! ```

use futures::executor::block_on;
use futures::io::{AllowStdIo, Cursor};
use wasmtime::component::{Component, Linker, StreamReader};
use wasmtime::{Engine, Result, Store};
use wasmtime_streams::{futures_io, transform};

fn main() -> Result<()> {
    let engine = Engine::default();
    let component = Component::from_file(&engine, "examples/guests/upper.wat")?;
    block_on(async {
        let mut store = Store::new(&engine, ());
        let guest = Linker::new(&engine).instantiate_async(&mut store, &component).await?;
        let upper = guest
            .get_typed_func::<(StreamReader<u8>,), (StreamReader<u8>,)>(&mut store, "transform")?;
        let input = futures_io::read(Cursor::new("hello without tokio\n"));
        let output = futures_io::write(AllowStdIo::new(std::io::stdout()));
        let call = async |store: &_, input| Ok(upper.call_concurrent(store, (input,)).await?.0);
        let done = transform(&mut store, input, output, call).await;
        done.result?;
        println!(
            "{} bytes, in {:?}, out {:?}",
            done.output.moved,
            done.input.end.reason(),
            done.output.end.reason()
        );
        assert!(done.output.moved == 20 && done.output.end.is_finished());
        Ok(())
    })
}
