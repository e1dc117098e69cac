//! Finished runs: remembered, listed, and in time forgotten.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};

use super::{Atomic, Changes, Ledger, SCAN};
use crate::{
    config::{IntegrationName, RunSettings},
    store::{Key, RunRecord, Space, StoreError, frame},
};

/// Runs forgotten by one that ends; more than one, so that a setting that was lowered takes effect in time, and few,
/// so that a group stays small.
const AT_ONCE: usize = 32;

/// How a start is written in a key: sortable, and no two alike.
const START: &str = "%Y-%m-%dT%H:%M:%S%.6fZ";

fn runs_of(integration: &IntegrationName) -> Key {
    Key::new(Space::Run, &[integration.as_str()])
}

/// How many runs of an integration are remembered, so that nobody has to count them.
fn count_key(integration: &IntegrationName) -> Key {
    Key::new(Space::Meta, &["runs", integration.as_str()])
}

impl Atomic {
    /// Remembers a run.
    pub fn run(&mut self, integration: &IntegrationName, run: &RunRecord) {
        self.put(Key::new(Space::Run, &[integration.as_str(), &run.started.format(START).to_string()]), run);
    }
}

impl Ledger {
    /// Remembers a run, and forgets what is older or more than `kept` allows. The last run is always kept: schedules
    /// count from its end.
    ///
    /// # Errors
    ///
    /// When the store fails or a value is damaged.
    pub async fn keep_run(
        &self,
        changes: &mut Changes,
        integration: &IntegrationName,
        run: &RunRecord,
        kept: RunSettings,
    ) -> Result<(), StoreError> {
        let known = match self.read_one::<u64>(count_key(integration)).await? {
            Some(known) => known,
            None => self.count_runs(integration).await?,
        };
        let oldest = self.store.scan(&runs_of(integration), None, AT_ONCE).await?;
        let too_old = TimeDelta::from_std(kept.keep_for).ok().and_then(|age| run.ended.checked_sub_signed(age));
        let too_many = (known + 1).saturating_sub(kept.keep.max(1));
        let forgotten: Vec<Key> = oldest
            .into_iter()
            .map(|(key, _)| key)
            .enumerate()
            .take_while(|(at, key)| (*at as u64) < too_many || is_before(key, too_old))
            .map(|(_, key)| key)
            .collect();
        let left = (known + 1).saturating_sub(forgotten.len() as u64);
        changes.together(|atomic| {
            atomic.run(integration, run);
            for key in forgotten {
                atomic.0.delete(key);
            }
            atomic.put(count_key(integration), &left);
        });
        Ok(())
    }

    /// The runs of these integrations were moved or forgotten: they are counted anew when they are needed.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn runs_moved(&self, integrations: &[&IntegrationName]) -> Result<(), StoreError> {
        let mut changes = Changes::new();
        changes.together(|atomic| integrations.iter().for_each(|name| atomic.0.delete(count_key(name))));
        self.commit(changes).await
    }

    async fn count_runs(&self, integration: &IntegrationName) -> Result<u64, StoreError> {
        let (mut count, mut after) = (0, None);
        loop {
            let entries = self.store.scan(&runs_of(integration), after.as_ref(), SCAN).await?;
            count += entries.len() as u64;
            match entries.last() {
                Some((key, _)) if entries.len() == SCAN => after = Some(key.clone()),
                _ => return Ok(count),
            }
        }
    }

    /// The runs of an integration that began at or after an instant, oldest first.
    ///
    /// # Errors
    ///
    /// When the store fails or a value is damaged.
    pub async fn runs_since(
        &self,
        integration: &IntegrationName,
        since: DateTime<Utc>,
    ) -> Result<Vec<RunRecord>, StoreError> {
        // Just before it: what a scan goes on after is not in it.
        let before = since - TimeDelta::microseconds(1);
        let mut after = Some(Key::new(Space::Run, &[integration.as_str(), &before.format(START).to_string()]));
        let mut all = Vec::new();
        loop {
            let (entries, next) = self.list::<RunRecord>(&runs_of(integration), after.as_ref(), frame::decode).await?;
            all.extend(entries.into_iter().map(|(_, run)| run).filter(|run| run.started >= since));
            match next {
                Some(key) => after = Some(key),
                None => return Ok(all),
            }
        }
    }

    /// The last `limit` runs of an integration, newest first.
    ///
    /// # Errors
    ///
    /// When the store fails or a value is damaged.
    pub async fn runs(&self, integration: &IntegrationName, limit: usize) -> Result<Vec<RunRecord>, StoreError> {
        let prefix = runs_of(integration);
        let mut all = std::collections::VecDeque::new();
        let mut after = None;
        loop {
            let (entries, next) = self.list::<RunRecord>(&prefix, after.as_ref(), frame::decode).await?;
            for (_, run) in entries {
                all.push_front(run);
            }
            all.truncate(limit);
            match next {
                Some(key) => after = Some(key),
                None => return Ok(all.into()),
            }
        }
    }
}

