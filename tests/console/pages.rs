//! What people see, and what comes of a click. Every internal link leads somewhere, every form does what its button says.

use std::collections::{BTreeSet, VecDeque};

use reqwest::Method;
use serde_json::json;

use crate::{Office, World, status};

/// A text without its markup, with single spaces.
fn read(page: &str) -> String {
    let mut text = String::new();
    let mut inside = false;
    for c in page.chars() {
        match c {
            '<' => inside = true,
            '>' => {
                inside = false;
                text.push(' ');
            }
            _ if !inside => text.push(c),
            _ => {}
        }
    }
    plain(&text).split_whitespace().collect::<Vec<_>>().join(" ").replace(" .", ".").replace(" ,", ",")
}

fn plain(text: &str) -> String {
    text.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&#39;", "'").replace("&amp;", "&")
}

/// Where links and style sheets lead.
fn links(page: &str) -> Vec<String> {
    let places = ["href=\"", "src=\"", "data-events=\""].into_iter().flat_map(|name| page.split(name).skip(1));
    let all = places.filter_map(|rest| rest.split('"').next()).map(plain);
    all.filter(|link| link.starts_with('/')).collect()
}

/// A form of a page.
struct Form {
    action: String,
    fields: Vec<(String, String)>,
    label: String,
}

fn forms(page: &str) -> Vec<Form> {
    let attribute = |tag: &str, name: &str| {
        let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
        Some(plain(rest.split('"').next()?))
    };
    page.split("<form")
        .skip(1)
        .filter_map(|rest| {
            let whole = rest.split("</form>").next()?;
            let tags = whole.split("<input").skip(1);
            let fields =
                tags.filter_map(|tag| Some((attribute(tag, "name")?, attribute(tag, "value").unwrap_or_default())));
            let label =
                whole.split("<button").nth(1).and_then(|tag| tag.split('>').nth(1)?.split('<').next().map(plain));
            whole.contains("method=\"post\"").then(|| Form {
                action: attribute(whole, "action").unwrap_or_default(),
                fields: fields.collect(),
                label: label.unwrap_or_default(),
            })
        })
        .collect()
}

impl Office {
    /// Presses a button of a page; gives the page that it leads to.
    async fn click(&self, cookie: &str, path: &str, label: &str) -> String {
        let page = self.page(cookie, path).await.text;
        let found = forms(&page).into_iter().find(|form| form.label == label);
        let form = found.unwrap_or_else(|| panic!("{path} has no button {label}: {}", read(&page)));
        let fields: Vec<(&str, &str)> =
            form.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let answer = self.send(cookie, &form.action, &fields).await;
        assert_eq!(answer.code, 303, "{}", answer.text);
        let next = answer.header("location").split('#').next().unwrap().to_owned();
        let page = self.page(cookie, &next).await;
        assert_eq!(page.code, 200, "{next}");
        page.text
    }

    async fn sees(&self, cookie: &str, path: &str, texts: &[&str]) {
        let page = self.page(cookie, path).await;
        let text = read(&page.text);
        for wanted in texts {
            assert!(text.contains(wanted), "{path} does not say {wanted:?}: {text}");
        }
    }
}

#[tokio::test]
async fn every_link_of_every_page_leads_somewhere() {
    let office = Office::open().await;
    office.conflict().await;
    office.post("operator", "/run", json!({"integration": "bravo", "mode": "sync"})).await;
    for name in ["vera", "anna"] {
        let cookie = office.login(name).await;
        let (mut ahead, mut seen) = (VecDeque::from(["/".to_owned()]), BTreeSet::new());
        while let Some(path) = ahead.pop_front() {
            if path == "/events" || !seen.insert(path.clone()) {
                continue;
            }
            let page = office.page(&cookie, &path).await;
            assert_eq!(page.code, 200, "{name}: {path}");
            assert!(!read(&page.text).contains("This cannot be shown"), "{path}");
            if page.header("content-type").starts_with("text/html") {
                ahead.extend(links(&page.text));
                for form in forms(&page.text) {
                    assert!(["/do", "/preview", "/logout"].contains(&form.action.as_str()), "{path}: {}", form.action);
                }
            }
        }
        for wanted in
            ["/todo", "/connections", "/integration?name=bravo", "/pipeline?name=acme%2Fcontacts", "/configuration"]
        {
            assert!(seen.contains(wanted), "{name} found no way to {wanted}: {seen:?}");
        }
        assert!(seen.iter().any(|path| path.starts_with("/record?")), "{seen:?}");
        assert_eq!(seen.contains("/changes"), name == "anna");
    }
    office.end().await;
}

