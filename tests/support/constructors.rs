//! The names of all public constructors, read from the sources, so that no table of adapters can leave one out.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Adds the public functions in `path` and below to `names`, with their module: `sockets::read`.
fn functions(path: &Path, module: &str, names: &mut BTreeSet<String>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            functions(&entry.unwrap().path(), module, names);
        }
        return;
    }
    for line in fs::read_to_string(path).unwrap().lines() {
        let function = line.strip_prefix("pub fn ").or_else(|| line.strip_prefix("pub async fn "));
        if let Some(name) = function.and_then(|function| function.split(['<', '(']).next()) {
            names.insert(format!("{module}::{name}"));
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The modules whose rows are tests of their own, in `tests/` under their name: only they need what these features bring.
pub const APART: [&str; 2] = ["nats", "quic"];

/// The modules of adapters: the folders in `adapters/` without the shared ones, and without `wasi`, most of whose functions
/// link interfaces: they are in `tests/wasi`.
fn modules() -> Vec<String> {
    let folders = fs::read_dir(root().join("adapters")).unwrap();
    let names = folders.map(|folder| folder.unwrap().file_name().into_string().unwrap());
    names
        .filter(|name| !APART.contains(&&**name))
        .filter(|name| !["shared", "layers", "handovers", "wasi"].contains(&&**name))
        .collect()
}

/// The public functions of the adapters and of `values`: `sockets::read`.
pub fn addresses() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for module in modules() {
        functions(&root().join("adapters").join(&module), &module, &mut names);
    }
    functions(&root().join("src/values"), "values", &mut names);
    assert!(names.len() > 10, "{names:?}");
    names
}

/// The public functions of one module of adapters.
#[allow(dead_code)] // only where a module is apart
pub fn addresses_of(module: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    functions(&root().join("adapters").join(module), module, &mut names);
    names
}

/// The public functions of the modules `from_guest`, `to_guest` and `relay`.
pub fn handoff_addresses() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    functions(&root().join("src/from_guest"), "from_guest", &mut names);
    functions(&root().join("src/to_guest"), "to_guest", &mut names);
    functions(&root().join("src/relay.rs"), "relay", &mut names);
    assert!(names.len() > 10, "{names:?}");
    names
}

/// The row names for `addresses`: `sockets_read`. `run` and `run_items` drive a whole call and have no row.
fn constructors(addresses: BTreeSet<String>) -> BTreeSet<String> {
    let runs = ["from_guest::run", "from_guest::run_items"];
    let addresses = addresses.into_iter().filter(|address| !runs.contains(&&**address));
    addresses.map(|address| address.replace("::", "_")).collect()
}

/// The row names for the adapters and for `future<T>`.
pub fn public_constructors() -> BTreeSet<String> {
    constructors(addresses())
}

/// The row names for the modules `from_guest`, `to_guest` and `relay`.
pub fn handoffs() -> BTreeSet<String> {
    constructors(handoff_addresses())
}

/// What is wrong with a table: constructors without a row, and rows without a constructor. A row is named after its
/// constructor; a suffix distinguishes rows of the same constructor.
pub fn mismatches(names: &BTreeSet<String>, rows: &BTreeSet<String>) -> Vec<String> {
    let missing = names.difference(rows).map(|name| format!("no row is named {name}"));
    let strays = rows.iter().filter(|row| {
        !names.iter().any(|name| *row == name || row.starts_with(&format!("{name}_")))
    });
    missing.chain(strays.map(|row| format!("no constructor is named like {row}"))).collect()
}
