//! An agency's clients, through the built program: one of them at a time, and none is another's trouble.

use std::{fs, path::Path};

use serde_json::Value;
use tempfile::TempDir;

use super::{reconciled, root};

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

/// The example with a state of its own; nobody is at its addresses.
fn agency() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    copy(&root().join("examples/configs/agency"), dir.path());
    fs::write(dir.path().join("reconciled.toml"), "state_dir = \"state\"\nsocket = \"daemon.sock\"\n").unwrap();
    dir
}

#[track_caller]
fn exits(dir: &TempDir, args: &[&str], code: i32) -> (String, String) {
    let mut command = reconciled();
    for client in ["ACME", "BRAVO"] {
        command.env(format!("{client}_URL"), "http://127.0.0.1:9").env(format!("{client}_TENANT"), "t");
    }
    let output = command.arg("--config").arg(dir.path()).args(args).output().unwrap();
    let (out, said) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(code), "{args:?}\n{out}\n{said}");
    (out, said)
}

fn names(json: &str, at: &str) -> Vec<String> {
    let value: Value = serde_json::from_str(json).unwrap();
    value[at].as_array().unwrap().iter().map(|one| one["integration"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_command_for_one_client_shows_and_does_nothing_of_others() {
    let dir = agency();
    let (out, _) = exits(&dir, &["status", "--json"], 0);
    assert_eq!(names(&out, "integrations"), ["acme", "bravo"]);
    let (out, _) = exits(&dir, &["--client", "bravo", "status", "--json"], 0);
    assert_eq!(names(&out, "integrations"), ["bravo"]);
    // Its pipelines go by their short names.
    exits(&dir, &["--client", "acme", "pause", "contacts"], 0);
    let (out, _) = exits(&dir, &["status", "--json"], 0);
    let status: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(status["paused"].as_array().unwrap().len(), 1);
    assert_eq!(status["paused"][0]["what"], "acme/contacts");
    let (out, _) = exits(&dir, &["--client", "bravo", "status", "--json"], 0);
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["paused"], serde_json::json!([]));
    // Without a name it is all of the client, and of nobody else.
    exits(&dir, &["--client", "bravo", "pause"], 0);
    let (out, _) = exits(&dir, &["--client", "bravo", "resume", "--json"], 0);
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap().as_array().unwrap().len(), 1);
    let (out, _) = exits(&dir, &["--client", "bravo", "runs", "--json"], 0);
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap().as_array().unwrap().len(), 1);
    let (out, _) = exits(&dir, &["--client", "bravo", "parked", "list", "--causes"], 0);
    assert_eq!(out, "nothing is parked\n");
    let (out, _) = exits(&dir, &["--client", "bravo", "config", "diff", "--json"], 0);
    assert!(names(&out, "integrations").iter().all(|name| name == "bravo"), "{out}");
}

#[test]
fn secrets_that_are_missing_are_told_by_client_and_none_is_shown() {
    let dir = agency();
    let missing = |json: &str| {
        let all: Value = serde_json::from_str(json).unwrap();
        let all = all.as_array().unwrap().iter().filter(|one| !one["missing"].is_null());
        let mut clients: Vec<String> =
            all.flat_map(|one| one["integrations"].as_array().unwrap().clone()).map(|name| name.to_string()).collect();
        clients.sort();
        clients.dedup();
        clients
    };
    let (out, _) = exits(&dir, &["secrets", "check", "--json"], 1);
    assert_eq!(missing(&out), ["\"acme\"", "\"bravo\""]);
    fs::create_dir_all(dir.path().join("secrets/acme")).unwrap();
    for name in ["website", "xero"] {
        fs::write(dir.path().join("secrets/acme").join(name), "s3cr3t-canary").unwrap();
    }
    let (out, said) = exits(&dir, &["secrets", "check"], 1);
    assert!(out.contains("bravo: ") && !out.contains("acme") && out.contains("secrets/bravo/website"), "{out}");
    let (json, _) = exits(&dir, &["secrets", "check", "--json"], 1);
    assert_eq!(missing(&json), ["\"bravo\""]);
    let (own, _) = exits(&dir, &["--client", "acme", "secrets", "check"], 0);
    assert!(![out, said, json, own].concat().contains("canary"));
}

