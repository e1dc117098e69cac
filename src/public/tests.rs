//! The listener with doors of its own.

use std::{sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
};

use super::*;

/// Repeats what it was asked.
struct Echo;

#[async_trait]
impl Door for Echo {
    fn name(&self) -> &'static str {
        "echo"
    }
    fn max_body(&self) -> usize {
        8
    }
    fn patience(&self) -> Duration {
        Duration::from_millis(20)
    }
    async fn answer(&self, visit: Visit) -> Reply {
        if visit.rest == "never" {
            std::future::pending::<()>().await;
        }
        let body = String::from_utf8_lossy(&visit.body).into_owned();
        Reply::text(200, format!("{} {} {:?} {body}", visit.method, visit.rest, visit.parameter("a")))
    }
}

struct Served {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Served {
    async fn new(prefix: &str) -> Self {
        let listener = PublicListener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let doors = Doors::new(vec![Arc::new(Echo)], prefix).with_patience(Duration::from_millis(200));
        let address = listener.address();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(listener.serve(doors, async move {
            let _ = stopped.await;
        }));
        Self { address, stop, task }
    }

    /// Says `head` and gives the whole answer.
    async fn say(&self, head: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // A peer that hangs up early says what it has to say before.
        let said = stream.read_to_end(&mut answer);
        let _ = tokio::time::timeout(Duration::from_secs(60), said).await.expect("nobody answers");
        String::from_utf8(answer).unwrap()
    }

    async fn get(&self, target: &str) -> String {
        self.say(&format!("GET {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")).await
    }
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

#[tokio::test]
async fn a_path_leads_to_its_door_with_or_without_the_prefix_of_the_public_address() {
    let served = Served::new("/sync/").await;
    let answer = served.get("/echo/one/two?a=b%20c").await;
    assert!(answer.ends_with("GET one/two Some(\"b c\") \n"), "{answer}");
    for careful in ["cache-control: no-store", "referrer-policy: no-referrer", "x-content-type-options: nosniff"] {
        assert!(answer.contains(careful), "{answer}");
    }
    let answer = served.get("/sync/echo/one").await;
    assert!(answer.ends_with("GET one None \n"), "{answer}");
    for nothing in ["/", "/other/x", "/sync", "/echoes/x", "/sync/sync/echo/x"] {
        let answer = served.get(nothing).await;
        assert_eq!((status(&answer), answer.ends_with("\r\n\r\n")), ("404", true), "{nothing}: {answer}");
    }
}

#[tokio::test]
async fn a_body_is_read_up_to_the_cap_of_its_door() {
    let served = Served::new("/").await;
    let post = |length: &str, body: &str| {
        format!("POST /echo/x HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{length}\r\n\r\n{body}")
    };
    let answer = served.say(&post("content-length: 8", "12345678")).await;
    assert!(answer.ends_with("12345678\n"), "{answer}");
    let answer = served.say(&post("content-length: 9", "123456789")).await;
    assert_eq!(status(&answer), "413", "{answer}");
    let answer = served.say(&post("transfer-encoding: chunked", "9\r\n123456789\r\n0\r\n\r\n")).await;
    assert_eq!(status(&answer), "413", "{answer}");
}

#[tokio::test]
async fn a_body_that_comes_too_slowly_is_waited_for_no_longer() {
    let served = Served::new("/").await;
    let answer = served.say("POST /echo/x HTTP/1.1\r\nhost: x\r\ncontent-length: 8\r\n\r\n1234").await;
    assert_eq!(status(&answer), "408", "{answer}");
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_asked_for_again() {
    let served = Served::new("/").await;
    let answer = served.get("/echo/never").await;
    assert_eq!((status(&answer), answer.contains("retry-after: 30")), ("503", true), "{answer}");
}

#[tokio::test]
async fn it_ends_although_a_visitor_keeps_its_connection() {
    let served = Served::new("/").await;
    let mut idle = TcpStream::connect(served.address).await.unwrap();
    idle.write_all(b"GET /echo/x HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut first = [0_u8; 12];
    idle.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    served.stop.send(()).unwrap();
    served.task.await.unwrap();
    assert!(TcpStream::connect(served.address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn an_address_that_is_taken_is_named_with_what_to_do() {
    let taken = PublicListener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let error = PublicListener::bind(taken.address()).await.unwrap_err().to_string();
    assert!(error.contains(&taken.address().to_string()) && error.contains("give another address"), "{error}");
}
