//! Changes a compressed file without unpacking it to disk: `cargo run --example gzip -- LOG.gz >NEW.gz`
//!
//! async-compression's decoder stands before a guest, its encoder behind it. Any other reader or writer can, too.

use std::process::ExitCode;

use async_compression::tokio::bufread::GzipDecoder;
use async_compression::tokio::write::GzipEncoder;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::fs::File;
use tokio::io::BufReader;
use wasmtime::component::{Component, Linker, StreamReader};
use wasmtime::error::Context as _;
use wasmtime::{Engine, Result, Store};
use wasmtime_streams::{Flush, tokio_io, transform};

async fn run(path: &str) -> Result<()> {
    let engine = Engine::default();
    let component = Component::from_file(&engine, "examples/guests/upper.wat")?;
    let mut store = Store::new(&engine, ());
    let guest = Linker::new(&engine).instantiate_async(&mut store, &component).await?;
    // transform: async func(input: stream<u8>) -> stream<u8>
    let upper = guest
        .get_typed_func::<(StreamReader<u8>,), (StreamReader<u8>,)>(&mut store, "transform")?;

    let file = File::open(path).await.with_context(|| format!("cannot open {path}"))?;
    // On stderr, and only if that is a terminal.
    let style =
        "{wide_bar} {bytes:>11} of {total_bytes}, {binary_bytes_per_sec:>13}, {eta:>3} left";
    let bar = ProgressBar::new(file.metadata().await?.len());
    bar.set_style(ProgressStyle::with_template(style)?);
    let mut decoder = GzipDecoder::new(BufReader::new(bar.wrap_async_read(file)));
    decoder.multiple_members(true); // as gzip does: `cat a.gz b.gz` is a file as well
    let input = tokio_io::read(decoder);
    // Compression gets worse with each flush, so flush at the end only and not after each of the guest's writes.
    let output = tokio_io::write(GzipEncoder::new(tokio::io::stdout())).flush(Flush::OnClose);
    let call = async |store: &_, input| Ok(upper.call_concurrent(store, (input,)).await?.0);
    // Shuts the encoder down at the end of the data, which writes the checksum.
    let done = transform(&mut store, input, output, call).await;
    bar.abandon();

    done.result?; // the guest trapped
    // Without its checksum the output of an input that broke off is no complete file either.
    done.input.end.into_result().with_context(|| format!("cannot read {path}"))?;
    done.output.end.into_result().context("cannot write the output")?;
    eprintln!("{} bytes in, {} bytes out, uncompressed", done.input.moved, done.output.moved);
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("usage: gzip FILE.gz >NEW.gz");
        return ExitCode::from(2);
    };
    match run(&path).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
