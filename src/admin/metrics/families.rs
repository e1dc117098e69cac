//! Which numbers there are.

mod measured;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{Family, Histogram, Labels, Numbers};
use crate::{
    config::ConnectionName,
    connector::Requests,
    daemon::{
        Gauges, IntegrationNow, WaitReason,
        counts::{Counts, Outcome, RUN_SECONDS, RunResult},
        protocol::Status,
    },
    engine::PipelineStatus,
    grant::ConnectionState,
    record::Side,
    store::{Approval, Hold, Stage},
};

/// What the numbers are made from.
#[derive(Clone, Debug)]
pub struct Facts {
    /// How everything stands.
    pub status: Status,
    /// What was done.
    pub counts: Counts,
    /// Requests made.
    pub requests: Vec<(ConnectionName, Requests)>,
    /// What was measured just now.
    pub gauges: Gauges,
}

/// How a pipeline can stand.
const STATES: [&str; 6] = ["running", "unapproved", "held", "paused", "invalid", "broken_connection"];

/// Every metric, also those that have no number yet.
#[must_use]
pub fn families(facts: &Facts) -> Vec<Family> {
    let mut all = of_daemon(facts);
    all.extend(of_pipelines(facts));
    all.extend(of_runs(facts));
    all.extend(of_connections(facts));
    all.extend(measured::of_measures(facts));
    all
}

fn gauge(name: &'static str, help: &'static str, numbers: Vec<(Labels, f64)>) -> Family {
    Family { name, help, numbers: Numbers::Gauge(numbers) }
}

fn counter(name: &'static str, help: &'static str, numbers: Vec<(Labels, u64)>) -> Family {
    Family { name, help, numbers: Numbers::Counter(numbers) }
}

fn truth(is: bool) -> f64 {
    if is { 1.0 } else { 0.0 }
}

/// A count as a number of a gauge.
fn number(count: u64) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "exact up to 2^53")]
    let number = count as f64;
    number
}

fn seconds(at: DateTime<Utc>) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "exact for 285,000 years")]
    let seconds = at.timestamp_millis() as f64 / 1_000.0;
    seconds
}

fn of_daemon(facts: &Facts) -> Vec<Family> {
    let daemon = facts.status.daemon.as_ref();
    let config = daemon.and_then(|daemon| daemon.config.as_ref());
    let version = daemon.map_or_else(String::new, |daemon| daemon.version.clone());
    // What ran at the start was read well then.
    let reloaded = facts.counts.reloaded.or_else(|| {
        let whole = config.is_some_and(|config| config.mistakes.is_empty() && config.last_reload.accepted);
        daemon.filter(|_| whole).map(|daemon| daemon.started)
    });
    let [accepted, rejected] = facts.counts.reloads;
    let result = |word: &str| vec![("result", word.to_owned())];
    vec![
        gauge("build_info", "The program's version", vec![(vec![("version", version)], 1.0)]),
        gauge(
            "store_failing",
            "1 while the store cannot be used, so that nothing is written to any system",
            vec![(Vec::new(), truth(daemon.is_some_and(|daemon| daemon.store_failing.is_some())))],
        ),
        gauge(
            "config_last_reload_successful",
            "Whether the files of the configuration were taken whole when they were last looked at",
            config
                .map(|config| (Vec::new(), truth(config.last_reload.accepted && config.mistakes.is_empty())))
                .into_iter()
                .collect(),
        ),
        gauge(
            "config_last_reload_success_timestamp_seconds",
            "When the files of the configuration were last taken whole",
            reloaded.map(|at| (Vec::new(), seconds(at))).into_iter().collect(),
        ),
        counter(
            "config_reloads",
            "Looks at the files of the configuration that found something",
            vec![(result("accepted"), accepted), (result("rejected"), rejected)],
        ),
        gauge(
            "config_generation",
            "Grows with each configuration that takes effect",
            config.map(|config| (Vec::new(), number(config.generation))).into_iter().collect(),
        ),
        gauge(
            "config_edits_held",
            "Edits of the configuration that wait for a person",
            vec![(
                Vec::new(),
                number(facts.status.edits.iter().filter(|edit| edit.approval == Approval::Waiting).count() as u64),
            )],
        ),
    ]
}

