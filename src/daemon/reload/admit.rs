//! The one place that decides whether an edited integration may take the place of the running one.
//!
//! A reload calls [`admit`] once for every integration whose *meaning* changed, was added or was removed (edits of
//! schedules and windows are not asked about). It is called with the turn of the integration held, so that no run of
//! it is under way and what is remembered of it stands still, after everything of the new one has been prepared and
//! before anything of the old one is given up. It may take its time, and it may read the store; it must write nothing
//! but what describes a held edit.
//!
//! After [`Verdict::Hold`] the old integration goes on, and `status` shows the reason. The question is asked again when
//! the files change, at a `reload` by hand, and at the next look after [`Shared::look_at_config_again`] was called
//! (by whoever approves a held edit, say).
//!
//! [`Shared::look_at_config_again`]: super::super::control::Shared::look_at_config_again

use std::sync::Arc;

use crate::{
    config::{Integration, IntegrationName},
    engine::Engine,
    store::StoreError,
};

/// An edit of one integration, ready to take effect.
pub(in crate::daemon) struct Edit<'e> {
    /// Which.
    pub name: &'e IntegrationName,
    /// What runs now; `None` for one that is added.
    pub old: Option<&'e Arc<Integration>>,
    /// What would run; `None` for one that is removed.
    pub new: Option<&'e Arc<Integration>>,
    /// The engine with the configuration and the connectors as they would be.
    pub engine: &'e Engine,
    /// A person said `reload --force`.
    pub force: bool,
}

/// Whether an edit may take effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::daemon) enum Verdict {
    /// It may.
    Swap,
    /// The old one goes on; why, and what a person can do about it, in one sentence.
    #[allow(dead_code, reason = "nothing is judged yet")]
    Hold(String),
}

/// Judges an edit. For now every edit takes effect.
///
/// # Errors
///
/// When the store fails: then the old integration goes on, and the edit is judged again at the next look.
#[allow(clippy::unused_async, reason = "whoever judges reads the store")]
pub(in crate::daemon) async fn admit(edit: &Edit<'_>) -> Result<Verdict, StoreError> {
    let Edit { name, old, new, engine, force } = edit;
    tracing::debug!(
        event = "config.admitted",
        integration = %name,
        running = old.is_some(),
        wanted = new.is_some(),
        integrations = engine.config.integrations.len(),
        force
    );
    Ok(Verdict::Swap)
}
