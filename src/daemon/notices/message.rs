//! A message, as people and programs get it.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::config::{IntegrationName, Topic};

/// Whether something begins, goes on, or is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It is wrong.
    Begun,
    /// It became more.
    Grew,
    /// It is right again.
    Over,
    /// Nothing is wrong: somebody tries it out.
    Test,
}

/// One message. Its members are an API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Its own number: one that comes twice is the same.
    pub id: String,
    /// A stable name: `connection.lost`.
    pub event: String,
    /// Whether something begins or is over.
    pub state: State,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<Topic>,
    /// Of which integration, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integration: Option<IntegrationName>,
    /// What it is about by name: a connection, the number of a held run, a file.
    pub subject: String,
    /// When it was noticed.
    pub at: DateTime<Utc>,
    /// In one line.
    pub title: String,
    /// The title, with what is known and what to do.
    pub text: String,
    /// Messages before this one that could not be delivered and were given up.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub missed: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Message {
    /// A message for trying it out.
    #[must_use]
    pub fn test(name: &str, at: DateTime<Utc>) -> Self {
        let title = format!("reconciled: this is a test of the notification `{name}`");
        let text = format!(
            "{title}\n\nNothing is wrong. Somebody asked for this message with `reconciled notifications test {name}`.\n"
        );
        Self {
            id: uuid::Uuid::new_v4().to_string(),
            event: "test".to_owned(),
            state: State::Test,
            topic: None,
            integration: None,
            subject: name.to_owned(),
            at,
            title,
            text,
            missed: 0,
        }
    }

    /// The text as it is sent, with what was missed before it.
    #[must_use]
    pub fn whole_text(&self) -> String {
        let mut text = self.text.clone();
        if self.missed > 0 {
            // Writing to a string does not fail.
            let _ = write!(text, "\n{} earlier messages could not be delivered and were given up.\n", self.missed);
        }
        text
    }

    /// As JSON, with the text as it is sent.
    #[must_use]
    pub fn to_json(&self) -> String {
        let sent = Self { text: self.whole_text(), ..self.clone() };
        serde_json::to_string(&sent).unwrap_or_default()
    }
}
