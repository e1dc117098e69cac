//! The daemon dies at each step of a take-over. What runs after the next start is the old configuration or the new one, of
//! one integration always the same, and the files on disk are taken over all the same.

use std::{collections::BTreeMap, fs};

use crate::support::{Live, QUICK, config, folder, integration, of, program};

/// Every place in which a test can have it die while an edit takes over, in the order in which it comes by there.
const STEPS: [&str; 5] = ["generation-kept", "edit-admitted", "edit-settled", "edit-taken", "edit-noted"];

/// Two integrations in one file, and one beside it.
fn files(mark: &str) -> [(&'static str, String); 2] {
    let two = format!("{}{}", integration("a", mark), integration("b", mark).replace("integrations:\n", ""));
    [("two.yaml", two), ("c.yaml", integration("c", "x"))]
}

#[tokio::test]
async fn a_kill_at_any_step_of_a_take_over_leaves_the_old_or_the_new_of_each_and_never_a_mixture() {
    let texts = |mark: &str| files(mark).map(|(name, text)| (name, text));
    // What both come to.
    let mut known: Vec<BTreeMap<String, String>> = Vec::new();
    for mark in ["old", "new"] {
        let files = texts(mark);
        let mut live = Live::start(QUICK, &files.each_ref().map(|(name, text)| (*name, text.as_str()))).await;
        known.push(live.hashes().await);
        live.stop().await;
    }
    for step in STEPS {
        let files = texts("old");
        let home = folder(QUICK, &files.each_ref().map(|(name, text)| (*name, text.as_str())));
        let live = Live::on(home).await;
        let home = live.stop().await;
        let said = fs::File::options().append(true).open(home.path().join("said.txt")).unwrap();
        let mut command = program(home.path());
        command.arg("run").env("RECONCILED_CRASH_AT", step).stdout(said.try_clone().unwrap()).stderr(said);
        let child = command.spawn().unwrap();
        let mut live = Live { home, child };
        live.wait_for("the daemon to follow its files", |status| status.config.is_some()).await;
        live.write("two.yaml", &texts("new")[0].1);
        let began = std::time::Instant::now();
        let ended = loop {
            if let Some(ended) = live.child.try_wait().unwrap() {
                break ended;
            }
            assert!(began.elapsed().as_secs() < 180, "it does not come by {step}: {}", live.said());
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        };
        assert_eq!(ended.code(), None, "{step}: it died as if it were killed");
        let home = live.kill();
        // Without the file only what is remembered tells.
        fs::write(home.path().join("etc/two.yaml"), "integrations: [").unwrap();
        let mut live = Live::on(home).await;
        let hashes = live.hashes().await;
        for name in ["a", "b", "c"] {
            let runs = hashes.get(name).unwrap_or_else(|| panic!("{step}: {name} does not run"));
            assert!(
                known.iter().any(|known| known[name] == *runs),
                "{step}: {name} is neither the old nor the new one"
            );
        }
        assert_eq!(hashes["c"], known[0]["c"], "{step}: nobody edited it");
        live.write("two.yaml", &texts("new")[0].1);
        live.wait_for("the new one", |status| {
            let is = |name: &str| of(status, name).is_some_and(|now| now.running == known[1][name]);
            is("a") && is("b") && config(status).mistakes.is_empty()
        })
        .await;
        live.stop().await;
    }
}
