//! `check_your_own` and `relay`: the peers are files and pipes.

use std::fs;

use crate::process::{failed, in_order, run, scratch};

#[test]
fn the_kit_finds_the_mistake_and_nothing_without_it() {
    let printed = in_order(run("check_your_own", &[]));
    let (with, without) = printed.split_once("Without it:").expect(&printed);
    assert!(with.contains("broken rule: Cancellation keeps the stream"), "{with}");
    assert!(with.contains("the guest cancels: Dropped(0)"), "{with}");
    assert!(without.ends_with(": nothing was found\n"), "{without}");
    let (scripts, _) = without.trim().split_once(" scripts, ").expect(without);
    assert!(scripts.parse::<u32>().unwrap() > 100, "{without}");
}

/// Lines with letters of both cases, and bytes that are no letters.
fn text() -> String {
    (0..50_000).map(|n| format!("Line {n}: The quick brown fox, THE LAZY DOG. äöü\n")).collect()
}

fn rot13(text: &str) -> Vec<u8> {
    let rotate = |byte| match byte {
        b'A'..=b'M' | b'a'..=b'm' => byte + 13,
        b'N'..=b'Z' | b'n'..=b'z' => byte - 13,
        _ => byte,
    };
    text.bytes().map(rotate).collect()
}

#[test]
fn a_file_goes_through_two_guests_in_two_stores() {
    let (path, text) = (scratch("relayed"), text());
    fs::write(&path, &text).unwrap();
    let output = run("relay", &[&path]);
    let report = String::from_utf8_lossy(&output.stderr);
    let through = format!("{0} bytes in, the stream ended; {0} out, the stream ended", text.len());
    assert_eq!(report, format!("first guest: {through}\nsecond guest: {through}\n"));
    assert!(output.status.success() && output.stdout == rot13(&text.to_ascii_uppercase()));
}

/// A guest that traps at its third read.
fn trapping(name: &str, guest: &str) -> String {
    let global = "(global $ended (mut i32) (i32.const 0))";
    let work = "(call $transform-buffer (global.get $end))";
    assert!(guest.contains(global) && guest.contains(work));
    let guest = guest
        .replace(global, &format!("{global} (global $reads (mut i32) (i32.const 0))"))
        .replace(
            work,
            &format!(
                "(global.set $reads (i32.add (global.get $reads) (i32.const 1)))
                (if (i32.gt_u (global.get $reads) (i32.const 2)) (then unreachable)) {work}"
            ),
        );
    let file = scratch(name);
    fs::write(&file, guest).unwrap();
    file
}

#[test]
fn if_one_of_two_guests_traps_all_streams_end_with_a_reason_and_the_whole_fails() {
    // Rule "Truncated is never complete".
    let (path, text) = (scratch("cut"), text());
    fs::write(&path, &text).unwrap();
    let upper = "examples/guests/upper.wat";
    let traps = trapping("traps.wat", include_str!("../../examples/guests/upper.wat"));
    for (which, first, second) in [("first", &*traps, upper), ("second", upper, &*traps)] {
        let output = run("relay", &[&path, first, second]);
        let message = failed(&output);
        assert!(message.contains(&format!("the {which} guest trapped")), "{message}");
        // The guest that did not trap may end its own output in order. What passed between them is cut on both sides.
        let whole = format!("{} bytes in, the stream ended;", text.len());
        assert!(!message.contains(&whole), "{message}");
        assert_eq!(message.lines().filter(|line| line.contains("guest: ")).count(), 2, "{message}");
        assert!(text.to_ascii_uppercase().as_bytes().starts_with(&output.stdout));
        assert!(output.stdout.len() < text.len(), "{message}");
    }
}

#[test]
fn a_relay_that_cannot_begin_says_why() {
    let message = failed(&run("relay", &["no-such-file"]));
    assert!(message.starts_with("Error: cannot open no-such-file\n"), "{message}");
    assert!(message.contains("No such file or directory"), "{message}");
    let output = run("relay", &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(failed(&output).contains("usage: relay "));
}
