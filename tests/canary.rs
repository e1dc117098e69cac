//! Secrets appear nowhere: the built program is given some in every way it takes them, talks to a system that sends back
//! whatever it is sent, and everything that it says, logs, stores and exports is searched for them.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

/// One secret of each kind: from the environment, from a file, and as it stands in the configuration.
const SECRETS: [&str; 3] = ["canary-env-5d1c", "canary-file-8e2a", "canary-text-41b7"];
const PATIENCE: Duration = Duration::from_secs(60);

const YAML: &str = r#"
connectors:
  odd:
    base_url: "http://ADDRESS"
    auth: { kind: bearer }
    in_doubt: 1s
    resources:
      contacts:
        id: $.id
        label: "{name}"
        fields: { id: id, name: text, email: text }
        list: { get: /contacts, records: $.items }
        get: "/contacts/{id}"
        create: { post: /contacts }
        update: { patch: "/contacts/{id}" }
connections:
  a: { connector: odd, auth: { token: "${env:CANARY}" } }
  b: { connector: odd, auth: { token: "${file:secret.txt}" } }
  c: { connector: odd, auth: { token: canary-text-41b7 } }
pipelines:
  one: { source: a/contacts, target: b/contacts, direction: two-way, match: [ { source: $.email, target: $.email } ], first_run: { apply: automatic },
    fields: [ { source: $.name, target: $.name }, { source: $.email, target: $.email } ] }
  two: { source: a/contacts, target: c/contacts, direction: source-to-target, match: [ { source: $.email, target: $.email } ], first_run: { apply: automatic },
    fields: [ { source: $.name, target: $.name }, { source: $.email, target: $.email } ] }
"#;

/// Answers every third request with an error that holds all that it was sent.
fn answer(mut stream: TcpStream, number: usize) -> std::io::Result<()> {
    let mut head = Vec::new();
    let mut part = [0; 4_096];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let read = stream.read(&mut part)?;
        if read == 0 {
            return Ok(());
        }
        head.extend_from_slice(&part[..read]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let (status, body) = match number % 6 {
        1 => (500, head),
        3 => (401, format!("{{ \"error\": {} }}", serde_json::json!(head))),
        5 => (400, format!("{{ \"message\": {} }}", serde_json::json!(head))),
        _ if head.starts_with("GET /contacts ") || head.starts_with("GET /contacts?") => {
            (200, r#"{ "items": [{ "id": "1", "name": "Jane", "email": "jane@x.example" }] }"#.to_owned())
        }
        _ => (200, r#"{ "id": "1", "name": "Jane", "email": "jane@x.example" }"#.to_owned()),
    };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

fn serve() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let number = AtomicUsize::new(0);
        for stream in listener.incoming().flatten() {
            let _ = answer(stream, number.fetch_add(1, Ordering::Relaxed));
        }
    });
    address
}

fn command(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reconciled"));
    command.arg("--config").arg(dir).args(args).env("CANARY", SECRETS[0]).env("RECONCILED_LOG", "trace");
    command.stdin(Stdio::null());
    command
}

/// No secret is in there, plain, quoted for a URL or in base64 (whose letters depend on where it begins).
#[track_caller]
fn clean(what: &str, bytes: &[u8]) {
    clean_of(&SECRETS, what, bytes);
}

#[track_caller]
fn clean_of(secrets: &[&str], what: &str, bytes: &[u8]) {
    for secret in secrets {
        for hidden in [(*secret).to_owned(), secret.replace('-', "%2D")] {
            let found = bytes.windows(hidden.len()).any(|part| part == hidden.as_bytes());
            assert!(!found, "{what} shows {secret}:\n{}", String::from_utf8_lossy(bytes));
        }
    }
}

fn run(dir: &Path, args: &[&str]) -> Output {
    let output = command(dir, args).output().unwrap();
    clean(&format!("{args:?}, stdout"), &output.stdout);
    clean(&format!("{args:?}, stderr"), &output.stderr);
    output
}

/// Everything below a folder, for these secrets.
fn search(folder: &Path, secrets: &[&str]) -> usize {
    let mut files = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.ends_with("state") {
            continue;
        }
        if path.is_dir() {
            files += search(&path, secrets);
        } else if let Ok(bytes) = fs::read(&path) {
            clean_of(secrets, &path.display().to_string(), &bytes);
            files += 1;
        }
    }
    files
}

/// Ends with its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn secrets_appear_in_nothing_that_is_said_logged_stored_or_exported() {
    let (config, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (dir, state) = (config.path(), out.path().join("state"));
    let settings = format!("state_dir = {:?}\nsocket = {:?}\n", state, out.path().join("daemon.sock"));
    fs::write(dir.join("reconciled.toml"), settings).unwrap();
    fs::write(dir.join("secret.txt"), format!("{}\n", SECRETS[1])).unwrap();
    fs::write(dir.join("all.yaml"), YAML.replace("ADDRESS", &serve())).unwrap();
    let file = out.path().join("export.jsonl");
    let checked = run(dir, &["validate"]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    for _ in 0..2 {
        for args in [
            &["plan"][..],
            &["sync"],
            &["sync", "--full"],
            &["--json", "plan"],
            &["--json", "status"],
            &["status"],
            &["--json", "runs"],
            &["explain", "one", "jane@x.example"],
            &["parked", "list"],
            &["links", "list", "one"],
            &["match", "one", "--report"],
            &["--json", "connectors"],
            &["export", file.to_str().unwrap()],
        ] {
            run(dir, args);
        }
    }
    // With a mistake beside every secret.
    let broken = YAML.replace("ADDRESS", "127.0.0.1:9").replace("auth: { token:", "auth: { tokn: x, token:");
    fs::write(dir.join("broken.yaml"), broken.replace("  a:", "  a2:").replace("  one:", "  one2:")).unwrap();
    assert!(!run(dir, &["validate"]).status.success());
    fs::remove_file(dir.join("broken.yaml")).unwrap();

    let log = fs::File::create(out.path().join("daemon.log")).unwrap();
    let mut daemon = command(dir, &["run"]);
    daemon.stdout(log.try_clone().unwrap()).stderr(log);
    let mut daemon = Running(daemon.spawn().unwrap());
    let began = Instant::now();
    while !run(dir, &["--json", "status"]).status.success() || !out.path().join("daemon.sock").exists() {
        assert!(daemon.0.try_wait().unwrap().is_none() && began.elapsed() < PATIENCE, "the daemon does not answer");
    }
    for args in [&["sync"][..], &["--json", "status"], &["status"], &["parked", "list"], &["plan"]] {
        run(dir, args);
    }
    Command::new("kill").args(["-TERM", &daemon.0.id().to_string()]).status().unwrap();
    daemon.0.wait().unwrap();

    // What the daemon remembers is exported, too.
    run(dir, &["export", file.to_str().unwrap()]);
    // The store holds the last good files of the configuration as they are, with what stands in them.
    let stored = search(&state, &SECRETS[..2]);
    let files = search(out.path(), &SECRETS) + stored;
    assert!(file.exists() && state.exists() && files >= 4, "there is something to search: {files} files");
}
