//! Numbers for machines: metrics, health, and the rules that are made of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write as _,
    process::Stdio,
};

use reqwest::Method;
use serde_json::{Value, json};

use crate::Office;

/// A text of metrics, checked as `promtool check metrics` does, and more strictly: what OpenMetrics asks of names, types and
/// order, and that no two numbers have the same labels.
fn checked(text: &str) -> BTreeMap<String, Vec<(String, f64)>> {
    let (mut types, mut helps) = (BTreeMap::new(), BTreeSet::new());
    let mut found: BTreeMap<String, Vec<(String, f64)>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.last(), Some(&"# EOF"), "{text}");
    for line in &lines[..lines.len() - 1] {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(!help.is_empty() && helps.insert(name.to_owned()), "{line}");
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(types.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} twice");
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
            assert!(seen.insert(series.to_owned()), "{series} twice");
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            assert!(labels.ends_with('}') && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{line}");
            let family = ["_total", "_bucket", "_sum", "_count"].iter().find_map(|end| {
                let family = name.strip_suffix(end)?;
                types.contains_key(family).then_some(family)
            });
            let family = family.unwrap_or(name);
            let kind = types.get(family).unwrap_or_else(|| panic!("{family} has no type before it"));
            assert!(helps.contains(family), "{family} has no help");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            if kind == "histogram" {
                assert_ne!(name, family, "{line}");
            }
            found.entry(name.to_owned()).or_default().push((labels.trim_end_matches('}').to_owned(), value));
        }
    }
    found
}

/// As Prometheus asks.
const OPEN: [(&str, &str); 1] =
    [("accept", "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5")];

/// The checker of Prometheus, which `tests/run` puts into `target/tools`; the whole run does not do without.
fn promtool(args: &[&str], input: &str) {
    let own = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/promtool");
    let program = if own.is_file() { own } else { "promtool".into() };
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/monitoring");
    let mut command = std::process::Command::new(program);
    command.args(args).current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            assert!(std::env::var_os("RECONCILED_ALL").is_none(), "`bash tests/run` brings promtool: {error}");
            eprintln!("promtool is not there: nothing is checked by it");
            return;
        }
    };
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let out = child.wait_with_output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "promtool {args:?}: {said}");
}

#[tokio::test]
async fn the_numbers_are_as_prometheus_wants_them_in_the_older_format_too() {
    let office = Office::open().await;
    office.conflict().await;
    let answer = office.ask(Method::GET, "/metrics", &[], None).await;
    assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    assert!(answer.text.contains("# TYPE reconciled_run_total counter") && !answer.text.contains("# EOF"));
    promtool(&["check", "metrics"], &answer.text);
    // Both say the same of each series.
    let series = |text: &str| -> BTreeSet<String> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect()
    };
    let open = office.ask(Method::GET, "/metrics", &OPEN, None).await;
    assert_eq!(series(&answer.text), series(&open.text));
    office.end().await;
}

#[test]
fn the_rules_are_as_prometheus_wants_them_and_fire_when_they_should() {
    promtool(&["check", "rules", "alerts.yaml"], "");
    promtool(&["test", "rules", "alerts.test.yaml"], "");
}

#[tokio::test]
async fn the_numbers_are_sound_and_name_no_record() {
    let office = Office::open().await;
    let before = checked(&office.ask(Method::GET, "/metrics", &OPEN, None).await.text);
    assert!(before["reconciled_run_total"].iter().any(|(labels, value)| labels.contains("held") && *value == 0.0));
    office.conflict().await;
    let answer = office.ask(Method::GET, "/metrics", &OPEN, None).await;
    let kind = reconciled::admin::metrics::Format::OpenMetrics.content_type();
    assert_eq!((answer.code, answer.header("content-type")), (200, kind));
    let after = checked(&answer.text);
    for secret in ["Jane", "jane@x.example", "shop-22"] {
        assert!(!answer.text.contains(secret), "{secret}");
    }
    let of = |name: &str, labels: &[&str]| -> f64 {
        let all = &after[name];
        let mut fit = all.iter().filter(|(known, _)| labels.iter().all(|label| known.contains(label)));
        let one = fit.next().unwrap_or_else(|| panic!("{name} {labels:?}: {all:?}"));
        assert!(fit.next().is_none(), "{name} {labels:?} is not one");
        one.1
    };
    assert_eq!(of("reconciled_parked", &["acme/contacts"]), 1.0);
    assert_eq!(of("reconciled_links", &["acme/contacts"]), 1.0);
    assert_eq!(of("reconciled_run_total", &["client=\"acme\"", "parked"]), 1.0);
    assert_eq!(of("reconciled_records_total", &["acme/contacts", "created", "to-target"]), 1.0);
    assert_eq!(of("reconciled_pipelines", &["unapproved"]), 1.0);
    assert_eq!(of("reconciled_pipeline_info", &["bravo/sales", "state=\"unapproved\""]), 1.0);
    assert_eq!(of("reconciled_connection_up", &["books"]), 1.0);
    assert!(of("reconciled_last_verified_timestamp_seconds", &["acme/contacts"]) > 1.7e9);
    assert_eq!(of("reconciled_open_intents", &["shop"]), 0.0);
    assert_eq!(of("reconciled_loop_breaker_total", &["acme/contacts"]), 0.0);
    assert_eq!(of("reconciled_webhooks_total", &["unknown"]), 0.0);
    assert_eq!(of("reconciled_store_errors_total", &[]), 0.0);
    assert!(after["reconciled_store_flush_seconds_bucket"].len() == 8 && after.contains_key("reconciled_store_bytes"));
    // It is put aside since now; the clock stands still here.
    assert_eq!(of("reconciled_oldest_pending_seconds", &["acme/contacts"]), 0.0);
    office.world.clock.advance(std::time::Duration::from_secs(90));
    let later = checked(&office.ask(Method::GET, "/metrics", &OPEN, None).await.text);
    let oldest = &later["reconciled_oldest_pending_seconds"];
    assert!(oldest.iter().any(|(labels, age)| labels.contains("acme/contacts") && *age >= 90.0), "{oldest:?}");
    // Whatever was written comes back with the next reading of what changed.
    assert_eq!(of("reconciled_echo_suppressed_total", &["bravo/sales"]), 0.0);
    office.settled().await;
    let later = checked(&office.ask(Method::GET, "/metrics", &OPEN, None).await.text);
    let echoes = &later["reconciled_echo_suppressed_total"];
    assert!(echoes.iter().any(|(labels, count)| labels.contains("acme/contacts") && *count >= 1.0), "{echoes:?}");
    let buckets = &after["reconciled_run_duration_seconds_bucket"];
    let acme: Vec<f64> =
        buckets.iter().filter(|(labels, _)| labels.contains("acme")).map(|(_, value)| *value).collect();
    assert!(acme.is_sorted() && acme.len() == 11, "{acme:?}");
    assert!(buckets.iter().any(|(labels, _)| labels.contains("le=\"+Inf\"")), "{buckets:?}");
    office.end().await;
}

