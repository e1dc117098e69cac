//! Where messages arrive: an address that takes JSON.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{Router, extract::State, http::HeaderMap, http::StatusCode, routing::post};
use serde_json::Value;
use tokio::net::TcpListener;

/// A message as it came.
#[derive(Clone, Debug)]
pub struct Came {
    pub headers: HeaderMap,
    pub body: String,
    pub json: Value,
}

/// What the address answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    /// Taken.
    Ok,
    /// A complaint.
    Refuses,
    /// Nothing, ever.
    Hangs,
}

/// An address that takes JSON.
#[derive(Clone)]
pub struct Inbox {
    pub url: String,
    came: Arc<Mutex<Vec<Came>>>,
    answers: Arc<Mutex<Answers>>,
}

impl Inbox {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook-canary", listener.local_addr().unwrap());
        let inbox = Self { url, came: Arc::default(), answers: Arc::new(Mutex::new(Answers::Ok)) };
        let app = Router::new().route("/hook-canary", post(take)).with_state(inbox.clone());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        inbox
    }

    pub fn answer(&self, answers: Answers) {
        *self.answers.lock().unwrap() = answers;
    }

    pub fn all(&self) -> Vec<Came> {
        self.came.lock().unwrap().clone()
    }

    /// The events so far, in order.
    pub fn events(&self) -> Vec<String> {
        self.all().iter().map(|came| came.json["event"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until so many came.
    pub async fn until(&self, count: usize) -> Vec<Came> {
        let began = Instant::now();
        loop {
            let all = self.all();
            if all.len() >= count {
                return all;
            }
            assert!(began.elapsed() < Duration::from_secs(40), "waiting for message {count}: {all:#?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

async fn take(State(inbox): State<Inbox>, headers: HeaderMap, body: String) -> StatusCode {
    let json = serde_json::from_str(&body).unwrap();
    inbox.came.lock().unwrap().push(Came { headers, body, json });
    let answers = *inbox.answers.lock().unwrap();
    match answers {
        Answers::Ok => StatusCode::NO_CONTENT,
        Answers::Refuses => StatusCode::SERVICE_UNAVAILABLE,
        Answers::Hangs => std::future::pending().await,
    }
}
