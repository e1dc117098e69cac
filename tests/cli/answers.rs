//! Every command once with `--json`: what it prints is one JSON value of the shape that `docs/commands.md` says and nothing else, it ends
//! with a code that is said there, and its help has an example. The commands are those that the program itself lists.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use serde_json::Value;

use super::{Running, reconciled};

/// One use of a command: which, what else is typed, the codes it may end with.
type Case = (&'static str, &'static [&'static str], &'static [i32]);

/// What is looked at in order, in the folder of [`world`]. `{new}` is a folder beside it, `{run}` the last run that wrote.
const CASES: &[Case] = &[
    ("init", &["{new}", "--source", "website", "--target", "xero"], &[0]),
    ("validate", &[], &[0]),
    ("doctor", &[], &[0, 1]),
    ("schema", &[], &[0]),
    ("completions", &["bash"], &[0]),
    ("connectors", &[], &[0]),
    ("connectors list", &[], &[0]),
    ("connectors show", &["xero"], &[0]),
    ("connectors try", &["shop", "people"], &[0]),
    ("demo", &["--list"], &[0]),
    ("access token", &[], &[0]),
    ("access password", &[], &[0]),
    ("render", &["acme"], &[0]),
    ("explain", &["config::unknown_key"], &[0]),
    ("plan", &["--detailed-exitcode"], &[5]),
    ("match", &["acme/people", "--report"], &[0]),
    ("test", &["--record", "acme"], &[0]),
    ("approve", &["acme"], &[0]),
    ("sync", &[], &[0]),
    ("status", &[], &[0]),
    ("runs", &[], &[0]),
    ("links list", &["acme/people"], &[0]),
    ("links remove", &["acme/people", "1"], &[0]),
    ("links add", &["acme/people", "1", "A7"], &[0]),
    ("links remove", &["acme/people", "1"], &[0]),
    ("links import", &["pairs.csv", "acme/people"], &[0]),
    ("revert", &["{run}", "--plan"], &[0]),
    ("edit", &["people.yaml"], &[0]),
    ("config restore", &["people.yaml", "--yes"], &[1]),
    ("config diff", &[], &[0]),
    ("notifications list", &[], &[0]),
    ("notifications test", &["office"], &[0]),
    ("secrets check", &[], &[0]),
    ("pause", &["acme"], &[0]),
    ("resume", &["acme"], &[0]),
    ("connections", &[], &[0]),
    ("connect", &["nobody"], &[1]),
    ("disconnect", &["nobody"], &[1]),
    ("reject", &["nothing"], &[1]),
    ("log-level", &[], &[69]),
    ("reload", &[], &[69]),
];

/// After both sides have said something else of one field.
const CONFLICT: &[Case] = &[
    ("sync", &[], &[4]),
    ("parked retry", &["acme/people", "1"], &[0]),
    ("sync", &[], &[4]),
    ("parked list", &[], &[0]),
    ("parked list", &["--causes"], &[0]),
    ("conflicts list", &[], &[0]),
    ("explain", &["acme/people", "1"], &[0]),
    ("parked ignore", &["acme/people", "1"], &[0]),
    ("conflicts resolve", &["acme/people", "1", "--source"], &[0]),
    ("test", &["--record", "acme"], &[0]),
    ("sync", &[], &[0]),
    ("export", &["{new}/all.jsonl"], &[0]),
    ("export", &[], &[0]),
    ("import", &["--replace", "{new}/all.jsonl"], &[0]),
];

/// With the files of tests there.
const TESTS: &[Case] = &[("test", &[], &[0]), ("replay", &[], &[0])];

/// While a daemon runs.
const DAEMON: &[Case] = &[("reload", &["--wait"], &[0]), ("log-level", &[], &[0]), ("status", &[], &[0])];

/// After the client was taken out.
const GONE: &[Case] = &[("forget", &["acme", "--yes"], &[0])];

/// These answer only where somebody consents, something is held, or an edit took effect; `tests/grants` and `tests/reload` show that. Here
/// they are refused.
const REFUSED: [&str; 4] = ["connect", "disconnect", "reject", "config restore"];

/// The daemon is no command that answers.
const RUNS_ON: &str = "run";

const ACME: &str = r"
connectors:
  lists:
    resources:
      people:
        id: $.key
        label: '{name}'
        fields: { name: text, email: text, phone: text }
        file: { path: people.csv, columns: [ key, name, email, phone ], write: true, ready: { steady: 0s } }
connections:
  shop:   { connector: lists, base_url: shop }
  office: { connector: lists, base_url: office }
integrations:
  acme:
    automatic: false
    pipelines:
      people:
        source: shop/people
        target: office/people
        direction: two-way
        match: [ { source: $.email, target: $.email } ]
        fields:
          - { source: $.name, target: $.name }
          - { source: $.email, target: $.email }
          - { source: $.phone, target: $.phone }
notifications:
  office: { command: [ /bin/true ] }
";

/// As `test --record` makes one.
const TEST: &str = r#"
tests:
  recorded-of-acme:
    integration: acme
    at: 2026-06-01 09:00:00
    given:
      office/people: [ { key: D5, name: Bena, email: bena@l.sorigoh, phone: "8" } ]
      shop/people: [ { key: "8", name: Bena, email: bena@l.sorigoh, phone: "8" } ]
    links: { acme/people: { "8": D5 } }
    steps:
      - edit: { office/people/D5: { phone: "73" }, shop/people/8: { phone: "87" } }
      - sync: full
    expect:
      writes: none
      parked: [ { pipeline: acme/people, record: "8", code: conflict, field: "phone -> phone" } ]
      held: none
"#;

/// Two lists of people, and everything the commands need.
pub(super) fn world(dir: &Path) {
    for (side, rows) in
        [("shop", "1,Jane,jane@x.example,1\n2,Rua,rua@x.example,2\n"), ("office", "A7,Jane,jane@x.example,\n")]
    {
        fs::create_dir(dir.join(side)).unwrap();
        fs::write(dir.join(side).join("people.csv"), format!("key,name,email,phone\n{rows}")).unwrap();
    }
    fs::write(dir.join("reconciled.toml"), "state_dir = 'state'\nsocket = 'daemon.sock'\n").unwrap();
    fs::write(dir.join("people.yaml"), ACME).unwrap();
    fs::write(dir.join("pairs.csv"), "source,target\n1,A7\n").unwrap();
}

/// What the help of a command says: its lines.
fn help(words: &str) -> String {
    let output = reconciled().args(words.split_whitespace()).arg("--help").output().unwrap();
    assert!(output.status.success(), "{words} --help");
    String::from_utf8(output.stdout).unwrap()
}

/// Every command that can be typed, by its words.
fn commands(path: &str, found: &mut BTreeSet<String>) {
    let text = help(path);
    let listed = text.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let below: Vec<String> = listed
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(|name| format!("{path} {name}").trim().to_owned())
        .collect();
    let alone = below.is_empty() || text.lines().any(|line| line.starts_with("Usage:") && line.ends_with("[COMMAND]"));
    if alone && !path.is_empty() {
        assert!(text.contains("Examples:\n  reconciled "), "`{path} --help` shows no example:\n{text}");
        found.insert(path.to_owned());
    }
    for command in below {
        commands(&command, found);
    }
}

fn page() -> String {
    fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/commands.md")).unwrap()
}

/// The words in backquotes.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// One answer of a command: what it is, and the keys it has at least.
#[derive(Debug)]
struct Shape {
    kind: String,
    keys: Vec<String>,
}

/// What `--json` prints, as the page says: of each command, its answers.
fn shapes(page: &str) -> BTreeMap<String, Vec<Shape>> {
    let table = page.split("## What `--json` prints").nth(1).expect("a table of shapes").split("\n## ").next().unwrap();
    let mut shapes = BTreeMap::new();
    for row in table.lines().filter(|line| line.starts_with("| `")) {
        let mut cells = row.trim_matches('|').split(" | ");
        let (commands, answers) = (cells.next().unwrap(), cells.next().unwrap().trim());
        for command in quoted(commands) {
            let shape = |answer: &str| Shape {
                kind: answer.split(':').next().unwrap().trim().to_owned(),
                keys: quoted(answer).map(str::to_owned).collect(),
            };
            let known = shapes.insert(command.to_owned(), answers.split("; or ").map(shape).collect());
            assert!(known.is_none(), "`{command}` stands there twice");
        }
    }
    shapes
}

impl Shape {
    /// Whether this is such an answer; an empty list may be one, but shows nothing.
    fn fits(&self, out: &str) -> Option<bool> {
        match self.kind.as_str() {
            "nothing" => return Some(out.is_empty()),
            "text" => return Some(!out.is_empty()),
            _ => {}
        }
        let value: Value = serde_json::from_str(out).ok()?;
        let has_all = |one: &Value| self.keys.iter().all(|key| one.get(key).is_some());
        match (self.kind.as_str(), &value) {
            ("a list", Value::Array(all)) if all.is_empty() => None,
            ("a list", Value::Array(all)) => Some(all.iter().all(has_all)),
            ("a list of names", Value::Array(all)) => Some(!all.is_empty() && all.iter().all(Value::is_string)),
            ("a map", Value::Object(_)) => Some(has_all(&value)),
            ("a word", Value::String(_)) => Some(true),
            _ => Some(false),
        }
    }
}

/// The codes that the page says of a command, in all of its rows.
fn codes(page: &str, command: &str) -> BTreeSet<i32> {
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.map(|row| row.trim_matches('|').split(" | ").collect::<Vec<_>>()).filter(|cells| cells.len() == 3);
    let own = cells.filter(|cells| {
        quoted(cells[0]).any(|typed| {
            let words = typed.replace(['[', ']'], "");
            words == command || words.starts_with(&format!("{command} "))
        })
    });
    let numbers = own.flat_map(|cells| {
        let numbers = cells[2].split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok());
        numbers.collect::<Vec<i32>>()
    });
    numbers.collect()
}

