//! Every example's own tests pass, and leave no part of it unexercised.

use std::{fs, path::Path};

use serde_json::Value;

use super::{reconciled, root};

fn is_test(file: &Path) -> bool {
    file.to_string_lossy().ends_with(".test.yaml")
}

/// The folders that come with tests of their own. Those of the systems that were added last have none yet; theirs are in
/// tests/practice and tests/native.
fn folders() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(root().join("examples/configs"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| fs::read_dir(entry.path()).unwrap().any(|file| is_test(&file.unwrap().path())))
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn every_example_passes_its_own_tests_and_each_of_its_parts_is_exercised() {
    let mut tests = 0;
    for name in folders() {
        let output = reconciled().args(["--json", "test", &format!("examples/configs/{name}")]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{name}: {said}{}", String::from_utf8_lossy(&output.stdout));
        let results: Value = serde_json::from_slice(&output.stdout).unwrap();
        for covered in results["coverage"].as_array().unwrap() {
            assert_eq!(covered["never"], serde_json::json!([]), "{name}: {covered:#}");
        }
        assert!(!results["coverage"].as_array().unwrap().is_empty(), "{name}");
        tests += results["passed"].as_u64().unwrap();
    }
    assert!(tests >= 30, "only {tests} tests ship with the examples");
}

#[test]
fn a_file_of_tests_alone_is_played_in_its_own_folder() {
    let file = "examples/configs/xpm-portal/xpm-portal.test.yaml";
    let output = reconciled().args(["test", file, "--only", "nothing-is-ever"]).output().unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{out}");
    assert!(out.starts_with("xpm-portal.test.yaml\n  ok      nothing-is-ever-written-to-xpm\n"), "{out}");
    assert!(out.ends_with("1 test passed\n"), "{out}");
}

#[test]
fn a_folder_without_tests_is_told_so() {
    let dir = super::folder(&[("main.yaml", super::CONFIG)]);
    let output = reconciled().arg("--config").arg(dir.path()).arg("test").output().unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert!(String::from_utf8(output.stderr).unwrap().contains("`.test.yaml`"));
}
