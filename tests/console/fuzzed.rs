//! The API against its own description, by schemathesis: made-up requests, sound and unsound, as each role. What is answered must be
//! what `docs/openapi.json` says.

use std::{path::Path, process::Stdio};

use crate::Office;

/// Ends a run that hangs, in seconds; it takes a few.
const LONGEST: &str = "280";

/// The program that `tests/run` installs; the whole run does not do without.
fn schemathesis() -> Option<std::path::PathBuf> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/python/bin/schemathesis");
    if program.is_file() {
        return Some(program);
    }
    assert!(std::env::var_os("RECONCILED_ALL").is_none(), "`bash tests/run` installs schemathesis");
    eprintln!("schemathesis is not there: the API is not fuzzed");
    None
}

/// Fuzzes every route as somebody with this token.
async fn fuzzed(role: &str, phases: &str, examples: u32) {
    let Some(program) = schemathesis() else { return };
    let office = Office::open().await;
    office.conflict().await;
    let mut command = std::process::Command::new("timeout");
    command.arg(LONGEST).arg(program).arg("run");
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json"));
    command
        .args(["--url", &office.url("")])
        .args(["--header", &format!("Authorization: Bearer {}", office.tokens[role])]);
    // The same requests each time. Who may do what is the matrix's matter: a role that
    // may not is refused whatever it sends, so that is an answer to a sound request, too.
    command.args(["--phases", phases, "--max-examples", &examples.to_string()]);
    command.args(["--generation-deterministic", "--suppress-health-check", "all", "--warnings", "off"]);
    command.args(["--no-color", "--no-shrink"]);
    command.args(["--exclude-checks", "positive_data_acceptance"]);
    // What it keeps for the next time is gone with the folder.
    command.current_dir(office.dir.path()).stdin(Stdio::null());
    let said = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    assert!(said.status.success(), "as {role}: {}\n{text}", said.status);
    let routes: usize = reconciled::admin::document()["paths"]
        .as_object()
        .unwrap()
        .values()
        .map(|operations| operations.as_object().unwrap().len())
        .sum();
    assert!(text.contains(&format!("Tested: {routes}")), "as {role}, not every route of {routes}:\n{text}");
    office.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_is_answered_as_described_whatever_is_sent() {
    fuzzed("admin", "examples,coverage,fuzzing", 8).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_is_answered_as_described_whatever_is_sent() {
    fuzzed("viewer", "examples,fuzzing", 3).await;
}