/// A pipeline with what is known of it.
struct One<'s> {
    client: String,
    state: &'static str,
    hash: String,
    status: &'s PipelineStatus,
}

fn pipelines(facts: &Facts) -> Vec<One<'_>> {
    let paused = |what: &str| facts.status.paused.iter().any(|pause| pause.what == what);
    let mut all = Vec::new();
    for integration in &facts.status.integrations {
        let now = now_of(facts, integration.integration.as_str());
        for pipeline in &integration.pipelines {
            let state = if paused(integration.integration.as_str()) || paused(pipeline.pipeline.as_str()) {
                "paused"
            } else if now.is_some_and(|now| now.pending.is_some()) {
                "invalid"
            } else if now.is_some_and(|now| now.troubles.iter().any(|trouble| !trouble.temporary)) {
                "broken_connection"
            } else if pipeline.stage == Stage::Unapproved {
                "unapproved"
            } else if pipeline.held.as_ref().is_some_and(|held| held.approval != Approval::Approved) {
                "held"
            } else {
                "running"
            };
            all.push(One {
                client: integration.integration.to_string(),
                state,
                hash: now.map(|now| now.running.clone()).unwrap_or_default(),
                status: pipeline,
            });
        }
    }
    all
}

fn now_of<'f>(facts: &'f Facts, name: &str) -> Option<&'f IntegrationNow> {
    let daemon = facts.status.daemon.as_ref()?;
    daemon.integrations.iter().find(|now| now.integration.as_str() == name)
}

fn of_pipelines(facts: &Facts) -> Vec<Family> {
    let all = pipelines(facts);
    let name = |one: &One<'_>| ("pipeline", one.status.pipeline.to_string());
    let each = |value: &dyn Fn(&PipelineStatus) -> Option<f64>| -> Vec<(Labels, f64)> {
        all.iter().filter_map(|one| Some((vec![name(one)], value(one.status)?))).collect()
    };
    let mut states: BTreeMap<&str, u64> = STATES.into_iter().map(|state| (state, 0)).collect();
    for one in &all {
        *states.entry(one.state).or_default() += 1;
    }
    let info = all.iter().map(|one| {
        let labels = vec![
            name(one),
            ("client", one.client.clone()),
            ("config_hash", one.hash.clone()),
            ("state", one.state.to_owned()),
        ];
        (labels, 1.0)
    });
    let held = all.iter().flat_map(|one| {
        let held = one.status.held.iter().filter(|held| held.approval == Approval::Waiting);
        held.flat_map(move |held| {
            let guards = held.guards.iter().map(|guard| guard.guard.clone());
            // Without a guard it is a first run.
            let guards: Vec<String> = match held.what {
                Hold::LeftOut => vec!["left_out".to_owned()],
                _ if held.guards.is_empty() => vec!["first_run".to_owned()],
                _ => guards.collect(),
            };
            guards.into_iter().map(move |guard| (vec![name(one), ("guard", guard)], 1.0))
        })
    });
    let windows = facts.status.daemon.iter().flat_map(|daemon| &daemon.integrations).map(|now| {
        let changes = now.waits.iter().find_map(|wait| match wait {
            WaitReason::Window { changes, .. } => Some(*changes),
            _ => None,
        });
        (vec![("client", now.integration.to_string())], number(changes.unwrap_or_default()))
    });
    vec![
        gauge("pipeline_info", "Every pipeline, with what it runs and how it stands", info.collect()),
        gauge(
            "pipelines",
            "How many pipelines stand so",
            states.into_iter().map(|(state, count)| (vec![("state", state.to_owned())], number(count))).collect(),
        ),
        gauge("links", "Linked pairs", each(&|one| Some(number(one.links)))),
        gauge("parked", "Records and fields put aside", each(&|one| Some(number(one.parked)))),
        gauge("due", "Records that are to be looked at now", each(&|one| Some(number(one.due)))),
        gauge(
            "last_verified_timestamp_seconds",
            "When both sides were last found to agree, but for what is listed",
            each(&|one| one.verified.map(seconds)),
        ),
        gauge(
            "last_success_timestamp_seconds",
            "When a run last came to its end with every system doing its part, since the daemon started",
            facts
                .counts
                .succeeded
                .iter()
                .map(|(name, at)| (vec![("pipeline", name.to_string())], seconds(*at)))
                .collect(),
        ),
        gauge("guard_held", "1 where a run waits for a person, by the guard that holds it", held.collect()),
        gauge("debounce_waiting", "How often something new was seen since the window opened", windows.collect()),
    ]
}

