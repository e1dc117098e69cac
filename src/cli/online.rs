//! Asking the systems, without writing anything: does the login work, may it read what the pipelines read, do the paths hit
//! something, are the constants known there, and what time is it there?
//!
//! One page of each resource is read, and each constant of `one_of` looked up. Whether a login may write shows only when
//! something is written.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};

use super::{checkup::Finding, output::Output, setup, text::count};
use crate::{
    clock::Clock,
    config::{Auth, Config, Connection, ConnectionName, Pipeline},
    connector::{CallError, Connector, Page, Priority, PullCursor},
    record::{Side, Slot},
};

/// More than this between two clocks is worth a look: logins and windows of time begin to fail.
const SLACK: TimeDelta = TimeDelta::seconds(60);

/// Asks every connection that a pipeline uses.
pub async fn ask(config: &Config, out: &Output) -> Vec<Finding> {
    let clock = Clock::system();
    let by_consent = |connection: &Connection| matches!(connection.auth, Auth::Grant(_));
    // Their tokens are in the store, which a running daemon keeps to itself.
    let store = if config.connections.values().any(|connection| by_consent(connection)) {
        setup::open_store(config).ok()
    } else {
        None
    };
    let keeper = store.map(|store| setup::keeper(config, &store, &clock));
    let kept = keeper.is_some();
    let connect = setup::connect(keeper, &clock, Priority::Manual);
    let mut used: BTreeMap<ConnectionName, Arc<Connection>> = BTreeMap::new();
    for end in config.pipelines().flat_map(|(_, pipeline)| &pipeline.ends) {
        used.entry(end.connection.name.clone()).or_insert_with(|| Arc::clone(&end.connection));
    }
    let mut findings = Vec::new();
    for (name, connection) in used {
        if by_consent(&connection) && !kept {
            let help = "`reconciled status` and `reconciled plan` ask through the daemon; or stop it and try again";
            findings.push(Finding::warning(name.as_str(), "was not asked: the daemon keeps its login", help));
            continue;
        }
        let _spinner = out.spinner(&format!("asking {name}"));
        match connect(&connection) {
            Ok(connector) => findings.extend(one(config, &name, connector.as_ref(), &clock).await),
            Err(why) => findings.push(Finding::bad(name.as_str(), why, "mend the connection, then try again")),
        }
    }
    findings
}

async fn one(config: &Config, name: &ConnectionName, connector: &dyn Connector, clock: &Clock) -> Vec<Finding> {
    let mut findings = Vec::new();
    let ends = || {
        let pipelines = config.pipelines().map(|(_, pipeline)| pipeline);
        let ends = pipelines.flat_map(|pipeline| Side::BOTH.map(|side| (pipeline, side)));
        ends.filter(|(pipeline, side)| pipeline.end(*side).connection.name == *name)
    };
    let mut resources: BTreeMap<&str, Vec<(&Arc<Pipeline>, Side)>> = BTreeMap::new();
    for (pipeline, side) in ends() {
        resources.entry(pipeline.end(side).resource.name.as_str()).or_default().push((pipeline, side));
    }
    let mut server = None;
    for (resource_name, users) in resources {
        let about = format!("{name}/{resource_name}");
        let Some(resource) = connector.resource(resource_name) else { continue };
        if resource.list.is_none() {
            findings.push(Finding::ok(about, "is only written, so there is nothing to read"));
            continue;
        }
        let (began, at) = (Instant::now(), clock.now());
        match connector.pull(resource, &PullCursor { since: None, page: None }).await {
            Ok(page) => {
                server = server.or_else(|| page.server_time.map(|there| (there, at, began.elapsed())));
                let more = if page.next.is_some() { ", and there are more" } else { "" };
                let records = count(page.records.len() as u64, "record", "records");
                findings.push(Finding::ok(about.clone(), format!("can be read: {records} on the first page{more}")));
                findings.extend(unread(&about, &page));
                findings.extend(users.iter().flat_map(|(pipeline, side)| misses(&about, pipeline, *side, &page)));
            }
            Err(error) => {
                let login = matches!(error, CallError::Login { .. });
                findings.push(Finding::bad(about, error.to_string(), remedy(&error)));
                // The next resource would be refused for the same reason, and a locked account is worse.
                if login {
                    break;
                }
            }
        }
    }
    findings.extend(server.map(|(there, at, took)| times(name, there, at, took)));
    for (pipeline, _) in ends().filter(|(_, side)| *side == Side::Target) {
        findings.extend(constants(pipeline, connector).await);
    }
    findings
}

