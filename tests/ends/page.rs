//! The page "How streams end" shows exactly the tables of this matrix.

use std::collections::{BTreeMap, BTreeSet};

use crate::constructors::{APART, addresses, handoff_addresses};
use crate::shown::{self, label, labels, page, rows};
use crate::{adapters, table, values};

fn endings(ends: &[table::Ending]) -> Vec<Vec<String>> {
    ends.iter().map(table::Ending::cells).collect()
}

#[test]
fn the_page_shows_what_ends_a_stream() {
    assert_eq!(rows("what ends it", 0), endings(table::SOURCES));
    assert_eq!(rows("what ends it", 1), endings(table::SINKS));
}

/// What has its rows here.
fn all() -> BTreeSet<String> {
    addresses().into_iter().chain(handoff_addresses()).collect()
}

/// Without what has its rows elsewhere, or only on Unix.
fn here(mut shown: BTreeMap<String, Vec<String>>) -> BTreeMap<String, Vec<String>> {
    shown.retain(|label, _| !APART.iter().any(|module| label.starts_with(&format!("{module}::"))));
    if cfg!(not(unix)) {
        shown.retain(|label, _| !label.ends_with("(unix)") && !label.ends_with("(pipe)"));
    }
    shown
}

#[test]
fn the_page_shows_what_the_feeder_of_a_source_sees() {
    assert_eq!(here(shown::sources()), shown::expected(adapters::SOURCES, &all()));
}

#[test]
fn the_page_shows_what_the_receiver_of_a_sink_sees_and_the_alternatives() {
    assert_eq!(here(shown::sinks()), shown::expected(adapters::SINKS, &all()));
}

#[test]
fn the_page_shows_how_a_future_without_a_value_ends() {
    let all = all();
    let lacks = |row: &values::Source| vec![row.lacks.text().to_owned()];
    let source = |row: &values::Source| (label(row.name, &all), lacks(row));
    let sources: BTreeMap<_, _> = values::SOURCES.iter().map(source).collect();
    assert_eq!(shown::shown("future", &[2], &[1]), sources);
    let sink = |row: &values::Sink| (label(row.name, &all), vec![row.lacks.to_owned()]);
    let sinks: BTreeMap<_, _> = values::SINKS.iter().map(sink).collect();
    assert_eq!(shown::shown("receiver", &[1], &[]), sinks);
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
