//! A mapping that lacks a field, or swaps a constant, makes one of the example's tests fail: tests that pass whatever the
//! mapping says would be worth nothing.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use reconciled::{
    config::{Config, Content, Field, FieldId, Integration, Pipeline, PipelineName},
    rehearse::{Scenario, Suite, coverage::Used, find, play, read},
};
use serde_json::json;

use super::root;

/// The tests of an example, each with what it exercises.
fn suites(name: &str) -> (Vec<Suite>, BTreeMap<String, (Duration, Used)>) {
    let dir = root().join("examples/configs").join(name);
    // Tests of days that pass take long, and are about no field.
    let timing = |path: &PathBuf| path.ends_with("timing.test.yaml");
    let texts: Vec<(String, String)> = find(&dir)
        .unwrap()
        .into_iter()
        .filter(|path| !timing(path))
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(path).unwrap()))
        .collect();
    let suites = read(&dir, &texts);
    assert!(suites.broken.is_none() && !suites.files.is_empty(), "{name}");
    let mut used = BTreeMap::new();
    for (suite, scenario) in all(&suites.files) {
        let began = Instant::now();
        let played = play(&suite.ground, scenario);
        assert_eq!(played.failures, [], "{name}: {}", scenario.name);
        used.insert(scenario.name.clone(), (began.elapsed(), played.used));
    }
    (suites.files, used)
}

fn all(suites: &[Suite]) -> impl Iterator<Item = (&Suite, &Scenario)> {
    suites.iter().flat_map(|suite| suite.scenarios.iter().map(move |scenario| (suite, scenario)))
}

/// The configuration with the fields of one pipeline changed.
fn with_fields(config: &Config, name: &PipelineName, change: impl FnOnce(&mut Vec<Field>)) -> Arc<Config> {
    let mut config = config.clone();
    let integration = config.integrations.get_mut(&name.integration()).unwrap();
    let mut new = Integration::clone(integration);
    let place = new.pipelines.iter_mut().find(|pipeline| pipeline.name == *name).unwrap();
    let mut pipeline = Pipeline::clone(place);
    change(&mut pipeline.fields);
    *place = Arc::new(pipeline);
    *integration = Arc::new(new);
    Arc::new(config)
}

/// Whether a test that exercises the field fails with this configuration.
fn is_noticed(
    (suites, used): &(Vec<Suite>, BTreeMap<String, (Duration, Used)>),
    (pipeline, field): (&PipelineName, FieldId),
    change: impl Fn(&Config) -> Arc<Config>,
) -> bool {
    let exercises = |scenario: &Scenario| used[&scenario.name].1.wrote(pipeline, field);
    let mut tests: Vec<(&Suite, &Scenario)> =
        all(suites).filter(|(_, scenario)| exercises(scenario) && !scenario.edits_the_configuration()).collect();
    tests.sort_by_key(|(_, scenario)| used[&scenario.name].0);
    tests.into_iter().any(|(suite, scenario)| {
        let ground = suite.ground.with_config(change(&suite.ground.config));
        !play(&ground, scenario).failures.is_empty()
    })
}

#[track_caller]
fn every_field_is_missed(name: &str) {
    let known = suites(name);
    let config = known.0[0].ground.config.clone();
    let mut unnoticed = Vec::new();
    let mut mutants = 0;
    let ran = |pipeline: &Pipeline| {
        known.1.values().any(|(_, used)| pipeline.fields.iter().any(|field| used.wrote(&pipeline.name, field.id)))
    };
    for (_, pipeline) in config.pipelines().filter(|(_, pipeline)| ran(pipeline)) {
        for field in &pipeline.fields {
            mutants += 1;
            let at = (&pipeline.name, field.id);
            let dropped = |config: &Config| with_fields(config, at.0, |fields| fields.retain(|other| other.id != at.1));
            if !is_noticed(&known, at, dropped) {
                unnoticed.push(format!("{}: without {}", pipeline.name, field.name));
            }
            if let Content::Each(each) = &field.content {
                for inner in &each.fields {
                    mutants += 1;
                    let without = |config: &Config| {
                        with_fields(config, at.0, |fields| {
                            let outer = fields.iter_mut().find(|other| other.id == at.1).unwrap();
                            let Content::Each(each) = &mut outer.content else { panic!() };
                            each.fields.retain(|other| other.id != inner.id);
                        })
                    };
                    if !is_noticed(&known, at, without) {
                        unnoticed.push(format!("{}: without {}", pipeline.name, inner.name));
                    }
                }
            }
            if let Content::Constant(_) = &field.content {
                mutants += 1;
                let other = |config: &Config| {
                    with_fields(config, at.0, |fields| {
                        let field = fields.iter_mut().find(|other| other.id == at.1).unwrap();
                        field.content = Content::Constant(json!("another"));
                    })
                };
                if !is_noticed(&known, at, other) {
                    unnoticed.push(format!("{}: another constant in {}", pipeline.name, field.name));
                }
            }
        }
    }
    assert!(mutants > 5, "{name}: only {mutants} mutants");
    assert!(unnoticed.is_empty(), "of {mutants} mutants of {name} these are not noticed:\n{}", unnoticed.join("\n"));
}

#[test]
fn the_tests_of_website_xero_miss_every_field() {
    every_field_is_missed("website-xero");
}

#[test]
fn the_tests_of_website_xpm_miss_every_field() {
    every_field_is_missed("website-xpm");
}

#[test]
fn the_tests_of_xpm_website_miss_every_field() {
    every_field_is_missed("xpm-website");
}

#[test]
fn the_tests_of_xpm_portal_miss_every_field() {
    every_field_is_missed("xpm-portal");
}

#[test]
fn the_tests_of_the_agency_miss_every_field() {
    every_field_is_missed("agency");
}

#[test]
fn the_tests_of_eventbrite_website_miss_every_field() {
    every_field_is_missed("eventbrite-website");
}

#[test]
fn the_tests_of_proposals_xero_miss_every_field() {
    every_field_is_missed("proposals-xero");
}

#[test]
fn the_tests_of_proposals_xpm_miss_every_field() {
    every_field_is_missed("proposals-xpm");
}

#[test]
fn the_tests_of_website_cliniko_miss_every_field() {
    every_field_is_missed("website-cliniko");
}

#[test]
fn the_tests_of_website_gosweetspot_miss_every_field() {
    every_field_is_missed("website-gosweetspot");
}

#[test]
fn the_tests_of_website_myob_miss_every_field() {
    every_field_is_missed("website-myob");
}

#[test]
fn the_tests_of_website_quickbooks_miss_every_field() {
    every_field_is_missed("website-quickbooks");
}

#[test]
fn the_tests_of_website_simpro_miss_every_field() {
    every_field_is_missed("website-simpro");
}

#[test]
fn the_tests_of_website_zoho_miss_every_field() {
    every_field_is_missed("website-zoho");
}
