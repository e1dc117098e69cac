//! A thousand pipelines in two hundred files: an edit touches what it is about.

use std::fmt::Write as _;

use reconciled::daemon::DaemonStatus;

use crate::support::{BY_HAND, Live, QUICK, config, hashes, integration, of, program};

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
    let mut live = Live::start(&QUICK.replace("150ms", "1s"), &files).await;
    let before = live.hashes().await;
    assert_eq!(before.len(), 1_000);
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
