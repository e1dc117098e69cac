//! Configurations that were good: the texts of every generation, and the generation that each integration runs.
//!
//! Texts are kept as they were written, under their hash: placeholders stay placeholders, so no secret of the environment
//! or of a file gets here. Everything lies among what the store knows of itself, which no export takes along.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use crate::{
    config::{IntegrationName, Snapshot},
    store::{Group, Key, Ledger, Space, StoreError, frame},
};

/// Generations that are kept although nothing runs them any more.
const KEEP: usize = 20;
/// The configuration as it was when it took effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::daemon) struct Generation {
    /// When.
    pub at: DateTime<Utc>,
    /// The hash of the text of every file that could be read.
    pub files: BTreeMap<String, String>,
}

fn text_key(hash: &str) -> Key {
    Key::new(Space::Meta, &["config", "text", hash])
}

fn generation_key(number: u64) -> Key {
    // As wide as any number, so that keys are in the order of numbers.
    Key::new(Space::Meta, &["config", "generation", &format!("{number:020}")])
}

fn running_key(integration: &IntegrationName) -> Key {
    Key::new(Space::Meta, &["config", "running", integration.as_str()])
}

/// Remembers a configuration. Durable when it returns.
///
/// # Errors
///
/// When the store fails.
pub(in crate::daemon) async fn keep(
    ledger: &Ledger,
    number: u64,
    snapshot: &Snapshot,
    at: DateTime<Utc>,
) -> Result<(), StoreError> {
    let mut files = BTreeMap::new();
    for (name, text) in snapshot.texts() {
        let hash = format!("{:032x}", xxh3_128(text.as_bytes()));
        let key = text_key(&hash);
        let known = ledger.store().get(std::slice::from_ref(&key)).await?;
        if known.into_iter().flatten().next().is_none() {
            let mut group = Group::default();
            group.put(key, frame::encode(text.as_ref()));
            ledger.store().commit(vec![group]).await?;
        }
        files.insert(name.to_owned(), hash);
    }
    let mut group = Group::default();
    group.put(generation_key(number), frame::encode(&Generation { at, files }));
    ledger.store().commit(vec![group]).await?;
    ledger.flush().await
}

/// Remembers which generation these integrations run from now on; `None` for one that was removed.
///
/// # Errors
///
/// When the store fails.
pub(in crate::daemon) async fn note(
    ledger: &Ledger,
    integrations: &[(IntegrationName, Option<u64>)],
) -> Result<(), StoreError> {
    let mut groups = Vec::new();
    for (name, number) in integrations {
        let mut group = Group::default();
        match number {
            Some(number) => group.put(running_key(name), frame::encode(number)),
            None => group.delete(running_key(name)),
        }
        groups.push(group);
    }
    ledger.store().commit(groups).await?;
    ledger.flush().await
}

/// The generation that each integration ran last.
///
/// # Errors
///
/// When the store fails.
pub(in crate::daemon) async fn running(ledger: &Ledger) -> Result<BTreeMap<IntegrationName, u64>, StoreError> {
    let all = ledger.all_below(&Key::new(Space::Meta, &["config", "running"])).await?;
    let mut found = BTreeMap::new();
    for (key, bytes) in all {
        let name = key.parts().pop().and_then(|name| IntegrationName::parse(&name).ok());
        if let Some(name) = name {
            found.insert(name, frame::decode(&key, &bytes)?);
        }
    }
    Ok(found)
}

/// Every generation that is remembered.
///
/// # Errors
///
/// When the store fails.
pub(in crate::daemon) async fn generations(ledger: &Ledger) -> Result<BTreeMap<u64, Generation>, StoreError> {
    let all = ledger.all_below(&Key::new(Space::Meta, &["config", "generation"])).await?;
    let mut found = BTreeMap::new();
    for (key, bytes) in all {
        if let Some(number) = key.parts().pop().and_then(|number| number.parse().ok()) {
            found.insert(number, frame::decode(&key, &bytes)?);
        }
    }
    Ok(found)
}

/// The texts of a generation; a text that is missing is left out.
///
/// # Errors
///
/// When the store fails.
pub(in crate::daemon) async fn texts(
    ledger: &Ledger,
    generation: &Generation,
) -> Result<BTreeMap<String, Arc<str>>, StoreError> {
    let mut found = BTreeMap::new();
    for (name, hash) in &generation.files {
        let key = text_key(hash);
        if let Some(bytes) = ledger.store().get(std::slice::from_ref(&key)).await?.into_iter().flatten().next() {
            let text: String = frame::decode(&key, &bytes)?;
            found.insert(name.clone(), text.into());
        }
    }
    Ok(found)
}

/// Forgets generations that nobody runs, but for the last ones, and texts that no generation has.
///
/// # Errors
///
/// When the store fails.
pub(in crate::daemon) async fn forget_old(ledger: &Ledger) -> Result<(), StoreError> {
    let mut used: BTreeSet<u64> = running(ledger).await?.into_values().collect();
    // Somebody may have to go back to it.
    used.extend(super::rollout::generations(ledger).await?);
    let all = generations(ledger).await?;
    let newest: BTreeSet<u64> = all.keys().rev().take(KEEP).copied().collect();
    let (kept, old): (Vec<_>, Vec<_>) =
        all.iter().partition(|(number, _)| used.contains(number) || newest.contains(number));
    let texts: BTreeSet<&String> = kept.iter().flat_map(|(_, generation)| generation.files.values()).collect();
    let mut gone: Vec<Key> = old.iter().map(|(number, _)| generation_key(**number)).collect();
    for (key, _) in ledger.all_below(&Key::new(Space::Meta, &["config", "text"])).await? {
        if key.parts().pop().is_some_and(|hash| !texts.contains(&hash)) {
            gone.push(key);
        }
    }
    let delete = |key: Key| {
        let mut group = Group::default();
        group.delete(key);
        group
    };
    ledger.store().commit(gone.into_iter().map(delete).collect()).await
}

/// Forgets texts of files, in every generation. An integration whose file it was must be configured no more.
///
/// # Errors
///
/// When the store fails.
pub(in crate::daemon) async fn forget_texts(
    ledger: &Ledger,
    texts: &BTreeSet<(String, String)>,
) -> Result<(), StoreError> {
    let mut groups = Vec::new();
    for (number, mut generation) in generations(ledger).await? {
        let before = generation.files.len();
        generation.files.retain(|file, hash| !texts.contains(&(file.clone(), hash.clone())));
        if generation.files.len() < before {
            let mut group = Group::default();
            group.put(generation_key(number), frame::encode(&generation));
            groups.push(group);
        }
    }
    for (_, hash) in texts {
        let mut group = Group::default();
        group.delete(text_key(hash));
        groups.push(group);
    }
    ledger.store().commit(groups).await
}
