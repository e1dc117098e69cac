//! When an integration looks.

use std::{collections::BTreeSet, time::Duration};

use super::Cx;
use crate::config::{
    Blackout, ConnectionName, Debounce, IntegrationName, Moment, Schedule, Spread,
    diagnostic::error,
    nearest::suggest,
    written::{At, BlackoutW, DebounceW, OneOrMany, ScheduleW},
};

/// How often everything is read, unless said.
const FULL_READ: Duration = Duration::from_hours(24);
/// Shortest poll interval: a slip of the pen must not use up a day's calls.
const SHORTEST: Duration = Duration::from_secs(1);

/// Longest time that starts are spread over: a day, which is what a timetable repeats.
const WIDEST: Duration = Duration::from_hours(24);

/// Resolves the batch window.
pub(crate) fn debounce(cx: &Cx<'_>, written: Option<&DebounceW>) -> Option<Debounce> {
    let written = &written?.0;
    let wait = written.wait.as_ref()?.value;
    let max_wait = written.max_wait.as_ref().map_or(wait, |max| max.value);
    if let Some(max) = written.max_wait.as_ref().filter(|max| max.value < wait) {
        cx.report.add(
            error("config::bad_value", max.span, "max_wait is shorter than wait")
                .help("give max_wait at least as long as wait, or leave it out"),
        );
    }
    (!wait.is_zero()).then_some(Debounce { wait, max_wait })
}

/// Resolves the times in which nothing is written.
pub(crate) fn blackouts(cx: &Cx<'_>, written: Option<&OneOrMany<BlackoutW>>) -> Vec<Blackout> {
    let mut found = Vec::new();
    for one in written.iter().flat_map(|written| &written.0) {
        let (Some(from), Some(to)) = (&one.from, &one.to) else { continue };
        let wrong = match (from.value, to.value) {
            (Moment::Once(began), Moment::Once(ended)) if ended <= began => Some("it ends before it begins"),
            (from, to) if from.is_once() != to.is_once() => {
                Some("it begins once and ends again and again, or the other way")
            }
            (from, to) if from == to => Some("a time that ends when it begins is none, or all"),
            _ => None,
        };
        if let Some(wrong) = wrong {
            cx.report.add(
                error("config::bad_blackout", to.span, wrong)
                    .help("write from and to of one kind: `last 18:00` to `2 08:00`, or two dates with times"),
            );
            continue;
        }
        found.push(Blackout { from: from.value, to: to.value });
    }
    found
}

/// The connections that the pipelines of an integration use.
#[derive(Clone, Debug, Default)]
pub(crate) struct Used {
    /// Those that could be read.
    pub names: BTreeSet<String>,
    /// Whether these are all.
    pub all_known: bool,
}

/// Resolves a schedule.
pub(crate) fn schedule(cx: &Cx<'_>, name: &IntegrationName, written: Option<&ScheduleW>, used: &Used) -> Schedule {
    let mut schedule = Schedule { full_read: Some(FULL_READ), ..Schedule::default() };
    let Some(written) = written else { return schedule };
    for entry in written.poll.iter().flat_map(|poll| &poll.entries) {
        let name = &entry.name;
        let found = cx.connection(&name.value).map(|(full, _)| full);
        let exists = found.is_some();
        if !used.names.contains(&name.value) && (used.all_known || !exists) {
            let message = if exists {
                format!("no pipeline here uses the connection `{}`", name.value)
            } else {
                format!("there is no connection `{}`", name.value)
            };
            cx.report.add(
                error("config::unknown_connection", name.span, message)
                    .label("polled for nothing")
                    .maybe_help(suggest(&name.value, used.names.iter().map(String::as_str))),
            );
            continue;
        }
        check_interval(cx, &entry.value);
        if let Ok(parsed) = ConnectionName::parse(found.unwrap_or(&name.value)) {
            schedule.poll.insert(parsed, entry.value.value);
        }
    }
    if let Some(sync) = &written.sync {
        if let Some(idle) = &sync.after_idle {
            check_interval(cx, idle);
            schedule.after_idle = Some(idle.value);
        }
        schedule.cron = sync.cron.iter().flat_map(|lines| &lines.0).flat_map(|line| line.value.0.clone()).collect();
        schedule.spread = sync.spread.as_ref().and_then(|over| spread(cx, name, over, !schedule.cron.is_empty()));
    }
    if let Some(every) = written.full_read.as_ref().and_then(|full| full.0.every.as_ref()) {
        if let Some(interval) = every.value.0 {
            check_interval(cx, &At { value: interval, span: every.span });
        }
        schedule.full_read = every.value.0;
    }
    schedule
}

/// Spreads the starts of a timetable. `after_idle` needs none: integrations end their runs at different times anyway.
fn spread(cx: &Cx<'_>, name: &IntegrationName, over: &At<Duration>, has_times: bool) -> Option<Spread> {
    let refuse = |code, message: &str, help: &str| {
        cx.report.add(error(code, over.span, message.to_owned()).help(help.to_owned()));
        None
    };
    if !has_times {
        return refuse(
            "config::misplaced_key",
            "`spread` moves the starts by `cron`, and there are none",
            "add `cron: \"0 6 * * *\"` beside it, or remove it",
        );
    }
    if over.value < SHORTEST || over.value > WIDEST {
        return refuse(
            "config::bad_duration",
            "starts can be spread over 1s to 24h",
            "write a time such as 30m: each integration then starts at a moment of its own within it",
        );
    }
    Some(Spread::of(name, over.value))
}

fn check_interval(cx: &Cx<'_>, written: &At<Duration>) {
    if written.value < SHORTEST {
        cx.report.add(
            error("config::bad_duration", written.span, "an interval is at least 1s")
                .help("write 2m or longer; see `calls a day`"),
        );
    }
}