fn of_runs(facts: &Facts) -> Vec<Family> {
    let clients: Vec<String> = facts.status.integrations.iter().map(|one| one.integration.to_string()).collect();
    // They begin at 0, so that the first one counts as a growth.
    let mut runs: BTreeMap<(String, RunResult), u64> =
        clients.iter().flat_map(|client| RunResult::ALL.map(|result| ((client.clone(), result), 0))).collect();
    runs.extend(facts.counts.runs.iter().map(|((client, result), count)| ((client.to_string(), *result), *count)));
    let runs = runs
        .into_iter()
        .map(|((client, result), count)| (vec![("client", client), ("result", result.word().to_owned())], count));
    let lengths = facts.counts.lengths.iter().map(|(client, lengths)| {
        let ends = RUN_SECONDS.into_iter().chain([f64::INFINITY]);
        let histogram = Histogram { classes: ends.zip(lengths.classes).collect(), sum: lengths.sum };
        (vec![("client", client.to_string())], histogram)
    });
    let records = facts.counts.records.iter().map(|((pipeline, outcome), count)| {
        let (word, side) = outcome_words(*outcome);
        (vec![("pipeline", pipeline.to_string()), ("direction", side.to_owned()), ("outcome", word.to_owned())], *count)
    });
    vec![
        counter("run", "Runs, by how they ended", runs.collect()),
        Family {
            name: "run_duration_seconds",
            help: "How long runs took",
            numbers: Numbers::Histogram(lengths.collect()),
        },
        counter("records", "What became of records; of what was written also to which side", records.collect()),
    ]
}

const fn outcome_words(outcome: Outcome) -> (&'static str, &'static str) {
    const fn to(side: Side) -> &'static str {
        match side {
            Side::Source => "to-source",
            Side::Target => "to-target",
        }
    }
    match outcome {
        Outcome::Created(side) => ("created", to(side)),
        Outcome::Updated(side) => ("updated", to(side)),
        Outcome::Deleted(side) => ("deleted", to(side)),
        Outcome::Linked => ("linked", ""),
        Outcome::Unchanged => ("unchanged", ""),
        Outcome::Parked => ("parked", ""),
        Outcome::Filtered => ("filtered", ""),
    }
}

fn of_connections(facts: &Facts) -> Vec<Family> {
    let label = |name: &ConnectionName| ("connection", name.to_string());
    let calls = facts.requests.iter().flat_map(|(name, made)| {
        let of = |kind: &str, count| (vec![label(name), ("kind", kind.to_owned())], count);
        [of("read", made.reads), of("write", made.writes)]
    });
    let troubled = |name: &ConnectionName| {
        let all = facts.status.daemon.iter().flat_map(|daemon| &daemon.integrations).flat_map(|now| &now.troubles);
        all.into_iter().any(|trouble| trouble.connection == *name)
    };
    let login = |name: &ConnectionName| {
        let found = facts.status.connections.iter().find(|one| one.connection == *name);
        found.is_none_or(|one| one.state == ConnectionState::Connected)
    };
    let up = facts.requests.iter().map(|(name, _)| (vec![label(name)], truth(!troubled(name) && login(name))));
    let expires =
        facts.status.connections.iter().filter_map(|one| Some((vec![label(&one.connection)], seconds(one.expires?))));
    vec![
        counter("remote_requests", "Requests made to a system", calls.collect()),
        gauge(
            "connection_up",
            "Whether a connection is connected and did its part when it was last used",
            up.collect(),
        ),
        gauge("token_expires_timestamp_seconds", "When a login ends unless it is used before", expires.collect()),
    ]
}
