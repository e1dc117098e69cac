//! What is named after an integration, once that has another name.

use std::fs;

use serde_json::Value;

use super::{answers, exits};

#[test]
fn a_run_of_before_a_rename_is_taken_back_under_the_new_name() {
    let dir = tempfile::tempdir().unwrap();
    answers::world(dir.path());
    exits(dir.path(), &["approve", "acme"], 0);
    exits(dir.path(), &["sync"], 0);
    let runs: Value = serde_json::from_str(&exits(dir.path(), &["runs", "--json"], 0).0).unwrap();
    let run = runs[0]["runs"][0]["id"].as_str().unwrap();
    assert!(run.starts_with("acme-"), "{run}");
    let file = dir.path().join("people.yaml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("  acme:\n", "  agency:\n    moved_from: acme\n")).unwrap();
    assert!(exits(dir.path(), &["runs", "agency"], 0).0.contains(run), "its history came along");
    let (out, _) = exits(dir.path(), &["revert", run, "--plan"], 0);
    assert!(out.contains("agency/people") && out.contains("Jane"), "{out}");
    // What was taken back is parked.
    exits(dir.path(), &["revert", run], 4);
    let office = fs::read_to_string(dir.path().join("office/people.csv")).unwrap();
    assert!(office.contains("A7,Jane,jane@x.example") && !office.contains("jane@x.example,1"), "{office}");
    exits(dir.path(), &["revert", "agency-12345678"], 1);
    let (_, err) = exits(dir.path(), &["revert", "acme-12345678"], 64);
    assert!(err.contains("`reconciled runs` lists them"), "{err}");
}
