//! The task of one integration: asks its agenda, does what it says, and rests until it wants to be asked again.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    control::{Reading, Shared, Stop},
    health, outlook,
    paused::{self, Pauses},
    protocol::chain,
    run::{RunError, run},
    schedule::{Action, Agenda, Remembered},
    slot::{Rest, Slot},
};
use crate::{
    config::ConnectionName,
    engine::{Mode, RunRequest},
    store::StoreError,
};

/// How long an integration waits before it looks again at a value that cannot be used.
const DAMAGED: TimeDelta = TimeDelta::minutes(1);

/// Works until the daemon stops.
pub(super) async fn work(shared: Arc<Shared>, slot: Arc<Slot>) {
    while !shared.is_stopping() && !slot.is_retired() {
        let read = shared.read_clock();
        let now = read.wall;
        if let Some(probe) = shared.health.next_probe() {
            if probe > now {
                slot.with(|state| state.rest = Rest::Until(probe));
                rest(&shared, &slot, (Some(probe), read)).await;
            } else {
                shared.probe_store(now).await;
            }
            continue;
        }
        if slot.peek(|state| state.agenda.is_none()) {
            match remembered(&shared, &slot).await {
                Ok((remembered, pauses)) => {
                    let agenda = Agenda::new(slot.integration(), &remembered, now);
                    slot.with(|state| {
                        state.agenda = Some(agenda);
                        // What was paused a moment ago is newer than what is remembered.
                        state.pauses = pauses.into_iter().chain(std::mem::take(&mut state.pauses)).collect();
                    });
                }
                Err(error) => cannot_look(&shared, &slot, &error, read).await,
            }
            continue;
        }
        if slot.peek(|state| state.unsure) {
            match outlook::look(&shared.engine(), &slot.integration(), &slot.paused()).await {
                Ok(looked) => slot.with(|state| {
                    state.unsure = false;
                    if let Some(agenda) = state.agenda.as_mut().filter(|_| looked.waiting) {
                        agenda.saw_change(now);
                    }
                }),
                Err(error) => cannot_look(&shared, &slot, &error, read).await,
            }
            continue;
        }
        let next = slot.with(|state| {
            let off = paused::is_whole(&state.pauses, &state.version.integration);
            let agenda = state.agenda.as_mut()?;
            agenda.pause(off, now);
            let action = agenda.fire(now);
            let until = agenda.next_wake(now);
            state.rest = match (&action, until) {
                (Some(_), _) => Rest::Busy,
                (None, Some(until)) => Rest::Until(until),
                (None, None) => Rest::Woken,
            };
            Some((action, until))
        });
        match next {
            Some((Some(action), _)) => perform(&shared, &slot, action).await,
            Some((None, until)) => rest(&shared, &slot, (until, read)).await,
            None => {}
        }
    }
    slot.with(|state| state.rest = Rest::Ended);
}

async fn rest(shared: &Shared, slot: &Slot, (until, read): (Option<DateTime<Utc>>, Reading)) {
    let time = async {
        match until {
            Some(until) => shared.sleep_until(until, read).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = slot.woken() => {}
        () = shared.stopped(Stop::Finishing) => {}
        () = time => {}
    }
    slot.with(|state| state.rest = Rest::Busy);
}

/// What is remembered of an integration cannot be read: the store fails, or, of this one alone, a value is damaged.
async fn cannot_look(shared: &Shared, slot: &Slot, error: &StoreError, read: Reading) {
    shared.health.met(error, read.wall);
    if health::is_damage(error) {
        let again = read.wall + DAMAGED;
        slot.with(|state| {
            state.failure = Some(chain(error));
            state.rest = Rest::Until(again);
        });
        rest(shared, slot, (Some(again), read)).await;
    }
}

async fn remembered(shared: &Shared, slot: &Slot) -> Result<(Remembered, Pauses), StoreError> {
    let ledger = &shared.ledger();
    let name = &slot.name;
    let last_run = ledger.runs(name, 1).await?.pop().map(|run| run.ended);
    let integration = slot.integration();
    let pauses = paused::of(&paused::all(ledger).await?, &integration);
    let alone = integration.pipelines.iter().map(|pipeline| pipeline.name.clone());
    let alone = alone.filter(|name| pauses.contains_key(name.as_str())).collect();
    let looked = outlook::look(&shared.engine(), &integration, &alone).await?;
    let remembered = Remembered {
        last_run,
        read_in_full: looked.read_in_full,
        changes_wait: looked.waiting,
        due: looked.due,
        paused: paused::is_whole(&pauses, &integration),
    };
    Ok((remembered, pauses))
}

async fn perform(shared: &Shared, slot: &Arc<Slot>, action: Action) {
    match action {
        Action::Run { why, full } => {
            // Whether it writes, and what of it is paused, is decided when its turn has come.
            let request = request(slot, Mode::Sync, why, full);
            // How it ended is in the agenda, the status and the log.
            let _ = run(shared, slot, request, None).await;
        }
        Action::Poll { connection, at } => poll(shared, slot, connection, at).await,
    }
}

async fn poll(shared: &Shared, slot: &Arc<Slot>, connection: ConnectionName, meant: DateTime<Utc>) {
    let mut request = request(slot, Mode::Poll, format!("poll of {connection}"), false);
    request.connection = Some(connection.clone());
    let report = match run(shared, slot, request, None).await {
        Ok(report) => report,
        Err(error) => {
            let (now, pointless) = (shared.clock.now(), matches!(error, RunError::CalledOff));
            slot.with(|state| {
                if let Some(agenda) = &mut state.agenda {
                    agenda.poll_ended(&connection, pointless, now);
                }
            });
            return;
        }
    };
    let now = shared.clock.now();
    let ledger = &shared.ledger();
    let mut changed = report.changes_seen;
    if changed {
        let span = (report.started, now);
        match outlook::became_due(ledger, &slot.integration(), &slot.paused(), span).await {
            Ok(due) => changed = due,
            Err(error) => shared.health.met(&error, now),
        }
    }
    let worked = !report.troubles.iter().any(|trouble| trouble.temporary);
    slot.with(|state| {
        if let Some(agenda) = &mut state.agenda {
            agenda.poll_ended(&connection, worked, now);
            if report.changes_seen {
                agenda.was_not_told(&connection);
            }
            if changed {
                agenda.saw_change(meant);
            }
        }
    });
}

fn request(slot: &Slot, mode: Mode, why: String, full: bool) -> RunRequest {
    RunRequest {
        integration: slot.name.clone(),
        pipelines: Vec::new(),
        connection: None,
        mode,
        full,
        limit: None,
        revert: None,
        list: false,
        why,
    }
}
