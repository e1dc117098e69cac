//! Sentences: what a bookkeeper reads in place of states and codes.

use chrono::{DateTime, Utc};

use crate::{
    cli::text::{count, number, one_line, until},
    config::{Config, PipelineName},
    connector::Resource,
    daemon::{IntegrationNow, Phase, WaitReason},
    engine::{IntegrationStatus, PipelineStatus, PlanCounts, Tally},
    record::{RecordId, Side},
    store::{Approval, Stage},
    sync::{Damage, Held, ParkCode},
};

/// How something stands at a glance: a word, how bad it is, and what it is called in filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub word: &'static str,
    /// `good`, `calm`, `warn` or `bad`.
    pub class: &'static str,
    /// What a filter calls it.
    pub key: &'static str,
}

const fn standing(key: &'static str, word: &'static str, class: &'static str) -> Standing {
    Standing { word, class, key }
}

/// What filters offer, with the words for it.
pub(super) const FILTERS: [(&str, &str); 7] = [
    ("person", "Need a person"),
    ("trouble", "In trouble"),
    ("invalid", "Not as the files say"),
    ("running", "Running now"),
    ("paused", "Paused"),
    ("hand", "By hand only"),
    ("fine", "Fine"),
];

/// Whether a first run or a held one waits for an answer.
pub(super) fn waits_for_approval(pipeline: &PipelineStatus) -> bool {
    pipeline.stage == Stage::Unapproved || pipeline.held.as_ref().is_some_and(|held| held.approval == Approval::Waiting)
}

/// How an integration stands: what a person should look at comes before what goes on by itself.
pub(super) fn of_integration(one: &IntegrationStatus, now: Option<&IntegrationNow>, paused: bool) -> Standing {
    let troubles = now.map(|now| now.troubles.as_slice()).unwrap_or_default();
    if troubles.iter().any(|trouble| !trouble.temporary) {
        return standing("trouble", "Not connected", "bad");
    }
    if paused {
        return standing("paused", "Paused", "calm");
    }
    if matches!(now.map(|now| &now.phase), Some(Phase::Running { .. })) {
        return standing("running", "Running", "calm");
    }
    if now.is_some_and(|now| now.pending.is_some()) {
        return standing("invalid", "Not as the files say", "warn");
    }
    if one.pipelines.iter().any(waits_for_approval) {
        return standing("person", "Waits for approval", "warn");
    }
    if !troubles.is_empty() || now.is_some_and(|now| now.failure.is_some()) {
        return standing("trouble", "Tries again", "warn");
    }
    if one.pipelines.iter().any(|pipeline| pipeline.parked > 0) {
        return standing("person", "Needs you", "warn");
    }
    if !one.automatic {
        return standing("hand", "By hand only", "calm");
    }
    standing("fine", "Fine", "good")
}

/// What it does, or waits for and until when.
pub(super) fn doing(now: Option<&IntegrationNow>, at: DateTime<Utc>) -> String {
    let Some(now) = now else { return String::new() };
    match &now.phase {
        Phase::Running { why, .. } => {
            let how_far = now.progress.map(|reading| {
                if reading.planned > 0 {
                    format!(", {} of {} done", number(reading.done), number(reading.planned))
                } else {
                    format!(", {} read", count(reading.records, "record", "records"))
                }
            });
            format!("a run is under way ({}){}", one_line(why), how_far.unwrap_or_default())
        }
        Phase::Queued { .. } => "waits for another run on the same system to end".to_owned(),
        Phase::Waiting if let Some(trouble) = now.troubles.iter().find(|trouble| !trouble.temporary) => {
            format!("stands still until {} is connected", trouble.connection)
        }
        Phase::Waiting => now.waits.first().map_or_else(String::new, |wait| waits(wait, at)),
    }
}

/// What it waits for.
pub(super) fn waits(wait: &WaitReason, now: DateTime<Utc>) -> String {
    match wait {
        WaitReason::Window { changes, closes } => {
            format!("{} seen, written {}", count(*changes, "change", "changes"), until(now, *closes))
        }
        WaitReason::Poll { connection, at } => format!("looks at {connection} {}", until(now, *at)),
        WaitReason::Idle { at } | WaitReason::Cron { at, .. } => format!("next run {}", until(now, *at)),
        WaitReason::FullRead { at } => format!("compares everything {}", until(now, *at)),
        WaitReason::Due { at } => format!("looks at a record again {}", until(now, *at)),
        WaitReason::Retry { at } => format!("tries again {}", until(now, *at)),
        WaitReason::Refused { connection, at } => format!("asks {connection} again {}", until(now, *at)),
        WaitReason::Store { at } => format!("the disk or store fails; looked at again {}", until(now, *at)),
        WaitReason::Blackout { until: end } => format!("writes nothing; that ends {}", until(now, *end)),
        WaitReason::ByHand => "starts only by hand".to_owned(),
        WaitReason::Paused => "paused: nothing starts by itself".to_owned(),
    }
}

