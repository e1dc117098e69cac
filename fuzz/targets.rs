//! What is done with bytes from outside, and what must hold whatever they are. Nothing may panic.
#![allow(dead_code, reason = "each target is a program of its own")]

use std::{
    collections::HashMap,
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, OnceLock},
};

use reconciled::{
    clock::Clock,
    config::{self, Config},
    connector::{Connector, HttpConnector, InboxConnector, LimitRegistry, PullCursor, WriteItem, WriteKind},
    daemon::{
        Daemon, DaemonSettings,
        protocol::{Frame, Request},
    },
    engine::{Connectors, Engine},
    record::{Cell, Path, RecordId},
    store::{Ledger, MemoryStore, Store},
};
use serde_json::Value;

/// A file of the configuration. Mistakes are found, the same ones twice, and shown.
pub fn config(bytes: &[u8]) {
    let dir = tempfile::tempdir().expect("a folder");
    fs::write(dir.path().join("some.yaml"), bytes).expect("a file");
    let load = || {
        let loaded = config::load(dir.path(), &HashMap::<String, String>::new());
        (loaded.has_errors(), loaded.render(false))
    };
    let (broken, shown) = load();
    assert_eq!(load(), (broken, shown.clone()));
    assert!(!broken || !shown.is_empty(), "a mistake is shown");
}

