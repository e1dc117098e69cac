//! Folders with one mistake each: what is said of it is kept as a snapshot.

use std::fs;

use reconciled::config::Loaded;

use super::{folder, root};

const DIR: &str = "tests/configs/broken";

fn cases() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(root().join(DIR))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// One mistake gives one diagnostic, with a place and a remedy.
fn faults(loaded: &Loaded) -> Vec<String> {
    let mut faults = Vec::new();
    if loaded.diagnostics.len() != 1 {
        faults.push(format!("{} diagnostics", loaded.diagnostics.len()));
    }
    for diagnostic in &loaded.diagnostics {
        if diagnostic.place.is_none() {
            faults.push("no place".to_owned());
        }
        if diagnostic.help.is_none() {
            faults.push("no remedy".to_owned());
        }
        if !diagnostic.is_error() {
            faults.push("no error".to_owned());
        }
    }
    faults
}

#[test]
fn every_mistake_names_its_place_and_its_remedy() {
    let cases = cases();
    assert!(cases.len() >= 40, "only {} broken configurations", cases.len());
    let mut bad = Vec::new();
    for name in &cases {
        let loaded = folder(&format!("{DIR}/{name}"));
        let text = loaded.render(false);
        for fault in faults(&loaded) {
            bad.push(format!("{name}: {fault}\n{text}"));
        }
        for secret in ["s3cr3t", env!("CARGO_MANIFEST_DIR")] {
            if text.contains(secret) {
                bad.push(format!("{name}: shows {secret}\n{text}"));
            }
        }
        let positions: Vec<String> =
            loaded.diagnostics.iter().filter_map(reconciled::config::Diagnostic::position).collect();
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(name.as_str(), format!("{}\n{text}", positions.join("\n")));
        });
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}
