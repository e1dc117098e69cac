//! What a daemon has done since it started, counted for whoever measures it. Nothing depends on these numbers.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use chrono::{DateTime, Utc};

use crate::{
    config::{ConnectionName, IntegrationName, PipelineName},
    engine::{PipelineReport, RunReport},
    record::Side,
};

/// The upper ends of the classes in which the length of runs is counted, in seconds.
pub const RUN_SECONDS: [f64; 10] = [0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0];

/// How a run ended, as `sync` tells it by its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RunResult {
    /// Both sides agree, or what does not is listed.
    Agreed,
    /// Some records were put aside.
    Parked,
    /// A guard held it.
    Held,
    /// A system did not do its part, or the run could not be carried to its end.
    Failed,
}

impl RunResult {
    /// Every result.
    pub const ALL: [Self; 4] = [Self::Agreed, Self::Parked, Self::Held, Self::Failed];

    /// As it is called in metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Agreed => "agreed",
            Self::Parked => "parked",
            Self::Held => "held",
            Self::Failed => "failed",
        }
    }
}

/// What became of a record in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Created on this side.
    Created(Side),
    /// Updated on this side.
    Updated(Side),
    /// Deleted on this side.
    Deleted(Side),
    /// Linked with a record that existed.
    Linked,
    /// Read, with nothing new.
    Unchanged,
    /// Put aside.
    Parked,
    /// The filter does not admit it.
    Filtered,
}

/// The lengths of runs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Lengths {
    /// How many took at most as long as the class of this place in [`RUN_SECONDS`] and longer than the one before; the
    /// last holds those that took longer than any.
    pub classes: [u64; RUN_SECONDS.len() + 1],
    /// All of them together, in seconds.
    pub sum: f64,
}

/// What became of a delivery of a web hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Delivery {
    /// It was taken.
    Accepted,
    /// It does not show the key, or is not signed with it.
    BadSignature,
    /// It could not be kept; the sender is asked to come again.
    Failed,
}

impl Delivery {
    /// Everything that can become of one.
    pub const ALL: [Self; 3] = [Self::Accepted, Self::BadSignature, Self::Failed];

    /// As it is called in metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::BadSignature => "bad_signature",
            Self::Failed => "failed",
        }
    }
}

/// What became of a record that was posted to an inbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Posted {
    /// It was kept.
    Accepted,
    /// It was known already.
    Duplicate,
    /// The post was refused.
    Refused,
}

impl Posted {
    /// Everything that can become of one.
    pub const ALL: [Self; 3] = [Self::Accepted, Self::Duplicate, Self::Refused];

    /// As it is called in metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Duplicate => "duplicate",
            Self::Refused => "refused",
        }
    }
}

/// The numbers.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Runs that write (or, where nothing may be written, plan), by how they ended.
    pub runs: BTreeMap<(IntegrationName, RunResult), u64>,
    /// How long they took.
    pub lengths: BTreeMap<IntegrationName, Lengths>,
    /// What became of records.
    pub records: BTreeMap<(PipelineName, Outcome), u64>,
    /// When a run of a pipeline last came to its end with every system doing its part.
    pub succeeded: BTreeMap<PipelineName, DateTime<Utc>>,
    /// Looks at the files of the configuration that found something: taken whole, and refused at least in part.
    pub reloads: [u64; 2],
    /// When the files were last taken whole.
    pub reloaded: Option<DateTime<Utc>>,
    /// Deliveries of web hooks, by the grant or connection that gives the key.
    pub hooks: BTreeMap<(String, Delivery), u64>,
    /// Deliveries at addresses that are no hook.
    pub unknown_hooks: u64,
    /// Records posted to inboxes.
    pub posts: BTreeMap<(ConnectionName, Posted), u64>,
    /// Fields put aside because two systems kept changing them to and fro.
    pub flip_flops: BTreeMap<PipelineName, u64>,
    /// Linked records that a system reported as changed, and that were just as they were left.
    pub echoes: BTreeMap<PipelineName, u64>,
}

/// The numbers while they grow.
#[derive(Debug, Default)]
pub(super) struct Counters(Mutex<Counts>);