#[test]
fn a_client_that_is_not_there_or_not_meant_is_told() {
    let dir = agency();
    let (_, said) = exits(&dir, &["--client", "brave", "status"], 64);
    assert!(said.contains("did you mean `bravo`?"), "{said}");
    let (_, said) = exits(&dir, &["--client", "acme/contacts", "status"], 64);
    assert!(said.contains("takes an integration"), "{said}");
    let (_, said) = exits(&dir, &["--client", "acme", "validate"], 64);
    assert!(said.contains("takes no `--client`"), "{said}");
    // What is another client's is not answered by the way.
    for what in ["bravo", "bravo/contacts", "invoices"] {
        let (_, said) = exits(&dir, &["--client", "acme", "approve", what], 64);
        assert!(said.contains("nothing of `acme`"), "{said}");
    }
    let (_, said) = exits(&dir, &["--client", "acme", "plan", "bravo/contacts"], 64);
    assert!(said.contains("in `acme`"), "{said}");
}

#[test]
fn one_clients_broken_file_keeps_no_other_from_being_tested() {
    let dir = agency();
    let file = dir.path().join("clients/acme.yaml");
    fs::write(&file, fs::read_to_string(&file).unwrap().replace("template: shop", "template: shpo")).unwrap();
    let (out, said) = exits(&dir, &["--client", "bravo", "test"], 78);
    assert!(said.contains("did you mean `shop`?"), "{said}");
    assert!(out.contains("ok      bravo-shows-its-sales-invoices"), "{out}");
    assert!(out.contains("3 tests passed\n"), "{out}");
}

#[test]
fn the_tests_of_one_client_are_played_alone() {
    let (out, _) = exits(&agency(), &["--client", "acme", "--json", "test"], 0);
    let results: Value = serde_json::from_str(&out).unwrap();
    let covered = results["coverage"].as_array().unwrap();
    let of_acme = covered.iter().filter(|one| one["pipeline"] == "acme/contacts").count();
    assert_eq!((of_acme, results["passed"].as_u64().unwrap() < 7), (1, true), "{out}");
}

/// What the two share and what each has of its own: logins, and who is told.
const LOGINS: &str = r#"
grants:
  both: { connector: xero, client_id: "1", client_secret: "${file:key}" }
  alone: { connector: xero, client_id: "2", client_secret: "${file:key}" }
connections:
  archive: { connector: xero, grant: both, tenant: Archive }
templates:
  books:
    params: { login: { type: string, default: both } }
    connections:
      xero: { connector: xero, grant: "${params.login}", tenant: "${client}" }
      site: { connector: website, base_url: "http://127.0.0.1:9", auth: { token: "${file:secrets/${client}}" } }
    notifications:
      owner: { command: [ /bin/true ] }
    pipelines:
      contacts: { source: site/contacts, target: xero/contacts, direction: source-to-target, match: { source: $.email, target: $.EmailAddress }, fields: [ { source: $.email, target: $.EmailAddress } ] }
      archived: { source: site/leads, target: archive/contacts, direction: source-to-target, match: { source: $.email, target: $.EmailAddress }, fields: [ { source: $.email, target: $.EmailAddress, write: on-create } ] }
integrations:
  acme: { template: books }
  bravo: { template: books }
  charly: { template: books, with: { login: alone } }
notifications:
  desk: { command: [ /bin/true ] }
  clerk: { command: [ /bin/true ], integrations: [ bravo ] }
"#;

fn books() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let key = "[tokens]\nkey = \"${file:token.key}\"\n";
    fs::write(dir.path().join("reconciled.toml"), format!("state_dir = \"state\"\nsocket = \"daemon.sock\"\n{key}"))
        .unwrap();
    fs::write(dir.path().join("token.key"), "cHJhY3RpY2UtcHJhY3RpY2UtcHJhY3RpY2UtcHJhY3Q=\n").unwrap();
    fs::write(dir.path().join("key"), "secret\n").unwrap();
    fs::write(dir.path().join("all.yaml"), LOGINS).unwrap();
    dir
}

