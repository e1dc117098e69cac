//! The answer to COMMIT is lost on the way, or somebody in between answers in the database's place.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use reconciled::connector::{
    CallError, Connector, ItemAnswer, PreparedCall, PullCursor, SqlConnector, WriteItem, WriteKind,
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::{Database, connector};

const TABLES: &str = "      counted: { id: $.id, fields: { name: text }, sql: { table: counted, write: true } }
      kept: { id: $.code, fields: { code: id, name: text }, sql: { table: kept, write: true, ids: us } }";

/// What a proxy does when it is told to: once, with the next COMMIT, but for the last.
mod does {
    /// Passes a COMMIT on, and ends the connection in place of the answer.
    pub const LOSES: u8 = 1;
    /// Passes a COMMIT on, and answers with an error of its own, as PgBouncer and ProxySQL do when the server goes away.
    pub const LIES: u8 = 2;
    /// Passes a COMMIT on, and says nothing any more.
    pub const FORGETS: u8 = 3;
    /// Says nothing any more on any connection that says something, until it is told something else. Not to the next one
    /// alone: a driver greets connections on their way back to its pool, and whose word comes first is chance.
    pub const SLEEPS: u8 = 4;
}

/// PostgreSQL: a FATAL ErrorResponse with 08P01. MySQL: an ERR packet of 2013 in HY000.
fn lie(kind: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    if kind == "postgres" {
        let body = b"SFATAL\0VFATAL\0C08P01\0Mserver conn crashed?\0\0";
        bytes.push(b'E');
        bytes.extend(u32::try_from(body.len() + 4).unwrap().to_be_bytes());
        bytes.extend(body);
    } else {
        let mut body = vec![0xff];
        body.extend(2013_u16.to_le_bytes());
        body.extend(b"#HY000Lost connection to server during query");
        bytes.extend([u8::try_from(body.len()).unwrap(), 0, 0, 1]);
        bytes.extend(body);
    }
    bytes
}

/// Passes everything on, but for what it is told to do.
async fn proxy(kind: &'static str, port: u16, task: Arc<AtomicU8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let ours = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let task = Arc::clone(&task);
            let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else { continue };
            tokio::spawn(between(kind, client, server, task));
        }
    });
    ours
}

async fn between(kind: &str, mut client: TcpStream, mut server: TcpStream, task: Arc<AtomicU8>) {
    let (mut asked, mut answered) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Ok(count @ 1..) = read else { return };
                let commits = asked[..count].windows(6).any(|part| part == b"COMMIT");
                let now = task.load(Ordering::SeqCst);
                if now == 0 || (now != does::SLEEPS && !commits) {
                    server.write_all(&asked[..count]).await.unwrap();
                    continue;
                }
                if now != does::SLEEPS {
                    task.store(0, Ordering::SeqCst);
                    server.write_all(&asked[..count]).await.unwrap();
                    // It has been carried out when it is answered.
                    let _ = server.read(&mut answered).await;
                }
                match now {
                    does::LOSES => {}
                    does::LIES => client.write_all(&lie(kind)).await.unwrap(),
                    _ => {
                        // Until the other side gives up.
                        while client.read(&mut asked).await.is_ok_and(|count| count > 0) {}
                    }
                }
                return;
            }
            read = server.read(&mut answered) => {
                let Ok(count @ 1..) = read else { return };
                client.write_all(&answered[..count]).await.unwrap();
            }
        }
    }
}

pub async fn answer(database: Database) {
    database.run("CREATE TABLE counted (id {id}, name varchar(40)); CREATE TABLE kept (code varchar(40) PRIMARY KEY, name varchar(40))").await;
    let task = Arc::new(AtomicU8::new(0));
    let port = proxy(database.kind(), database.server.port(), Arc::clone(&task)).await;
    let connector = connector(&database.config(TABLES, "", Some(port)));
    let item = [WriteItem { id: None, body: json!({ "name": "Jane" }), version: None, now: None }];
    for (name, sent_again) in [("counted", false), ("kept", true)] {
        let resource = connector.resource(name).unwrap();
        let call = connector.prepare(resource, WriteKind::Create, &item, "key-1").unwrap();
        assert_eq!(call.key_lives.is_some(), sent_again, "an id that counts up is made anew by each call");
        task.store(does::LOSES, Ordering::SeqCst);
        let error = connector.send(resource, &call).await.unwrap_err();
        assert!(matches!(error, CallError::Unknown(_)), "{error:?}");
        assert_eq!(task.load(Ordering::SeqCst), 0);
        assert_eq!(database.count(name).await, 1, "it was carried out");
        if sent_again {
            let answer = connector.send(resource, &call).await.unwrap();
            assert!(matches!(answer.items[..], [ItemAnswer::Written { .. }]), "{answer:?}");
            assert_eq!(database.count(name).await, 1, "and is recognised by its key");
        }
    }
    // Nor is an error that somebody else made an answer; and nobody waits for ever.
    let patient = database.config(&format!("{TABLES}\n    timeout: 6s"), "", Some(port));
    let patient = super::connector(&patient);
    let resource = patient.resource("counted").unwrap();
    for (number, what) in [does::LIES, does::FORGETS].into_iter().enumerate() {
        let call = patient.prepare(resource, WriteKind::Create, &item, &format!("key-3-{number}")).unwrap();
        let error = met(&patient, &call, (&task, what)).await;
        assert!(matches!(error, CallError::Unknown(_)), "{what}: {error:?}");
        assert_eq!(database.count("counted").await, 2 + i64::try_from(number).unwrap(), "it was carried out");
    }
    let whole = PullCursor { since: None, page: None };
    patient.pull(resource, &whole).await.unwrap();
    task.store(does::SLEEPS, Ordering::SeqCst);
    // Two, so that every connection of the pool is silent.
    let silent = tokio::join!(patient.pull(resource, &whole), patient.pull(resource, &whole));
    for error in [silent.0.unwrap_err(), silent.1.unwrap_err()] {
        assert!(matches!(&error, CallError::NotDone(why) if why.contains("said nothing for 6s")), "{error:?}");
    }
    task.store(0, Ordering::SeqCst);
    assert_eq!(patient.pull(resource, &whole).await.unwrap().records.len(), 3, "by another connection");
    task.store(does::SLEEPS, Ordering::SeqCst);
    let call = patient.prepare(resource, WriteKind::Create, &item, "key-4").unwrap();
    let error = patient.send(resource, &call).await.unwrap_err();
    assert!(matches!(error, CallError::NotDone(_)), "{error:?}");
    task.store(0, Ordering::SeqCst);
    assert_eq!(database.count("counted").await, 3);
    // Before COMMIT, a connection that is lost did nothing: the server takes it back.
    let resource = connector.resource("counted").unwrap();
    let call = connector.prepare(resource, WriteKind::Create, &item, "key-2").unwrap();
    drop(database.server);
    let error = connector.send(resource, &call).await.unwrap_err();
    assert!(matches!(error, CallError::NotDone(_)), "{error:?}");
}

/// Sends until COMMIT has met the proxy, and gives how that ended. On a busy machine an answer before it may be late, too;
/// nothing was done then.
async fn met(connector: &SqlConnector, call: &PreparedCall, (task, what): (&AtomicU8, u8)) -> CallError {
    let resource = connector.resource(&call.resource).unwrap();
    task.store(what, Ordering::SeqCst);
    for _ in 0..30 {
        let error = connector.send(resource, call).await.unwrap_err();
        if task.load(Ordering::SeqCst) == 0 {
            return error;
        }
        assert!(matches!(error, CallError::NotDone(_)), "{error:?}");
    }
    panic!("no COMMIT came");
}
