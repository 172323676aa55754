//! A page in headless Chromium, over its DevTools protocol on pipes: that takes neither a port nor a WebSocket.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::tools::one_of;

const PROGRAMS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];

/// The browser takes commands from its descriptor 3, and answers on 4.
const ON_PIPES: &str = r#"exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null 2>/dev/null"#;

/// Longer than anything here takes; only a failure waits for it.
const LONG: Duration = Duration::from_secs(120);

/// A page, in a browser of its own that ends with it.
pub struct Page {
    to_browser: ChildStdin,
    messages: Receiver<Value>,
    /// The page's, as soon as there is one.
    session: Value,
    last: u64,
    browser: Child,
    profile: PathBuf,
}

impl Drop for Page {
    fn drop(&mut self) {
        // In order, so that no process of the browser still writes its profile. It fails if the browser is gone.
        let close = json!({ "id": 0, "method": "Browser.close" });
        let _ = write!(self.to_browser, "{close}\0");
        while self.messages.recv_timeout(LONG).is_ok() {}
        let _ = self.browser.kill();
        let _ = self.browser.wait();
        let _ = fs::remove_dir_all(&self.profile);
    }
}

impl Page {
    /// Opens `url`; `None` where no browser is installed.
    pub fn open(url: &str) -> Option<Self> {
        let program = one_of(&PROGRAMS)?;
        let profile = tempfile::tempdir().unwrap().keep();
        let mut browser = std::process::Command::new("sh")
            .args(["-c", ON_PIPES])
            .arg(program.get_program())
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update"])
            .args(["--disable-sync", "--remote-debugging-pipe", "--window-size=800,600"])
            .arg(format!("--user-data-dir={}", profile.display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let to_browser = browser.stdin.take().unwrap();
        let from_browser = BufReader::new(browser.stdout.take().unwrap());
        let (send, messages) = channel();
        // It reads on when the test wants no more, so that the browser never waits for a reader.
        thread::spawn(move || {
            for message in from_browser.split(0).map_while(Result::ok) {
                let _ = send.send(serde_json::from_slice(&message).unwrap());
            }
        });
        let session = Value::Null;
        let mut page = Self { to_browser, messages, session, last: 0, browser, profile };
        let target = page.call("Target.createTarget", json!({ "url": "about:blank" }));
        let target = json!({ "targetId": target["targetId"], "flatten": true });
        page.session = page.call("Target.attachToTarget", target)["sessionId"].take();
        page.call("Page.enable", json!({}));
        page.call("Page.navigate", json!({ "url": url }));
        while page.message()["method"] != "Page.loadEventFired" {}
        Some(page)
    }

    fn message(&self) -> Value {
        self.messages.recv_timeout(LONG).expect("the browser should answer")
    }

    fn call(&mut self, method: &str, params: Value) -> Value {
        self.last += 1;
        let mut call = json!({ "id": self.last, "method": method, "params": params });
        if !self.session.is_null() {
            call["sessionId"] = self.session.clone();
        }
        write!(self.to_browser, "{call}\0").unwrap();
        loop {
            let mut message = self.message();
            if message["id"] == self.last {
                assert_eq!(message["error"], Value::Null, "{method}");
                return message["result"].take();
            }
        }
    }

    /// The value of an expression in the page; of a promise, what it resolves to.
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let params = json!({
            "expression": expression, "awaitPromise": true, "returnByValue": true,
        });
        let mut result = self.call("Runtime.evaluate", params);
        assert_eq!(result["exceptionDetails"], Value::Null, "{expression}");
        result["result"]["value"].take()
    }

    /// Waits until the page shows what makes the expression true. It is tried after each change of the page.
    pub fn until(&mut self, expression: &str) {
        self.evaluate(&format!(
            "new Promise(done => {{
                const look = () => {{ if ({expression}) done() }}
                const all = {{ childList: true, characterData: true, subtree: true }}
                new MutationObserver(look).observe(document, all)
                look()
            }})"
        ));
    }

    /// Writes a picture of the page, as a PNG, into the directory for temporary files of tests.
    pub fn picture(&mut self, name: &str) {
        let picture = self.call("Page.captureScreenshot", json!({}));
        let picture = BASE64_STANDARD.decode(picture["data"].as_str().unwrap()).unwrap();
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::write(&file, picture).unwrap();
        println!("a picture of the page is in {}", file.display());
    }

    /// Closes the page, as its user does. The browser goes on until this is dropped.
    pub fn close(&mut self) {
        self.call("Page.close", json!({}));
        self.session = Value::Null;
    }
}
