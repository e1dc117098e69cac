//! Remotes that fail in the middle of a run.

use super::{Trouble, run::Run};
use crate::{config::ConnectionName, connector::CallError};

impl Run<'_> {
    /// Remembers that a call failed, for the report and for the rest of the run.
    pub(super) fn trouble(&mut self, connection: &ConnectionName, error: &CallError) {
        let temporary = !matches!(error, CallError::Login { .. } | CallError::Refused { .. });
        let trouble = Trouble { connection: connection.clone(), message: error.to_string(), temporary, partly: false };
        tracing::warn!(event = "remote.trouble", %connection, error = %error);
        if !self.troubles.contains(&trouble) {
            self.troubles.push(trouble);
        }
    }

    /// Notes which of them did something else of what was wanted.
    pub(super) fn weigh_troubles(&mut self) {
        for trouble in &mut self.troubles {
            trouble.partly = self.pulled.keys().any(|(connection, _)| *connection == trouble.connection);
        }
    }

    /// Whether calls to this connection are pointless for the rest of the run.
    pub(super) fn is_down(&self, connection: &ConnectionName) -> bool {
        self.troubles.iter().any(|trouble| trouble.connection == *connection)
    }
}
