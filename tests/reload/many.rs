//! A thousand pipelines in two hundred files: an edit touches what it is about.

use std::{fmt::Write as _, time::Instant};

use reconciled::daemon::DaemonStatus;

use crate::support::{BY_HAND, CONSOLE, Live, QUICK, config, hashes, integration, of, program};

fn file(number: usize, mark: &str) -> String {
    let mut text = "integrations:\n".to_owned();
    for own in 0..5 {
        let mark = if own == 0 { mark } else { "x" };
        let one = integration(&format!("client-{number:03}-{own}"), mark);
        let _ = write!(text, "{}", one.trim_start_matches("integrations:\n"));
    }
    text
}

#[tokio::test]
async fn one_edit_among_a_thousand_pipelines_restarts_one() {
    let files: Vec<(String, String)> = (0..200).map(|n| (format!("clients/{n:03}.yaml"), file(n, "x"))).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let settings = format!("{}{CONSOLE}", QUICK.replace("150ms", "1s"));
    let mut live = Live::start(&settings, &files).await;
    let before = live.hashes().await;
    assert_eq!(before.len(), 1_000);
    on_a_page(&live);
    live.write("clients/123.yaml", &file(123, "y"));
    live.changed("client-123-0", &before["client-123-0"]).await;
    live.write("clients/124.yaml", &format!("# a comment\n{}", file(124, "x")));
    let report = live.reload(false).await;
    assert_eq!(report.untouched, 1_000, "{:?}", report.integrations);
    let status = live.status().await.unwrap();
    assert_eq!(config(&status).restarts, 1);
    let mut after = hashes(&status);
    assert_ne!(
        after.insert("client-123-0".into(), before["client-123-0"].clone()),
        before.get("client-123-0").cloned()
    );
    assert_eq!(after, before, "nobody else was touched");
    assert!(
        status.integrations.iter().filter(|now| now.generation > 1).count() == 1,
        "{:?}",
        of(&status, "client-124-0")
    );
}

