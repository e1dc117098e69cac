//! The JSON Schemas are those of the types, and agree with the decoder.

use std::{fs, path::Path};

use reconciled::{
    config::{config_schema, connector_schema},
    rehearse::test_schema,
};
use serde_json::Value;

use super::root;

#[track_caller]
fn current(name: &str, schema: &Value) {
    let path = root().join("schemas").join(name);
    let text = format!("{}\n", serde_json::to_string_pretty(schema).unwrap());
    if std::env::var_os("UPDATE").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &text).unwrap();
    }
    let stored = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        stored == text,
        "schemas/{name} is not what the types say; run this test with UPDATE=1 and look at the change"
    );
}

#[test]
fn the_schemas_are_current() {
    current("config.schema.json", &config_schema());
    current("connector.schema.json", &connector_schema());
    current("test.schema.json", &test_schema());
}

fn yaml(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap();
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn yaml_files(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(yaml_files(&path));
        } else if path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml") {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn what_the_decoder_takes_fits_the_schema() {
    let config = jsonschema::validator_for(&config_schema()).unwrap();
    let files: Vec<_> =
        ["tests/configs/valid", "examples/configs"].iter().flat_map(|dir| yaml_files(&root().join(dir))).collect();
    assert!(files.len() >= 5, "the folders went missing");
    let tests = jsonschema::validator_for(&test_schema()).unwrap();
    for file in files {
        let is_test = file.to_str().unwrap().ends_with(".test.yaml");
        let errors: Vec<String> = if is_test { &tests } else { &config }
            .iter_errors(&yaml(&file))
            .map(|error| format!("{} at {}", error, error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{}: {errors:#?}", file.display());
    }
    let connector = jsonschema::validator_for(&connector_schema()).unwrap();
    for file in yaml_files(&root().join("connectors")) {
        // A variant is whole only over what it extends.
        if fs::read_to_string(&file).unwrap().contains("    extends: ") {
            continue;
        }
        let errors: Vec<String> = connector
            .iter_errors(&yaml(&file))
            .map(|error| format!("{} at {}", error, error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{}: {errors:#?}", file.display());
    }
}

#[test]
fn mistakes_of_shape_do_not_fit_the_schema() {
    let config = jsonschema::validator_for(&config_schema()).unwrap();
    for name in [
        "unknown-key",
        "unknown-top-key",
        "missing-direction",
        "wrong-shape-map",
        "bad-word",
        "filter-unknown-operator",
        "unknown-transform",
        "conflicts-both-forms",
        "connector-bad-type",
    ] {
        let file = root().join(format!("tests/configs/broken/{name}/config.yaml"));
        assert!(!config.is_valid(&yaml(&file)), "{name} fits the schema");
    }
}
