//! The tables of README.md and of the documentation's front page name every constructor, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::adapters::public_constructors;

/// A row of the table "Which one do I want?".
#[derive(Debug, PartialEq, Eq)]
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

/// `.deliver_with` and `from_guest::reader()` are called `deliver_with` and `reader`; traits are no constructors.
fn name(code: &str) -> Option<String> {
    let path = code.trim_start_matches('.').split(['(', '<']).next()?;
    let name = path.rsplit("::").next()?;
    name.starts_with(|c: char| c.is_ascii_lowercase()).then(|| name.to_owned())
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn table(file: &str) -> Vec<Row> {
    let text = fs::read_to_string(root().join(file)).unwrap();
    let lines = text.lines().skip_while(|line| !line.starts_with("| I have …")).skip(2);
    let rows = lines.take_while(|line| line.starts_with('|')).map(|line| {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [have, sees, names, feature] = cells[..] else { panic!("{file}: {line}") };
        Row {
            have: have.to_owned(),
            sees: sees.to_owned(),
            names: code(names).filter_map(name).collect(),
            feature: feature.to_owned(),
        }
    });
    let rows: Vec<_> = rows.collect();
    assert!(rows.len() > 10, "{file} has no table");
    rows
}

/// The public functions and methods in `path` and below, each with the files that it stands in.
fn functions(path: PathBuf, all: &mut BTreeMap<String, Vec<PathBuf>>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            functions(entry.unwrap().path(), all);
        }
        return;
    }
    for line in fs::read_to_string(&path).unwrap().lines() {
        let line = line.trim_start();
        let function = line.strip_prefix("pub fn ").or_else(|| line.strip_prefix("pub async fn "));
        if let Some(name) = function.and_then(|function| function.split(['<', '(']).next()) {
            all.entry(name.to_owned()).or_default().push(path.clone());
        }
    }
}

fn all_functions() -> BTreeMap<String, Vec<PathBuf>> {
    let mut all = BTreeMap::new();
    functions(root().join("adapters"), &mut all);
    functions(root().join("src"), &mut all);
    all
}

#[test]
fn the_tables_of_the_readme_and_the_front_page_agree() {
    let (readme, page) = (table("README.md"), table("docs/crate.md"));
    for (readme, page) in readme.iter().zip(&page) {
        assert_eq!(readme, page, "README.md and docs/crate.md differ");
    }
    assert_eq!(readme.len(), page.len(), "README.md and docs/crate.md differ in length");
}

#[test]
fn every_constructor_is_named_in_the_tables() {
    let mut complaints = Vec::new();
    for file in ["README.md", "docs/crate.md"] {
        let named: BTreeSet<_> = table(file).into_iter().flat_map(|row| row.names).collect();
        let missing: Vec<_> = public_constructors().difference(&named).cloned().collect();
        if !missing.is_empty() {
            complaints.push(format!("the table of {file} does not name: {}", missing.join(", ")));
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn all_that_the_tables_name_exists() {
    let functions = all_functions();
    for file in ["README.md", "docs/crate.md"] {
        let rows = table(file);
        let names = rows.iter().flat_map(|row| &row.names);
        let strays: Vec<_> = names.filter(|name| !functions.contains_key(*name)).collect();
        assert!(strays.is_empty(), "the table of {file} names what does not exist: {strays:?}");
    }
}

#[test]
fn the_features_in_the_tables_exist() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let features = manifest.split("[features]").nth(1).unwrap().split("\n[").next().unwrap();
    let features: BTreeSet<_> =
        features.lines().filter_map(|line| Some(line.split_once(" = [")?.0)).collect();
    for row in table("README.md") {
        for feature in code(&row.feature) {
            assert!(features.contains(feature), "{row:?}: there is no feature {feature}");
        }
    }
}

#[test]
fn the_links_of_the_readme_lead_to_the_constructors() {
    let functions = all_functions();
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    for line in text.lines().filter(|line| line.starts_with("| ")) {
        // [`one`, `two`](path)
        for link in line.split("[`").skip(1) {
            let (names, target) = link.split_once("](").unwrap();
            let path = root().join(target.split(')').next().unwrap());
            assert!(path.exists(), "README.md: no {}", path.display());
            for name in code(&format!("`{names}")).filter_map(name) {
                let files = functions.get(&name).map(Vec::as_slice).unwrap_or_default();
                assert!(files.contains(&path), "README.md: {name} is not in {}", path.display());
            }
        }
    }
}