fn remedy(error: &CallError) -> &'static str {
    match error {
        CallError::Login { .. } => "give another login, or set the secret where reconciled is started",
        CallError::Refused { status: 403, .. } => {
            "the login lacks the right to read this; give it that right at the system"
        }
        CallError::Refused { .. } => "look at the address, the tenant and the settings of the connection",
        CallError::NotDone(_) | CallError::Unknown(_) => {
            "is the address right, and can this machine reach it? Try again later"
        }
        CallError::Throttled { .. } => "try again then",
        CallError::Removed(_) => "have it sent again",
        CallError::PageExpired | CallError::BadAnswer(_) => {
            "`reconciled connectors try` shows more; does the connector fit this system?"
        }
    }
}

fn unread(about: &str, page: &Page) -> Vec<Finding> {
    let told = page.unread.iter().take(3);
    told.map(|unread| Finding::warning(about, format!("{}: {}", unread.place, unread.reason), "correct it there"))
        .collect()
}

/// Paths that no record of the first page has, on a resource whose fields nobody listed.
fn misses(about: &str, pipeline: &Pipeline, side: Side, page: &Page) -> Vec<Finding> {
    let end = pipeline.end(side);
    if !end.resource.fields.open || end.elements.is_some() || page.records.is_empty() {
        return Vec::new();
    }
    let mut found = Vec::new();
    for slot in &end.spec.slots {
        let (Slot::Value(path) | Slot::Count(path)) = slot else { continue };
        if page.records.iter().all(|record| path.count(&record.body) == 0) {
            found.push(Finding::warning(
                about,
                format!("{}: no record of the first page has `{path}`", pipeline.name),
                "is it misspelt? `reconciled connectors try` shows a record",
            ));
        }
    }
    found
}

fn times(name: &ConnectionName, there: DateTime<Utc>, at: DateTime<Utc>, took: Duration) -> Finding {
    // What the system says is no later than the moment it began to answer.
    let between = there - at;
    let slack = SLACK + TimeDelta::from_std(took).unwrap_or_default();
    if between.abs() <= slack {
        return Finding::ok(name.as_str(), "its clock agrees with this one");
    }
    let (way, by) = if between > TimeDelta::zero() { ("ahead of", between) } else { ("behind", -between) };
    let by = humantime::format_duration(Duration::from_secs(by.num_seconds().unsigned_abs()));
    Finding::warning(
        name.as_str(),
        format!("its clock is {by} {way} this one"),
        "let this machine follow a time server (`timedatectl set-ntp true`); no edit is lost by it, but schedules, and rules \
         that compare times, are off by that much",
    )
}

async fn constants(pipeline: &Pipeline, connector: &dyn Connector) -> Vec<Finding> {
    let mut findings = Vec::new();
    for constant in &pipeline.known {
        let about = format!("{}: {}", pipeline.name, constant.field);
        let place = &constant.resource.name;
        findings.push(match connector.get(&constant.resource, &constant.id).await {
            Ok(Some(record)) if !record.gone => {
                Finding::ok(about, format!("`{}` is known in {place}: {}", constant.id, record.label))
            }
            Ok(_) => Finding::bad(
                about,
                format!("there is no `{}` in {place}", constant.id),
                "correct the value in the configuration; nothing is sent until then",
            ),
            Err(error) => Finding::bad(about, error.to_string(), remedy(&error)),
        });
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::checkup::Level;

    #[test]
    fn clocks_that_differ_by_more_than_a_minute_are_told() {
        let name = ConnectionName::parse("shop").unwrap();
        let now: DateTime<Utc> = "2026-06-01T12:00:00Z".parse().unwrap();
        let check = |seconds, took| times(&name, now + TimeDelta::seconds(seconds), now, Duration::from_secs(took));
        assert_eq!(check(-59, 0).level, Level::Ok);
        assert_eq!(check(59, 0).level, Level::Ok);
        assert_eq!(check(-70, 20).level, Level::Ok, "the answer took its time");
        let off = check(190, 0);
        assert_eq!((off.level, off.found.as_str()), (Level::Warning, "its clock is 3m 10s ahead of this one"));
    }
}
