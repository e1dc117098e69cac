//! The configuration a daemon begins with: what the files say, and what was good last where they hold mistakes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chrono::{DateTime, Utc};

use super::{
    IntegrationOutcome, Known, Running,
    admit::{Bench, Edit, Verdict, admit},
    decide::{Decision, Wanted, Why, decide, together, vanished},
    held, moves,
    pass::{hashes, report},
    remembered::{self, Generation},
    removed,
    rollout::{self, PutBack, Turns, put_back},
};
use crate::{
    config::{Cache, Config, EnvSource, IntegrationName, Loaded, PipelineName, Snapshot, load_cached, load_snapshot},
    daemon::paused::{self, Pause},
    store::{Approval, Ledger, StoreError, finish_moves},
};

/// What a daemon begins with.
#[derive(Debug)]
pub struct Boot {
    /// What runs.
    pub config: Arc<Config>,
    pub(super) known: Known,
}

impl Boot {
    /// Whether nothing can run, and the reason is that the files hold mistakes.
    #[must_use]
    pub fn is_hopeless(&self) -> bool {
        self.config.integrations.is_empty() && self.known.report.is_rejected()
    }

    /// Why integrations do not run what their files say, one sentence each.
    #[must_use]
    pub fn kept(&self) -> Vec<String> {
        let kept = self.known.decisions.iter().filter_map(|(name, decision)| match decision {
            Decision::Keep(why) => Some(format!("`{name}` runs as it was before: {why}")),
            _ => None,
        });
        kept.collect()
    }
}

/// Reads the configuration that a daemon begins with, and remembers it.
///
/// # Errors
///
/// When the store fails.
pub async fn boot(
    snapshot: &Snapshot,
    env: &(dyn EnvSource + Send + Sync),
    ledger: &Ledger,
    now: DateTime<Utc>,
) -> Result<Boot, StoreError> {
    let mut cache = Cache::default();
    let loaded = load_cached(snapshot, env, &BTreeMap::new(), &mut cache);
    boot_with((loaded, cache), snapshot, env, ledger, now).await
}