#[tokio::test]
async fn a_conflict_is_shown_with_both_values_and_decided_with_one_click() {
    let office = Office::open().await;
    office.conflict().await;
    let cookie = office.login("olga").await;
    office.sees(&cookie, "/", &["acme", "Needs you", "bravo", "Waits for approval"]).await;
    office
        .sees(
            &cookie,
            "/todo",
            &["The phone of Contact Jane Doe is not the same on both sides.", "shop has shop-22", "books has books-33"],
        )
        .await;
    let after = office.click(&cookie, "/todo", "Use shop's value").await;
    assert!(read(&after).contains("Decided. The value goes to the other side"), "{}", read(&after));
    office.settled().await;
    assert_eq!(World::find(&office.world.books, "contacts", "email", "jane@x.example")["phone"], "shop-22");
    office
        .sees(
            &cookie,
            "/record?pipeline=acme%2Fcontacts&record=jane%40x.example",
            &["Contact Jane Doe", "What was written over", "phone was books-33, became shop-22"],
        )
        .await;
    office.sees(&cookie, "/integration?name=acme", &["Fine", "by hand, by operator"]).await;
    office.end().await;
}

#[tokio::test]
async fn a_record_that_is_not_there_says_why_and_is_put_right_with_one_click() {
    let office = Office::open().await;
    // Two of the same address: nobody knows which one is meant.
    office.world.books.insert("contacts", json!({"name": "Max Roe", "email": "max@x.example"}));
    office.world.books.insert("contacts", json!({"name": "Maximilian Roe", "email": "max@x.example"}));
    office.world.shop.insert("contacts", json!({"name": "Max R.", "email": "max@x.example"}));
    office.post("operator", "/run", json!({"integration": "acme", "mode": "sync"})).await;
    let anna = office.login("anna").await;
    office
        .sees(
            &anna,
            "/todo",
            &["Contact Max R. is not in books.", "It could be Contact Max Roe", "It could be Contact Maximilian Roe"],
        )
        .await;
    let vera = office.login("vera").await;
    assert!(!forms(&office.page(&vera, "/todo").await.text).iter().any(|form| form.label == "Use that one"));
    let after = office.click(&anna, "/todo", "Use that one").await;
    assert!(read(&after).contains("these two are one from now on"), "{}", read(&after));
    office.post("operator", "/run", json!({"integration": "acme", "mode": "sync"})).await;
    let links = office.get("viewer", "/links?pipeline=acme%2Fcontacts").await;
    assert_eq!(links.as_array().unwrap().len(), 2, "{links}");
    office.end().await;
}

#[tokio::test]
async fn a_first_run_is_looked_at_and_approved() {
    let office = Office::open().await;
    office.post("operator", "/run", json!({"integration": "bravo", "mode": "sync"})).await;
    let (olga, anna) = (office.login("olga").await, office.login("anna").await);
    let page = office.page(&olga, "/todo").await.text;
    assert!(!forms(&page).iter().any(|form| form.label.starts_with("Yes")), "an operator approves nothing");
    office.click(&olga, "/integration?name=bravo", "Show what it would do").await;
    let drawn = async || read(&office.page(&olga, "/integration?name=bravo").await.text);
    while !drawn().await.contains("would create 1 record") {
        tokio::task::yield_now().await;
    }
    assert_eq!(office.world.books.count("sales"), 1, "a preview writes nothing");
    let after = office.click(&anna, "/todo", "Yes: approve").await;
    assert!(read(&after).contains("Approved. It begins now."), "{}", read(&after));
    office.post("operator", "/run", json!({"integration": "bravo", "mode": "sync"})).await;
    assert_eq!(office.world.books.count("sales"), 2);
    office.sees(&anna, "/changes", &["anna (admin)", "approve: what bravo/sales", "done"]).await;
    office.end().await;
}

#[tokio::test]
async fn who_sees_one_client_has_pages_of_that_client_alone() {
    let office = Office::open_with(|settings| {
        let mut account = settings.users["olga"].clone();
        account.clients = Some([reconciled::config::IntegrationName::parse("acme").unwrap()].into());
        settings.users.insert("olga".to_owned(), account);
    })
    .await;
    let cookie = office.login("olga").await;
    for path in ["/", "/todo", "/connections"] {
        let page = office.page(&cookie, path).await;
        assert!(page.code == 200 && !page.text.contains("bravo"), "{path}");
    }
    for (path, code) in [
        ("/integration?name=bravo", 404),
        ("/pipeline?name=bravo%2Fsales", 404),
        ("/record?pipeline=bravo%2Fsales&record=1042", 200),
        ("/configuration", 403),
        ("/changes", 403),
    ] {
        let page = office.page(&cookie, path).await;
        assert_eq!(page.code, code, "{path}");
        assert!(!page.text.contains("1042</h1>"), "{path}");
    }
    let page = office.page(&cookie, "/").await.text;
    let csrf = crate::login::csrf(&page);
    let request = json!({"do": "pause", "what": "bravo"}).to_string();
    office.send(&cookie, "/do", &[("csrf", &csrf), ("back", "/"), ("request", &request)]).await;
    office.send(&cookie, "/preview", &[("csrf", &csrf), ("integration", "bravo")]).await;
    assert!(status(&office.daemon).await.paused.is_empty());
    office.end().await;
}

