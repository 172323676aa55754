//! The front page of the documentation names every adapter by its address, each module's page its own, README.md some.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::adapters::{addresses, handoff_addresses};

/// A row of a table "Which adapter?".
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    have: String,
    sees: String,
    names: Vec<String>,
    feature: String,
}

/// What stands between backquotes.
fn code(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

fn read(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

/// The rows of all tables of this kind.
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
    addresses().into_iter().chain(handoff_addresses()).collect()
}

/// The addresses that the rows name; what has no module is a method.
fn named(rows: &BTreeSet<Row>) -> BTreeSet<String> {
    let names = rows.iter().flat_map(|row| row.names.iter().cloned());
    names.filter(|name| name.contains("::")).collect()
}

#[test]
fn the_front_page_names_every_adapter_and_nothing_else() {
    assert_eq!(named(&table("docs/crate.md")), all_addresses());
}

#[test]
fn the_rows_of_the_readme_are_ten_of_the_front_page() {
    let (readme, page) = (table("README.md"), table("docs/crate.md"));
    let strays: Vec<_> = readme.difference(&page).collect();
    assert!(strays.is_empty(), "not on the front page: {strays:#?}");
    assert_eq!(readme.len(), 10);
}

#[test]
fn each_module_has_a_page_that_names_what_is_in_it() {
    let mut complaints = Vec::new();
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
        let docs: Vec<_> = text.lines().filter(|line| line.starts_with("//!")).collect();
        if !docs.iter().any(|line| line.contains(&format!("[`{function}`]"))) {
            complaints.push(format!("{page} does not name {function}"));
        }
        if docs.iter().filter(|line| line.starts_with("//! ```")).count() < 4 {
            complaints.push(format!("{page} has fewer than two examples"));
        }
    }
    complaints.dedup();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
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
fn the_readme_has_no_links_that_only_a_repository_can_follow() {
    let text = read("README.md");
    for link in text.split("](").skip(1) {
        let target = link.split(')').next().unwrap();
        assert!(target.starts_with("https://") || target.starts_with('#'), "{target}");
    }
}
