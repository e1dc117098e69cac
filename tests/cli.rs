//! The built program from outside: exit codes, and the demo.

#[path = "cli/answers.rs"]
mod answers;
#[path = "cli/causes.rs"]
mod causes;
#[path = "cli/renamed.rs"]
mod renamed;

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use assert_cmd::Command as Checked;
use serde_json::Value;
use tempfile::TempDir;

const MINUTE: Duration = Duration::from_mins(1);

fn reconciled() -> Checked {
    let mut command = Checked::new(env!("CARGO_BIN_EXE_reconciled"));
    command.timeout(MINUTE).env_remove("RECONCILED_CONFIG").env_remove("RECONCILED_LOG").env("NO_COLOR", "1");
    command
}

/// A folder with settings of its own and this configuration.
fn folder(yaml: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("reconciled.toml"), "state_dir = \"state\"\nsocket = \"daemon.sock\"\n").unwrap();
    fs::write(dir.path().join("all.yaml"), yaml).unwrap();
    dir
}

const SOUND: &str = r#"
connections:
  shop: { connector: website, base_url: "http://127.0.0.1:9/", auth: { token: secret-canary } }
  books: { connector: website, base_url: "http://127.0.0.1:9/", auth: { token: secret-canary } }
pipelines:
  contacts:
    source: shop/contacts
    target: books/contacts
    direction: two-way
    match: [ { source: $.email, target: $.email } ]
    fields: [ { source: $.first_name, target: $.first_name } ]
    schedule: { poll: { shop: 2m } }
"#;

#[track_caller]
fn exits(dir: &Path, args: &[&str], code: i32) -> (String, String) {
    let output = reconciled().arg("--config").arg(dir).args(args).output().unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(code), "{args:?}\n{out}\n{err}");
    assert!(!out.contains("secret-canary") && !err.contains("secret-canary"), "{args:?} shows a secret");
    (out, err)
}

#[test]
fn a_command_line_that_is_wrong_exits_64() {
    for args in [&["frobnicate"][..], &["sync", "--limit", "many"], &[], &["conflicts", "resolve", "p", "r"]] {
        let output = reconciled().args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(64), "{args:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{args:?}");
    }
    let dir = folder(SOUND);
    let (_, err) = exits(dir.path(), &["plan", "contcats"], 64);
    assert!(err.contains("did you mean `contacts`?"), "{err}");
}

#[test]
fn help_and_version_are_no_mistakes() {
    for args in [&["--help"][..], &["--version"], &["help", "sync"], &["links", "--help"]] {
        reconciled().args(args).assert().code(0);
    }
}

#[test]
fn validate_says_every_mistake_with_its_place_and_exits_78() {
    let dir = folder(&SOUND.replace("direction: two-way", "direktion: two-way").replace("shop: 2m", "shop: 2 moons"));
    let (out, err) = exits(dir.path(), &["validate"], 78);
    assert!(err.contains("all.yaml:9:") && err.contains("direktion") && err.contains("all.yaml:12:"), "{err}");
    assert!(!out.contains("direktion"), "diagnostics are talk: {out}");
    let (out, _) = exits(dir.path(), &["validate", "--json"], 78);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["valid"], false);
    assert!(report["diagnostics"].as_array().unwrap().len() >= 2, "{out}");
    exits(dir.path(), &["sync"], 78);
    exits(dir.path(), &["run"], 78);
    exits(&dir.path().join("nowhere"), &["validate"], 78);
}

#[test]
fn validate_of_a_sound_folder_tells_the_calls_a_day() {
    let dir = folder(SOUND);
    let (out, _) = exits(dir.path(), &["validate"], 0);
    assert!(out.contains("720 looks"), "{out}");
    assert!(!dir.path().join("state").exists(), "validate has no effect on anything");
}

#[test]
fn a_remote_that_does_not_answer_is_told_and_exits_1() {
    let dir = folder(SOUND);
    let (out, _) = exits(dir.path(), &["plan"], 1);
    assert!(out.contains("shop") && out.contains("it is tried again"), "{out}");
    let (out, _) = exits(dir.path(), &["status", "--json"], 0);
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["daemon"], Value::Null);
}