/// As [`boot`], of a snapshot that was loaded already, with what the load left for the next one.
///
/// # Errors
///
/// When the store fails.
#[allow(clippy::too_many_lines, reason = "one step after the other")]
pub async fn boot_with(
    (loaded, cache): (Loaded, Cache),
    snapshot: &Snapshot,
    env: &(dyn EnvSource + Send + Sync),
    ledger: &Ledger,
    now: DateTime<Utc>,
) -> Result<Boot, StoreError> {
    finish_moves(ledger).await?;
    let pointers = remembered::running(ledger).await?;
    let generations = remembered::generations(ledger).await?;
    let newest = generations.last_key_value();
    let earlier = match newest {
        Some((_, generation)) => remembered::texts(ledger, generation).await?,
        None => BTreeMap::new(),
    };
    let before: BTreeMap<String, u64> = hashes(earlier.iter().map(|(name, text)| (name.as_str(), text)));
    let files = hashes(snapshot.texts());
    let last = newest.map_or(0, |(number, _)| *number);
    // Where every file is sound, what they held before tells nothing.
    let loaded = if loaded.has_errors() { load_snapshot(snapshot, env, &earlier) } else { loaded };
    let mut wanted = Wanted::of(loaded);
    let whole = |name: &IntegrationName| wanted.loaded.written.get(name).is_some_and(|written| written.whole);
    let as_before = before == files && pointers.iter().all(|(name, number)| *number == last && whole(name));
    let mut was = BTreeMap::new();
    if !as_before {
        was = ran_before((snapshot, cache.clone()), env, ledger, &pointers, &generations).await?;
        for running in was.values_mut() {
            running.since = now;
        }
    }
    if newest.is_none() {
        pause_unasked(ledger, &wanted, now).await?;
    }
    let gone = vanished(&was, &wanted.loaded, snapshot);
    let kept_files = gone.as_ref().map(|gone| gone.files.clone()).unwrap_or_default();
    let mut decisions = decide(&was, &wanted, snapshot, &kept_files);
    let on_disk = wanted.whole();
    let turns = Turns { ledger, now, running: &was, failing: &BTreeMap::new() };
    let taken = turns.take(&wanted, &mut decisions).await?;
    let place = PutBack { ledger, env, snapshot };
    put_back(&place, &taken.back, &mut wanted, &mut decisions).await?;
    together(&was, &wanted, &mut decisions);
    let held = judge(ledger, &was, &wanted, &mut decisions, now).await?;
    let generation = if newest.is_none() || before != files { last + 1 } else { last };

    let removed = was.iter().filter(|(name, _)| decisions.get(*name) == Some(&Decision::Remove));
    removed::note_left(ledger, removed.map(|(_, running)| running.integration.as_ref())).await?;
    let all = was.values().flat_map(|running| &running.integration.pipelines);
    let was_pipelines: Vec<PipelineName> = all.map(|pipeline| pipeline.name.clone()).collect();
    let mut config = wanted.loaded.config.clone();
    if wanted.loaded.has_errors() {
        // Who is to be told of the mistakes may stand in the very file that holds them.
        let texts = earlier.iter().map(|(name, text)| (name.clone(), Arc::clone(text)));
        let then = load_snapshot(&snapshot.with_texts(texts), env, &BTreeMap::new());
        for (name, notification) in then.config.notifications {
            config.notifications.entry(name).or_insert(notification);
        }
    }
    let (mut running, mut notes) = (BTreeMap::new(), Vec::new());
    for (name, decision) in &decisions {
        match decision {
            Decision::Keep(_) => {
                let Some(old) = was.remove(name) else { continue };
                config.integrations.insert(name.clone(), Arc::clone(&old.integration));
                for end in old.integration.pipelines.iter().flat_map(|pipeline| &pipeline.ends) {
                    config.connections.insert(end.connection.name.clone(), Arc::clone(&end.connection));
                }
                running.insert(name.clone(), old);
            }
            Decision::Remove => notes.push((name.clone(), None)),
            Decision::LeaveOut(_) => {
                config.integrations.remove(name);
            }
            Decision::Same | Decision::Add | Decision::Tune | Decision::Change => {
                let found = config.integrations.get(name).zip(wanted.loaded.written.get(name));
                if let (Some((integration, written)), Some(effective)) = (found, wanted.effective.get(name)) {
                    let home = written.file.clone();
                    let generation = taken.back.get(name).copied().unwrap_or(generation);
                    let integration = Arc::clone(integration);
                    let now = Running { integration, effective: *effective, home, generation, since: now };
                    if pointers.get(name) != Some(&generation) {
                        notes.push((name.clone(), Some(generation)));
                    }
                    running.insert(name.clone(), now);
                }
            }
        }
    }
    moves::settle(ledger, config.integrations.values().cloned().collect()).await?;
    let present: Vec<PipelineName> = config.pipelines().map(|(_, pipeline)| pipeline.name.clone()).collect();
    let before_that = was_pipelines.into_iter().filter(|name| !present.contains(name)).collect::<Vec<_>>();
    removed::note(ledger, before_that, present, now).await?;
    removed::forget(ledger, &config, config.settings.reload.keep_removed, now).await?;
    if generation != last {
        remembered::keep(ledger, generation, snapshot, now).await?;
    }
    remembered::note(ledger, &notes).await?;
    remembered::forget_old(ledger).await?;
    let mut report = report(&wanted, snapshot, &before, &decisions);
    (report.generation, report.at, report.why) = (generation, now, "start".to_owned());
    for result in report.integrations.iter_mut().filter(|result| result.outcome == IntegrationOutcome::Draining) {
        let removed = decisions.get(&result.integration) == Some(&Decision::Remove);
        result.outcome = if removed { IntegrationOutcome::Removed } else { IntegrationOutcome::Added };
    }
    report.instead(|name| taken.waits.contains(name), IntegrationOutcome::Waits);
    report.instead(|name| held.contains(name), IntegrationOutcome::Held);
    report.vanished = gone.map(|gone| gone.told());
    let mut texts = earlier;
    texts.retain(|name, _| !snapshot.lacks(name));
    let readable = &wanted.loaded.readable;
    texts.extend(
        snapshot
            .texts()
            .filter(|(name, _)| readable.contains(*name))
            .map(|(name, text)| (name.to_owned(), text.clone())),
    );
    let known = Known {
        dir: snapshot.dir().to_owned(),
        seen: snapshot.hash(),
        files,
        earlier: texts,
        running,
        connections: config.connections.clone(),
        generation,
        settings: config.settings.clone(),
        on_disk,
        rollouts: taken.rollouts,
        rollout_settings: wanted.loaded.rollouts.clone(),
        homes: wanted.homes(),
        decisions,
        report,
        cache,
    };
    Ok(Boot { config: Arc::new(config), known })
}

