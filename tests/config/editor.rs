//! What an editor shows, asked of the language server that editors use (`yaml-language-server`), with the schemas that the
//! files themselves name.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use serde_json::{Value, json};
use url::Url;

use super::root;

/// Longer than any answer takes by far: what hangs must end.
const PATIENCE: Duration = Duration::from_secs(120);

/// The language server in a process of its own, which ends with this.
struct Editor {
    process: Child,
    says: ChildStdin,
    hears: Receiver<Value>,
    asked: i64,
    version: i64,
}

impl Drop for Editor {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A message: its length in a header, an empty line, and JSON.
fn message(from: &mut impl BufRead) -> Option<Value> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if from.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim() {
            "" => break,
            header => length = header.strip_prefix("Content-Length: ").map_or(Ok(length), str::parse).ok()?,
        }
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body).ok()?;
    serde_json::from_slice(&body).ok()
}

impl Editor {
    /// `None` where it is not installed.
    fn start() -> Option<Self> {
        let folder = root().join("target/editor/node_modules/yaml-language-server");
        if !folder.exists() {
            assert!(std::env::var_os("RECONCILED_ALL").is_none(), "tests/run has not installed {}", folder.display());
            eprintln!("there is no language server in {}: run tests/run", folder.display());
            return None;
        }
        let mut command = Command::new("node");
        command.arg("bin/yaml-language-server").arg("--stdio").current_dir(folder);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().unwrap();
        let says = process.stdin.take().unwrap();
        let mut out = BufReader::new(process.stdout.take().unwrap());
        let (hand, hears) = channel();
        thread::spawn(move || {
            while let Some(message) = message(&mut out) {
                if hand.send(message).is_err() {
                    return;
                }
            }
        });
        let mut editor = Self { process, says, hears, asked: 0, version: 0 };
        let folder = Url::from_directory_path(root()).unwrap();
        let capabilities = json!({
            "workspace": { "configuration": true },
            "textDocument": { "hover": { "contentFormat": ["plaintext"] }, "completion": {}, "publishDiagnostics": {} },
        });
        editor.ask("initialize", &json!({ "processId": null, "rootUri": folder, "capabilities": capabilities }));
        editor.tell("initialized", &json!({}));
        Some(editor)
    }

    fn send(&mut self, message: &Value) {
        let body = message.to_string();
        write!(self.says, "Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        self.says.flush().unwrap();
    }

    fn tell(&mut self, method: &str, params: &Value) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }

    /// The next message that is no question; those are answered as an editor without settings of its own does.
    fn next(&mut self) -> Value {
        loop {
            let heard = self.hears.recv_timeout(PATIENCE).expect("the language server says something");
            let (Some(method), Some(id)) = (heard["method"].as_str(), heard.get("id")) else { return heard };
            let answer = match method {
                "workspace/configuration" => {
                    let own = json!({ "validate": true, "hover": true, "completion": true, "schemaStore": { "enable": false } });
                    let asked = heard["params"]["items"].as_array().map(Vec::as_slice).unwrap_or_default();
                    let of = |item: &Value| if item["section"] == "yaml" { own.clone() } else { json!({}) };
                    Value::Array(asked.iter().map(of).collect())
                }
                _ => Value::Null,
            };
            self.send(&json!({ "jsonrpc": "2.0", "id": id, "result": answer }));
        }
    }

    fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.asked += 1;
        let id = self.asked;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        loop {
            let heard = self.next();
            if heard["id"] == id {
                assert!(heard["error"].is_null(), "{method}: {heard}");
                return heard["result"].clone();
            }
        }
    }

    fn open(&mut self, path: &Path, text: &str) -> Url {
        let url = Url::from_file_path(path).unwrap();
        // What it knows of a document it keeps by its version.
        self.version += 1;
        let document = json!({ "uri": url, "languageId": "yaml", "version": self.version, "text": text });
        self.tell("textDocument/didOpen", &json!({ "textDocument": document }));
        url
    }

    /// What is wrong with a text as this file; something must be. Before it has the schema it finds nothing, and says so.
    fn mistakes(&mut self, path: &Path, text: &str) -> Vec<String> {
        let url = self.open(path, text);
        loop {
            let heard = self.next();
            let about = heard["method"] == "textDocument/publishDiagnostics" && heard["params"]["uri"] == url.as_str();
            let found = heard["params"]["diagnostics"].as_array().filter(|found| about && !found.is_empty());
            if let Some(found) = found {
                let told = |one: &Value| {
                    format!("{}: {}", one["range"]["start"]["line"], one["message"].as_str().unwrap_or_default())
                };
                let told = found.iter().map(told).collect();
                self.close(&url);
                return told;
            }
        }
    }

    fn close(&mut self, url: &Url) {
        self.tell("textDocument/didClose", &json!({ "textDocument": { "uri": url } }));
    }

    /// What it offers at the end of the text before `|`.
    fn offers(&mut self, path: &Path, text: &str) -> Vec<String> {
        let (before, after) = text.split_once('|').unwrap();
        let url = self.open(path, &format!("{before}{after}"));
        let found = self.ask("textDocument/completion", &at(&url, before));
        self.close(&url);
        let items = found["items"].as_array().or(found.as_array()).cloned().unwrap_or_default();
        items.iter().filter_map(|item| item["label"].as_str().map(str::to_owned)).collect()
    }

    /// What it says of the word before `|`.
    fn explains(&mut self, path: &Path, text: &str) -> String {
        let (before, after) = text.split_once('|').unwrap();
        let url = self.open(path, &format!("{before}{after}"));
        let found = self.ask("textDocument/hover", &at(&url, before));
        self.close(&url);
        found["contents"].to_string()
    }
}