#[test]
fn a_store_that_cannot_be_used_exits_74() {
    let dir = folder(SOUND);
    fs::write(dir.path().join("state"), "no folder").unwrap();
    for command in ["run", "status"] {
        let (_, err) = exits(dir.path(), &[command], 74);
        assert!(err.contains("because"), "the cause is told: {err}");
    }
}

#[test]
fn nothing_is_said_where_there_is_nothing() {
    let dir = folder(SOUND);
    assert_eq!(exits(dir.path(), &["parked", "list"], 0).0, "nothing is parked\n");
    assert_eq!(exits(dir.path(), &["conflicts", "list"], 0).0, "no field is in conflict\n");
    assert_eq!(exits(dir.path(), &["links", "list", "contacts"], 0).0, "nothing is linked in contacts\n");
    exits(dir.path(), &["explain", "contacts", "nobody"], 1);
    let (_, err) = exits(dir.path(), &["revert", "nobody-12345678"], 64);
    assert!(err.contains("`reconciled runs` lists them"), "{err}");
    exits(dir.path(), &["approve", "contacts"], 0);
}

#[test]
fn a_part_of_an_import_is_worked_on_by_nobody_until_it_was_imported_again() {
    let (old, new) = (folder(SOUND), folder(SOUND));
    exits(old.path(), &["approve", "contacts"], 0);
    let file = old.path().join("export.jsonl");
    let file = file.to_str().unwrap();
    exits(old.path(), &["export", file], 0);
    exits(new.path(), &["approve", "contacts"], 0);
    for place in ["import-emptied", "import-page", "import-filled", "import-begun-anew"] {
        let mut import = reconciled();
        import.arg("--config").arg(new.path()).args(["import", "--replace", file]).env("RECONCILED_CRASH_AT", place);
        assert_eq!(import.output().unwrap().status.code(), None, "it comes by {place}");
        let export = new.path().join("part.jsonl");
        let commands = [
            &["run"][..],
            &["sync"],
            &["plan"],
            &["status"],
            &["approve", "contacts"],
            &["export", export.to_str().unwrap()],
        ];
        for command in commands {
            let (_, err) = exits(new.path(), command, 74);
            assert!(err.contains("interrupted") && err.contains("import --replace"), "{place}, {command:?}: {err}");
        }
        exits(new.path(), &["import", file], 1);
    }
    let (_, err) = exits(new.path(), &["import", "--replace", file], 0);
    assert!(err.contains("begins as on a first run"), "{err}");
    exits(new.path(), &["status"], 0);
}

#[test]
fn what_is_remembered_moves_to_another_machine() {
    let (old, new) = (folder(SOUND), folder(SOUND));
    exits(old.path(), &["approve", "contacts"], 0);
    let file = old.path().join("export.jsonl");
    let file = file.to_str().unwrap();
    exits(old.path(), &["export", file], 0);
    let (_, err) = exits(new.path(), &["import", file], 0);
    assert!(err.contains("1 entry read") && err.contains("begins as on a first run"), "{err}");
    exits(new.path(), &["import", file], 1);
    let (_, err) = exits(new.path(), &["import", "--replace", "--as-is", file], 0);
    assert!(!err.contains("first run"), "{err}");
    // A store that cannot be opened any more says how to go on, and is set aside by that.
    let state = new.path().join("state");
    fs::remove_file(state.join("db")).unwrap();
    fs::create_dir(state.join("db")).unwrap();
    let (_, err) = exits(new.path(), &["status"], 74);
    assert!(err.contains("import --replace"), "{err}");
    exits(new.path(), &["import", file], 74);
    let (_, err) = exits(new.path(), &["import", "--replace", file], 0);
    assert!(err.contains("broken-"), "{err}");
    exits(new.path(), &["status"], 0);
}

