//! A page in headless Chromium, over its DevTools protocol.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Message, protocol::WebSocketConfig};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

const PROGRAMS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];

pub(crate) struct Page {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    session: Value,
    last: u64,
    child: Child,
    _profile: TempDir,
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Page {
    /// Opens `url` in a browser of its own; `None`, which is an error with `CI=true`, where none is installed.
    pub(crate) async fn open(url: &str) -> Option<Self> {
        let profile = TempDir::new().unwrap();
        let Some(mut child) = PROGRAMS.iter().find_map(|program| start(program, profile.path()))
        else {
            let missing = "not run: no Chromium is installed (`apt-get install chromium`)";
            assert!(!std::env::var("CI").is_ok_and(|ci| ci == "true"), "{missing}");
            println!("{missing}");
            return None;
        };
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let endpoint = lines.find_map(|line| {
            line.unwrap().strip_prefix("DevTools listening on ").map(str::to_owned)
        });
        // Reads on, so that the browser never blocks on its stderr.
        std::thread::spawn(move || lines.count());
        // A picture is one message.
        let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        let endpoint = endpoint.expect("the browser should start");
        let (socket, _) = connect_async_with_config(endpoint, Some(config), false).await.unwrap();
        let mut page = Self { socket, session: Value::Null, last: 0, child, _profile: profile };
        let target = page.call("Target.createTarget", json!({ "url": "about:blank" })).await;
        let target = json!({ "targetId": target["targetId"], "flatten": true });
        page.session = page.call("Target.attachToTarget", target).await["sessionId"].take();
        page.call("Page.enable", json!({})).await;
        page.call("Page.navigate", json!({ "url": url })).await;
        while page.message().await["method"] != "Page.loadEventFired" {}
        Some(page)
    }

    async fn message(&mut self) -> Value {
        let message = self.socket.next().await.expect("the browser closed").unwrap();
        serde_json::from_str(message.to_text().unwrap()).unwrap()
    }

    async fn call(&mut self, method: &str, params: Value) -> Value {
        self.last += 1;
        let mut call = json!({ "id": self.last, "method": method, "params": params });
        if !self.session.is_null() {
            call["sessionId"] = self.session.clone();
        }
        self.socket.send(Message::text(call.to_string())).await.unwrap();
        loop {
            let mut message = self.message().await;
            if message["id"] == self.last {
                assert_eq!(message["error"], Value::Null, "{method}");
                return message["result"].take();
            }
        }
    }

    /// The value of an expression in the page; of a promise, what it resolves to.
    pub(crate) async fn evaluate(&mut self, expression: &str) -> Value {
        let params = json!({
            "expression": expression, "awaitPromise": true, "returnByValue": true,
        });
        let mut result = self.call("Runtime.evaluate", params).await;
        assert_eq!(result["exceptionDetails"], Value::Null, "{expression}");
        result["result"]["value"].take()
    }

    /// Waits until `selector` has `count` lines; returns them.
    pub(crate) async fn lines(&mut self, selector: &str, count: usize) -> Vec<String> {
        let lines = self
            .evaluate(&format!(
                "new Promise(done => {{
                    const list = document.querySelector({selector:?})
                    const look = () => {{
                        if (list.children.length >= {count})
                            done([...list.children].map(line => line.textContent))
                    }}
                    new MutationObserver(look).observe(list, {{ childList: true }})
                    look()
                }})"
            ))
            .await;
        serde_json::from_value(lines).unwrap()
    }

    /// Writes a picture of the page, as a PNG.
    pub(crate) async fn picture(&mut self, file: &Path) {
        let picture = self.call("Page.captureScreenshot", json!({})).await;
        let picture = BASE64_STANDARD.decode(picture["data"].as_str().unwrap()).unwrap();
        std::fs::write(file, picture).unwrap();
    }
}

fn start(program: &str, profile: &Path) -> Option<Child> {
    Command::new(program)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--remote-debugging-port=0", "--window-size=800,600"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .ok()
}