/// A manifest, with a connection and a pipeline for each of its connectors and resources. What is sound makes the calls that it
/// describes; nothing is sent.
pub fn manifest(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let dir = tempfile::tempdir().expect("a folder");
    fs::write(dir.path().join("some.yaml"), text).expect("a file");
    let names = |indent: &str| {
        let inside = text.lines().filter_map(|line| line.strip_prefix(indent)?.split_once(':'));
        let named = inside.map(|(name, _)| name).filter(|name| name.starts_with(|c: char| c.is_ascii_lowercase()));
        named
            .filter(|name| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let (mut connections, mut pipelines) = ("connections:\n".to_owned(), "pipelines:\n".to_owned());
    for name in names("  ").iter().take(4) {
        connections +=
            &format!("  {name}: {{ connector: {name}, base_url: \"http://127.0.0.1:1\", auth: {{ token: x }} }}\n");
        for resource in names("      ").iter().take(4) {
            pipelines += &format!(
                "  {name}-{resource}: {{ source: {name}/{resource}, target: {name}/{resource}, direction: source-to-target, creates: none, \
                 match: [ {{ source: $.id, target: $.id }} ], fields: [ {{ source: $.name, target: $.name }} ] }}\n"
            );
        }
    }
    fs::write(dir.path().join("uses.yaml"), connections + &pipelines).expect("a file");
    let load = || config::load(dir.path(), &HashMap::<String, String>::new());
    let loaded = load();
    assert_eq!(load().render(false), loaded.render(false));
    let clock = Clock::manual(std::time::SystemTime::UNIX_EPOCH.into());
    let limits = Arc::new(LimitRegistry::new(clock.clone()));
    let item = WriteItem {
        id: Some(RecordId::from("1")),
        body: serde_json::json!({ "id": "1", "name": "Jane & <Co>", "amount": 1.5, "on": "2026-06-01", "tags": ["a", { "b": null }] }),
        version: Some("7".to_owned()),
        now: Some(serde_json::json!({ "id": "1", "name": "J" })),
    };
    for connection in loaded.config.connections.values() {
        let Ok(connector) = HttpConnector::new(Arc::clone(connection), clock.clone(), &limits) else { continue };
        for resource in connection.manifest.resources.values() {
            for kind in [WriteKind::Create, WriteKind::Update, WriteKind::Delete] {
                let items = [WriteItem { id: item.id.clone().filter(|_| kind != WriteKind::Create), ..item.clone() }];
                if let Ok(call) = connector.prepare(resource, kind, &items, "key") {
                    serde_json::to_string(&call).expect("a call is kept in an intent");
                }
            }
        }
    }
}

/// A path, and below it a record and a value, each on a line of its own. What is written is read, writing it twice is as
/// good as once, and what is removed is not there.
pub fn paths(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut lines = text.lines();
    let (Some(path), Some(record), Some(value)) = (lines.next(), lines.next(), lines.next()) else { return };
    let Ok(path) = Path::parse(path) else { return };
    let (Ok(mut record), Ok(value)) = (serde_json::from_str::<Value>(record), serde_json::from_str::<Value>(value))
    else {
        return;
    };
    let _ = (path.read(&record), path.read_all(&record), path.count(&record), path.hits(&record), path.names());
    let _ = (path.condition_names(), path.carried_array());
    if path.check_writable().is_err() {
        assert!(path.write(&mut record, &Cell::Value(value)).is_err(), "{path:?} cannot be written");
        return;
    }
    if path.write(&mut record, &Cell::Value(value.clone())).is_err() {
        return;
    }
    if !value.is_null() {
        assert_eq!(path.read(&record), Cell::Value(value.clone()), "{path:?} in {record}");
    }
    let once = record.clone();
    path.write(&mut record, &Cell::Value(value)).expect("it was written before");
    assert_eq!(record, once, "{path:?}");
    if path.write(&mut record, &Cell::Absent).is_ok() {
        assert!(path.read(&record).value().is_none_or(Value::is_null), "{path:?} was removed from {record}");
    }
}

/// A line between a command and the daemon. What is understood is understood again when it is passed on.
pub fn protocol(bytes: &[u8]) {
    let Ok(line) = std::str::from_utf8(bytes) else { return };
    if let Ok(request) = Request::from_line(line) {
        let text = serde_json::to_string(&request).expect("a request is text");
        let again = Request::from_line(&text).expect("and the text is a request");
        assert_eq!(format!("{again:?}"), format!("{request:?}"));
    }
    if let Ok(frame) = serde_json::from_str::<Value>(line).and_then(serde_json::from_value::<Frame>) {
        serde_json::to_string(&frame).expect("a frame is text");
    }
}

const CONNECTORS: &str = "
connectors:
  json: { base_url: \"URL\", auth: { kind: none }, resources: { things: &things { id: $.id, label: \"{name}\", gone_when: { path: $.gone, equals: true },
    fields: { id: id, name: text, amount: decimal, on: date, gone: boolean, tags: list }, list: { get: /things, records: $.items } } } }
  xml: { base_url: \"URL\", auth: { kind: none }, body: { read: xml, write: xml, lists: { items: item }, repeated: [ tags ] }, resources: { things: *things } }
  csv: { base_url: \"URL\", auth: { kind: none }, body: csv, resources: { things: { id: $.id, label: \"{name}\", fields: { id: id, name: text, amount: decimal }, list: { get: /things, records: $ } } } }
connections:
  a: { connector: json }
  b: { connector: xml }
  c: { connector: csv }
";

/// A server that answers everything with the same bytes, and connectors that read them as JSON, XML and CSV.
struct Remote {
    clock: Clock,
    answer: Arc<Mutex<(&'static str, Vec<u8>)>>,
    connectors: Vec<(&'static str, HttpConnector)>,
}

fn say(mut stream: TcpStream, answer: &Mutex<(&'static str, Vec<u8>)>) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut part = [0; 4_096];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        let read = stream.read(&mut part)?;
        if read == 0 {
            return Ok(());
        }
        request.extend_from_slice(&part[..read]);
    }
    let (kind, body) = answer.lock().expect("no panic while it is held").clone();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(&body)
}

impl Remote {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address: SocketAddr = listener.local_addr().expect("an address");
        let answer = Arc::new(Mutex::new(("application/json", Vec::new())));
        let said = Arc::clone(&answer);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let _ = say(stream, &said);
            }
        });
        let dir = tempfile::tempdir().expect("a folder");
        fs::write(dir.path().join("all.yaml"), CONNECTORS.replace("URL", &format!("http://{address}")))
            .expect("a file");
        let loaded = config::load(dir.path(), &HashMap::<String, String>::new());
        assert!(!loaded.has_errors(), "{}", loaded.render(false));
        // It waits for nothing but the answers: whoever waits for the clock has it move.
        let clock = Clock::manual(std::time::SystemTime::UNIX_EPOCH.into());
        let limits = Arc::new(LimitRegistry::new(clock.clone()));
        let kinds = ["application/json", "text/xml", "text/csv"];
        let connectors = loaded.config.connections.values().zip(kinds).map(|(connection, kind)| {
            let connector = HttpConnector::new(Arc::clone(connection), clock.clone(), &limits);
            (kind, connector.expect("the connector is sound"))
        });
        Self { answer, connectors: connectors.collect(), clock: clock.clone() }
    }
}