#[test]
fn an_export_without_a_file_goes_beside_the_snapshots_and_the_last_three_are_kept() {
    let dir = folder(SOUND);
    fs::write(
        dir.path().join("reconciled.toml"),
        "state_dir = \"state\"\nsocket = \"daemon.sock\"\n[backup]\ndir = \"copies\"\nkeep = 0\n",
    )
    .unwrap();
    let (_, err) = exits(dir.path(), &["export"], 0);
    assert!(err.contains("nothing is remembered"), "{err}");
    assert!(!dir.path().join("state").exists() && !dir.path().join("copies").exists(), "nothing is made for that");
    exits(dir.path(), &["approve", "contacts"], 0);
    let copies = dir.path().join("copies");
    fs::create_dir(&copies).unwrap();
    let before = ["export-20260101T000000Z.jsonl", "export-20260102T000000Z.jsonl", "export-20260103T000000Z.jsonl"];
    let others = ["reconciled-20260101T000000Z.jsonl", "export-of-mine.jsonl"];
    for name in before.iter().chain(&others) {
        fs::write(copies.join(name), "").unwrap();
    }
    let (out, _) = exits(dir.path(), &["export", "--json"], 0);
    let said: Value = serde_json::from_str(&out).unwrap();
    let file = Path::new(said["file"].as_str().unwrap());
    assert_eq!((file.parent(), said["entries"].as_u64()), (Some(copies.as_path()), Some(1)), "{said}");
    let names = fs::read_dir(&copies).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut expected: Vec<&str> = before[1..].iter().chain(&others).copied().collect();
    expected.push(file.file_name().unwrap().to_str().unwrap());
    expected.sort_unstable();
    let mut names: Vec<String> = names.collect();
    names.sort();
    assert_eq!(names, expected, "the oldest that was asked for is gone, and nothing else");
    exits(dir.path(), &["import", "--replace", "--as-is", file.to_str().unwrap()], 0);
    let (_, err) = exits(dir.path(), &["export", "--client", "contacts"], 64);
    assert!(err.contains("name the file"), "{err}");
}

#[test]
fn connectors_schema_and_completions_need_no_configuration() {
    let nowhere = Path::new("/nonexistent-configuration");
    let (out, _) = exits(nowhere, &["connectors"], 0);
    assert!(out.contains("xero@1") && out.contains("website@1"), "{out}");
    let (out, _) = exits(nowhere, &["schema"], 0);
    assert!(serde_json::from_str::<Value>(&out).unwrap().is_object());
    for shell in ["bash", "zsh", "fish"] {
        assert!(exits(nowhere, &["completions", shell], 0).0.contains("reconciled"));
    }
}

#[test]
fn connectors_try_shows_one_page_and_writes_nothing() {
    let dir = folder(
        "connectors:\n  till:\n    resources:\n      sales:\n        id: $.number\n        label: \"Sale {number}\"\n        \
         fields: { number: text, total: decimal }\n        file: { path: sales.csv, ready: { steady: 0s } }\n\
         connections:\n  till: { connector: till, base_url: till }\n",
    );
    fs::create_dir(dir.path().join("till")).unwrap();
    fs::write(dir.path().join("till/sales.csv"), "number,total,colour\n7,1.50,red\n").unwrap();
    let (out, _) = exits(dir.path(), &["connectors", "try", "till", "sales"], 0);
    assert!(out.contains("till/sales: 1 record on the first page, and no more"), "{out}");
    assert!(out.contains("Sale 7  7") && out.contains("\"total\": 1.50"), "{out}");
    assert!(out.contains("no pipeline can map them: $.colour"), "{out}");
    fs::write(dir.path().join("till/sales.csv"), "number,total,colour\n7,1.50,red\n8,much,red\n").unwrap();
    let (out, _) = exits(dir.path(), &["--json", "connectors", "try", "till", "sales"], 4);
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(told["unread"][0]["place"], "sales.csv, line 3");
    assert_eq!(told["unread"][0]["reason"], "total: `much` is no decimal");
    let (_, err) = exits(dir.path(), &["connectors", "try", "till", "sale"], 64);
    assert!(err.contains("it has sales"), "{err}");
    let (out, _) = exits(dir.path(), &["connectors", "show", "till"], 0);
    assert!(out.contains("$.total") && out.contains("decimal"), "{out}");
    let mut left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["all.yaml", "reconciled.toml", "till"]);
}