impl Counters {
    /// The numbers now.
    pub fn read(&self) -> Counts {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// A run came to its end, or could not.
    pub fn run(&self, of: &IntegrationName, times: (DateTime<Utc>, DateTime<Utc>), report: Option<&RunReport>) {
        let (started, ended) = times;
        let result = match report.map(RunReport::exit_code) {
            Some(0) => RunResult::Agreed,
            Some(4) => RunResult::Parked,
            Some(5) => RunResult::Held,
            Some(_) | None => RunResult::Failed,
        };
        #[allow(clippy::cast_precision_loss, reason = "a run of 285,000 years would be counted wrongly")]
        let seconds = (ended - started).num_milliseconds().max(0) as f64 / 1_000.0;
        self.change(|counts| {
            *counts.runs.entry((of.clone(), result)).or_default() += 1;
            let lengths = counts.lengths.entry(of.clone()).or_default();
            let class = RUN_SECONDS.iter().position(|end| seconds <= *end).unwrap_or(RUN_SECONDS.len());
            if let Some(count) = lengths.classes.get_mut(class) {
                *count += 1;
            }
            lengths.sum += seconds;
            let Some(report) = report else { return };
            for pipeline in &report.pipelines {
                if report.troubles.is_empty() && pipeline.skipped.is_none() {
                    counts.succeeded.insert(pipeline.pipeline.clone(), ended);
                }
                *counts.flip_flops.entry(pipeline.pipeline.clone()).or_default() += pipeline.tally.flip_flops;
                for (outcome, count) in outcomes(pipeline) {
                    *counts.records.entry((pipeline.pipeline.clone(), outcome)).or_default() += count;
                }
            }
        });
    }

    /// A run met so many records that were just as they were left.
    pub fn echoes(&self, met: BTreeMap<PipelineName, u64>) {
        self.change(|counts| {
            for (pipeline, count) in met {
                *counts.echoes.entry(pipeline).or_default() += count;
            }
        });
    }

    /// A web hook brought something.
    pub fn hook(&self, name: &str, delivery: Delivery) {
        self.change(|counts| *counts.hooks.entry((name.to_owned(), delivery)).or_default() += 1);
    }

    /// Something came to an address that is no hook.
    pub fn unknown_hook(&self) {
        self.change(|counts| counts.unknown_hooks += 1);
    }

    /// Records were posted to an inbox.
    pub fn post(&self, connection: &ConnectionName, posted: Posted, records: u64) {
        self.change(|counts| *counts.posts.entry((connection.clone(), posted)).or_default() += records);
    }

    /// The files were looked at, and something was found.
    pub fn reload(&self, taken: bool, now: DateTime<Utc>) {
        self.change(|counts| {
            let [accepted, rejected] = &mut counts.reloads;
            *if taken { accepted } else { rejected } += 1;
            if taken {
                counts.reloaded = Some(now);
            }
        });
    }
}

/// What became of the records of a pipeline in one run; those of no number too, so that every counter begins at 0.
fn outcomes(report: &PipelineReport) -> Vec<(Outcome, u64)> {
    let tally = &report.tally;
    let mut all = vec![
        (Outcome::Linked, tally.linked),
        (Outcome::Unchanged, tally.unchanged),
        (Outcome::Parked, tally.parked),
        (Outcome::Filtered, tally.rejected),
    ];
    for (side, at) in Side::BOTH.into_iter().zip(0_usize..) {
        let of = |counts: &[u64; 2]| counts.get(at).copied().unwrap_or_default();
        all.push((Outcome::Created(side), of(&tally.created)));
        all.push((Outcome::Updated(side), of(&tally.updated)));
        all.push((Outcome::Deleted(side), of(&tally.deleted)));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Mode, Trouble};

    fn report(change: impl FnOnce(&mut RunReport)) -> RunReport {
        let mut report = RunReport {
            integration: IntegrationName::parse("acme").unwrap(),
            mode: Mode::Sync,
            why: String::new(),
            started: DateTime::UNIX_EPOCH,
            ended: DateTime::UNIX_EPOCH,
            pipelines: vec![PipelineReport::new(PipelineName::parse("acme/contacts").unwrap())],
            requests: BTreeMap::new(),
            pulled_again: 0,
            changes_seen: false,
            troubles: Vec::new(),
            blackout: None,
        };
        change(&mut report);
        report
    }

    #[test]
    fn runs_are_counted_by_how_they_ended_and_how_long_they_took() {
        let counters = Counters::default();
        let acme = IntegrationName::parse("acme").unwrap();
        let after = |seconds| (DateTime::UNIX_EPOCH, DateTime::UNIX_EPOCH + chrono::TimeDelta::seconds(seconds));
        counters.run(&acme, after(1), Some(&report(|report| report.pipelines[0].tally.created = [0, 3])));
        counters.run(&acme, after(90), Some(&report(|report| report.pipelines[0].tally.parked = 2)));
        counters.run(&acme, after(100_000), None);
        let counts = counters.read();
        let runs = |result| counts.runs.get(&(acme.clone(), result)).copied().unwrap_or_default();
        assert_eq!(RunResult::ALL.map(runs), [1, 1, 0, 1]);
        let lengths = counts.lengths[&acme];
        assert_eq!((lengths.classes[2], lengths.classes[6], lengths.classes[10]), (1, 1, 1));
        let contacts = PipelineName::parse("acme/contacts").unwrap();
        assert_eq!(counts.records[&(contacts.clone(), Outcome::Created(Side::Target))], 3);
        assert_eq!(counts.records[&(contacts.clone(), Outcome::Created(Side::Source))], 0);
        assert_eq!(counts.succeeded[&contacts], after(90).1);
    }

    #[test]
    fn a_run_without_its_remote_is_no_success() {
        let counters = Counters::default();
        let acme = IntegrationName::parse("acme").unwrap();
        let trouble = Trouble {
            connection: crate::config::ConnectionName::parse("xero").unwrap(),
            message: String::new(),
            temporary: true,
            partly: false,
        };
        let report = report(|report| report.troubles.push(trouble));
        counters.run(&acme, (DateTime::UNIX_EPOCH, DateTime::UNIX_EPOCH), Some(&report));
        let counts = counters.read();
        assert!(counts.succeeded.is_empty());
        assert_eq!(counts.runs[&(acme, RunResult::Failed)], 1);
    }
}
