//! What is open, what is left, what came in, and how the store does.

use super::{Facts, counter, gauge, number};
use crate::{
    admin::metrics::{Family, Histogram, Labels, Numbers},
    config::ConnectionName,
    connector::{AnswerClass, REQUEST_SECONDS},
    store::FLUSH_SECONDS,
};

fn connection(name: &ConnectionName) -> (&'static str, String) {
    ("connection", name.to_string())
}

fn result(word: &str) -> (&'static str, String) {
    ("result", word.to_owned())
}

/// The numbers of this file.
pub(super) fn of_measures(facts: &Facts) -> Vec<Family> {
    let mut all = of_writes(facts);
    all.extend(of_limits(facts));
    all.extend(of_traffic(facts));
    all.extend(of_visitors(facts));
    all.extend(of_store(facts));
    all
}

fn of_writes(facts: &Facts) -> Vec<Family> {
    let open = facts.gauges.open_intents.iter().map(|(name, count)| (vec![connection(name)], number(*count)));
    let now = facts.status.daemon.as_ref().map(|daemon| daemon.now);
    let pipelines = facts.status.integrations.iter().flat_map(|one| &one.pipelines);
    let oldest = pipelines.filter_map(|pipeline| {
        let age = pipeline.oldest.map_or(0, |since| now.map_or(0, |now| (now - since).num_seconds().max(0)));
        let labels = vec![("pipeline", pipeline.pipeline.to_string())];
        Some((labels, number(u64::try_from(age).ok()?)))
    });
    let breaker = facts.counts.flip_flops.iter().map(|(name, count)| (vec![("pipeline", name.to_string())], *count));
    let echoes = facts.counts.echoes.iter().map(|(name, count)| (vec![("pipeline", name.to_string())], *count));
    vec![
        gauge("open_intents", "Records of writes of which it is not known yet what came of them", open.collect()),
        gauge(
            "oldest_pending_seconds",
            "For how long the oldest entry is put aside; 0 where none is",
            oldest.collect(),
        ),
        counter(
            "loop_breaker",
            "Fields put aside because two systems kept changing them to and fro",
            breaker.collect(),
        ),
        counter(
            "echo_suppressed",
            "Linked records that a system reported as changed and that were as they were left: own writes seen again, mostly",
            echoes.collect(),
        ),
    ]
}

fn of_limits(facts: &Facts) -> Vec<Family> {
    let all = || {
        facts.gauges.budgets.iter().flat_map(|(name, budgets)| {
            budgets.iter().map(move |budget| {
                let window = humantime::format_duration(budget.per).to_string();
                (vec![connection(name), ("window", window)], budget)
            })
        })
    };
    let left: Vec<(Labels, f64)> = all().map(|(labels, budget)| (labels, f64::from(budget.left))).collect();
    let of: Vec<(Labels, f64)> = all().map(|(labels, budget)| (labels, f64::from(budget.of))).collect();
    vec![
        gauge("rate_budget_remaining", "Requests that a limit of a system still allows in this span", left),
        gauge("rate_budget_limit", "Requests that a limit of a system allows in this span", of),
    ]
}

fn of_traffic(facts: &Facts) -> Vec<Family> {
    let answers = facts.gauges.traffic.iter().flat_map(|(name, traffic)| {
        let classes = AnswerClass::ALL.into_iter().zip(traffic.answers);
        classes.map(move |(class, count)| (vec![connection(name), ("code_class", class.word().to_owned())], count))
    });
    let lengths = facts.gauges.traffic.iter().map(|(name, traffic)| {
        let ends = REQUEST_SECONDS.into_iter().chain([f64::INFINITY]);
        let histogram = Histogram { classes: ends.zip(traffic.lengths).collect(), sum: traffic.seconds };
        (vec![connection(name)], histogram)
    });
    vec![
        counter("remote_answers", "Answers of a system, by the kind of their status", answers.collect()),
        Family {
            name: "remote_request_duration_seconds",
            help: "How long requests took until their answer was read to the end, or until there was none",
            numbers: Numbers::Histogram(lengths.collect()),
        },
    ]
}

fn of_visitors(facts: &Facts) -> Vec<Family> {
    let hooks = facts
        .counts
        .hooks
        .iter()
        .map(|((name, delivery), count)| (vec![("hook", name.clone()), result(delivery.word())], *count));
    let unknown = (vec![("hook", String::new()), result("unknown")], facts.counts.unknown_hooks);
    let posts = facts
        .counts
        .posts
        .iter()
        .map(|((name, posted), count)| (vec![connection(name), result(posted.word())], *count));
    let renewals = facts.gauges.renewals.iter().flat_map(|(grant, renewals)| {
        let of = |word, count| (vec![("grant", grant.clone()), result(word)], count);
        [of("renewed", renewals.renewed), of("ended", renewals.ended), of("failed", renewals.failed)]
    });
    vec![
        counter("webhooks", "Deliveries of web hooks, by what became of them", hooks.chain([unknown]).collect()),
        counter("inbox_records", "Records posted to inboxes, by what became of them", posts.collect()),
        counter("token_refresh", "How often logins were renewed, or were not", renewals.collect()),
    ]
}

fn of_store(facts: &Facts) -> Vec<Family> {
    let flushes = facts.gauges.flushes;
    let ends = FLUSH_SECONDS.into_iter().chain([f64::INFINITY]);
    let histogram = Histogram { classes: ends.zip(flushes.classes).collect(), sum: flushes.sum };
    vec![
        gauge(
            "store_bytes",
            "How much the store takes on the disk",
            facts.gauges.store_bytes.map(|bytes| (Vec::new(), number(bytes))).into_iter().collect(),
        ),
        Family {
            name: "store_flush_seconds",
            help: "How long it took until what was stored was safe on the disk",
            numbers: Numbers::Histogram(vec![(Vec::new(), histogram)]),
        },
        counter("store_errors", "How often the store began to fail", vec![(Vec::new(), facts.gauges.store_failures)]),
    ]
}