/// A child that does not outlive its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    fn start(args: &[&str], dir: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reconciled"));
        command.args(args).current_dir(dir).env_remove("RECONCILED_CONFIG").env("RECONCILED_LOG", "info");
        Self(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// Waits until a line holds `text`, and gives it. Reading goes on so that the child never blocks.
    fn wait_for(output: impl Read + Send + 'static, text: &'static str) -> String {
        let (send, receive) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if line.contains(text) {
                    let _ = send.send(line);
                }
            }
        });
        receive.recv_timeout(MINUTE).unwrap_or_else(|_| panic!("no line with `{text}` came"))
    }

    /// Ends it as a service manager does, and gives its exit code.
    fn terminate(mut self) -> Option<i32> {
        Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status().unwrap();
        self.0.wait().unwrap().code()
    }
}

#[test]
fn while_a_daemon_runs_commands_talk_to_it_and_a_second_one_exits_75() {
    let dir = folder(SOUND);
    let config = dir.path().to_str().unwrap();
    let mut daemon = Running::start(&["--config", config, "run"], dir.path());
    Running::wait_for(daemon.0.stderr.take().unwrap(), "daemon.started");
    let (_, err) = exits(dir.path(), &["run"], 75);
    assert!(err.contains("in use by the daemon 0.1.0 with process id ") && err.contains("help:"), "{err}");
    exits(dir.path(), &["export", dir.path().join("out").to_str().unwrap()], 75);
    let (out, _) = exits(dir.path(), &["status"], 0);
    assert!(out.contains("daemon 0.1.0") && out.contains("next look at shop"), "{out}");
    let (out, _) = exits(dir.path(), &["sync"], 1);
    assert!(out.contains("contacts could not be read"), "{out}");
    assert_eq!(daemon.terminate(), Some(0));
    exits(dir.path(), &["parked", "list"], 0);
}

#[test]
fn the_demo_once_agrees_and_exits_0() {
    let (out, _) = {
        let output = reconciled().args(["demo", "--once"]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
        (String::from_utf8(output.stdout).unwrap(), output.stderr)
    };
    assert!(out.contains("both sides agree"), "{out}");
    assert!(out.lines().any(|line| line.starts_with("third sync") && line.ends_with("4 reads and 0 writes")), "{out}");
}

/// Waits for lines that a demo prints, one after the other.
fn lines_of(demo: &mut Running) -> impl Fn(&str) -> String + use<> {
    let (lines, heard) = mpsc::channel();
    let output = demo.0.stdout.take().unwrap();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let _ = lines.send(line);
        }
    });
    move |text| loop {
        let line = heard.recv_timeout(MINUTE).unwrap_or_else(|_| panic!("no line with `{text}` came"));
        if line.contains(text) {
            return line;
        }
    }
}

