//! The answer to COMMIT is lost on the way.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use reconciled::connector::{CallError, Connector, ItemAnswer, WriteItem, WriteKind};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::{Database, connector};

const TABLES: &str = "      counted: { id: $.id, fields: { name: text }, sql: { table: counted, write: true } }
      kept: { id: $.code, fields: { code: id, name: text }, sql: { table: kept, write: true, ids: us } }";

/// Passes everything on, until a COMMIT goes by: that is passed on, and its answer is not.
async fn proxy(port: u16, loses: Arc<AtomicBool>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let ours = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let loses = Arc::clone(&loses);
            let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else { continue };
            tokio::spawn(between(client, server, loses));
        }
    });
    ours
}

async fn between(mut client: TcpStream, mut server: TcpStream, loses: Arc<AtomicBool>) {
    let (mut asked, mut answered) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Ok(count @ 1..) = read else { return };
                server.write_all(&asked[..count]).await.unwrap();
                let commits = asked[..count].windows(6).any(|part| part == b"COMMIT");
                if commits && loses.swap(false, Ordering::SeqCst) {
                    // It has been carried out when it is answered.
                    let _ = server.read(&mut answered).await;
                    return;
                }
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
    let loses = Arc::new(AtomicBool::new(false));
    let port = proxy(database.server.port(), Arc::clone(&loses)).await;
    let connector = connector(&database.config(TABLES, "", Some(port)));
    let item = [WriteItem { id: None, body: json!({ "name": "Jane" }), version: None, now: None }];
    for (name, sent_again) in [("counted", false), ("kept", true)] {
        let resource = connector.resource(name).unwrap();
        let call = connector.prepare(resource, WriteKind::Create, &item, "key-1").unwrap();
        assert_eq!(call.key_lives.is_some(), sent_again, "an id that counts up is made anew by each call");
        loses.store(true, Ordering::SeqCst);
        let error = connector.send(resource, &call).await.unwrap_err();
        assert!(matches!(error, CallError::Unknown(_)), "{error:?}");
        assert!(!loses.load(Ordering::SeqCst));
        assert_eq!(database.count(name).await, 1, "it was carried out");
        if sent_again {
            let answer = connector.send(resource, &call).await.unwrap();
            assert!(matches!(answer.items[..], [ItemAnswer::Written { .. }]), "{answer:?}");
            assert_eq!(database.count(name).await, 1, "and is recognised by its key");
        }
    }
    // Before COMMIT, a connection that is lost did nothing: the server takes it back.
    let resource = connector.resource("counted").unwrap();
    let call = connector.prepare(resource, WriteKind::Create, &item, "key-2").unwrap();
    drop(database.server);
    let error = connector.send(resource, &call).await.unwrap_err();
    assert!(matches!(error, CallError::NotDone(_)), "{error:?}");
}
