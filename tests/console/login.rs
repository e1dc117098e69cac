//! Signing in, sessions, and what another site cannot have done.

use std::time::Duration;

use reconciled::config::Role;
use reqwest::Method;
use serde_json::json;

use crate::{Answer, Office, PASSWORD, World};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// A text in a form.
pub fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

impl Office {
    async fn try_login(&self, name: &str, password: &str) -> Answer {
        let body = format!("name={}&password={}&back=%2Ftodo", encoded(name), encoded(password));
        self.ask(Method::POST, "/login", &[FORM], Some(body)).await
    }

    /// The cookie of a session of this person.
    pub async fn login(&self, name: &str) -> String {
        let answer = self.try_login(name, PASSWORD).await;
        assert_eq!((answer.code, answer.header("location")), (303, "/todo"), "{}", answer.text);
        answer.header("set-cookie").split(';').next().unwrap().to_owned()
    }

    /// A page as this session sees it.
    pub async fn page(&self, cookie: &str, path: &str) -> Answer {
        self.ask(Method::GET, path, &[("cookie", cookie)], None).await
    }

    /// Sends a form.
    pub async fn send(&self, cookie: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        self.ask(Method::POST, path, &[("cookie", cookie), FORM], Some(body.join("&"))).await
    }
}

/// What every form of a page holds.
pub fn csrf(page: &str) -> String {
    let (_, rest) = page.split_once("name=\"csrf\" value=\"").expect("a form");
    rest.split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_person_signs_in_looks_and_signs_out() {
    let office = Office::open().await;
    let answer = office.ask(Method::GET, "/integration?name=acme", &[], None).await;
    assert_eq!((answer.code, answer.header("location")), (303, "/login?back=%2Fintegration%3Fname%3Dacme"));
    let form = office.ask(Method::GET, "/login?back=%2Ftodo", &[], None).await;
    assert!(form.code == 200 && form.text.contains("type=\"password\""));
    for (name, password) in [("anna", "wrong"), ("nobody", PASSWORD), ("", ""), ("admin", &office.tokens["admin"])] {
        let answer = office.try_login(name, password).await;
        assert_eq!(answer.code, 401, "{name}");
        assert!(answer.text.contains("do not belong together") && answer.header("set-cookie").is_empty());
    }
    let answer = office.try_login("vera", PASSWORD).await;
    let cookie = answer.header("set-cookie").to_owned();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict") && !cookie.contains("Secure"),
        "{cookie}"
    );
    let cookie = cookie.split(';').next().unwrap();
    let page = office.page(cookie, "/").await;
    assert!(page.code == 200 && page.text.contains("vera · viewer"), "{}", page.text);
    assert_eq!(office.page(cookie, "/changes").await.code, 403, "what others did is not for everybody");
    let answer = office.send(cookie, "/logout", &[("csrf", "guessed")]).await;
    assert_eq!(answer.code, 403);
    let answer = office.send(cookie, "/logout", &[("csrf", &csrf(&page.text))]).await;
    assert!(answer.code == 303 && answer.header("set-cookie").contains("Max-Age=0"));
    assert_eq!(office.page(cookie, "/").await.code, 303, "the session has ended");
    office.end().await;
}

#[tokio::test]
async fn a_session_ends_by_itself() {
    let office = Office::open().await;
    let cookie = office.login("anna").await;
    assert_eq!(office.page(&cookie, "/").await.code, 200);
    office.world.clock.advance(Duration::from_secs(3_600));
    assert_eq!(office.page(&cookie, "/").await.code, 303);
    office.end().await;
}

#[tokio::test]
async fn whoever_guesses_passwords_has_to_wait() {
    let office = Office::open().await;
    for _ in 0..10 {
        assert_eq!(office.try_login("anna", "guess").await.code, 401);
    }
    let answer = office.try_login("anna", PASSWORD).await;
    assert!(answer.code == 401 && answer.text.contains("too many attempts"), "{}", answer.text);
    office.world.clock.advance(Duration::from_secs(16 * 60));
    office.login("anna").await;
    office.end().await;
}

#[tokio::test]
async fn many_guesses_at_once_are_as_many_attempts() {
    let office = Office::open().await;
    let guesses = (0..30).map(|_| office.try_login("anna", "guess"));
    let answers = futures_util::future::join_all(guesses).await;
    let looked_at = answers.iter().filter(|answer| answer.text.contains("do not belong together")).count();
    // Two are looked at side by side.
    assert!((10..=11).contains(&looked_at), "{looked_at} passwords were tried");
    let long = "a".repeat(100_000);
    assert_eq!(office.try_login(&long, "guess").await.code, 401);
    office.end().await;
}

#[tokio::test]
async fn whoever_says_nothing_or_not_all_of_it_is_sent_away() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let office = Office::open().await;
    let heads = [
        "",
        "POST /login HTTP/1.1\r\nHost: x",
        "POST /login HTTP/1.1\r\nHost: HERE\r\nContent-Length: 10\r\n\r\nname=",
    ];
    let said = heads.map(async |head: &str| {
        let mut stream = tokio::net::TcpStream::connect(office.console.address()).await.unwrap();
        let head = head.replace("HERE", &office.console.address().to_string());
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        // Without a limit this would wait for ever.
        let _ = crate::bounded(stream.read_to_string(&mut answer)).await;
        answer
    });
    let answers = futures_util::future::join_all(said).await;
    assert!(answers[2].starts_with("HTTP/1.1 408"), "{answers:?}");
    office.end().await;
}

