//! The table of `docs/connectors.md`: what the suite found out about each connector. Each test looks whether its cell says
//! so; `UPDATE=1` (with one test at a time) writes it.

use std::{fs, path::Path};

/// The columns, in order: check and heading.
pub const COLUMNS: [(&str, &str); 10] = [
    ("paging", "pages"),
    ("incremental", "changes only"),
    ("create_update_readback", "an update is"),
    ("ignored_fields", "a field it does not take"),
    ("per_item_failure", "records a call"),
    ("throttle_storm", "when throttled, waits for"),
    ("lost_answer", "a lost answer"),
    ("broken_bodies", "a broken answer"),
    ("idempotency", "a repeated create"),
    ("stale_version", "a stale version"),
];

const BEGIN: &str = "<!-- written by the conformance suite: begin -->\n";
const END: &str = "<!-- end -->";

/// Looks whether the document says of this connector what was found, and says it with `UPDATE=1`.
#[track_caller]
pub fn tell(connector: &str, check: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/connectors.md");
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("docs/connectors.md has the table");
    let (table, after) = rest.split_once(END).unwrap();
    let mut rows: Vec<Vec<String>> = table.lines().skip(2).map(cells).collect();
    let column = COLUMNS.iter().position(|(name, _)| *name == check).unwrap() + 1;
    if !rows.iter().any(|row| row[0] == connector) {
        rows.push([vec![connector.to_owned()], vec![String::new(); COLUMNS.len()]].concat());
        rows.sort();
    }
    let row = rows.iter_mut().find(|row| row[0] == connector).unwrap();
    row.resize(COLUMNS.len() + 1, String::new());
    if row[column] == found {
        return;
    }
    assert!(
        std::env::var_os("UPDATE").is_some(),
        "docs/connectors.md says of {connector}, {check}: `{}`; the suite found `{found}`. Run it with UPDATE=1 and one test at a time",
        row[column]
    );
    found.clone_into(&mut row[column]);
    let head: Vec<String> = COLUMNS.iter().map(|(_, heading)| (*heading).to_owned()).collect();
    let mut written = line(&[vec![String::new()], head].concat());
    written.push_str(&line(&vec!["---".to_owned(); COLUMNS.len() + 1]));
    written.extend(rows.iter().map(|row| line(row)));
    fs::write(&path, format!("{before}{BEGIN}{written}{END}{after}")).unwrap();
}

fn cells(line: &str) -> Vec<String> {
    line.trim().trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
}

fn line(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}
