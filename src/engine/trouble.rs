//! Remotes that fail in the middle of a run.

use super::{Trouble, run::Run};
use crate::{config::ConnectionName, connector::CallError};

impl Run<'_> {
    /// Remembers that a call failed, for the report and for the rest of the run.
    pub(super) fn trouble(&mut self, connection: &ConnectionName, error: &CallError) {
        let temporary = !matches!(error, CallError::Login { .. } | CallError::Refused { .. });
        let trouble = Trouble { connection: connection.clone(), message: error.to_string(), temporary };
        tracing::warn!(event = "remote.trouble", %connection, error = %error);
        if !self.troubles.contains(&trouble) {
            self.troubles.push(trouble);
        }
    }

    /// Whether calls to this connection are pointless for the rest of the run.
    pub(super) fn is_down(&self, connection: &ConnectionName) -> bool {
        self.troubles.iter().any(|trouble| trouble.connection == *connection)
    }
}