#[tokio::test]
async fn another_site_can_have_nothing_done() {
    let office = Office::open().await;
    office.conflict().await;
    let cookie = office.login("anna").await;
    let page = office.page(&cookie, "/todo").await.text;
    let csrf = csrf(&page);
    let pause = json!({"do": "pause", "what": "acme"}).to_string();
    let fields = |csrf: &str| format!("csrf={csrf}&back=%2F&request={}", encoded(&pause));
    let paused = async || crate::status(&office.daemon).await.paused.len();
    // Without the word that only a page of ours knows.
    let answer = office.ask(Method::POST, "/do", &[("cookie", &cookie), FORM], Some(fields("x"))).await;
    assert_eq!(answer.code, 303);
    assert!(office.page(&cookie, "/").await.text.contains("too old, and nothing was done"));
    // With it, and by a page of another site as the browser says.
    for (name, value) in [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site"), ("origin", "null")] {
        let headers = [("cookie", cookie.as_str()), FORM, (name, value)];
        assert_eq!(office.ask(Method::POST, "/do", &headers, Some(fields(&csrf))).await.code, 403, "{name}: {value}");
    }
    // By the API with the cookie alone.
    let headers = [("cookie", cookie.as_str()), ("content-type", "application/json")];
    let body = || Some(json!({"what": "acme"}).to_string());
    let answer = office.ask(Method::POST, "/api/v1/pause", &headers, body()).await;
    assert_eq!(answer.code, 403, "{}", answer.text);
    // Under a name that leads here and is not ours.
    let headers = [("cookie", cookie.as_str()), ("host", "evil.example")];
    assert_eq!(office.ask(Method::GET, "/", &headers, None).await.code, 421);
    assert_eq!(paused().await, 0);
    let headers = [("cookie", cookie.as_str()), ("content-type", "application/json"), ("x-csrf-token", csrf.as_str())];
    let answer = office.ask(Method::POST, "/api/v1/pause", &headers, body()).await;
    assert_eq!((answer.code, paused().await), (200, 1), "{}", answer.text);
    office.end().await;
}

#[tokio::test]
async fn every_answer_has_browsers_careful() {
    let office = Office::open_with(|settings| settings.url = Some("https://office.example/r".parse().unwrap())).await;
    for path in ["/login", "/", "/nothing", "/api/v1/status", "/-/healthy"] {
        let answer = office.ask(Method::GET, path, &[("host", "office.example")], None).await;
        let csp = answer.header("content-security-policy");
        assert!(csp.contains("default-src 'none'") && !csp.contains("unsafe"), "{path}: {csp}");
        for (name, value) in
            [("x-content-type-options", "nosniff"), ("x-frame-options", "DENY"), ("cache-control", "no-store")]
        {
            assert_eq!(answer.header(name), value, "{path}");
        }
        assert!(answer.header("strict-transport-security").starts_with("max-age"), "{path}");
        // The policy allows neither.
        assert!(
            !answer.text.contains(" style=") && !answer.text.contains("onclick") && !answer.text.contains("<script>")
        );
    }
    office.end().await;
}

#[tokio::test]
async fn it_works_below_a_path_of_a_proxy() {
    let office = Office::open_with(|settings| settings.url = Some("https://office.example/r".parse().unwrap())).await;
    let body = format!("name=anna&password={}&back=%2Ftodo", encoded(PASSWORD));
    // Whether or not the proxy leaves the path on.
    for prefix in ["", "/r"] {
        let headers = [FORM, ("host", "office.example"), ("origin", "https://office.example")];
        let answer = office.ask(Method::POST, &format!("{prefix}/login"), &headers, Some(body.clone())).await;
        assert_eq!((answer.code, answer.header("location")), (303, "/r/todo"), "{}", answer.text);
        let cookie = answer.header("set-cookie").to_owned();
        assert!(cookie.contains("Path=/r; ") && cookie.contains("Secure"), "{cookie}");
        let headers = [("cookie", cookie.split(';').next().unwrap()), ("host", "office.example")];
        let page = office.ask(Method::GET, &format!("{prefix}/"), &headers, None).await;
        assert_eq!(page.code, 200, "{prefix}");
        let links = page.text.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
        for link in links.filter(|link| link.starts_with('/')) {
            assert!(link.starts_with("/r/"), "{link}");
        }
    }
    office.end().await;
}

#[tokio::test]
async fn where_no_login_is_asked_for_everybody_has_the_role_that_is_said() {
    let office = Office::open_with(|settings| settings.open = Some(Role::Viewer)).await;
    office.conflict().await;
    let page = office.ask(Method::GET, "/todo", &[], None).await;
    assert!(page.code == 200 && page.text.contains("anybody on this machine"), "{}", page.text);
    assert!(!page.text.contains("Use shop's value"), "a viewer decides nothing");
    let cookie = page.header("set-cookie").split(';').next().unwrap().to_owned();
    let resolve = json!({"do": "conflict-resolve", "pipeline": "acme/contacts", "record": "s1", "winner": "source"});
    let answer =
        office.send(&cookie, "/do", &[("csrf", "x"), ("back", "/todo"), ("request", &resolve.to_string())]).await;
    assert_eq!(answer.code, 303);
    let answer = office.ask(Method::GET, "/api/v1/status", &[], None).await;
    assert_eq!(answer.code, 200);
    let answer = office
        .ask(
            Method::POST,
            "/api/v1/pause",
            &[("content-type", "application/json")],
            Some(json!({"what": "acme"}).to_string()),
        )
        .await;
    assert_eq!(answer.code, 403, "{}", answer.text);
    assert_ne!(World::find(&office.world.books, "contacts", "email", "jane@x.example")["phone"], "shop-22");
    office.end().await;
}
