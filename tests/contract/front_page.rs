//! Every adapter is named on the front page, with its address, and on its module's page. README.md names some of them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::adapters::{APART, addresses, addresses_of, handoff_addresses};

/// A row of a table with adapters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    have: String,
    sees: String,
    names: Vec<String>,
    feature: String,
}

/// The parts of a cell between backquotes.
fn code(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

fn read(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

/// The rows of all tables of adapters in `file`.
fn table(file: &str) -> BTreeSet<Row> {
    let text = read(file);
    let mut rows = BTreeSet::new();
    let mut inside = false;
    for line in text.lines() {
        inside = line.starts_with("| I have …") || inside && line.starts_with('|');
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        if let ([have, sees, names, feature], true) = (&cells[..], inside)
            && have.len() > 3
            && !have.starts_with("I have")
        {
            let names = code(names).map(str::to_owned).collect();
            let [have, sees, feature] = [have, sees, feature].map(|cell| (*cell).to_owned());
            rows.insert(Row { have, sees, names, feature });
        }
    }
    assert!(rows.len() >= 10, "{file} has no table");
    rows
}

fn all_addresses() -> BTreeSet<String> {
    let apart = APART.iter().flat_map(|module| addresses_of(module));
    addresses().into_iter().chain(handoff_addresses()).chain(apart).collect()
}

/// The addresses in the rows. What has no module is a method.
fn named(rows: &BTreeSet<Row>) -> BTreeSet<String> {
    let names = rows.iter().flat_map(|row| row.names.iter().cloned());
    names.filter(|name| name.contains("::")).collect()
}

/// What the module `wasi` exports and a host begins with: not the error codes, and not one of the three standard streams.
fn wasi_addresses() -> BTreeSet<String> {
    let text = read("adapters/wasi/mod.rs");
    let exports = text.split("pub use self::").skip(1).map(|part| part.split(';').next().unwrap());
    let names = exports.flat_map(|part| part.split(|c: char| !(c.is_alphanumeric() || c == '_')));
    let function = |name: &&str| name.starts_with(|c: char| c.is_lowercase());
    // A path's first part is a module: it has a function's name where it is one.
    let all: BTreeSet<_> = names.filter(function).collect();
    let secondary = |name: &str| name.ends_with("_end") || name.starts_with("process_");
    all.into_iter().filter(|name| !secondary(name)).map(|name| format!("wasi::{name}")).collect()
}

#[test]
fn the_front_page_names_exactly_the_adapters() {
    let (wasi, named): (BTreeSet<_>, BTreeSet<_>) =
        named(&table("docs/crate.md")).into_iter().partition(|name| name.starts_with("wasi::"));
    assert_eq!(named, all_addresses());
    // Types are named beside the functions.
    let wasi = wasi.into_iter().filter(|name| !name.contains(char::is_uppercase)).collect();
    assert_eq!(wasi_addresses(), wasi);
}

#[test]
fn the_readme_has_rows_of_the_front_page() {
    let (readme, page) = (table("README.md"), table("docs/crate.md"));
    let unknown: Vec<_> = readme.difference(&page).collect();
    assert!(unknown.is_empty(), "not on the front page: {unknown:#?}");
    assert_eq!(readme.len(), 12);
}

#[test]
fn each_module_page_names_its_functions() {
    let mut problems = Vec::new();
    for address in all_addresses() {
        let (module, function) = address.split_once("::").unwrap();
        let pages = [
            format!("adapters/{module}/mod.rs"),
            format!("src/{module}/mod.rs"),
            format!("src/{module}.rs"),
        ];
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let page = pages.iter().find(|page| root.join(page).exists()).unwrap();
        let text = read(page);
        // Also what is documented only with a feature.
        let docs = text.split("\nmod ").next().unwrap();
        if !docs.contains(&format!("[`{function}`]")) {
            problems.push(format!("{page} does not name {function}"));
        }
        if docs.lines().filter(|line| line.starts_with("//! ```")).count() < 4 {
            problems.push(format!("{page} has fewer than two examples"));
        }
    }
    problems.dedup();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn the_features_in_the_tables_exist() {
    let manifest = read("Cargo.toml");
    let features = manifest.split("[features]").nth(1).unwrap().split("\n[").next().unwrap();
    let features: BTreeSet<_> =
        features.lines().filter_map(|line| Some(line.split_once(" = [")?.0)).collect();
    for row in table("docs/crate.md") {
        for feature in code(&row.feature) {
            assert!(features.contains(feature), "{row:?}: there is no feature {feature}");
        }
    }
}

#[test]
fn the_readme_has_no_relative_links() {
    let text = read("README.md");
    for link in text.split("](").skip(1) {
        let target = link.split(')').next().unwrap();
        assert!(target.starts_with("https://") || target.starts_with('#'), "{target}");
    }
}
