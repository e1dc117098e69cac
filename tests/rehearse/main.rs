//! The user's own tests: those that ship with the examples, what they notice, and what is said of mistakes in them.
#![allow(clippy::pedantic, clippy::type_complexity, reason = "pedantic lints are for the library")]

mod clients;
mod examples;
mod failing;
mod mistakes;
mod mutation;
mod recorded;
mod steps;

use std::{fs, path::PathBuf, time::Duration};

use assert_cmd::Command;
use tempfile::TempDir;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The built program; no variable of the machine is of concern to it.
fn reconciled() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reconciled"));
    command.timeout(Duration::from_secs(120)).env_clear().env("NO_COLOR", "1").current_dir(root());
    command
}

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

/// Two systems of contacts that are the same kind of website, and an integration between them.
const CONFIG: &str = r#"
connections:
  shop: { connector: website, base_url: "${env:SHOP_URL}", auth: { token: "${file:secret-canary}" } }
  books: { connector: website, base_url: "${env:BOOKS_URL}/v1", auth: { token: "${env:TOKEN}" } }
integrations:
  main:
    debounce: 2m
    schedule: { poll: { shop: 2m } }
    pipelines:
      contacts:
        source: shop/contacts
        target: books/contacts
        direction: two-way
        match: { source: $.email, target: $.email }
        fields:
          - { source: $.email, target: $.email }
          - { source: $.first_name, target: $.first_name }
          - { source: $.phone, target: $.phone }
"#;

/// Plays tests of [`CONFIG`]: the exit code, what was printed, and what was said beside it.
fn plays(tests: &str, args: &[&str]) -> (i32, String, String) {
    let dir = folder(&[("main.yaml", CONFIG), ("main.test.yaml", tests)]);
    let output = reconciled().arg("--config").arg(dir.path()).arg("test").args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}
