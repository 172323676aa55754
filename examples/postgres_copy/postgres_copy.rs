//! Copies a PostgreSQL table through a guest into another one, all of it or nothing, and shows the progress by rows.
//! `cargo run -p example-postgres-copy --bin postgres_copy -- "host=localhost user=me dbname=mine" from_table to_table`
//!
//! ```toml
//! bytes = "1"
//! indicatif = "0.18"
//! tokio = { version = "1", features = ["full"] }
//! tokio-postgres = "0.7"
//! wasmtime = "48"
//! wasmtime-streams = "48"
//! ```

use std::env;

use bytes::Bytes;
use indicatif::{ProgressBar, ProgressStyle};
use tokio_postgres::{Client, NoTls};
use wasmtime::component::{Component, Linker, StreamReader};
use wasmtime::error::Context as _;
use wasmtime::{Engine, Error, Result, Store};
use wasmtime_streams::{sinks, streams, transform};

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let mut next = || arguments.next();
    let (Some(server), Some(from), Some(to), guest) = (next(), next(), next(), next()) else {
        eprintln!("usage: postgres_copy CONNECTION FROM TO [GUEST]");
        std::process::exit(2);
    };
    let engine = Engine::default();
    let component =
        Component::from_file(&engine, guest.as_deref().unwrap_or("examples/guests/upper.wat"))?;
    let mut store = Store::new(&engine, ());
    let guest = Linker::new(&engine).instantiate_async(&mut store, &component).await?;
    let upper = guest
        .get_typed_func::<(StreamReader<u8>,), (StreamReader<u8>,)>(&mut store, "transform")?;

    // A connection each: both copies run at the same time.
    let (source, target) = (connect(&server).await?, connect(&server).await?);
    // The count and the copy are of one snapshot.
    source.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").await?;
    let rows = source.query_one(&format!("SELECT count(*) FROM {from}"), &[]).await;
    let rows = rows.with_context(|| format!("cannot read {from}"))?.get::<_, i64>(0).try_into()?;
    // `per_sec` without decimals.
    let style = ProgressStyle::with_template(
        "{wide_bar} {human_pos:>9} of {human_len} rows, {per_sec:0}, {eta:>3} left",
    )?;
    let bar = ProgressBar::new(rows).with_style(style);

    // CSV has no escapes that this guest could break. Both objects are boxed because they are not `Unpin`.
    let output = target.copy_in::<_, Bytes>(&format!("COPY {to} FROM STDIN (FORMAT csv)")).await;
    let output = output.with_context(|| format!("cannot write {to}"))?;
    let input = source.copy_out(&format!("COPY {from} TO STDOUT (FORMAT csv)")).await?;
    let (counter, mut quoted) = (bar.clone(), false);
    let input = streams::try_chunks(Box::pin(input)).inspect(move |csv: &[u8]| {
        let rows = csv.iter().filter(|&&byte| {
            quoted ^= byte == b'"';
            byte == b'\n' && !quoted // a line break in quotes is part of a value
        });
        counter.inc(rows.count() as u64);
    });
    let output = sinks::chunks(Box::pin(output));
    let call = async |store: &_, input| Ok(upper.call_concurrent(store, (input,)).await?.0);
    let done = transform(&mut store, input, output, call).await;
    // The output was closed, which keeps the rows, only if all went well. Otherwise it is dropped with `done`, and the
    // server forgets them.
    let ended = done.result.and_then(|()| Ok(done.input.end.into_result()?));
    let ended = ended.and_then(|()| Ok(done.output.end.into_result()?));
    ended.with_context(|| {
        format!("nothing is copied: cut after {} of {rows} rows", bar.position())
    })?;
    bar.finish();
    println!("{} rows, {} bytes", bar.position(), done.output.moved);
    Ok(())
}

async fn connect(server: &str) -> Result<Client> {
    let help = "is a server running? `apt-get install postgresql` has one";
    let (client, connection) = tokio_postgres::connect(server, NoTls).await.context(help)?;
    // It knows why the server has closed the connection, the client perhaps only that it has.
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            eprintln!("{:?}", Error::new(error).context("a connection failed"));
        }
    });
    Ok(client)
}
