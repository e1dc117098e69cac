//! Sends what waits: one message at a time for each who is told.

use std::{
    collections::{BTreeMap, BTreeSet},
    panic::AssertUnwindSafe,
    sync::Arc,
};

use chrono::{DateTime, Utc};
use futures_util::FutureExt as _;
use tokio::task::JoinSet;

use super::{book::Book, judge, judge::Facts, send};
use crate::{
    config::{Config, IntegrationName, Notification},
    daemon::control::Shared,
    store::StoreError,
};

/// A message that was sent, or was not.
pub(super) struct Sent {
    name: String,
    id: String,
    outcome: Result<(), String>,
}

/// Everybody's book, and the messages under way.
#[derive(Default)]
pub(super) struct Courier {
    books: BTreeMap<String, Book>,
    /// Books as they are in the store.
    kept: BTreeMap<String, Book>,
    /// Those to whom a message is under way.
    busy: BTreeSet<String>,
    under_way: JoinSet<Sent>,
}

impl Courier {
    pub const fn books(&self) -> &BTreeMap<String, Book> {
        &self.books
    }

    /// Reads the books of those who are new.
    pub async fn load(&mut self, shared: &Shared, config: &Config) {
        self.books.retain(|name, _| config.notifications.contains_key(name));
        self.kept.retain(|name, _| config.notifications.contains_key(name));
        for name in config.notifications.keys() {
            if self.books.contains_key(name) {
                continue;
            }
            match Book::read(&shared.ledger(), name).await {
                Ok(book) => {
                    self.kept.insert(name.clone(), book.clone());
                    self.books.insert(name.clone(), book);
                }
                Err(error) => {
                    tracing::warn!(event = "notice.not_read", notification = name, %error);
                    // What is damaged stays so. Else an empty one would lose what waits: it is read again.
                    if matches!(error, StoreError::Damaged { .. }) {
                        self.books.insert(name.clone(), Book::default());
                    }
                }
            }
        }
    }

    /// Nothing is told of these integrations any more.
    pub fn leave_out(&mut self, integrations: &BTreeSet<IntegrationName>) {
        for integration in integrations {
            self.books.values_mut().for_each(|book| book.leave_out(integration));
        }
    }

    /// Puts what is worth a message into a book.
    pub fn judge(&mut self, notification: &Notification, facts: &Facts, now: DateTime<Utc>) {
        if let Some(book) = self.books.get_mut(&notification.name) {
            judge::judge(notification, book, facts, now);
        }
    }

    /// Makes the books durable, before anything in them is sent.
    pub async fn keep(&mut self, shared: &Shared, config: &Config) {
        let changed = self.books.iter().filter(|(name, book)| self.kept.get(*name) != Some(book));
        let changed: Vec<(String, Book)> = changed.map(|(name, book)| (name.clone(), book.clone())).collect();
        if changed.is_empty() || shared.health.next_probe().is_some() {
            return;
        }
        match Book::write(&shared.ledger(), changed.iter().map(|(name, book)| (name.as_str(), book))).await {
            Ok(()) => self.kept.extend(changed.into_iter().filter(|(name, _)| config.notifications.contains_key(name))),
            Err(error) => shared.health.failed(&error, shared.clock.now()),
        }
    }

    /// Sends what is due. When the next message is.
    pub async fn post(&mut self, shared: &Shared, config: &Config, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut due = Vec::new();
        for (name, book) in self.books.iter_mut().filter(|(name, _)| !self.busy.contains(*name)) {
            if let Some(notification) = config.notifications.get(name) {
                due.extend(book.due(now).map(|message| (Arc::clone(notification), message)));
            }
        }
        // Durable first, with that it may have arrived: what goes on is told once, and what ends is taken back.
        self.keep(shared, config).await;
        for (notification, message) in due {
            let name = notification.name.clone();
            self.busy.insert(name.clone());
            self.under_way.spawn(async move {
                let outcome = outlived(send(&notification, &message)).await;
                Sent { name, id: message.id, outcome }
            });
        }
        self.books.iter().filter(|(name, _)| !self.busy.contains(*name)).filter_map(|(_, book)| book.next()).min()
    }

    /// The next message that was sent. Never, where none is under way.
    pub async fn sent(&mut self) -> Option<Sent> {
        if self.under_way.is_empty() {
            std::future::pending::<()>().await;
        }
        self.sent_or_none().await
    }

    /// The next message that was sent; `None` where none is under way.
    pub async fn sent_or_none(&mut self) -> Option<Sent> {
        loop {
            match self.under_way.join_next().await? {
                Ok(sent) => return Some(sent),
                // Only where the runtime ends: a sender that panics is outlived.
                Err(error) => tracing::error!(event = "notice.cut_off", %error),
            }
        }
    }

    /// Notes what came of it.
    pub fn note(&mut self, sent: Sent, now: DateTime<Utc>) {
        let Sent { name, id, outcome } = sent;
        self.busy.remove(&name);
        match &outcome {
            Ok(()) => tracing::info!(event = "notice.sent", notification = name, id),
            Err(why) => tracing::warn!(event = "notice.failed", notification = name, id, why),
        }
        if let Some(book) = self.books.get_mut(&name) {
            book.sent(&id, outcome, now);
        }
    }
}

/// What came of a sending. A mistake in a sender is a message that did not arrive, and silences nobody for good.
async fn outlived(sending: impl Future<Output = Result<(), String>>) -> Result<(), String> {
    let outcome = AssertUnwindSafe(sending).catch_unwind().await;
    outcome.unwrap_or_else(|_| Err("a mistake in the program; the log has its place".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_sender_that_panics_is_a_message_that_did_not_arrive() {
        let told = outlived(async { panic!("on purpose") }).await.unwrap_err();
        assert!(told.contains("a mistake in the program"), "{told}");
        outlived(async { Ok(()) }).await.unwrap();
    }
}
