//! `wasi_command`: the peers are files and pipes.

use std::io::Write as _;
use std::process::{Output, Stdio};
use std::thread;

use crate::process::{example, failed, in_order, run};

const CAT: &str = "tests/wasi/guests/cat.wasm";

/// Runs a command of WASI with this on its standard input.
fn with_input(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = example("wasi_command").args(arguments).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input).unwrap());
        child.wait_with_output().unwrap()
    })
}

#[test]
fn a_command_of_wasi_has_the_standard_streams_and_the_directory_of_the_process() {
    let input = vec![b'x'; 3_000_000];
    let output = with_input(&[CAT], &input);
    assert!(output.stdout == input, "{} bytes", output.stdout.len());
    let report = String::from_utf8(output.stderr).unwrap();
    assert!(report.lines().any(|line| line == "read: 3000000 bytes, dropped, ok"), "{report}");
    assert!(output.status.success());
    let copied = in_order(run("wasi_command", &[CAT, "README.md"]));
    assert_eq!(copied, include_str!("../../README.md"));
}

#[test]
fn the_status_of_a_command_of_wasi_is_that_of_the_process() {
    let output = run("wasi_command", &[CAT, "no-such-file"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(failed(&output).contains("no-entry"), "{output:?}");
    let output = run("wasi_command", &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(failed(&output).contains("usage: wasi_command "));
}
