//! The task of one integration: asks its agenda, does what it says, and rests until it wants to be asked again.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{
    control::{Reading, Shared, Stop},
    outlook,
    paused::{self, Pauses},
    run::run,
    schedule::{Action, Agenda, Remembered},
    slot::{Rest, Slot},
};
use crate::{
    config::{ApplyMode, ConnectionName},
    engine::{Mode, RunRequest},
    store::StoreError,
};

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
                Err(error) => shared.health.failed(&error, now),
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
                Err(error) => shared.health.failed(&error, now),
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
            let mode = if slot.integration().apply == ApplyMode::Observe { Mode::Plan } else { Mode::Sync };
            let mut request = request(slot, mode, why, full);
            let paused = slot.paused();
            if !paused.is_empty() {
                let names =
                    slot.integration().pipelines.iter().map(|pipeline| pipeline.name.clone()).collect::<Vec<_>>();
                request.pipelines = names.into_iter().filter(|name| !paused.contains(name)).collect();
            }
            // How it ended is in the agenda, the status and the log.
            let _ = run(shared, slot, request, None).await;
        }
        Action::Poll { connection, at } => poll(shared, slot, connection, at).await,
    }
}

async fn poll(shared: &Shared, slot: &Arc<Slot>, connection: ConnectionName, meant: DateTime<Utc>) {
    let mut request = request(slot, Mode::Poll, format!("poll of {connection}"), false);
    request.connection = Some(connection.clone());
    let Ok(report) = run(shared, slot, request, None).await else {
        let now = shared.clock.now();
        slot.with(|state| {
            if let Some(agenda) = &mut state.agenda {
                agenda.poll_ended(&connection, false, now);
            }
        });
        return;
    };
    let now = shared.clock.now();
    let ledger = &shared.ledger();
    let mut changed = report.changes_seen;
    if changed {
        let span = (report.started, now);
        match outlook::became_due(ledger, &slot.integration(), &slot.paused(), span).await {
            Ok(due) => changed = due,
            Err(error) => shared.health.failed(&error, now),
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
