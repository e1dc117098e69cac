//! The last text of a file that was good.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::remembered;
use crate::{
    config::{EnvSource, Snapshot, load_snapshot},
    store::{Ledger, StoreError},
};

/// A text that was good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoodText {
    /// The file, below the configuration folder.
    pub file: String,
    /// What it held.
    pub text: String,
    /// The generation of the configuration that it was part of.
    pub generation: u64,
    /// When that took effect.
    pub at: DateTime<Utc>,
}

/// The last text of a file without a mistake, of a configuration that took effect, and other than what the file holds
/// now. Where an integration of the file runs an older generation (its edit is held, or has a mistake), the text of that one.
///
/// # Errors
///
/// When the store fails.
pub(in crate::daemon) async fn last_good(
    ledger: &Ledger,
    snapshot: &Snapshot,
    env: &(dyn EnvSource + Send + Sync),
    file: &str,
) -> Result<Option<GoodText>, StoreError> {
    let generations = remembered::generations(ledger).await?;
    let now = snapshot.text(file);
    for (number, generation) in generations.iter().rev() {
        if !generation.files.contains_key(file) {
            continue;
        }
        let texts = remembered::texts(ledger, generation).await?;
        let Some(text) = texts.get(file).cloned() else { continue };
        if now == Some(&text) {
            continue;
        }
        let then = load_snapshot(&Snapshot::of_texts(snapshot.dir(), texts), env, &BTreeMap::new());
        if !then.has_errors_in(file) && took_effect(ledger, &then, (file, *number)).await? {
            let (file, text) = (file.to_owned(), text.to_string());
            return Ok(Some(GoodText { file, text, generation: *number, at: generation.at }));
        }
    }
    Ok(None)
}

/// Whether what the file defined ran in that generation, as far as it runs at all: an edit that was held never did.
async fn took_effect(
    ledger: &Ledger,
    then: &crate::config::Loaded,
    (file, number): (&str, u64),
) -> Result<bool, StoreError> {
    let running = remembered::running(ledger).await?;
    let mut defined = then.written.iter().filter(|(_, written)| written.file == file);
    Ok(defined.all(|(name, _)| running.get(name).is_none_or(|runs| *runs >= number)))
}
