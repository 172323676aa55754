//! A terminal as standard input and output, made by `script` of util-linux.
#![cfg(target_os = "linux")]

use std::fs;
use std::io;
use std::process::Stdio;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::process::{Child, ChildStdin, Command};
use tokio::task::spawn_blocking;

use crate::process::{Scratch, example, within};

/// A shell command that runs in a terminal. `"$0"` stands for the example.
struct Terminal {
    child: Child,
    keys: ChildStdin,
}

impl Terminal {
    fn start(line: &str, argument: &str) -> Self {
        let command = format!("exec sh -c '{line}' '{}' '{argument}'", example().display());
        let mut child = Command::new("script")
            .args(["-qec", &command, "/dev/null"])
            .env("SHELL", "/bin/sh")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("`script` of util-linux does not start");
        Self { keys: child.stdin.take().unwrap(), child }
    }

    /// Everything that the terminal shows until the command ends.
    async fn shown(mut self) -> String {
        let mut shown = Vec::new();
        within(self.child.stdout.take().unwrap().read_to_end(&mut shown)).await.unwrap();
        within(self.child.wait()).await.unwrap();
        String::from_utf8(shown).unwrap()
    }
}

#[tokio::test]
async fn a_terminal_is_read_to_its_end_and_written() {
    let mut terminal = Terminal::start(r#""$0"; echo status $?"#, "");
    // A line, and Ctrl-D.
    terminal.keys.write_all(b"hello\n\x04").await.unwrap();
    let shown = terminal.shown().await;
    for words in ["HELLO", "in 6 bytes, out 6 bytes", "status 0"] {
        assert!(shown.contains(words), "{shown:?}");
    }
}

#[tokio::test]
async fn a_terminal_that_was_stopped_and_resumed_gets_every_byte() {
    const SENT: usize = 1_000_000;
    let scratch = Scratch::new("stopped");
    let from = scratch.fifo("from");
    // The example starts when a line is typed. The terminal has been stopped by then.
    let line = r#"stty -opost; read line; "$0" "$1"; echo status $?"#;
    let mut terminal = Terminal::start(line, &from);
    terminal.keys.write_all(b"\x13\n").await.unwrap();
    let file = within(spawn_blocking(|| fs::OpenOptions::new().write(true).open(from)));
    let mut source = pipe::Sender::from_file(file.await.unwrap().unwrap()).unwrap();

    // Until the example takes no more.
    let (data, mut sent) = (vec![b'a'; SENT], 0);
    source.writable().await.unwrap();
    loop {
        match source.try_write(&data[sent..]) {
            Ok(written) => sent += written,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => panic!("{error}"),
        }
    }
    terminal.keys.write_all(b"\x11").await.unwrap();
    let rest = tokio::spawn(async move { source.write_all(&data[sent..]).await });
    let shown = terminal.shown().await;
    rest.await.unwrap().unwrap();
    assert_eq!(shown.matches('A').count(), SENT);
    assert!(shown.contains("out 1000000 bytes") && shown.contains("status 0"));
}

#[tokio::test]
async fn a_background_process_that_reads_the_terminal_gives_status_1_and_keeps_the_file() {
    let scratch = Scratch::new("background");
    let to = scratch.file("to", "old");
    // In the background. `SIGTTIN` is ignored, so that a read fails instead of stopping the process.
    let line = r#"set -m; (trap "" TTIN; exec "$0" - "$1") & wait $!; echo status $?"#;
    let shown = Terminal::start(line, &to).shown().await;
    for words in ["input -: Input/output error", "after 0 bytes", "status 1"] {
        assert!(shown.contains(words), "{shown:?}");
    }
    assert_eq!(fs::read(&to).unwrap(), b"old");
}

#[tokio::test]
async fn a_terminal_that_hangs_up_gives_status_1() {
    let scratch = Scratch::new("hung-up");
    let status_file = scratch.path("status_file");
    // Ignores the signals that would otherwise end it first.
    let line =
        r#"trap "" HUP TERM; "$0" /dev/zero 2>&- ; echo status $? >"$1.new"; mv "$1.new" "$1""#;
    let mut terminal = Terminal::start(line, &status_file);
    let mut stdout = terminal.child.stdout.take().unwrap();
    within(stdout.read_exact(&mut [0; 100])).await.unwrap();
    terminal.child.start_kill().unwrap();
    within(terminal.child.wait()).await.unwrap();
    // The process is no child of the test any more. Only the file shows its status.
    let status = within(async {
        loop {
            match fs::read_to_string(&status_file) {
                Ok(status) => break status,
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
            }
        }
    });
    assert_eq!(status.await, "status 1\n");
}
