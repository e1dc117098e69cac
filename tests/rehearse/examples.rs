//! Every example's own tests pass, and leave no part of it unexercised.

use std::fs;

use serde_json::Value;

use super::{reconciled, root};

/// Every example's folder.
fn folders() -> Vec<String> {
    let all = fs::read_dir(root().join("examples/configs")).unwrap();
    let mut names: Vec<String> = all.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn every_example_passes_its_own_tests_and_each_of_its_parts_is_exercised() {
    let mut tests = 0;
    let folders = folders();
    assert!(folders.len() >= 14);
    for name in folders {
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
    assert!(tests >= 80, "only {tests} tests ship with the examples");
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
