//! Where messages arrive: an address that takes JSON, and a small mail server.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{Router, extract::State, http::HeaderMap, http::StatusCode, routing::post};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
};

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

/// A mail server that takes every mail, and what it was told in each.
pub struct MailServer {
    pub port: u16,
    mails: Arc<Mutex<Vec<String>>>,
}

impl MailServer {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mails: Arc<Mutex<Vec<String>>> = Arc::default();
        let taken = Arc::clone(&mails);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let taken = Arc::clone(&taken);
                tokio::spawn(async move {
                    let (read, mut write) = stream.into_split();
                    let mut lines = BufReader::new(read).lines();
                    write.write_all(b"220 test\r\n").await.unwrap();
                    let mut mail = String::new();
                    while let Ok(Some(line)) = lines.next_line().await {
                        let answer: &[u8] = match line.split([' ', ':']).next().unwrap() {
                            "EHLO" => b"250-test\r\n250 AUTH PLAIN\r\n",
                            "AUTH" => b"235 welcome\r\n",
                            "MAIL" | "RCPT" => b"250 ok\r\n",
                            "DATA" => b"354 go on\r\n",
                            "QUIT" => b"221 bye\r\n",
                            _ => b"500 what\r\n",
                        };
                        mail.push_str(&line);
                        mail.push('\n');
                        write.write_all(answer).await.unwrap();
                        if line == "DATA" {
                            while let Ok(Some(line)) = lines.next_line().await {
                                if line == "." {
                                    break;
                                }
                                mail.push_str(&line);
                                mail.push('\n');
                            }
                            write.write_all(b"250 taken\r\n").await.unwrap();
                            taken.lock().unwrap().push(std::mem::take(&mut mail));
                        }
                    }
                });
            }
        });
        Self { port, mails }
    }

    pub fn mails(&self) -> Vec<String> {
        self.mails.lock().unwrap().clone()
    }
}