#[tokio::test]
async fn what_a_remote_says_is_shown_and_never_obeyed() {
    let office = Office::open().await;
    let trick = "<script>alert(1)</script>";
    office.world.books.refuse(|_| Some("<img src=x onerror=alert(1)> is not allowed".to_owned()));
    office.world.shop.insert("contacts", json!({"name": trick, "email": "trick@x.example"}));
    office.post("operator", "/run", json!({"integration": "acme", "mode": "sync"})).await;
    let cookie = office.login("anna").await;
    for path in ["/todo", "/pipeline?name=acme%2Fcontacts", "/integration?name=acme"] {
        let page = office.page(&cookie, path).await.text;
        assert!(!page.contains(trick) && !page.contains("<img"), "{path}");
    }
    office.sees(&cookie, "/todo", &["<script>alert(1)</script> is not in books.", "books says:", "Try again"]).await;
    office.end().await;
}

#[tokio::test]
async fn a_connection_in_trouble_says_what_happens_next() {
    let office = Office::open().await;
    office.world.shop.insert("contacts", json!({"name": "Joe", "email": "joe@x.example"}));
    office.world.books.fail_next(crate::support::Fault::NotDone);
    office.post("operator", "/run", json!({"integration": "acme", "mode": "sync"})).await;
    let cookie = office.login("vera").await;
    office.sees(&cookie, "/", &["Tries again"]).await;
    office
        .sees(
            &cookie,
            "/connections",
            &["books Tries again", "It is tried again by itself", "Nothing is lost meanwhile"],
        )
        .await;
    office.end().await;
}

#[tokio::test]
async fn an_open_page_is_told_of_changes() {
    let office = Office::open().await;
    let cookie = office.login("vera").await;
    let request = office.client.get(office.url("/events")).header("cookie", &cookie).send();
    let mut events = crate::bounded(request).await.unwrap();
    assert_eq!(events.headers()["content-type"], "text/event-stream");
    office.post("operator", "/pause", json!({"what": "acme"})).await;
    let word = crate::bounded(events.chunk()).await.unwrap().unwrap();
    // Browsers leave out events that hold no data.
    assert!(String::from_utf8_lossy(&word).contains("event: changed\ndata: now\n"));
    let nobody = office.ask(Method::GET, "/events", &[], None).await;
    assert_eq!(nobody.code, 401);
    office.end().await;
}

#[tokio::test]
async fn hundreds_of_integrations_are_searched_and_filtered() {
    let mut yaml = "integrations:\n".to_owned();
    for number in 0..250 {
        yaml.push_str(&format!(
            "  client-{number:04}:\n    automatic: false\n    first_run: {{ apply: approve }}\n    pipelines:\n      contacts:\n        source: shop/contacts\n        target: books/contacts\n        direction: source-to-target\n        match: [ {{ source: $.email, target: $.email }} ]\n        creates: none\n        fields: [ {{ source: $.name, target: $.name, write: on-create }} ]\n"
        ));
    }
    let world = World::new(&yaml);
    let settings =
        reconciled::daemon::DaemonSettings { socket: None, stop_deadline: std::time::Duration::from_secs(30) };
    let daemon = reconciled::daemon::Daemon::start(world.engine(), settings).await.unwrap();
    let settings = reconciled::config::AdminSettings {
        listen: "127.0.0.1:0".parse().unwrap(),
        url: None,
        open: Some(reconciled::config::Role::Viewer),
        session: std::time::Duration::from_secs(60),
        audit: std::env::temp_dir().join("nobody-changes-anything.jsonl"),
        users: Default::default(),
        tokens: Default::default(),
    };
    let console = reconciled::admin::Console::open(&daemon, &settings).await.unwrap();
    let get = async |path: &str| {
        let answer = crate::client().get(format!("http://{}{path}", console.address())).send();
        crate::bounded(crate::bounded(answer).await.unwrap().text()).await.unwrap()
    };
    let rows = |page: &str| page.matches("<tr>").count() - 1;
    let first = get("/").await;
    assert!(rows(&first) == 100 && read(&first).contains("250 integrations"), "{}", rows(&first));
    assert!(get("/?page=2").await.contains("client-0249"));
    let found = get("/?q=CLIENT-0217").await;
    assert!(rows(&found) == 1 && found.contains("client-0217"));
    assert!(read(&get("/?state=running").await).contains("No integration is like that."));
    assert_eq!(rows(&get("/?state=person&q=client-01").await), 100);
    crate::bounded(daemon.stop()).await;
}
