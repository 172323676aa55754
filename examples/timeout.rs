//! A stream that is stopped by a deadline, and the file back, at the place up to which it was read.
//!
//! ```text
//! cargo run --example timeout
//! ```

use std::time::Duration;
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio::time::Instant;
use wasmtime::component::{Component, Linker, StreamReader};
use wasmtime::{Engine, Result, Store};
use wasmtime_streams::{End, tokio_io, transform};

#[tokio::main]
async fn main() -> Result<()> {
    let engine = Engine::default();
    let component = Component::from_file(&engine, "examples/guests/upper.wat")?;
    let mut store = Store::new(&engine, ());
    let guest = Linker::new(&engine).instantiate_async(&mut store, &component).await?;
    let upper = guest
        .get_typed_func::<(StreamReader<u8>,), (StreamReader<u8>,)>(&mut store, "transform")?;

    let path = std::env::temp_dir().join(format!("timeout-{}", std::process::id()));
    tokio::fs::write(&path, vec![b'x'; 8 << 20]).await?;
    let input = tokio_io::read(File::open(&path).await?)
        .deadline(Instant::now() + Duration::from_millis(300));
    // A slow receiver: 64 KiB, then a pause.
    let (mut slow, output) = tokio::io::simplex(64 * 1024);
    tokio::spawn(async move {
        let mut buf = vec![0; 64 * 1024];
        while slow.read(&mut buf).await.is_ok_and(|n| n > 0) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let call = async |store: &_, input| Ok(upper.call_concurrent(store, (input,)).await?.0);
    let done = transform(&mut store, input, tokio_io::write(output), call).await;
    done.result?;
    println!(
        "in {:?} {}, out {:?} {}",
        done.input.end.reason(),
        done.input.moved,
        done.output.end.reason(),
        done.output.moved
    );
    assert!(matches!(done.input.end, End::TimedOut));
    let mut file = done.input.inner.into_inner();
    let at = file.stream_position().await?;
    println!("the file is at {at}");
    assert_eq!(at, done.input.moved);
    Ok(())
}