/// Where an export was read into a store that has never run a configuration, what ran before is not known, so nothing can
/// go on as it was while an edit waits, or after one was rejected. Such an edit must not take effect unasked: nothing of
/// the integration starts by itself until a person resumes it.
async fn pause_unasked(ledger: &Ledger, wanted: &Wanted, now: DateTime<Utc>) -> Result<(), StoreError> {
    let (held, rollouts) = (held::all(ledger).await?, rollout::all(ledger).await?);
    if held.is_empty() && rollouts.is_empty() {
        return Ok(());
    }
    let unasked = held.iter().filter(|held| held.approval != Approval::Approved).map(|held| &held.integration);
    let mut names: BTreeSet<&IntegrationName> = unasked.collect();
    for rollout in &rollouts {
        names.extend(&rollout.waiting);
        let back = rollout.first.iter().filter(|_| rollout.stage == rollout::Stage::PutBack);
        names.extend(back.map(|trial| &trial.integration));
    }
    let known = paused::all(ledger).await?;
    names.retain(|name| wanted.loaded.written.contains_key(*name) && !known.contains_key(name.as_str()));
    let by = "an import (an edit of it waited or was rejected, and an export does not say what ran before)";
    let pause = |name: &IntegrationName| Pause { what: name.to_string(), by: by.to_owned(), at: now };
    let pauses: Vec<Pause> = names.into_iter().map(pause).collect();
    for pause in &pauses {
        tracing::warn!(event = "config.paused", what = pause.what, by);
    }
    paused::remember(ledger, &pauses).await?;
    held::forget(ledger, held.iter().map(|held| &held.integration)).await?;
    for rollout in &rollouts {
        rollout::forget(ledger, &rollout.template).await?;
    }
    Ok(())
}

/// What every integration ran last, from the texts that are remembered.
pub(super) async fn ran_before(
    (snapshot, mut cache): (&Snapshot, Cache),
    env: &(dyn EnvSource + Send + Sync),
    ledger: &Ledger,
    pointers: &BTreeMap<IntegrationName, u64>,
    generations: &BTreeMap<u64, Generation>,
) -> Result<BTreeMap<IntegrationName, Running>, StoreError> {
    let mut was = BTreeMap::new();
    for number in pointers.values().copied().collect::<BTreeSet<u64>>() {
        let Some(generation) = generations.get(&number) else { continue };
        let texts = remembered::texts(ledger, generation).await?;
        // Most integrations are in most generations, as they are now.
        let snapshot = Snapshot::of_texts(snapshot.dir(), texts);
        let then = Wanted::of(load_cached(&snapshot, env, &BTreeMap::new(), &mut cache));
        for (name, _) in pointers.iter().filter(|(_, pointer)| **pointer == number) {
            let found = then.loaded.config.integrations.get(name).zip(then.loaded.written.get(name));
            if let (Some((integration, written)), Some(effective)) = (found, then.effective.get(name)) {
                let running = Running {
                    integration: Arc::clone(integration),
                    effective: *effective,
                    home: written.file.clone(),
                    generation: number,
                    since: DateTime::UNIX_EPOCH,
                };
                was.insert(name.clone(), running);
            }
        }
    }
    Ok(was)
}

/// What was edited while no daemon ran is judged as any edit is. Gives the integrations whose edit is held.
async fn judge(
    ledger: &Ledger,
    was: &BTreeMap<IntegrationName, Running>,
    wanted: &Wanted,
    decisions: &mut BTreeMap<IntegrationName, Decision>,
    now: DateTime<Utc>,
) -> Result<BTreeSet<IntegrationName>, StoreError> {
    let config = &wanted.loaded.config;
    let bench = Bench { ledger, now, keep: config.settings.reload.keep_held };
    let mut held = BTreeSet::new();
    let asked: Vec<IntegrationName> = decisions
        .iter()
        .filter(|(_, decision)| matches!(decision, Decision::Change | Decision::Add))
        .map(|(name, _)| name.clone())
        .collect();
    for name in &asked {
        let running = was.values().map(|running| running.integration.as_ref()).collect();
        let new = config.integrations.get(name).zip(wanted.effective.get(name).copied());
        let Verdict::Hold(why) = admit(bench, &Edit { name, running, new, config }).await? else { continue };
        let why = Why::Waits(why);
        // What would have moved goes on under its old name.
        let origins = new.map(|(new, _)| moves::origins(new)).unwrap_or_default();
        for origin in origins.iter().filter(|origin| was.contains_key(*origin)) {
            decisions.insert(origin.clone(), Decision::Keep(why.clone()));
            held.insert(origin.clone());
        }
        let kept = if was.contains_key(name) { Decision::Keep(why) } else { Decision::LeaveOut(why) };
        decisions.insert(name.clone(), kept);
        held.insert(name.clone());
    }
    if !held.is_empty() {
        together(was, wanted, decisions);
    }
    Ok(held)
}
