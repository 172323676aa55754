//! Programs that are not part of this package, for the tests whose peers they are.

use std::io::Write as _;
use std::process::Command;
use std::thread;

/// The first of these programs that is installed. `None` if there is none, which is said in one line; with `CI=true` it
/// fails the test.
pub fn one_of(names: &[&str]) -> Option<Command> {
    let is_installed = |name: &&str| Command::new(name).arg("--version").output().is_ok();
    let found = names.iter().copied().find(is_installed);
    if found.is_none() {
        let test = thread::current().name().unwrap_or_default().to_owned();
        let missing = format!("{test} DID NOT RUN: {} is not installed", names[0]);
        assert!(!std::env::var("CI").is_ok_and(|ci| ci == "true"), "{missing}");
        // Not by `eprintln!`, which the test harness captures.
        let mut stderr = std::io::stderr();
        writeln!(stderr, "{missing}").unwrap();
    }
    found.map(Command::new)
}
