//! Posting records to a daemon, as Zapier does.

use std::{collections::BTreeMap, net::SocketAddr};

use reconciled::{
    daemon::{
        Handle,
        protocol::{Request, Response},
    },
    engine::{Desk, Mode, RunReport},
    sandbox::Xero,
};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::example::{Env, Example, sync_by_hand, until};

/// The secret of the inbox.
pub const TOKEN: &str = "canary-0123456789abcdef";

/// What the placeholders for Xero stand for. Its owner will consent.
pub fn xero_by_grant(xero: &Xero) -> Env {
    xero.logins().let_in("app", "canary-app-secret");
    Env(BTreeMap::from([
        ("XERO_URL", xero.url()),
        ("XERO_LOGIN", xero.host()),
        ("XERO_APP_ID", "app".to_owned()),
        ("XERO_APP_SECRET", "canary-app-secret".to_owned()),
    ]))
}

/// An example folder with an inbox, and its daemon.
pub struct Office {
    pub example: Example,
    pub daemon: Handle,
    address: SocketAddr,
}

impl Office {
    pub async fn start(name: &'static str, clock: &reconciled::clock::Clock, mut env: Env) -> Self {
        env.0.insert("PROPOSALS_TOKEN", TOKEN.to_owned());
        let example = Example::start(name, clock, env);
        example.consent().await;
        Self::of(example).await
    }

    pub async fn of(example: Example) -> Self {
        let daemon = example.daemon().await;
        let address = daemon.status().public.unwrap().address;
        Self { example, daemon, address }
    }

    /// As after a restart: with another daemon on the same store.
    pub async fn restart(self) -> Self {
        self.daemon.stop().await;
        Self::of(self.example).await
    }

    /// Posts a body; its status and what it says.
    pub async fn send(&self, path: &str, content_type: &str, body: &[u8], headers: &str) -> (u16, String) {
        self.ask("POST", path, body, &format!("content-type: {content_type}\r\n{headers}")).await
    }

    /// Any request; its status and what it says.
    pub async fn ask(&self, method: &str, path: &str, body: &[u8], headers: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: sync.example\r\ncontent-length: {}\r\n{headers}connection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        // One that is told to be too long is answered before it is read.
        let _ = stream.write_all(body).await;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        let text = answer.split_once("\r\n\r\n").unwrap().1.trim().to_owned();
        (status, text)
    }

    /// Posts a record with the right secret.
    pub async fn offer(&self, resource: &str, body: &Value) -> (u16, String) {
        let path = format!("/inbox/proposals/{resource}/{TOKEN}");
        self.send(&path, "application/json", body.to_string().as_bytes(), "").await
    }

    /// Posts a record that must be kept.
    pub async fn post(&self, resource: &'static str, body: Value) {
        let (status, text) = self.offer(resource, &body).await;
        assert_eq!(status, 200, "{text}");
    }

    /// A run by hand, then a minute passes.
    pub async fn sync(&self) -> RunReport {
        let report = sync_by_hand(&self.example, &self.daemon).await;
        until(&self.daemon, self.example.clock.now() + chrono::TimeDelta::minutes(1)).await;
        report
    }

    /// First contact: looked at, approved, carried out.
    pub async fn first_sync(&self) {
        self.sync().await;
        let _ = Desk::new(&self.example.engine).approve(self.example.name).await;
        self.sync().await;
    }

    /// Syncs until nothing is left, then shows that nothing is.
    pub async fn settled_by(&self, writes: impl Fn() -> u64) {
        self.sync().await;
        let before = writes();
        let run = |mode, full| Request::Run(self.example.request(mode, full));
        let Response::Run(plan) = self.daemon.call(run(Mode::Plan, false)).await.unwrap() else { panic!() };
        assert!(plan.is_empty_plan(), "something is left to do: {plan:#?}");
        let quiet = self.sync().await;
        assert_eq!(writes(), before, "a quiet run wrote: {quiet:#?}");
        let Response::Run(full) = self.daemon.call(run(Mode::Sync, true)).await.unwrap() else { panic!() };
        assert_eq!(writes(), before, "a full read wrote: {full:#?}");
    }

    /// What is parked, a line each.
    pub async fn parked(&self) -> Vec<String> {
        let parked = Desk::new(&self.example.engine).parked(None).await.unwrap();
        parked.iter().map(|item| format!("{}: {}", item.parked.label, item.parked.message)).collect()
    }
}
