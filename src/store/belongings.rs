//! Everything that is remembered under the name of a pipeline: moved to another name, and forgotten.
//!
//! A move is announced before its first step and is the same when it is done twice, so that one that was cut off is
//! finished by [`finish_moves`] before anybody runs. Each step moves whole entries; nothing is in neither place.

pub(crate) mod client;

use serde::{Deserialize, Serialize};

use super::{Group, HeldRun, Intent, Key, Ledger, Space, StoreError, frame};
use crate::config::{ConnectionName, IntegrationName, PipelineName};

/// Entries read in one scan.
const PAGE: usize = 500;
/// Entries moved in one group: each is a put and a deletion.
const STEP: usize = Group::MAX / 2;

/// Where the name of a pipeline stands in the rows of a space. A new space has to say so here.
const fn places(space: Space) -> &'static [usize] {
    match space {
        Space::Link
        | Space::LinkByTarget
        | Space::Seen
        | Space::MatchKey
        | Space::Due
        | Space::Parked
        | Space::Before
        | Space::Held
        | Space::Pipeline => &[0],
        Space::Reference => &[0, 1],
        Space::Wait => &[0, 2],
        // Intents name it in their values; the others speak of the store, of connections, of integrations and of grants.
        Space::Intent
        | Space::Meta
        | Space::Cursor
        | Space::Run
        | Space::Grant
        | Space::News
        | Space::Inbox
        | Space::Settling => &[],
    }
}

fn all_places() -> impl Iterator<Item = (Space, usize)> {
    Space::ALL.into_iter().flat_map(|space| places(space).iter().map(move |place| (space, *place)))
}

/// What became of a move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// Everything is under the new name.
    Yes,
    /// There was nothing under the old name: it was moved before, or never there.
    Nothing,
    /// Something is remembered under both names; nothing was moved.
    Both,
}

/// A move that has begun.
#[derive(Debug, Serialize, Deserialize)]
struct Move {
    from: PipelineName,
    to: PipelineName,
}

fn announced(to: Option<&PipelineName>) -> Key {
    let mut parts = vec!["moving"];
    parts.extend(to.map(PipelineName::as_str));
    Key::new(Space::Meta, &parts)
}

/// Moves everything remembered under one name to another: links, seen, due, parked, approvals, open intents. Durable when
/// it returns.
///
/// # Errors
///
/// When the store fails: then [`finish_moves`] goes on from where it was.
pub async fn move_pipeline(ledger: &Ledger, from: &PipelineName, to: &PipelineName) -> Result<Moved, StoreError> {
    if !is_known(ledger, from).await? {
        return Ok(Moved::Nothing);
    }
    if is_known(ledger, to).await? {
        return Ok(Moved::Both);
    }
    let one = Move { from: from.clone(), to: to.clone() };
    let mut group = Group::default();
    group.put(announced(Some(to)), frame::encode(&one));
    ledger.store().commit(vec![group]).await?;
    ledger.flush().await?;
    carry_over(ledger, &one).await?;
    Ok(Moved::Yes)
}

/// Finishes moves that were cut off. Nobody may run before.
///
/// # Errors
///
/// When the store fails.
pub async fn finish_moves(ledger: &Ledger) -> Result<(), StoreError> {
    loop {
        let page = ledger.store().scan(&announced(None), None, PAGE).await?;
        if page.is_empty() {
            return Ok(());
        }
        for (key, bytes) in page {
            carry_over(ledger, &frame::decode(&key, &bytes)?).await?;
        }
    }
}

/// Moves what an integration has beside its pipelines: its history, and where the pulls of its own connections stand. Done
/// twice it is the same as once.
///
/// # Errors
///
/// When the store fails.
pub async fn move_integration(ledger: &Ledger, from: &IntegrationName, to: &IntegrationName) -> Result<(), StoreError> {
    each(ledger, (Space::Run, 0, from.as_str()), |key, bytes, group| {
        let mut parts = key.parts();
        if let Some(name) = parts.first_mut() {
            to.as_str().clone_into(name);
        }
        group.put(Key::from_parts(Space::Run, &parts), bytes);
        group.delete(key);
        Ok(())
    })
    .await?;
    ledger.runs_moved(&[from, to]).await?;
    for space in OF_CONNECTIONS {
        move_rows(ledger, space, |name| own_connection(name, from, to)).await?;
    }
    Ok(())
}

/// Moves what a connection has under its name: what was posted to it, what it told, where its reading stands, and what was
/// being written to it. What is under the new name already stays as it is. Done twice it is the same as once; durable when
/// it returns.
///
/// # Errors
///
/// When the store fails.
pub async fn move_connection(ledger: &Ledger, from: &ConnectionName, to: &ConnectionName) -> Result<(), StoreError> {
    for space in OF_CONNECTIONS {
        move_rows(ledger, space, |name| (name == from.as_str()).then(|| to.clone())).await?;
    }
    each(ledger, (Space::Intent, 0, from.as_str()), |key, bytes, group| {
        let intent: Intent = frame::unpack(&key, &bytes)?;
        if let Some(number) = key.parts().pop() {
            let moved = Intent { connection: to.clone(), ..intent };
            group.put(Key::new(Space::Intent, &[to.as_str(), &number]), frame::pack(&moved));
            group.delete(key);
        }
        Ok(())
    })
    .await?;
    ledger.flush().await
}

/// Spaces whose rows begin with the name of a connection.
const OF_CONNECTIONS: [Space; 4] = [Space::Cursor, Space::Settling, Space::Inbox, Space::News];

