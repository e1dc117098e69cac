//! Mistakes in files of tests: each has its place, its cause and its remedy. Nothing is played.

use std::fs;

use reconciled::rehearse::read;

use super::{CONFIG, folder, plays, root};

#[test]
fn every_mistake_names_its_place_and_its_remedy() {
    let broken = root().join("tests/rehearse/broken");
    let mut names: Vec<_> = fs::read_dir(broken).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    assert!(names.len() >= 15);
    let dir = folder(&[("main.yaml", CONFIG)]);
    for path in names {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let suites = read(dir.path(), &[("main.test.yaml".to_owned(), fs::read_to_string(&path).unwrap())]);
        let [suite] = suites.files.as_slice() else { panic!("{name}: the configuration has mistakes") };
        assert_eq!(suite.diagnostics.len(), 1, "{name}");
        let said = suite.render(false);
        assert!(said.contains("main.test.yaml:") && said.contains("help:"), "{name}: {said}");
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(name.as_str(), said);
        });
    }
}

#[test]
fn a_mistake_in_a_file_of_tests_exits_78() {
    let (code, out, said) = plays("tests: { one: { steps: [ snyc ] } }", &[]);
    assert_eq!(code, 78, "{out}{said}");
    assert!(said.contains("main.test.yaml:1:26") && said.contains("did you mean `sync`?"), "{said}");
}

#[test]
fn a_configuration_with_mistakes_is_not_tested() {
    let dir = super::folder(&[
        ("main.yaml", &super::CONFIG.replace("direction: two-way", "direction: any-way")),
        ("main.test.yaml", "tests: { one: { expect: { writes: none } } }"),
    ]);
    let output = super::reconciled().arg("--config").arg(dir.path()).arg("test").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(said.contains("any-way") && said.contains("main.yaml:"), "{said}");
}