fn members(json: &str, member: &str) -> Vec<String> {
    let value: Value = serde_json::from_str(json).unwrap();
    value.as_array().unwrap().iter().map(|one| one[member].as_str().unwrap().to_owned()).collect()
}

#[test]
fn logins_and_receivers_of_one_client_are_looked_at_and_ended_without_others() {
    let dir = books();
    let of = |client: &str, args: &[&str], code| exits(&dir, &[&["--client", client], args].concat(), code);
    let (out, _) = of("acme", &["connections", "--json"], 0);
    assert_eq!(members(&out, "connection"), ["acme/xero", "archive"]);
    let (out, _) = of("charly", &["connect", "xero", "--paste"], 64);
    assert!(out.contains("client_id=2"), "its own short name: {out}");
    let (_, said) = of("acme", &["connect", "charly/xero", "--paste"], 64);
    assert!(said.contains("`acme` has no connection or login `charly/xero`; it has acme/xero, archive"), "{said}");
    // What others use does not end by the way: neither the login nor the account that they share.
    for what in [&["both"][..], &["xero", "--grant"], &["archive"]] {
        let (_, said) = of("acme", &[&["disconnect"], what].concat(), 64);
        assert!(said.contains("is also used by") && said.contains("bravo"), "{said}");
    }
    let (out, _) = of("acme", &["disconnect", "xero", "--json"], 0);
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["disconnected"], "acme/xero");
    let (out, _) = of("bravo", &["connections", "--json"], 0);
    let bravo: Value = serde_json::from_str(&out).unwrap();
    assert_ne!(bravo[1]["state"], "disconnected", "{out}");

    let (out, _) = of("bravo", &["notifications", "list", "--json"], 0);
    assert_eq!(members(&out, "name"), ["bravo/owner", "clerk"], "and nothing of who is told of all");
    let (_, said) = of("bravo", &["notifications", "test", "owner"], 0);
    assert!(said.contains("a test message went to"), "{said}");
    let (_, said) = of("bravo", &["notifications", "test", "desk"], 64);
    assert!(said.contains("nobody named `desk` is told of `bravo` alone"), "{said}");

    let (out, _) = of("bravo", &["doctor", "--json"], 0);
    let abouts = members(&out, "about");
    assert_eq!(abouts, ["bravo", "bravo/site"], "{out}");
    assert!(out.contains("secrets/bravo"), "its secret is missing: {out}");
    of("brave", &["doctor"], 64);
}

#[test]
fn a_client_is_exported_and_forgotten_when_it_is_out_of_the_configuration() {
    let dir = agency();
    exits(&dir, &["approve", "acme"], 0);
    exits(&dir, &["approve", "bravo"], 0);
    let file = dir.path().join("bravo.jsonl");
    exits(&dir, &["--client", "bravo", "export", file.to_str().unwrap()], 0);
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("bravo/contacts") && !text.contains("acme"), "{text}");
    let (_, said) = exits(&dir, &["import", "--replace", file.to_str().unwrap()], 1);
    assert!(said.contains("of `bravo` alone"), "{said}");
    let (_, said) = exits(&dir, &["forget", "bravo", "--yes"], 1);
    assert!(said.contains("`bravo` is in clients/bravo.yaml; take it out there first"), "{said}");
    fs::remove_file(dir.path().join("clients/bravo.yaml")).unwrap();
    let (_, said) = exits(&dir, &["forget", "bravo"], 1);
    assert!(said.contains("no record in any system is touched") && said.contains("nothing was erased"), "{said}");
    let (out, _) = exits(&dir, &["forget", "bravo", "--yes", "--json"], 0);
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["done"], true);
    let (_, said) = exits(&dir, &["forget", "bravo", "--yes"], 1);
    assert!(said.contains("nothing is remembered of `bravo`"), "{said}");
}
