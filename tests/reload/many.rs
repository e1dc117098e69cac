//! A thousand pipelines in two hundred files: an edit touches what it is about.

use std::fmt::Write as _;

use crate::support::{Live, QUICK, config, hashes, integration, of};

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
