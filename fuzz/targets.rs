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
    config,
    connector::{Connector as _, HttpConnector, LimitRegistry, PullCursor},
    daemon::protocol::{Frame, Request},
    record::{Cell, Path},
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