/// Edits a contact of the demo's website, as the command does that it suggests.
fn patch_contact(url: &str, token: &str, body: &str) {
    let address = url.strip_prefix("http://").unwrap();
    let (host, path) = address.split_once('/').unwrap();
    let request = format!(
        "PATCH /{path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nContent-Type: \
         application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let mut socket = std::net::TcpStream::connect(host).unwrap();
    std::io::Write::write_all(&mut socket, request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// Edits a file of the demo as `sed` would.
fn edit(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "the suggestion fits the file");
    fs::write(file, text.replace(from, to)).unwrap();
}

#[test]
fn the_demo_tells_a_change_as_it_happens() {
    let dir = tempfile::tempdir().unwrap();
    let mut demo = Running::start(&["demo"], dir.path());
    let next = lines_of(&mut demo);
    // The suggestion is taken at its word, but for the program that sends it.
    let url = next("curl -sX PATCH").split_whitespace().nth(3).unwrap().to_owned();
    next("Ctrl-C ends the demo");
    patch_contact(&url, "website-token", r#"{"phone":"022 555 0123"}"#);
    let line = next("022 555 0123");
    assert!(line.contains("phone: ") && line.ends_with("→ 022 555 0123, written to demo-xero"), "{line}");
    let config = dir.path().join("demo-data");
    let (out, _) = exits(&config, &["status"], 0);
    assert!(out.contains("demo/contacts"), "{out}");
    // The edits that it suggests, one after the other.
    let file = config.join("demo.yaml");
    edit(&file, "wait: 1s", "wait: 5s");
    next("The edited configuration runs now");
    edit(&file, "debounce:", "debonce:");
    next("The file has a mistake, so nothing of it is taken; what ran before goes on:");
    let line = next("demo.yaml:");
    assert!(line.contains("debonce"), "{line}");
    edit(&file, "debonce:", "debounce:");
    next("The file is sound again, and what runs is what it says.");
    assert_eq!(demo.terminate(), Some(0));
}

#[test]
fn the_demo_of_an_example_goes_on_with_the_daemon() {
    let dir = tempfile::tempdir().unwrap();
    let mut demo = Running::start(&["demo", "website-xero"], dir.path());
    let next = lines_of(&mut demo);
    next("only matches and reports:");
    next("Ctrl-C ends the demo");
    let config = dir.path().join("demo-website-xero");
    let file = config.join("website-xero.yaml");
    let text = fs::read_to_string(&file).unwrap();
    let given = |key: &str| {
        let line = text.lines().find(|line| line.contains(key)).unwrap();
        line.split('"').nth(1).unwrap().to_owned()
    };
    let (links, _) = exits(&config, &["links", "list", "website-xero/contacts", "--json"], 0);
    let links: Value = serde_json::from_str(&links).unwrap();
    let contact = links[0]["source"].as_str().unwrap();
    let url = format!("{}/contacts/{contact}", given("base_url:"));
    patch_contact(&url, &given("auth: { token:"), r#"{"mobile":"022 555 0123"}"#);
    // It polls as seldom as in earnest; a person need not wait.
    exits(&config, &["sync", "website-xero"], 4);
    let line = next("0225550123");
    assert!(line.contains("written to xero"), "{line}");
    edit(&file, "debounce:", "debonce:");
    next("The file has a mistake, so nothing of it is taken; what ran before goes on:");
    edit(&file, "debonce:", "debounce:");
    next("The file is sound again, and what runs is what it says.");
    assert_eq!(demo.terminate(), Some(0));
}

#[test]
fn the_demo_leaves_files_of_others_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("demo.yaml"), "mine: true\n").unwrap();
    let dir = dir.path().to_str().unwrap();
    reconciled().args(["demo", "--once", "--dir", dir]).assert().code(64);
    assert_eq!(fs::read_to_string(Path::new(dir).join("demo.yaml")).unwrap(), "mine: true\n");
}

#[test]
fn every_example_runs_in_the_demo_and_comes_to_rest() {
    let out = reconciled().args(["demo", "--list"]).output().unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    let names: Vec<&str> = text.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.len() >= 14 && names.contains(&"agency"), "{text}");
    let listed = reconciled().args(["demo", "--list", "--json"]).output().unwrap();
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), names.len());
    assert_eq!(listed[0]["name"], names[0]);
    for name in names {
        let out = reconciled().args(["demo", name, "--once"]).output().unwrap();
        let (text, told) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        assert_eq!(out.status.code(), Some(0), "{name}: {text}{told}");
        assert!(text.contains("both sides agree"), "{name}: {text}");
    }
    let out = reconciled().args(["demo", "website-zero", "--once"]).output().unwrap();
    let told = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(64), "{told}");
    assert!(told.contains("did you mean `website-xero`?"), "{told}");
}