/// A template with two hundred clients, which two of them run first.
fn agency(mark: &str) -> String {
    let mut text = format!(
        "templates:
  shop:
    rollout: {{ first: [ client-007, client-100 ], wait: 24h }}
    automatic: false
    connections:
      books: {{ connector: xero, base_url: \"http://127.0.0.1:9/xero\", tenant: \"${{client}}\", auth: {{ token: \"${{file:secret.txt}}\" }} }}
    pipelines:
      contacts:
        source: shop/contacts
        target: books/contacts
        direction: source-to-target
        match: [ {{ source: $.email, target: $.EmailAddress }} ]
        filters: {{ source: [ {{ path: $.last_name, not_equals: {mark} }} ] }}
        fields:
          - {{ source: $.first_name, target: $.FirstName, write: on-create }}
    clients:
"
    );
    for number in 0..200 {
        let _ = writeln!(text, "      - {{ client: client-{number:03} }}");
    }
    text
}

#[tokio::test]
async fn an_edit_of_a_template_with_two_hundred_clients_is_one_plan_and_goes_to_two_of_them_first() {
    let mut live = Live::start(BY_HAND, &[("shop.yaml", &agency("x"))]).await;
    let before = live.hashes().await;
    assert_eq!(before.len(), 200);
    live.write("shop.yaml", &agency("y"));
    let home = live.home.path().to_owned();
    let told = |args: &[&str]| {
        let out = program(&home).args(args).output().unwrap();
        (out.status.code(), String::from_utf8(out.stdout).unwrap())
    };
    let (code, diff) = told(&["config", "diff"]);
    assert_eq!(code, Some(0), "{diff}");
    insta::assert_snapshot!("diff_of_two_hundred_clients", diff);
    let (code, reloaded) = told(&["reload", "--wait"]);
    assert_eq!(code, Some(0), "to wait for a turn is no failure: {reloaded}");
    assert!(reloaded.contains("198 integrations wait for their turn: "), "{reloaded}");
    let after = live.hashes().await;
    let changed: Vec<&String> =
        after.iter().filter(|(name, hash)| before[*name] != **hash).map(|(name, _)| name).collect();
    assert_eq!(changed, ["client-007", "client-100"]);
    let (_, status) = told(&["status"]);
    let waits = "! template shop: 198 clients go on as they were: an edit of the template `shop` is at client-007, client-100 first";
    assert!(status.replace("\n  ", " ").contains(waits), "{status}");
    let (code, _) = told(&["approve", "shop"]);
    assert_eq!(code, Some(0));
    let done = |status: &DaemonStatus| {
        let hashes = hashes(status);
        before.iter().all(|(name, hash)| hashes[name] != *hash)
    };
    live.wait_for("all to take it over", done).await;
}

#[tokio::test]
async fn an_edit_of_one_client_of_a_template_restarts_that_client_alone_and_is_counted() {
    let template = agency("\"${params.mark}\"").split("    clients:").next().unwrap().to_owned();
    let template = template.replace("  shop:\n", "  shop:\n    params: { mark: { type: string, default: x } }\n");
    let template: String =
        template.lines().filter(|line| !line.contains("rollout:")).map(|line| format!("{line}\n")).collect();
    let client = |name: &str, with: &str| format!("integrations:\n  {name}: {{ template: shop{with} }}\n");
    let files: Vec<(String, String)> =
        ["a", "b", "c"].map(|name| (format!("clients/{name}.yaml"), client(name, ""))).to_vec();
    let mut files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    files.push(("shop.yaml", &template));
    let mut live = Live::start(QUICK, &files).await;
    let before = live.hashes().await;
    assert_eq!(before.len(), 3);
    live.write("clients/b.yaml", &client("b", ", with: { mark: y }"));
    live.changed("b", &before["b"]).await;
    // What runs is told a moment before the count of it.
    let status = live.wait_for("the count", |status| config(status).restarts > 0).await;
    assert_eq!(config(&status).restarts, 1);
    let after = hashes(&status);
    assert_eq!((&after["a"], &after["c"]), (&before["a"], &before["c"]));
    // An edit of the template is one of those who take its default.
    live.write("shop.yaml", &template.replace("default: x", "default: z"));
    live.wait_for("the others", |status| config(status).restarts > 2).await;
    let status = live.status().await.unwrap();
    assert_eq!(config(&status).restarts, 3, "what `b` gives itself is as it was");
    assert_eq!(hashes(&status)["b"], after["b"]);
}

/// However many there are, a page is of a size that a phone can take, and each of them can be found.
fn on_a_page(live: &Live) {
    let page = |path: &str| {
        let began = Instant::now();
        let text = live.page(path);
        eprintln!("{path}: {} kB in {:?}", text.len() / 1_000, began.elapsed());
        text
    };
    let rows = |text: &str| text.matches("<tr>").count();
    let overview = page("/");
    assert!(overview.contains("1,000 integrations") && overview.len() < 120_000, "{} bytes", overview.len());
    // One of them is the head.
    assert_eq!(rows(&overview), 101);
    assert!(overview.contains("page=9") && !overview.contains("page=10"), "{overview}");
    assert!(page("/?page=9").contains("client-199-4"));
    let found = page("/?q=CLIENT-123-0");
    assert!(rows(&found) == 2 && found.contains("client-123-0"), "{found}");
    let state = page("/?q=client-12&state=person");
    assert_eq!(rows(&state), 51, "those of this name whose first run waits: {state}");
    // A thousand first runs wait for a person.
    let waiting = page("/todo");
    assert!(waiting.len() < 200_000 && waiting.contains("more. The next ones"), "{} bytes", waiting.len());
}

/// A client whose owner was never asked to consent.
fn newcomer(number: usize) -> String {
    integration(&format!("new-{number:02}"), "x").replace("books/contacts", &format!("books-{number:02}/contacts"))
        + &format!(
            "grants: {{ owner-{number:02}: {{ connector: xero, client_id: app, client_secret: a-canary }} }}
connections: {{ books-{number:02}: {{ connector: xero, base_url: \"http://127.0.0.1:9/xero\", grant: owner-{number:02} }} }}
"
        )
}

#[tokio::test]
async fn sixty_connections_that_are_not_connected_leave_room_for_the_rest_of_the_page() {
    let files: Vec<(String, String)> = (0..60).map(|n| (format!("new/{n:02}.yaml"), newcomer(n))).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let live = Live::start(&format!("{QUICK}{CONSOLE}"), &files).await;
    let overview = live.page("/");
    assert_eq!(overview.matches(" is not connected.</strong>").count(), 3);
    assert!(overview.contains("57 more connections are not connected."), "{overview}");
    let connections = live.page("/connections");
    assert_eq!(connections.matches("<section class=\"card bad\">").count(), 50, "{connections}");
    assert!(connections.contains("page=1") && !connections.contains("page=2"), "{connections}");
    let found = live.page("/connections?q=new-42");
    assert!(found.matches("<section").count() == 2 && found.contains("books-42"), "its own and the shop's: {found}");
}
