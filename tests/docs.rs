//! What the documentation shows must be true.
#![allow(clippy::pedantic, clippy::type_complexity, reason = "pedantic lints are for the library")]

#[path = "docs/guide.rs"]
mod guide;
#[path = "docs/links.rs"]
mod links;
#[path = "docs/reference.rs"]
mod reference;

use std::{collections::HashMap, fs, path::Path};

use reconciled::config;

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// The code blocks of a language, less their indentation.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, Vec<&str>)> = None;
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        match &mut open {
            None if line.trim() == format!("```{language}") => open = Some((indent, Vec::new())),
            None => {}
            Some((_, lines)) if line.trim() == "```" => {
                blocks.push(lines.join("\n"));
                open = None;
            }
            Some((margin, lines)) => lines.push(line.get(*margin..).unwrap_or_default()),
        }
    }
    blocks
}

#[test]
fn every_configuration_in_the_documentation_is_sound() {
    let mut checked = 0;
    for name in ["README.md", "docs/getting-started.md", "docs/deletions.md", "docs/grants.md"] {
        let text = read(name);
        for yaml in blocks(&text, "yaml") {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join("shown.yaml"), yaml).unwrap();
            for toml in blocks(&text, "toml") {
                fs::write(dir.path().join("reconciled.toml"), toml).unwrap();
            }
            let env: HashMap<String, String> = ["SHOP_TOKEN", "SITE_TOKEN", "XERO_TOKEN", "XERO_ID", "XERO_SECRET"]
                .map(|name| (name.to_owned(), "t".to_owned()))
                .into();
            let loaded = config::load(dir.path(), &env);
            assert!(loaded.diagnostics.is_empty(), "{name}:\n{}", loaded.render(false));
            assert!(loaded.config.pipelines().count() > 0, "{name}");
            checked += 1;
        }
    }
    assert_eq!(checked, 4);
}

#[test]
fn the_notifications_of_the_documentation_are_sound() {
    let dir = tempfile::tempdir().unwrap();
    let shown = blocks(&read("docs/notifications.md"), "yaml");
    assert_eq!(shown.len(), 1);
    let pipeline = blocks(&read("README.md"), "yaml").remove(0);
    fs::write(dir.path().join("pipeline.yaml"), pipeline).unwrap();
    fs::write(dir.path().join("shown.yaml"), &shown[0]).unwrap();
    let env: HashMap<String, String> =
        ["SITE_TOKEN", "XERO_TOKEN"].map(|name| (name.to_owned(), "t".to_owned())).into();
    let loaded = config::load(dir.path(), &env);
    assert!(loaded.diagnostics.is_empty(), "{}", loaded.render(false));
    let names: Vec<&str> = loaded.config.notifications.keys().map(String::as_str).collect();
    assert_eq!(names, ["clerk", "office", "phone"]);
}

#[test]
fn the_template_of_the_documentation_makes_its_clients() {
    let dir = tempfile::tempdir().unwrap();
    for (number, yaml) in blocks(&read("docs/templates.md"), "yaml").iter().enumerate() {
        fs::write(dir.path().join(format!("{number}.yaml")), yaml).unwrap();
    }
    let loaded = config::load(dir.path(), &HashMap::<String, String>::new());
    assert!(loaded.diagnostics.is_empty(), "{}", loaded.render(false));
    let names: Vec<&str> = loaded.config.pipelines().map(|(_, pipeline)| pipeline.name.as_str()).collect();
    assert_eq!(names, ["acme/contacts", "bravo/contacts", "bravo/payments"]);
}

#[test]
fn every_command_is_documented() {
    let help = assert_cmd::Command::new(env!("CARGO_BIN_EXE_reconciled")).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let commands: Vec<&str> = listed.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(commands.len() > 15, "{commands:?}");
    let documented = read("docs/commands.md");
    for command in commands.into_iter().filter(|command| *command != "help") {
        assert!(documented.contains(&format!("| `{command}")), "`{command}` is not in docs/commands.md");
    }
}

#[test]
fn the_connector_of_the_documentation_is_sound() {
    let dir = tempfile::tempdir().unwrap();
    let shown = blocks(&read("docs/connectors.md"), "yaml");
    assert_eq!(shown.len(), 5);
    for (number, yaml) in shown.iter().enumerate() {
        fs::write(dir.path().join(format!("{number}.yaml")), yaml).unwrap();
    }
    let loaded = config::load(dir.path(), &HashMap::<String, String>::new());
    assert!(loaded.diagnostics.is_empty(), "{}", loaded.render(false));
    for name in ["shopkeeper", "practice", "till", "forms", "shop-tables"] {
        assert!(loaded.connectors.contains_key(name), "{name}");
    }
}

fn sources(dir: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(fs::read_to_string(path).unwrap());
        }
    }
}

/// The functions of the tests that are named after a row: `ox_01_…` for `ox-01`.
fn tests_of(row: &str) -> Vec<String> {
    let mut texts = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"), &mut texts);
    let begin = format!("async fn {}_", row.replace('-', "_"));
    let functions = texts.iter().flat_map(|text| text.lines()).filter_map(|line| {
        let name = line.trim().strip_prefix("async fn ")?.split('(').next()?;
        line.trim().starts_with(&begin).then(|| format!("`{name}`"))
    });
    let mut functions: Vec<String> = functions.collect();
    functions.sort();
    functions
}

#[test]
fn every_promise_is_listed_with_the_tests_that_show_it() {
    let text = read("docs/behaviours.md");
    let (mut rows, mut lines) = (0, Vec::new());
    for line in text.lines() {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let is_row = cells.first().is_some_and(|id| id.len() == 5 && id.as_bytes()[2] == b'-' && id.is_ascii());
        if !is_row {
            lines.push(line.to_owned());
            continue;
        }
        rows += 1;
        let shown = tests_of(cells[0]);
        let shown = if shown.is_empty() { "not yet".to_owned() } else { shown.join("<br>") };
        lines.push(format!("| {} | {} | {shown} |", cells[0], cells[1]));
    }
    assert_eq!(rows, 46);
    let now = lines.join("\n") + "\n";
    if std::env::var_os("UPDATE").is_some() {
        fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/behaviours.md"), &now).unwrap();
    } else {
        assert!(text == now, "docs/behaviours.md is behind the tests; run this test with UPDATE=1");
    }
}
