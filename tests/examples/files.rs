//! `hello`, `gzip`, `host_import` and `timeout`: the peer is a file, or gzip.

use std::fs;
use std::process::{Output, Stdio};

use crate::process::{example, failed, in_order, run, scratch, tool};

/// The text of a program, without what rustfmt changes.
fn words(text: &str) -> String {
    text.replace(",)", ")").split_whitespace().collect::<String>().replace(",)", ")")
}

#[test]
fn hello_is_the_program_of_the_readme() {
    let readme = include_str!("../../README.md");
    let (_, block) = readme.split_once("```rust\n").unwrap();
    let (block, _) = block.split_once("```\n").unwrap();
    let example = include_str!("../../examples/hello.rs");
    let (_, program) = example.split_once("\n\n").unwrap();
    assert_eq!(words(program), words(block));
}

#[test]
fn hello_prints_the_manifest_in_upper_case() {
    let output = run("hello", &[]);
    let manifest = include_str!("../../Cargo.toml");
    let report = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(report, format!("{} bytes, Finished\n", manifest.len()));
    assert_eq!(in_order(output), manifest.to_ascii_uppercase());
}

/// Numbered lines, which compress well but not to nothing.
fn lines() -> String {
    (0..100_000).map(|n| format!("line {n}\n")).collect()
}

/// Runs gzip on `input`, if it is installed.
fn gzip(arguments: &[&str], input: &str) -> Option<Output> {
    let mut gzip = tool("gzip")?;
    let output = gzip.args(arguments).stdin(fs::File::open(input).unwrap()).output();
    Some(output.unwrap())
}

#[test]
fn gzip_reads_what_the_example_wrote_and_the_example_what_gzip_wrote() {
    let (plain, packed, changed) = (scratch("plain"), scratch("packed.gz"), scratch("changed.gz"));
    fs::write(&plain, lines()).unwrap();
    let Some(gzipped) = gzip(&["-c"], &plain) else { return };
    // Two members, as of two files that were put together.
    fs::write(&packed, [&gzipped.stdout[..], &gzipped.stdout[..]].concat()).unwrap();

    let output = run("gzip", &[&packed]);
    assert!(output.status.success(), "{output:?}");
    fs::write(&changed, &output.stdout).unwrap();
    let unpacked = gzip(&["-dc"], &changed).unwrap();
    assert!(unpacked.status.success(), "{}", String::from_utf8_lossy(&unpacked.stderr));
    assert!(unpacked.stdout == lines().repeat(2).to_uppercase().as_bytes(), "other text");
}

#[test]
fn a_gzip_file_that_is_cut_short_makes_no_complete_one() {
    let (plain, cut, changed) = (scratch("to-cut"), scratch("cut.gz"), scratch("of-cut.gz"));
    fs::write(&plain, lines()).unwrap();
    let Some(gzipped) = gzip(&["-c"], &plain) else { return };
    fs::write(&cut, &gzipped.stdout[..gzipped.stdout.len() / 2]).unwrap();

    let output = run("gzip", &[&cut]);
    let message = failed(&output);
    assert!(message.contains("cannot read") && message.contains("end of file"), "{message}");
    fs::write(&changed, &output.stdout).unwrap();
    assert!(!gzip(&["-t"], &changed).unwrap().status.success());
    assert!(failed(&run("gzip", &["no-such-file.gz"])).contains("no-such-file.gz"));
}

#[test]
fn a_host_function_gives_a_file_and_another_one_takes_it() {
    let copy = scratch("numbered");
    let printed = in_order(run("host_import", &["LICENSE", &copy]));
    let license = include_str!("../../LICENSE");
    assert_eq!(printed, format!("{} lines copied\n", license.lines().count()));
    let numbered = license.lines().zip(1..).map(|(line, n)| format!("{n:>6}  {line}\n"));
    assert_eq!(fs::read_to_string(&copy).unwrap(), numbered.collect::<String>());
}

#[test]
fn a_guest_knows_which_host_function_failed_and_why() {
    let copy = scratch("failed");
    let message = failed(&run("host_import", &["no-such-file", &copy]));
    assert!(message.contains("no-such-file: No such file"), "{message}");
    // It opens, and the stream fails.
    let message = failed(&run("host_import", &[env!("CARGO_MANIFEST_DIR"), &copy]));
    assert!(message.contains("the stream failed"), "{message}");
    let message = failed(&run("host_import", &["LICENSE", "no-such-directory/file"]));
    assert!(message.contains("no-such-directory/file: No such file"), "{message}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_guest_knows_that_what_it_saved_did_not_reach_the_disk() {
    let message = failed(&run("host_import", &["LICENSE", "/dev/full"]));
    assert!(message.contains("/dev/full: ") && message.contains("No space left"), "{message}");
}

#[test]
fn a_stream_that_was_stopped_gives_back_its_file_with_all_that_the_guest_wrote() {
    let path = scratch("stopped");
    let printed = in_order(run("timeout", &[&path]));
    let file = fs::read_to_string(&path).unwrap();
    // Whole lines of the guest, and the host's own after them.
    let guests = file.strip_suffix("stopped by the host\n").expect(&file);
    assert!(guests.lines().count() > 1 && guests.ends_with("S\n"), "{file}");
    assert!(guests.lines().all(|line| line.starts_with("TICK AT ")), "{file}");
    let report = format!("{} bytes of the guest in {path}\n", guests.len());
    assert!(printed.starts_with("stopped after ") && printed.ends_with(&report), "{printed}");
}

#[test]
fn a_guest_in_c_does_the_same_as_the_one_in_text() {
    let input = scratch("for-c");
    fs::write(&input, lines()).unwrap();
    let output = run("pipe", &["--guest", "examples/guests/upper-c.wasm", &input]);
    assert!(in_order(output) == lines().to_uppercase(), "another text");
}

#[test]
fn an_example_says_how_it_is_called() {
    for name in ["gzip", "host_import", "timeout"] {
        let message = failed(&example(name).stdout(Stdio::null()).output().unwrap());
        assert!(message.contains(&format!("usage: {name} ")), "{message}");
    }
}