/// A folder, what is written of the commands, and which of them have been shown.
struct Walk<'a> {
    dir: &'a Path,
    new: &'a Path,
    page: String,
    shapes: BTreeMap<String, Vec<Shape>>,
    shown: BTreeSet<String>,
    run: String,
}

impl Walk<'_> {
    fn all(&mut self, cases: &[Case]) {
        for (words, rest, codes) in cases {
            let new = self.new.to_str().unwrap();
            let rest: Vec<String> =
                rest.iter().map(|word| word.replace("{new}", new).replace("{run}", &self.run)).collect();
            self.one(self.dir, words, &rest, codes);
        }
    }

    fn one(&mut self, config: &Path, words: &str, rest: &[String], expected: &[i32]) {
        let mut command = reconciled();
        command
            .current_dir(self.dir)
            .env("EDITOR", "true")
            .env("VISUAL", "true")
            .write_stdin("correct horse battery\n");
        command.arg("--config").arg(config).args(words.split(' ')).args(rest).arg("--json");
        let output = command.output().unwrap();
        let (out, err) =
            (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr).into_owned());
        let code = output.status.code().unwrap();
        let what = format!("{words} {rest:?} ended with {code}:\n{out}\n{err}");
        assert!(expected.contains(&code), "{what}");
        assert!(codes(&self.page, words).contains(&code), "that code is not documented: {what}");
        let shapes = self.shapes.get(words).unwrap_or_else(|| panic!("`{words}` has no row in the table of shapes"));
        if out.is_empty() && ![0, 2, 4, 5].contains(&code) {
            // Refused: why is told beside the data.
            assert!(!err.is_empty(), "{what}");
            return;
        }
        let fits: Vec<Option<bool>> = shapes.iter().map(|shape| shape.fits(&out)).collect();
        if fits.contains(&Some(true)) {
            self.shown.insert(words.to_owned());
        } else {
            let empty = fits.contains(&None) && serde_json::from_str::<Value>(&out).is_ok();
            assert!(empty, "this is nothing of {shapes:?}: {what}");
        }
        if words == "runs" {
            let runs: Value = serde_json::from_str(&out).unwrap();
            let runs = runs[0]["runs"].as_array().unwrap();
            runs.last().unwrap()["id"].as_str().unwrap().clone_into(&mut self.run);
        }
    }
}