/// The place right behind a text.
fn at(url: &Url, before: &str) -> Value {
    let line = before.matches('\n').count();
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count();
    json!({ "textDocument": { "uri": url }, "position": { "line": line, "character": column } })
}

fn examples() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join("examples/configs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.extension().and_then(|ending| ending.to_str()) {
                _ if path.is_dir() => folders.push(path),
                Some("yaml") => found.push(path),
                _ => {}
            }
        }
    }
    found.sort();
    found
}

#[track_caller]
fn holds_all(found: &[String], wanted: &[&str]) {
    for wanted in wanted {
        assert!(found.iter().any(|label| label == wanted), "`{wanted}` is not offered: {found:?}");
    }
}

const PIPELINE: &str = "# yaml-language-server: $schema=../../../schemas/config.schema.json
pipelines:
  contacts:
    source: website/contacts
    target: xero/contacts
";

#[test]
fn an_editor_completes_explains_and_checks() {
    let Some(mut editor) = Editor::start() else { return };
    let all = examples();
    assert!(all.len() >= 30);
    for path in &all {
        // With a mistake on purpose: that it is found, and nothing else, shows that the schema is in use.
        let text = fs::read_to_string(path).unwrap();
        let wrong = editor.mistakes(path, &format!("{text}\nno-such-key: 1\n"));
        assert!(wrong.len() == 1 && wrong[0].contains("no-such-key"), "{}: {wrong:#?}", path.display());
    }

    // A file that is not there yet: what it is, its first line says.
    let new = root().join("examples/configs/agency/new.yaml");
    let offered = editor.offers(&new, &format!("{PIPELINE}    |\n"));
    holds_all(&offered, &["direction", "match", "fields", "filters", "deletes", "guards"]);
    let offered = editor.offers(&new, &format!("{PIPELINE}    direction: |\n"));
    holds_all(&offered, &["two-way", "source-to-target", "target-to-source"]);
    let offered = editor.offers(&new, &format!("{PIPELINE}    fields:\n      - source: $.email\n        |\n"));
    holds_all(&offered, &["target", "write", "transform", "lookup", "reference"]);
    let told = editor.explains(&new, &format!("{PIPELINE}    deb|ounce: 2m\n"));
    assert!(told.contains("gather changes"), "{told}");
    let broken = root().join("examples/configs/agency/broken.yaml");
    let wrong = editor.mistakes(&broken, &format!("{PIPELINE}    directoin: two-way\n    conflicts: sometimes\n"));
    assert!(wrong.iter().any(|wrong| wrong.starts_with("5: ") && wrong.contains("directoin")), "{wrong:#?}");
    assert!(wrong.iter().any(|wrong| wrong.starts_with("6: ")), "{wrong:#?}");

    let test = root().join("examples/configs/agency/new.test.yaml");
    let head = "# yaml-language-server: $schema=../../../schemas/test.schema.json\ntests:\n  one:\n";
    holds_all(&editor.offers(&test, &format!("{head}    |\n")), &["given", "steps", "expect", "integration"]);
    let steps = format!("{head}    steps:\n      - |\n");
    holds_all(&editor.offers(&test, &steps), &["create", "edit", "advance", "trouble", "crash"]);
    let told = editor.explains(&test, &format!("{head}    steps:\n      - adv|ance: 2m\n"));
    assert!(told.contains("Time passes"), "{told}");
    let broken = root().join("examples/configs/agency/broken.test.yaml");
    let wrong = editor.mistakes(&broken, &format!("{head}    expect: {{ recrods: {{}} }}\n"));
    assert!(wrong.iter().any(|wrong| wrong.contains("recrods")), "{wrong:#?}");
}