/// How a pipeline stands, in a few words.
pub(super) fn of_pipeline(one: &PipelineStatus) -> Standing {
    if one.stage == Stage::Unapproved {
        return standing("person", "First run waits for approval", "warn");
    }
    match one.held.as_ref().map(|held| held.approval) {
        Some(Approval::Waiting) => standing("person", "Held", "warn"),
        Some(Approval::Rejected) => standing("person", "Held, rejected", "warn"),
        _ if one.parked > 0 => standing("person", "Needs you", "warn"),
        _ if one.verified.is_some() => standing("fine", "Agrees", "good"),
        _ => standing("fine", "Not compared yet", "calm"),
    }
}

/// The connection on a side.
pub(super) fn system(config: &Config, pipeline: &PipelineName, side: Side) -> String {
    config.pipeline(pipeline).map_or_else(|| side.to_string(), |(_, found)| found.end(side).connection.name.to_string())
}

/// A record as people speak of it: `Invoice 1042`. The label may say itself what it is of.
pub(super) fn record(config: &Config, pipeline: &PipelineName, side: Side, label: &str) -> String {
    let noun = config.pipeline(pipeline).map(|(_, found)| noun(&found.end(side).resource.name)).unwrap_or_default();
    let label = one_line(label);
    if label.is_empty() {
        return format!("A {} without a name", noun.to_lowercase());
    }
    if noun.is_empty() || label.to_lowercase().starts_with(&noun.to_lowercase()) {
        label
    } else {
        format!("{noun} {label}")
    }
}

/// `invoices` is `Invoice`.
fn noun(resource: &str) -> String {
    let words = resource.replace(['_', '-'], " ");
    let one = match (words.strip_suffix("ies"), words.strip_suffix("sses"), words.strip_suffix('s')) {
        (Some(stem), ..) => format!("{stem}y"),
        (_, Some(stem), _) => format!("{stem}ss"),
        (_, _, Some(stem)) if !stem.ends_with('s') => stem.to_owned(),
        _ => words,
    };
    let mut letters = one.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// Where a record is in the pages of its own system.
pub(super) fn web_address(config: &Config, pipeline: &PipelineName, side: Side, id: &RecordId) -> Option<String> {
    let (_, found) = config.pipeline(pipeline)?;
    let end = found.end(side);
    // The id of an element is ours, not the system's.
    if end.elements.is_some() {
        return None;
    }
    web_address_of(&end.resource, id)
}

fn web_address_of(resource: &Resource, id: &RecordId) -> Option<String> {
    let written = resource.web_url.as_ref()?;
    let id: String = url::form_urlencoded::byte_serialize(id.as_str().as_bytes()).collect();
    let address = written.replace("{id}", &id.replace('+', "%20"));
    // A manifest may come from anywhere; only the web is led to.
    (address.starts_with("https://") || address.starts_with("http://")).then_some(address)
}

/// What a person can do about it here.
pub(super) const fn advice(code: ParkCode) -> &'static str {
    match code {
        ParkCode::Conflict => "Both were changed. Choose the value that is right; it goes to the other side.",
        ParkCode::Difference => "They differ, and nobody knows which is newer. Choose the value that is right.",
        ParkCode::Ambiguous => "Several could be the same. Choose the right one, or make them different.",
        ParkCode::Taken => {
            "The one that fits belongs to another record already. Correct one of them, or undo the wrong pair."
        }
        ParkCode::Proposed => "This is probably the same. Say so, or change one of them.",
        ParkCode::Unmappable => {
            "A value has no counterpart on the other side. Correct it there, or have the table extended."
        }
        ParkCode::Refused => {
            "Correct what the other system complains about; it is tried again by itself after any change."
        }
        ParkCode::NotTaken => "The other system does not let this be changed. Change it there by hand, or leave it.",
        ParkCode::Reshaped => "The other system keeps it in another form. Look whether that is right.",
        ParkCode::Unknown => {
            "It is not known whether this was written. Look in the other system: if it is there, link it; if not, try again."
        }
        ParkCode::IdTaken => "Two records here seem to be one there. Look at both.",
        ParkCode::Expectation => "The figures do not add up to the same on both sides. Compare them.",
        ParkCode::FlipFlop => {
            "Something keeps changing it back. Find out what does (a rule in one of the systems), then choose a value."
        }
        ParkCode::Reverted => "This was taken back by a person. Choose a value, or edit one of them.",
        ParkCode::LeftOut => "A person left this out of an edit. Choose a value, or edit one of them.",
        ParkCode::Unchangeable => {
            "The other system takes this when a record is made, and no change of it. Correct it there by hand, or undo the change."
        }
        ParkCode::DeletedAndEdited => {
            "It was deleted on one side and edited on the other. Delete it by hand if it shall go; if it shall stay, take this off the list."
        }
        ParkCode::TwoWriters => {
            "Two pipelines write the same values of it. Have whoever keeps the configuration look at it."
        }
        ParkCode::Unreadable => "A row cannot be read. Correct it in the file; it is read again with the next run.",
    }
}