/// Whether the run of this key began before an instant.
fn is_before(key: &Key, instant: Option<DateTime<Utc>>) -> bool {
    let started = key.parts().pop().and_then(|text| NaiveDateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M:%S%.fZ").ok());
    matches!((started, instant), (Some(started), Some(instant)) if started.and_utc() < instant)
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::*;
    use crate::store::MemoryStore;

    const DAY: Duration = Duration::from_hours(24);

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::minutes(minutes)
    }

    async fn end(ledger: &Ledger, minutes: i64, kept: RunSettings) {
        let run = RunRecord {
            id: String::new(),
            started: at(minutes),
            ended: at(minutes + 1),
            why: minutes.to_string(),
            report: serde_json::Value::Null,
        };
        let mut changes = Changes::new();
        ledger.keep_run(&mut changes, &acme(), &run, kept).await.unwrap();
        ledger.commit(changes).await.unwrap();
    }

    fn acme() -> IntegrationName {
        IntegrationName::parse("acme").unwrap()
    }

    async fn kept(ledger: &Ledger) -> Vec<String> {
        ledger.runs(&acme(), usize::MAX).await.unwrap().into_iter().map(|run| run.why).collect()
    }

    #[tokio::test]
    async fn the_store_holds_so_many_runs_and_then_no_more() {
        let store = Arc::new(MemoryStore::new());
        let ledger = Ledger::new(store.clone());
        let settings = RunSettings { keep: 5, keep_for: 90 * DAY };
        let mut sizes = Vec::new();
        for minute in 0..40 {
            end(&ledger, minute, settings).await;
            sizes.push(store.entries().len());
        }
        assert_eq!(kept(&ledger).await, ["39", "38", "37", "36", "35"]);
        assert!(sizes.iter().skip(4).all(|size| *size == 6), "five runs and their number: {sizes:?}");
        // A lower number takes effect with the next run; a higher one loses nothing.
        end(&ledger, 40, RunSettings { keep: 2, ..settings }).await;
        assert_eq!(kept(&ledger).await, ["40", "39"]);
        end(&ledger, 41, settings).await;
        assert_eq!(kept(&ledger).await, ["41", "40", "39"]);
    }

    #[tokio::test]
    async fn what_is_too_old_is_forgotten_but_never_the_last_run() {
        let store = Arc::new(MemoryStore::new());
        let ledger = Ledger::new(store.clone());
        let settings = RunSettings { keep: 1_000, keep_for: DAY };
        for minute in 0..3 {
            end(&ledger, minute, settings).await;
        }
        end(&ledger, 24 * 60 + 1, settings).await;
        assert_eq!(kept(&ledger).await, ["1441", "2"], "the third began less than a day before the fourth ended");
        end(&ledger, 24 * 60 * 9, RunSettings { keep: 0, keep_for: Duration::ZERO }).await;
        assert_eq!(kept(&ledger).await, ["12960"], "schedules count from the last run");
    }

    #[tokio::test]
    async fn runs_that_an_older_program_left_uncounted_are_counted_once() {
        let store = Arc::new(MemoryStore::new());
        let ledger = Ledger::new(store.clone());
        for minute in 0..20 {
            let run = RunRecord {
                id: String::new(),
                started: at(minute),
                ended: at(minute),
                why: minute.to_string(),
                report: true.into(),
            };
            let mut changes = Changes::new();
            changes.together(|atomic| atomic.run(&acme(), &run));
            ledger.commit(changes).await.unwrap();
        }
        end(&ledger, 20, RunSettings { keep: 3, keep_for: 90 * DAY }).await;
        assert_eq!(kept(&ledger).await, ["20", "19", "18"]);
    }
}
