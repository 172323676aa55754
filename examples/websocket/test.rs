//! Runs the server as a process, with a page in headless Chromium and with a plain client.
#![allow(missing_docs)]

#[path = "../../tests/support/browser.rs"]
#[allow(unreachable_pub)] // shared with other targets
mod browser;
#[path = "../../tests/support/server.rs"]
#[allow(unreachable_pub)] // shared with other targets
mod server;
#[path = "../../tests/support/tools.rs"]
#[allow(unreachable_pub)] // shared with other targets
mod tools;

use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use serde_json::json;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use self::browser::Page;
use self::server::Server;

/// Longer than anything here takes; only a failure waits for it.
const LONG: Duration = Duration::from_secs(120);

const PROGRAM: &str = env!("CARGO_BIN_EXE_websocket");

impl Server {
    /// A server whose guest traps on a text that begins with `!`.
    fn with_trap() -> Self {
        let guest = include_str!("../guests/messages.wat");
        let upper = "(call $transform-buffer (global.get $end))";
        let trap = "(if (i32.eq (i32.load8_u (i32.load (i32.const 4))) (i32.const 33)) (then unreachable))";
        Self::with_changed(PROGRAM, guest, upper, &format!("{trap} {upper}"))
    }

    async fn connect(&self) -> Client {
        let (socket, _) = connect_async(format!("ws://{}/", self.address)).await.unwrap();
        Client(socket)
    }
}

struct Client(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Client {
    async fn send(&mut self, message: Message) {
        self.0.send(message).await.unwrap();
    }

    async fn next(&mut self) -> Message {
        tokio::time::timeout(LONG, self.0.next()).await.expect("a message").unwrap().unwrap()
    }

    async fn close_code(&mut self) -> CloseCode {
        match self.next().await {
            Message::Close(Some(frame)) => frame.code,
            other => panic!("{other:?} instead of a close with a code"),
        }
    }
}

#[tokio::test]
async fn messages_stay_messages_in_their_order() {
    let server = Server::start(PROGRAM, None);
    let mut client = server.connect().await;
    let long = "x".repeat(64 * 1024);
    let sent = ["hello", "", "two\nlines", "größer", &long];
    for text in sent {
        client.send(Message::text(text)).await;
        client.send(Message::binary(text.as_bytes().to_vec())).await;
    }
    for text in sent {
        assert!(client.next().await == Message::text(text.to_ascii_uppercase()), "{text:.20}");
        assert!(client.next().await == Message::binary(text.as_bytes().to_vec()), "{text:.20}");
    }
    client.0.close(None).await.unwrap();
    assert_eq!(server.logged("10 in: "), "the stream ended");
    assert_eq!(server.logged("10 out: "), "the stream ended");
}

#[tokio::test]
async fn a_client_that_leaves_without_a_close_is_an_error() {
    let server = Server::start(PROGRAM, None);
    let mut client = server.connect().await;
    client.send(Message::text("hello")).await;
    assert_eq!(client.next().await, Message::text("HELLO"));
    drop(client);
    let end = server.logged("1 in: ");
    assert!(end.starts_with("the stream failed: "), "{end}");
    assert_ne!(server.logged("1 out: "), "the stream ended");
}

#[tokio::test]
async fn a_guest_that_traps_closes_with_an_error() {
    let server = Server::with_trap();
    let mut client = server.connect().await;
    client.send(Message::text("hello")).await;
    assert_eq!(client.next().await, Message::text("HELLO"));
    client.send(Message::text("!")).await;
    assert_eq!(client.close_code().await, CloseCode::Error);
    // The others are not concerned.
    let mut other = server.connect().await;
    other.send(Message::text("hello")).await;
    assert_eq!(other.next().await, Message::text("HELLO"));
}

#[tokio::test]
async fn a_message_that_is_too_long_closes_with_that_code() {
    let server = Server::start(PROGRAM, None);
    let mut client = server.connect().await;
    client.send(Message::text("x".repeat(64 * 1024 + 1))).await;
    assert_eq!(client.close_code().await, CloseCode::Size);
}

/// The page, connected to `server`.
fn page(server: &Server) -> Option<Page> {
    let file = concat!("file://", env!("CARGO_MANIFEST_DIR"), "/page.html");
    Page::open(&format!("{file}?socket=ws://{}/", server.address))
}

const SAY: &str = "for (const text of ['hello', 'a second message']) {
    document.forms[0].text.value = text
    document.forms[0].requestSubmit()
}";

#[test]
fn a_page_in_a_browser_sends_and_shows_messages() {
    let server = Server::start(PROGRAM, None);
    let Some(mut page) = page(&server) else { return };
    page.until("state.textContent.startsWith('connected')");
    page.evaluate(SAY);
    page.until("list.children.length == 2");
    let shown = page.evaluate("Array.from(list.children, line => line.textContent)");
    assert_eq!(shown, json!(["HELLO", "A SECOND MESSAGE"]));
    page.picture("websocket.png");
    page.evaluate("socket.close(1000, 'bye')");
    page.until("state.textContent == 'closed: 1000 bye'");
    assert_eq!(server.logged("2 in: "), "the stream ended");
}

#[test]
fn a_page_in_a_browser_that_is_closed_stops_its_guest() {
    let server = Server::start(PROGRAM, None);
    let Some(mut page) = page(&server) else { return };
    page.until("state.textContent.startsWith('connected')");
    page.evaluate(SAY);
    page.until("list.children.length == 2");
    page.close();
    assert_eq!(server.logged("2 in: "), "the stream ended");
    assert_eq!(server.logged("2 out: "), "the stream ended");
}

#[test]
fn a_page_in_a_browser_is_told_that_the_guest_failed() {
    let server = Server::with_trap();
    let Some(mut page) = page(&server) else { return };
    page.until("state.textContent.startsWith('connected')");
    page.evaluate("socket.send('!')");
    page.until("state.textContent.startsWith('closed')");
    assert_eq!(page.evaluate("state.textContent"), "closed: 1011 the guest failed");
    assert_eq!(page.evaluate("fields.disabled"), true);
    page.picture("websocket-closed.png");
}