#[tokio::test]
async fn health_says_whether_it_is_there_and_takes_work() {
    let office = Office::open().await;
    // Whoever routes may call it by any name.
    for path in ["/-/healthy", "/-/ready"] {
        assert_eq!(office.ask(Method::GET, path, &[("host", "pod-17.internal")], None).await.code, 200);
    }
    // A system that cannot be reached is no reason to restart the daemon.
    office.world.shop.unreadable(Some("contacts"));
    let body = json!({"integration": "acme", "mode": "sync", "full": true});
    office.api("operator", Method::POST, "/run", Some(body)).await;
    assert_eq!(office.ask(Method::GET, "/-/ready", &[], None).await.code, 200);
    office.end().await;
}

#[tokio::test]
async fn behind_a_proxy_the_numbers_are_for_who_may_see_everything() {
    let office = Office::open_with(|settings| settings.url = Some("https://office.example/r".parse().unwrap())).await;
    assert_eq!(office.ask(Method::GET, "/metrics", &[], None).await.code, 401);
    let token = |name: &str| format!("Bearer {}", office.tokens[name]);
    assert_eq!(office.ask(Method::GET, "/metrics", &[("authorization", &token("viewer"))], None).await.code, 200);
    assert_eq!(office.ask(Method::GET, "/metrics", &[("authorization", &token("acme"))], None).await.code, 409);
    office.end().await;
}

/// The names of metrics in a text.
fn names(text: &str) -> BTreeSet<String> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split(|c| !word(c)).filter(|word| word.starts_with("reconciled_")).map(str::to_owned).collect()
}

#[tokio::test]
async fn the_rules_and_the_board_use_numbers_that_exist() {
    let office = Office::open().await;
    office.conflict().await;
    let text = office.ask(Method::GET, "/metrics", &OPEN, None).await.text;
    let declared: BTreeSet<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .flat_map(|rest| {
            let (name, kind) = rest.split_once(' ').unwrap();
            let ends: &[&str] = match kind {
                "counter" => &["_total"],
                "histogram" => &["_bucket", "_sum", "_count"],
                _ => &[""],
            };
            ends.iter().map(|end| format!("{name}{end}")).collect::<Vec<_>>()
        })
        .collect();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/monitoring");
    let mut used = BTreeSet::new();
    for file in ["alerts.yaml", "dashboard.json"] {
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        let here = names(&text);
        assert!(here.len() >= 5, "{file}: {here:?}");
        used.extend(here);
    }
    let unknown: Vec<_> = used.difference(&declared).collect();
    assert!(unknown.is_empty(), "there are no such numbers: {unknown:?}");
    let documented = names(&std::fs::read_to_string(folder.join("../../docs/dashboard.md")).unwrap());
    let silent: Vec<_> = declared
        .iter()
        .filter(|name| !name.ends_with("_bucket") && !name.ends_with("_sum") && !name.ends_with("_count"))
        .filter(|name| !documented.contains(*name))
        .collect();
    assert!(silent.is_empty(), "docs/dashboard.md does not name {silent:?}");
    office.end().await;
}

#[test]
fn the_rules_and_the_board_are_sound() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/monitoring");
    let rules: Value = serde_saphyr::from_str(&std::fs::read_to_string(folder.join("alerts.yaml")).unwrap()).unwrap();
    let mut alerts = BTreeSet::new();
    for group in rules["groups"].as_array().unwrap() {
        for rule in group["rules"].as_array().unwrap() {
            assert!(alerts.insert(rule["alert"].as_str().unwrap().to_owned()), "{rule}");
            for key in ["expr", "for"] {
                assert!(rule[key].is_string(), "{rule} has no {key}");
            }
            assert!(rule["annotations"]["summary"].is_string() && rule["labels"]["severity"].is_string(), "{rule}");
        }
    }
    assert!(alerts.len() >= 6, "{alerts:?}");
    let board: Value = serde_json::from_str(&std::fs::read_to_string(folder.join("dashboard.json")).unwrap()).unwrap();
    let panels = board["panels"].as_array().unwrap();
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
    for panel in panels {
        assert!(panel["title"].is_string() && panel["gridPos"]["w"].is_u64(), "{panel}");
        assert!(panel["targets"].as_array().unwrap().iter().all(|target| target["expr"].is_string()), "{panel}");
    }
}
