//! Runs the example as two processes.

use std::env::temp_dir;
use std::fs;
use std::io::{BufRead as _, BufReader, Lines, Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};

/// A process, killed at the end of the test.
struct Machine {
    child: Child,
    stderr: Lines<BufReader<ChildStderr>>,
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Machine {
    fn start(mode: &str, address: &str, certificate: &PathBuf) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quic"));
        command.args([mode, address]).arg(certificate);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, stderr }
    }

    /// The rest of what it wrote to stderr, once it has ended.
    fn end(&mut self) -> (bool, String) {
        let text: Vec<_> = self.stderr.by_ref().map(Result::unwrap).collect();
        (self.child.wait().unwrap().success(), text.join("\n"))
    }
}

/// A listener and a sender with a connection, over which `first` has gone and arrived in capitals and rotated.
fn machines(test: &str, first: &str, arrives: &str) -> (Machine, Machine) {
    let certificate = temp_dir().join(format!("quic-{test}-{}.der", std::process::id()));
    let mut listener = Machine::start("listen", "127.0.0.1:0", &certificate);
    let line = listener.stderr.next().unwrap().unwrap();
    let address = line.strip_prefix("listening on ").expect(&line);
    let mut sender = Machine::start("send", address, &certificate);
    sender.child.stdin.as_mut().unwrap().write_all(first.as_bytes()).unwrap();
    let mut came = vec![0; arrives.len()];
    listener.child.stdout.as_mut().unwrap().read_exact(&mut came).unwrap();
    fs::remove_file(certificate).unwrap();
    assert_eq!(String::from_utf8(came).unwrap(), arrives);
    (listener, sender)
}

#[test]
fn the_bytes_go_through_both_guests() {
    let (mut listener, mut sender) = machines("bytes", "Hello, ", "URYYB, ");
    let mut stdin = sender.child.stdin.take().unwrap();
    let text = "and more, ".repeat(100_000);
    let writes = std::thread::spawn(move || stdin.write_all(text.as_bytes()).unwrap());
    let mut came = String::new();
    listener.child.stdout.take().unwrap().read_to_string(&mut came).unwrap();
    writes.join().unwrap();
    assert!(came == "NAQ ZBER, ".repeat(100_000));
    assert_eq!(sender.end(), (true, "1000007 bytes sent".to_owned()));
    assert_eq!(listener.end(), (true, "1000007 bytes received, Finished".to_owned()));
}

#[test]
fn a_sender_that_is_killed_is_a_cut_at_the_listener() {
    let (mut listener, mut sender) = machines("sender", "Hello", "URYYB");
    sender.child.kill().unwrap();
    let (success, text) = listener.end();
    assert!(!success, "{text}");
    assert!(text.contains("5 bytes received, Failed(ConnectionLost(TimedOut))"), "{text}");
}

#[test]
fn a_listener_that_is_killed_is_a_cut_at_the_sender() {
    let (mut listener, mut sender) = machines("listener", "Hello", "URYYB");
    listener.child.kill().unwrap();
    // Its input goes on, so it does not end by that.
    let (success, text) = sender.end();
    assert!(!success, "{text}");
    assert!(!text.contains("bytes sent"), "{text}");
}

#[test]
fn a_listener_whose_output_is_closed_stops_the_sender() {
    let (mut listener, mut sender) = machines("output", "Hello", "URYYB");
    drop(listener.child.stdout.take());
    sender.child.stdin.as_mut().unwrap().write_all(b"more").unwrap();
    let (success, text) = sender.end();
    assert!(!success, "{text}");
    assert!(text.contains("the receiver of the stream was dropped"), "{text}");
    assert!(!listener.end().0);
}
