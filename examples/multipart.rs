//! Files that are uploaded as a form, each a stream within a stream: `cargo run --example multipart`
//!
//! The guest gets a `stream<file>`, and with each file the stream of its content. It reads what it likes; what is left of a
//! file that it drops is skipped. Try `curl -F file=@README.md -F file=@notes.txt http://127.0.0.1:7002/`.

#![allow(missing_docs)] // of what `bindgen!` makes

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Multipart, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use wasmtime::component::{Component, Linker, StreamReader};
use wasmtime::{Engine, Error, Result, Store, StoreContextMut};
use wasmtime_streams::to_guest::{FromHost, HostSink};
use wasmtime_streams::{ByteProducer, from_guest, to_guest, transform};

wasmtime::component::bindgen!({
    inline: "
        package example:uploads;
        world uploads {
            record file { name: string, content: stream<u8> }
            /// A line of text for each file.
            export describe: async func(files: stream<file>) -> stream<string>;
        }
    ",
});

/// A form may be this long. Memory is a matter of `CAPACITY`.
const LONGEST: usize = 1 << 30;
/// How many bytes of a file the guest may be behind.
const CAPACITY: usize = 64 * 1024;

/// A file's name and content. It becomes a `file`, and its stream, when the guest takes it.
type Upload = (String, ByteProducer<FromHost<u8>>);

async fn upload(State(guest): State<UploadsPre<()>>, form: Multipart) -> Response {
    let (files, input) = to_guest::item_producer(1);
    let input = input.deliver_with(|mut store: StoreContextMut<'_, ()>, upload: Upload| {
        Ok(File { name: upload.0, content: StreamReader::new(&mut store, upload.1)? })
    });
    let (output, lines) = from_guest::item_consumer::<String>(8);
    let mut store = Store::new(guest.engine(), ());
    let guest = match guest.instantiate_async(&mut store).await {
        Ok(guest) => guest,
        Err(error) => return format!("{error:#}\n").into_response(),
    };
    tokio::spawn(async move {
        match send(form, files).await {
            Ok(skipped) => println!("{skipped} bytes were left unread"),
            // `files` was not closed, which cuts the guest's input short, and with it the response.
            Err(error) => eprintln!("the upload failed: {error:#}"),
        }
    });
    // The store runs in its own task, while the guest writes and the client reads.
    tokio::spawn(async move {
        let call = async |store: &_, files| guest.call_describe(store, files).await;
        let done = transform(&mut store, input, output, call).await;
        if let Err(trap) = done.result {
            eprintln!("the guest failed: {trap:?}");
        }
    });
    // A cut is an error here, at which hyper aborts the response: it never looks complete.
    Response::new(Body::from_stream(lines.into_try_stream()))
}

/// Gives the form's files to the guest, one after the other as they arrive. Returns how many bytes it did not want.
async fn send(mut form: Multipart, mut files: HostSink<Upload>) -> Result<usize> {
    let mut skipped = 0;
    while let Some(mut field) = form.next_field().await? {
        let name = field.file_name().unwrap_or_default().to_owned();
        let (mut writer, content) = to_guest::producer(CAPACITY);
        files.send_item((name, content)).await.map_err(|_| Error::msg("the guest has left"))?;
        while let Some(chunk) = field.chunk().await? {
            // Fails when the guest has dropped the file: the next file comes after the rest of this one.
            if writer.write_all(&chunk).await.is_err() {
                skipped += chunk.len();
            }
        }
        writer.close(); // else the file was cut short
    }
    files.close();
    Ok(skipped)
}

#[tokio::main]
async fn main() -> Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:7002".to_owned());
    let engine = Engine::default();
    let component = Component::from_file(&engine, "examples/guests/uploads.wasm")?;
    let guest = UploadsPre::new(Linker::new(&engine).instantiate_pre(&component)?)?;
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    let app = Router::new().route("/", post(upload)).with_state(guest);
    axum::serve(listener, app.layer(DefaultBodyLimit::max(LONGEST))).await.map_err(Error::from)
}
