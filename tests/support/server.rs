//! A server of an example, as a process.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// Longer than anything here takes; only a failure waits for it.
const LONG: Duration = Duration::from_secs(120);

/// The server, killed at the end of the test.
pub struct Server {
    child: Child,
    pub address: String,
    log: mpsc::Receiver<String>,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// Runs the program on a free port, with another guest than its own if there is one.
    pub fn start(program: &str, guest: Option<&Path>) -> Self {
        let mut child = Command::new(program)
            .arg("127.0.0.1:0")
            .args(guest)
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (send, log) = mpsc::channel();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        std::thread::spawn(move || lines.for_each(|line| drop(send.send(line.unwrap()))));
        let mut server = Self { child, address: String::new(), log };
        server.address = server.logged("listening on ");
        server
    }

    /// Runs it with a guest in which `new` stands for `old`.
    pub fn with_changed(program: &str, guest: &str, old: &str, new: &str) -> Self {
        assert!(guest.contains(old));
        let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("changed.wat");
        std::fs::write(&file, guest.replace(old, new)).unwrap();
        Self::start(program, Some(&file))
    }

    /// The rest of the next line that begins with `start`.
    pub fn logged(&self, start: &str) -> String {
        loop {
            let line = self.log.recv_timeout(LONG).expect(start);
            if let Some(rest) = line.strip_prefix(start) {
                return rest.to_owned();
            }
        }
    }
}
