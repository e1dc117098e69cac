//! The JSON Schemas are those of the types, and agree with the decoder.

use std::{fs, path::Path};

use reconciled::{
    config::{config_schema, connector_schema, settings_schema},
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
    current("settings.schema.json", &settings_schema());
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
        let errors: Vec<String> = connector
            .iter_errors(&yaml(&file))
            .map(|error| format!("{} at {}", error, error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{}: {errors:#?}", file.display());
    }
}

/// A variant gives what it changes, and takes away with `~`; what is no key of a connector is none of a variant.
#[test]
fn a_variant_of_a_connector_fits_the_schema_and_its_mistakes_do_not() {
    let variant = |inside: Value| serde_json::json!({ "connectors": { "mine": inside } });
    for schema in [config_schema(), connector_schema()] {
        let schema = jsonschema::validator_for(&schema).unwrap();
        let fits = |inside: Value| schema.is_valid(&variant(inside));
        let resources = serde_json::json!({ "clients": { "web_url": null, "fields": { "Phone": null, "More": "text" } }, "jobs": null });
        assert!(fits(serde_json::json!({ "extends": "xpm@1", "headers": { "x": null }, "resources": resources })));
        assert!(fits(serde_json::json!({ "extends": "xpm" })));
        assert!(!fits(serde_json::json!({ "extends": "xpm", "resource": {} })), "no such key");
        assert!(!fits(serde_json::json!({ "extends": "xpm", "resources": { "clients": { "label": 7, "lists": 1 } } })));
        assert!(!fits(serde_json::json!({ "resources": { "clients": { "label": "x" } } })), "a whole one needs its id");
        assert!(!fits(serde_json::json!({ "extends": null, "resources": { "clients": null } })), "and extends nothing");
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

#[test]
fn settings_that_are_taken_fit_their_schema_and_mistakes_do_not() {
    let settings = jsonschema::validator_for(&settings_schema()).unwrap();
    let read = |path: &str| -> Value {
        let text = fs::read_to_string(root().join(path)).unwrap();
        // What ships has everything behind a hash: it is what holds anyway.
        let text = if path.starts_with("packaging") { text.replace("# [", "[").replace("\n# ", "\n#") } else { text };
        let text: String = text
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(rest) if rest.contains(" = ") => format!("{rest}\n"),
                _ => format!("{line}\n"),
            })
            .collect();
        toml::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
    };
    let shipped = read("packaging/etc/reconciled.toml");
    assert_eq!(shipped["backup"]["keep"], 7, "{shipped:#}");
    let errors: Vec<String> = settings.iter_errors(&shipped).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    for name in ["settings-unknown-key", "settings-admin-bad-role"] {
        assert!(!settings.is_valid(&read(&format!("tests/configs/broken/{name}/reconciled.toml"))), "{name} fits");
    }
}

/// Every property below a schema, with the names that lead to it.
fn properties<'a>(schema: &'a Value, at: &str, found: &mut Vec<(String, &'a Value)>) {
    match schema {
        Value::Object(members) => {
            for (name, value) in members {
                let at = format!("{at}/{name}");
                if let ("properties", Some(properties)) = (name.as_str(), value.as_object()) {
                    found.extend(properties.iter().map(|(name, value)| (format!("{at}/{name}"), value)));
                }
                properties(value, &at, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| properties(item, at, found)),
        _ => {}
    }
}

#[test]
fn every_key_is_described_and_every_choice_says_what_there_is() {
    for (name, schema) in [
        ("config", config_schema()),
        ("connector", connector_schema()),
        ("test", test_schema()),
        ("settings", settings_schema()),
    ] {
        let mut all = Vec::new();
        properties(&schema, name, &mut all);
        assert!(all.len() > 30, "{name}: only {} keys were found", all.len());
        let silent = all.iter().filter(|(_, value)| value["description"].as_str().is_none_or(|text| text.len() < 5));
        let silent: Vec<&String> = silent.map(|(at, _)| at).collect();
        assert!(silent.is_empty(), "these keys have no description: {silent:#?}");
    }
}

/// Every example and every file of tests names its schema, where it is, so that an editor knows it without being told.
#[test]
fn every_example_names_its_schema() {
    let schemas = root().join("schemas").canonicalize().unwrap();
    let files = yaml_files(&root().join("examples/configs"));
    assert!(files.len() >= 30, "only {} files", files.len());
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let first = text.lines().next().unwrap_or_default();
        let named = first.strip_prefix("# yaml-language-server: $schema=");
        let named = named.unwrap_or_else(|| panic!("{} does not begin with its schema", file.display()));
        let is_test = file.to_str().unwrap().ends_with(".test.yaml");
        let wanted = if is_test { "test.schema.json" } else { "config.schema.json" };
        let leads = file.parent().unwrap().join(named).canonicalize();
        assert_eq!(leads.unwrap(), schemas.join(wanted), "{}", file.display());
    }
}
