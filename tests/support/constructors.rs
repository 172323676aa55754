//! The names of all public constructors, read from the sources: no table of adapters can leave one out.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The names of the public functions in `path` and below, each with `prefix` before it.
fn functions(path: &Path, prefix: &str, names: &mut BTreeSet<String>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            functions(&entry.unwrap().path(), prefix, names);
        }
        return;
    }
    for line in fs::read_to_string(path).unwrap().lines() {
        if let Some(name) = line.strip_prefix("pub fn ") {
            names.insert(format!("{prefix}{}", name.split(['<', '(']).next().unwrap()));
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Those of the adapters, and of `future<T>`.
pub fn public_constructors() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    functions(&root().join("adapters"), "", &mut names);
    functions(&root().join("src/value.rs"), "", &mut names);
    assert!(names.len() > 10, "{names:?}");
    names
}

/// Those of the modules `lift`, `lower` and `relay`, with the name of the module before them.
pub fn handoffs() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    functions(&root().join("src/lift"), "lift_", &mut names);
    functions(&root().join("src/lower"), "lower_", &mut names);
    functions(&root().join("src/relay.rs"), "relay_", &mut names);
    assert!(names.len() > 10, "{names:?}");
    names
}

/// What is wrong with a table whose rows are named after the constructors; what follows a name tells rows of the same
/// constructor apart.
pub fn complaints(names: &BTreeSet<String>, rows: &BTreeSet<String>) -> Vec<String> {
    let missing = names.difference(rows).map(|name| format!("no row is named {name}"));
    let strays = rows.iter().filter(|row| {
        !names.iter().any(|name| *row == name || row.starts_with(&format!("{name}_")))
    });
    missing.chain(strays.map(|row| format!("no constructor is named like {row}"))).collect()
}
