//! The page "How streams end" shows exactly the tables of this matrix.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::adapters::{self, AtCut, AtEnd, Feeder, Leaves, Row, Sight};
use crate::constructors::{addresses, handoff_addresses};
use crate::{table, values};

fn page() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ends.md")).unwrap()
}

/// The rows of the `n`th table whose first column has this heading.
fn rows(heading: &str, n: usize) -> Vec<Vec<String>> {
    let page = page();
    let mut lines = page.lines();
    let first = format!("| {heading} |");
    for _ in 0..=n {
        assert!(lines.by_ref().any(|line| line.starts_with(&first)), "no table {n} of {heading}");
    }
    let cells =
        |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    lines.skip(1).take_while(|line| line.starts_with('|')).map(cells).collect()
}

fn endings(ends: &[table::Ending]) -> Vec<Vec<String>> {
    ends.iter().map(table::Ending::cells).collect()
}

#[test]
fn the_page_shows_what_ends_a_stream() {
    assert_eq!(rows("what ends it", 0), endings(table::SOURCES));
    assert_eq!(rows("what ends it", 1), endings(table::SINKS));
}

/// What the page calls a row: an address, with a variant where a constructor has several rows.
fn label(name: &str) -> String {
    let addresses = addresses().into_iter().chain(handoff_addresses());
    let bases = addresses.map(|address| (address.replace("::", "_"), address));
    let is_base = |base: &str| name == base || name.starts_with(&format!("{base}_"));
    let (base, address) =
        bases.filter(|(base, _)| is_base(base)).max_by_key(|(base, _)| base.len()).unwrap();
    match name[base.len()..].strip_prefix('_') {
        Some(variant) => format!("{address} ({variant})"),
        None => address,
    }
}

/// The labels that a cell lists: [`one`], [`two`] (variant).
fn labels(cell: &str) -> Vec<String> {
    let one = |item: &str| {
        let (path, variant) = item.strip_prefix("[`").unwrap().split_once("`]").unwrap();
        format!("{path}{variant}")
    };
    cell.split(", ").map(one).collect()
}

/// The columns `facts` of a table, by label. The columns `prose` only must not be empty.
fn shown(heading: &str, facts: &[usize], prose: &[usize]) -> BTreeMap<String, Vec<String>> {
    let mut shown = BTreeMap::new();
    for row in rows(heading, 0) {
        for column in prose {
            assert!(row[*column].len() > 3, "{row:?}");
        }
        let expected: Vec<_> = facts.iter().map(|column| row[*column].clone()).collect();
        for label in labels(&row[0]) {
            assert!(
                shown.insert(label.clone(), expected.clone()).is_none(),
                "{label} is listed twice"
            );
        }
    }
    shown
}

/// The rows of the matrix, by label. A variant that equals the row of its constructor need not be on the page.
fn expected(rows: &[Row]) -> BTreeMap<String, Vec<String>> {
    let all: BTreeMap<_, _> = rows.iter().map(|row| (label(row.name), facts(row))).collect();
    let same = |label: &String, facts: &Vec<String>| {
        let base = label.split_once(" (").and_then(|(base, _)| all.get(base));
        base == Some(facts)
    };
    all.iter()
        .filter(|(label, facts)| !same(label, facts))
        .map(|(l, f)| (l.clone(), f.clone()))
        .collect()
}

fn facts(row: &Row) -> Vec<String> {
    let leaves = match row.leaves {
        Leaves::Is(reason) => format!("`{reason:?}`"),
        Leaves::Unnoticed => "none: the stream goes on".to_owned(),
        Leaves::Nobody => "—".to_owned(),
    };
    let (at_end, at_cut) = match row.sight {
        Sight::Source(feeder) => {
            let sees = match feeder {
                Feeder::AtOnce => "at once",
                Feeder::WhenDropped => "once the object is dropped",
                Feeder::Never => "never",
                Feeder::Nobody => "—",
            };
            return vec![leaves, sees.to_owned()];
        }
        Sight::Sink(at_end, at_cut) => (at_end, at_cut),
    };
    let at_end = match at_end {
        AtEnd::Closed => "the end, as it is closed",
        AtEnd::OnceDropped => "the end, once it is dropped",
        AtEnd::Told => "the end, at once",
        AtEnd::Nothing => "nothing",
        AtEnd::Nobody => "—",
    };
    let (at_cut, is_told) = match at_cut {
        AtCut::TellsWhy => ("the cut and its reason, at once", true),
        AtCut::LooksLikeTheEnd => ("the end, once it is dropped", false),
        AtCut::Nothing => ("nothing", false),
        AtCut::Nobody => ("—", true),
    };
    let instead = if is_told { "—" } else { "something else" };
    vec![at_end.to_owned(), at_cut.to_owned(), leaves, instead.to_owned()]
}

#[test]
fn the_page_shows_what_the_feeder_of_a_source_sees() {
    assert_eq!(shown("source", &[2, 3], &[1]), expected(adapters::SOURCES));
}

#[test]
fn the_page_shows_what_the_receiver_of_a_sink_sees_and_the_alternatives() {
    let mut shown = shown("sink", &[2, 3, 4, 5], &[1]);
    for instead in shown.values_mut().filter_map(|facts| facts.last_mut()) {
        if instead.len() > 3 {
            *instead = "something else".to_owned();
        }
    }
    assert_eq!(shown, expected(adapters::SINKS));
}

#[test]
fn the_page_shows_how_a_future_without_a_value_ends() {
    let source = |row: &values::Source| (label(row.name), vec![row.lacks.text().to_owned()]);
    let sources: BTreeMap<_, _> = values::SOURCES.iter().map(source).collect();
    assert_eq!(shown("future", &[2], &[1]), sources);
    let sink = |row: &values::Sink| (label(row.name), vec![row.lacks.to_owned()]);
    let sinks: BTreeMap<_, _> = values::SINKS.iter().map(sink).collect();
    assert_eq!(shown("receiver", &[1], &[]), sinks);
}

#[test]
fn the_links_of_the_page_lead_where_their_names_say() {
    // rustdoc checks that they lead somewhere.
    let page = page();
    let mut links = BTreeSet::new();
    for line in page.lines().filter(|line| line.starts_with("[`")) {
        let Some((name, target)) = line[2..].split_once("`]: ") else { continue };
        assert_eq!(target, format!("crate::{name}()"));
        links.insert(name.to_owned());
    }
    let tables = ["source", "sink", "future", "receiver"].map(|heading| rows(heading, 0));
    let labels = tables.iter().flatten().flat_map(|row| labels(&row[0]));
    let names: BTreeSet<_> =
        labels.map(|label| label.split(" (").next().unwrap().to_owned()).collect();
    assert_eq!(links, names);
}