/// Records that a run would write, or did.
pub(super) fn damage(damage: &Damage) -> String {
    listed(&[
        (damage.creates, "create", "record", "records"),
        (damage.touched, "change", "record", "records"),
        (damage.deletes, "delete", "record", "records"),
        (damage.blanked, "empty", "field", "fields"),
        (damage.keys, "rewrite", "value by which records find each other", "values by which records find each other"),
    ])
}

fn listed(all: &[(u64, &str, &str, &str)]) -> String {
    let parts: Vec<String> = all
        .iter()
        .filter(|(many, ..)| *many > 0)
        .map(|(many, verb, one, more)| format!("{verb} {}", count(*many, one, more)))
        .collect();
    if parts.is_empty() { "write nothing".to_owned() } else { parts.join(", ") }
}

/// What a plan would do.
pub(super) fn plan(counts: &PlanCounts) -> String {
    let both = |counts: [u64; 2]| counts.iter().sum::<u64>();
    listed(&[
        (counts.links, "pair", "record with one that exists", "records with ones that exist"),
        (both(counts.creates), "create", "record", "records"),
        (both(counts.updates), "change", "record", "records"),
        (both(counts.deletes), "delete", "record", "records"),
    ])
}

/// Why a guard holds.
pub(super) fn guard(held: &Held) -> String {
    let what = match held.guard.as_str() {
        "creates" => "records would be created",
        "touched" => "records would be changed",
        "blanked" => "fields would be emptied",
        "deletes" => "records would be deleted",
        "keys" => "values would be rewritten by which records find each other",
        "account" => "pairs are of another account than the one that is connected now",
        "absent" => "records that were there are missing from the list",
        other => return format!("{}: {} where {} are allowed", other, number(held.count), number(held.allowed)),
    };
    format!("{} {what}; {} at a time without asking", number(held.count), number(held.allowed))
}

/// What a run did, in a sentence.
pub(super) fn did(tally: &Tally) -> String {
    let both = |counts: [u64; 2]| counts.iter().sum::<u64>();
    let all = [
        (both(tally.created), "created"),
        (both(tally.updated), "changed"),
        (both(tally.deleted), "deleted"),
        (tally.linked, "paired"),
        (tally.parked, "put aside"),
        (tally.waiting, "waiting for others"),
        (tally.unknown, "not known yet"),
    ];
    let parts: Vec<String> =
        all.iter().filter(|(many, _)| *many > 0).map(|(many, word)| format!("{} {word}", number(*many))).collect();
    if parts.is_empty() { "nothing to do".to_owned() } else { parts.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collection_has_a_singular() {
        for (many, one) in [
            ("invoices", "Invoice"),
            ("sales", "Sale"),
            ("companies", "Company"),
            ("time_entries", "Time entry"),
            ("addresses", "Address"),
            ("staff", "Staff"),
        ] {
            assert_eq!(noun(many), one);
        }
    }

    #[test]
    fn what_would_be_done_is_a_sentence() {
        let some = Damage { creates: 1, deletes: 1_430, ..Damage::default() };
        assert_eq!(damage(&some), "create 1 record, delete 1,430 records");
        assert_eq!(damage(&Damage::default()), "write nothing");
        assert_eq!(did(&Tally::default()), "nothing to do");
        assert_eq!(did(&Tally { created: [1, 2], parked: 4, ..Tally::default() }), "3 created, 4 put aside");
        let held = Held { guard: "deletes".to_owned(), count: 12, allowed: 0 };
        assert_eq!(guard(&held), "12 records would be deleted; 0 at a time without asking");
    }
}