/// What a remote answers. It is read or refused; every record that is read has an id.
pub fn bodies(bytes: &[u8]) {
    static REMOTE: OnceLock<Remote> = OnceLock::new();
    let remote = REMOTE.get_or_init(Remote::start);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    for (kind, connector) in &remote.connectors {
        *remote.answer.lock().expect("no panic while it is held") = (kind, bytes.to_vec());
        let resource = connector.resource("things").expect("it has things");
        let cursor = PullCursor { since: None, page: None };
        let read = async {
            let mut sleeps = remote.clock.sleeps().expect("the clock is moved by hand");
            let mut pull = std::pin::pin!(connector.pull(resource, &cursor));
            loop {
                tokio::select! {
                    biased;
                    page = &mut pull => return page,
                    waiting = sleeps.wait_for(|all| !all.is_empty()) => {
                        let next = waiting.expect("the clock is there").values().min().copied();
                        remote.clock.advance(next.unwrap_or_default().saturating_sub(remote.clock.monotonic()));
                        tokio::task::yield_now().await;
                    }
                }
            }
        };
        if let Ok(page) = runtime.block_on(read) {
            assert!(page.records.iter().all(|record| !record.id.as_str().is_empty()), "{kind}: {page:?}");
        }
    }
}

const HOOKS: &str = "
connectors:
  signed: &some { base_url: \"http://127.0.0.1:1\", auth: { kind: bearer },
    webhooks: { signed: { by: hmac-sha256, header: x-signature, encoding: hex }, parts: \"$.parts[*]\", events: \"$.events[*]\", account: $.account, id: $.id, resource: { path: $.kind, names: { THING: things } } },
    resources: { things: { id: $.id, fields: { id: id, name: text }, list: { get: /things, records: $.items }, get: \"/things/{id}\" } } }
  token: { base_url: \"http://127.0.0.1:1\", auth: { kind: bearer },
    webhooks: { signed: { by: token, path: $.token }, id: \"$.ids[*]\", resource: { path: $.kind, names: { THING: things } } },
    resources: { things: { id: $.id, fields: { id: id, name: text }, list: { get: /things, records: $.items }, get: \"/things/{id}\", create: { post: /things }, update: { patch: \"/things/{id}\" } } } }
  path: { base_url: \"http://127.0.0.1:1\", auth: { kind: bearer },
    webhooks: { signed: { by: secret-path }, events: $, id: $.id, resource: { path: $.kind, names: { THING: things } } },
    resources: { things: { id: $.id, fields: { id: id, name: text }, list: { get: /things, records: $.items } } } }
  forms:
    resources:
      things: { id: $.id, fields: { id: id, name: text, amount: decimal, on: date, lines: { type: list, fields: { price: decimal } } }, inbox: { require: { lines.price: above-zero } } }
connections:
  signed: { connector: signed, auth: { token: x }, webhook_key: canary-0123456789abcdef }
  token: { connector: token, auth: { token: x }, webhook_key: canary-0123456789abcdef }
  path: { connector: path, auth: { token: x }, webhook_key: canary-0123456789abcdef }
  forms: { connector: forms, auth: { token: canary-0123456789abcdef } }
integrations:
  all:
    automatic: false
    pipelines:
      a: { source: signed/things, target: token/things, direction: source-to-target, creates: none, match: [ { source: $.name, target: $.name } ], fields: [ { source: $.name, target: $.name } ] }
";

/// A daemon with a public listener, and no time that passes.
fn daemon() -> SocketAddr {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            let dir = tempfile::tempdir().expect("a folder");
            fs::write(dir.path().join("all.yaml"), HOOKS).expect("a file");
            fs::write(dir.path().join("reconciled.toml"), "[listen]\npublic = \"127.0.0.1:0\"\n").expect("a file");
            let loaded = config::load(dir.path(), &HashMap::<String, String>::new());
            assert!(!loaded.has_errors(), "{}", loaded.render(false));
            let engine = engine(Arc::new(loaded.config), dir.path());
            let settings = DaemonSettings { socket: None, stop_deadline: std::time::Duration::from_secs(1) };
            let daemon = Daemon::start(engine, settings).await.expect("the daemon starts");
            tell.send(daemon.status().public.expect("it listens").address).expect("somebody waits");
            std::future::pending::<()>().await;
        });
    });
    told.recv().expect("the daemon starts")
}

fn engine(config: Arc<Config>, temp: &std::path::Path) -> Engine {
    let clock = Clock::manual(std::time::SystemTime::UNIX_EPOCH.into());
    let limits = Arc::new(LimitRegistry::new(clock.clone()));
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let mut connectors = Connectors::new();
    for (name, connection) in &config.connections {
        let connection = Arc::clone(connection);
        let connector: Arc<dyn Connector> = if connection.manifest.is_of_posts() {
            Arc::new(InboxConnector::new(connection, clock.clone(), Arc::clone(&store)))
        } else {
            Arc::new(HttpConnector::new(connection, clock.clone(), &limits).expect("the connector is sound"))
        };
        connectors.insert(name.clone(), connector);
    }
    Engine {
        config,
        ledger: Ledger::new(store),
        connectors: Arc::new(connectors),
        clock,
        temp: temp.to_owned(),
        seed: 1,
    }
}

/// The status of the answer to a post.
fn posted(address: SocketAddr, path: &str, headers: &str, body: &[u8]) -> u16 {
    let mut stream = TcpStream::connect(address).expect("the daemon listens");
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n{headers}connection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).expect("the daemon reads");
    // A body that is too long is answered before it is read.
    let _ = stream.write_all(body);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.unwrap_or_else(|| panic!("{path} was not answered: {answer}"))
}

/// What comes to the public listener. Whoever does not show the key is turned away, whatever they say; whoever does is believed to be
/// the system, even if nobody understands it; and a post is kept or refused.
pub fn hooks(bytes: &[u8]) {
    static DAEMON: OnceLock<SocketAddr> = OnceLock::new();
    let address = *DAEMON.get_or_init(daemon);
    let key = "canary-0123456789abcdef";
    let tag = ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key.as_bytes()), bytes);
    let tag: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(posted(address, "/hooks/signed", &format!("x-signature: {tag}\r\n"), bytes), 200);
    assert_eq!(posted(address, "/hooks/signed", "", bytes), 401);
    assert_eq!(posted(address, &format!("/hooks/path/{key}"), "", bytes), 200);
    assert_eq!(posted(address, "/hooks/path/canary", "", bytes), 401);
    let shows = serde_json::from_slice::<Value>(bytes).is_ok_and(|body| body["token"] == key);
    assert_eq!(posted(address, "/hooks/token", "", bytes), if shows { 200 } else { 401 });
    for kind in ["application/json", "application/x-www-form-urlencoded"] {
        let kind = format!("content-type: {kind}\r\n");
        let status = posted(address, &format!("/inbox/forms/things/{key}"), &kind, bytes);
        assert!([200, 400, 413, 422].contains(&status), "{status}");
        assert_eq!(posted(address, "/inbox/forms/things/canary", &kind, bytes), 404);
    }
}
