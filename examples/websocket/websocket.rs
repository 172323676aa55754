//! A WebSocket server: each message of a client goes through a guest, and comes back to it as a message.
//! `cargo run -p example-websocket --bin websocket -- 127.0.0.1:8080`, then open `examples/websocket/page.html`.
//!
//! ```toml
//! futures = "0.3"
//! tokio = { version = "1", features = ["full"] }
//! tokio-tungstenite = { version = "0.30", default-features = false, features = ["handshake"] }
//! wasmtime = "48"
//! wasmtime-streams = "48"
//! ```
#![allow(missing_docs)] // of what `bindgen!` makes

use futures::{SinkExt as _, StreamExt as _, TryFutureExt as _, TryStreamExt as _};
use std::{env, future::ready, time::Duration};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::accept_async_with_config as accept;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message as Frame};
use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, Result, Store, StoreContextMut};
use wasmtime_streams::{End, sinks, streams, transform};

wasmtime::component::bindgen!({
    inline: "package test:messages; world messages {
        variant message { text(string), binary(list<u8>) }
        export transform: async func(input: stream<message>) -> stream<message>;
    }",
});
wasmtime_streams::plain!(Message);

/// The longest message, in bytes. The guest has memory for a batch of them.
const LONGEST: usize = 64 * 1024;
/// How long a client may send nothing.
const IDLE: Duration = Duration::from_secs(300);

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let Some(address) = arguments.next() else {
        eprintln!("usage: websocket ADDRESS:PORT [GUEST]");
        std::process::exit(2);
    };
    let engine = Engine::default();
    let file = arguments.next().unwrap_or("examples/guests/messages.wat".to_owned());
    let guest = Linker::new(&engine).instantiate_pre(&Component::from_file(&engine, file)?)?;
    let guest = MessagesPre::new(guest)?;
    let listener = TcpListener::bind(&address).await?;
    eprintln!("listening on {}", listener.local_addr()?);
    loop {
        let (client, _) = listener.accept().await?;
        let served = serve(guest.clone(), client);
        tokio::spawn(served.inspect_err(|error| eprintln!("{error:?}")));
    }
}

async fn serve(guest: MessagesPre<()>, client: TcpStream) -> Result<()> {
    let limits = WebSocketConfig::default();
    let limits = limits.max_message_size(Some(LONGEST)).max_frame_size(Some(LONGEST));
    let socket = timeout(Duration::from_secs(5), accept(client, Some(limits))).await??;
    let mut store = Store::new(guest.engine(), ());
    let guest = guest.instantiate_async(&mut store).await?;
    // A close ends the stream; a connection that breaks off without one is an error.
    let (to_client, from_client) = socket.split();
    let messages = from_client.try_filter_map(|frame| {
        ready(Ok(match frame {
            Frame::Text(text) => Some(Message::Text(text.to_string())),
            Frame::Binary(bytes) => Some(Message::Binary(bytes.into())),
            _ => None, // a ping or a close, which has its answer already
        }))
    });
    let to_frame = |_: StoreContextMut<'_, ()>, message| match message {
        Message::Text(text) => Ok(Frame::text(text)),
        Message::Binary(bytes) => Ok(Frame::binary(bytes)),
    };
    let input = streams::try_items(messages).idle_timeout(IDLE);
    let output = sinks::items(to_client).receive_with(to_frame);
    let call = async |store: &_, input| guest.call_transform(store, input).await;
    let done = transform(&mut store, input, output, call).await;
    eprintln!("{} in: {}", done.input.moved, done.input.end);
    eprintln!("{} out: {}", done.output.moved, done.output.end);
    let (code, reason): (u16, _) = match (&done.result, done.input.end) {
        (Err(_), _) => (1011, "the guest failed".to_owned()),
        (_, End::Failed(error @ Error::Capacity(_))) => (1009, error.to_string()),
        (_, End::Failed(error)) => (1002, error.to_string()),
        (_, End::TimedOut) => (1001, "no message came".to_owned()),
        _ => return done.result, // closed by the client, or after the guest's last message
    };
    let (mut to_client, _) = done.output.inner.into_parts();
    let mut from_client = done.input.inner.into_inner();
    let close = Frame::Close(Some(CloseFrame { code: code.into(), reason: reason.into() }));
    // Reading on until the client has answered: what it still sends would reset the connection, and lose the close.
    let closed = async {
        to_client.send(close).await?;
        while from_client.try_next().await?.is_some() {}
        Ok::<_, Error>(())
    };
    let _ = timeout(Duration::from_secs(5), closed).await; // the client may be gone
    done.result
}