#[test]
fn every_command_answers_programs_as_documented() {
    let mut all = BTreeSet::new();
    commands("", &mut all);
    assert!(all.len() > 40, "{all:?}");
    let page = page();
    let shapes = shapes(&page);
    let listed: BTreeSet<String> = shapes.keys().cloned().collect();
    assert_eq!(listed, all, "the table of docs/commands.md (left) and the commands there are (right)");
    let (dir, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let new_folder = new.path().join("new");
    world(dir.path());
    let mut walk = Walk { dir: dir.path(), new: &new_folder, page, shapes, shown: BTreeSet::new(), run: String::new() };
    walk.all(CASES);
    // What a first integration has: secrets that lack, and a login.
    walk.one(&new_folder, "secrets check", &[], &[1]);
    walk.one(&new_folder, "connections", &[], &[0]);
    let edit = |side: &str, from: &str, to: &str| {
        let file = dir.path().join(side).join("people.csv");
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(&file, text.replace(from, to)).unwrap();
    };
    edit("shop", "jane@x.example,1", "jane@x.example,22");
    edit("office", "jane@x.example,1", "jane@x.example,33");
    walk.all(CONFLICT);
    fs::write(dir.path().join("acme.test.yaml"), TEST).unwrap();
    walk.all(TESTS);
    let mut daemon = Running::start(&["--config", ".", "run", "--json"], dir.path());
    Running::wait_for(daemon.0.stderr.take().unwrap(), "daemon.started");
    walk.all(DAEMON);
    let mut said = daemon.0.stdout.take().unwrap();
    assert_eq!(daemon.terminate(), Some(0));
    let mut text = String::new();
    std::io::Read::read_to_string(&mut said, &mut text).unwrap();
    assert_eq!(text, "", "the daemon's log is no data");
    fs::remove_file(dir.path().join("people.yaml")).unwrap();
    fs::remove_file(dir.path().join("acme.test.yaml")).unwrap();
    walk.all(GONE);
    walk.shown.extend(REFUSED.into_iter().chain([RUNS_ON]).map(str::to_owned));
    assert_eq!(walk.shown, all, "what was shown (left) and the commands there are (right)");
}
