//! The tables of `docs/ends.md`, and what they say of a row of the matrix.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::rows::{AtCut, AtEnd, Feeder, Leaves, Row, Sight};

pub fn page() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ends.md")).unwrap()
}

/// The rows of the `n`th table whose first column has this heading.
pub fn rows(heading: &str, n: usize) -> Vec<Vec<String>> {
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

/// What the page calls a row: an address, with a variant where a constructor has several rows.
pub fn label(name: &str, addresses: &BTreeSet<String>) -> String {
    let bases = addresses.iter().map(|address| (address.replace("::", "_"), address));
    let is_base = |base: &str| name == base || name.starts_with(&format!("{base}_"));
    let (base, address) =
        bases.filter(|(base, _)| is_base(base)).max_by_key(|(base, _)| base.len()).unwrap();
    match name[base.len()..].strip_prefix('_') {
        Some(variant) => format!("{address} ({variant})"),
        None => address.clone(),
    }
}

/// The labels that a cell lists: [`one`], [`two`] (variant).
pub fn labels(cell: &str) -> Vec<String> {
    let one = |item: &str| {
        let (path, variant) = item.strip_prefix("[`").unwrap().split_once("`]").unwrap();
        format!("{path}{variant}")
    };
    cell.split(", ").map(one).collect()
}

/// The columns `facts` of a table, by label. The columns `prose` only must not be empty.
pub fn shown(heading: &str, facts: &[usize], prose: &[usize]) -> BTreeMap<String, Vec<String>> {
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
pub fn expected(rows: &[Row], addresses: &BTreeSet<String>) -> BTreeMap<String, Vec<String>> {
    let row = |row: &Row| (label(row.name, addresses), facts(row));
    let all: BTreeMap<_, _> = rows.iter().map(row).collect();
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
        AtEnd::ToldOnceSent => "the end, at once; of items that are held up, once they are sent",
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

/// What the page shows of sources: the end if the feeder leaves, and when it sees that nobody reads.
pub fn sources() -> BTreeMap<String, Vec<String>> {
    shown("source", &[2, 3], &[1])
}

/// What the page shows of sinks: the receiver at the end of the data and at a cut, the end if it leaves, and whether
/// something else tells it of a cut.
pub fn sinks() -> BTreeMap<String, Vec<String>> {
    let mut shown = shown("sink", &[2, 3, 4, 5], &[1]);
    for instead in shown.values_mut().filter_map(|facts| facts.last_mut()) {
        if instead.len() > 3 {
            *instead = "something else".to_owned();
        }
    }
    shown
}