/// Moves rows of connections that have another name now.
async fn move_rows(
    ledger: &Ledger,
    space: Space,
    moved: impl Fn(&str) -> Option<ConnectionName>,
) -> Result<(), StoreError> {
    let mut after = None::<Key>;
    loop {
        let page = ledger.store().scan(&Key::new(space, &[]), after.as_ref(), PAGE).await?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after = Some(last.clone());
        for (key, bytes) in page {
            let mut parts = key.parts();
            let Some(name) = parts.first_mut() else { continue };
            let Some(own) = moved(name) else { continue };
            *name = own.to_string();
            let there = Key::from_parts(space, &parts);
            let taken = ledger.store().get(std::slice::from_ref(&there)).await?.pop().flatten().is_some();
            let mut group = Group::default();
            if !taken {
                group.put(there, bytes);
            }
            group.delete(key);
            ledger.store().commit(vec![group]).await?;
        }
    }
}

/// The new name of a connection that an integration made from a template has of its own (`acme/website`).
pub(crate) fn own_connection(name: &str, from: &IntegrationName, to: &IntegrationName) -> Option<ConnectionName> {
    let rest = name.strip_prefix(from.as_str())?.strip_prefix('/')?;
    ConnectionName::parse(&format!("{to}/{rest}")).ok()
}

/// Forgets everything remembered under the name of a pipeline. No system is told.
///
/// # Errors
///
/// When the store fails: then it can be done again.
pub async fn forget_pipeline(ledger: &Ledger, name: &PipelineName) -> Result<(), StoreError> {
    for (space, place) in all_places() {
        each(ledger, (space, place, name.as_str()), |key, _, group| {
            group.delete(key);
            Ok(())
        })
        .await?;
    }
    intents(ledger, name, |key, _, group| {
        group.delete(key);
    })
    .await?;
    ledger.flush().await
}

/// Forgets the history of an integration.
///
/// # Errors
///
/// When the store fails.
pub async fn forget_runs(ledger: &Ledger, name: &IntegrationName) -> Result<(), StoreError> {
    each(ledger, (Space::Run, 0, name.as_str()), |key, _, group| {
        group.delete(key);
        Ok(())
    })
    .await?;
    ledger.runs_moved(&[name]).await
}

/// Whether anything that matters is remembered under a name.
async fn is_known(ledger: &Ledger, name: &PipelineName) -> Result<bool, StoreError> {
    for space in [Space::Pipeline, Space::Link, Space::Seen] {
        if !ledger.store().scan(&Key::new(space, &[name.as_str()]), None, 1).await?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn carry_over(ledger: &Ledger, one: &Move) -> Result<(), StoreError> {
    for (space, place) in all_places() {
        each(ledger, (space, place, one.from.as_str()), |key, bytes, group| {
            let mut parts = key.parts();
            if let Some(name) = parts.get_mut(place) {
                one.to.as_str().clone_into(name);
            }
            let bytes = match space {
                Space::Held => {
                    let held: HeldRun = frame::decode(&key, &bytes)?;
                    frame::encode(&HeldRun { pipeline: one.to.clone(), ..held })
                }
                _ => bytes,
            };
            group.put(Key::from_parts(space, &parts), bytes);
            group.delete(key);
            Ok(())
        })
        .await?;
    }
    let (from, to) = (one.from.integration(), one.to.integration());
    intents(ledger, &one.from, |key, intent, group| {
        let own = own_connection(intent.connection.as_str(), &from, &to);
        let intent = Intent { pipeline: one.to.clone(), ..intent };
        match (own, key.parts().pop()) {
            (Some(connection), Some(number)) => {
                group.put(
                    Key::new(Space::Intent, &[connection.as_str(), &number]),
                    frame::pack(&Intent { connection, ..intent }),
                );
                group.delete(key);
            }
            _ => group.put(key, frame::pack(&intent)),
        }
    })
    .await?;
    ledger.flush().await?;
    let mut group = Group::default();
    group.delete(announced(Some(&one.to)));
    ledger.store().commit(vec![group]).await?;
    ledger.flush().await
}

/// Visits every entry of a space that has `name` at a place of its row. What the visitor asks for takes effect entry by
/// entry, or several together.
async fn each(
    ledger: &Ledger,
    (space, place, name): (Space, usize, &str),
    mut visit: impl FnMut(Key, Vec<u8>, &mut Group) -> Result<(), StoreError> + Send,
) -> Result<(), StoreError> {
    let prefix = if place == 0 { Key::new(space, &[name]) } else { Key::new(space, &[]) };
    let mut after = None::<Key>;
    loop {
        let page = ledger.store().scan(&prefix, after.as_ref(), PAGE).await?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after = Some(last.clone());
        let mut groups = Vec::new();
        let mut group = Group::default();
        for (key, bytes) in page {
            if key.parts().get(place).is_none_or(|part| part != name) {
                continue;
            }
            visit(key, bytes, &mut group)?;
            if group.writes.len() >= 2 * STEP {
                groups.push(std::mem::take(&mut group));
            }
        }
        if !group.writes.is_empty() {
            groups.push(group);
        }
        ledger.store().commit(groups).await?;
    }
}

/// Visits every open intent of a pipeline.
async fn intents(
    ledger: &Ledger,
    name: &PipelineName,
    mut visit: impl FnMut(Key, Intent, &mut Group) + Send,
) -> Result<(), StoreError> {
    let mut after = None::<Key>;
    loop {
        let page = ledger.store().scan(&Key::new(Space::Intent, &[]), after.as_ref(), PAGE).await?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after = Some(last.clone());
        for (key, bytes) in page {
            let intent: Intent = frame::unpack(&key, &bytes)?;
            if intent.pipeline == *name {
                let mut group = Group::default();
                visit(key, intent, &mut group);
                ledger.store().commit(vec![group]).await?;
            }
        }
    }
}
