//! What goes along in an export of what the store keeps beside records, and what of it stays through an import.
//!
//! What people decided goes along: pauses, edits that wait or were rejected, rollouts, clients that left, and what
//! receivers were told; so does a move of a pipeline that is under way. Former texts of the configuration do not, and
//! with them not which of them runs: they hold whatever secret stands in a file, and an export holds none.

use crate::store::{Key, Space, Store, StoreError};

/// Whether an entry about the store itself is in an export.
pub(super) fn is_carried(key: &Key) -> bool {
    let parts = key.parts();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    matches!(
        parts.as_slice(),
        ["paused" | "notice" | "moving", _] | ["config", "held" | "rollout" | "removed" | "left", _]
    )
}

/// What is about the records and runs of a store, and is removed with them: moves under way, and what was counted of
/// them, which is counted anew where it is missing.
pub(super) fn of_records() -> impl Iterator<Item = Key> {
    ["moving", "runs", "before-bytes"].into_iter().map(|what| Key::new(Space::Meta, &[what]))
}

/// Whether a daemon has run a configuration on this store. No import makes it look so.
pub(super) async fn has_run(store: &dyn Store) -> Result<bool, StoreError> {
    Ok(!store.scan(&Key::new(Space::Meta, &["config", "generation"]), None, 1).await?.is_empty())
}

/// Whether what the store has stays, and the entry of the file is left: of logins, pauses and what was told, where there
/// is one, and of edits and rollouts, where the store knows what `has_run` since.
pub(super) async fn stays(store: &dyn Store, key: &Key, has_run: bool) -> Result<bool, StoreError> {
    if !matches!(key.space(), Some(Space::Grant | Space::Meta)) {
        return Ok(false);
    }
    if has_run && key.as_bytes().starts_with(Key::new(Space::Meta, &["config"]).as_bytes()) {
        return Ok(true);
    }
    Ok(store.get(std::slice::from_ref(key)).await?.pop().flatten().is_some())
}
