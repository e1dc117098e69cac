//! What somebody was told, and what waits to be sent to them.

use std::{collections::VecDeque, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{
    NotificationNow,
    judge::{About, Told},
    message::Message,
};
use crate::{
    config::IntegrationName,
    store::{Group, Key, Ledger, Space, StoreError, frame},
};

/// Most messages that wait for one; the oldest make room.
const MOST: usize = 200;
/// A message that could not be delivered for so long helps nobody any more.
const TOO_OLD: TimeDelta = TimeDelta::hours(72);
/// First wait before a message is sent again.
const FIRST: Duration = Duration::from_secs(10);
/// Longest wait.
const LONGEST: Duration = Duration::from_hours(1);

/// What is remembered of one who is told: one value in the store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Book {
    /// What they were told and is still so.
    pub told: Vec<Told>,
    /// What waits to be sent, in order.
    pub waiting: VecDeque<Waiting>,
    /// Messages given up since the last one that arrived.
    #[serde(default)]
    pub missed: u64,
    /// Messages given up, ever.
    #[serde(default)]
    pub dropped: u64,
    /// Why the last attempt failed.
    #[serde(default)]
    pub failing: Option<String>,
}

/// A message that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Waiting {
    pub about: About,
    pub message: Message,
    pub attempts: u32,
    /// Not before.
    pub next: Option<DateTime<Utc>>,
}

impl Waiting {
    pub const fn new(about: About, message: Message, next: Option<DateTime<Utc>>) -> Self {
        Self { about, message, attempts: 0, next }
    }
}

impl Book {
    /// Lets a message wait.
    pub fn put(&mut self, waiting: Waiting) {
        self.waiting.push_back(waiting);
        while self.waiting.len() > MOST {
            self.waiting.pop_front();
            self.give_up(1);
        }
    }

    fn give_up(&mut self, count: u64) {
        self.missed = self.missed.saturating_add(count);
        self.dropped = self.dropped.saturating_add(count);
    }

    /// Takes back a message that nobody tried to send yet. Whether there was one.
    pub fn withdraw(&mut self, about: &About) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|waiting| waiting.attempts > 0 || waiting.about != *about);
        self.waiting.len() < before
    }

    /// The message to send now, if its time has come. What is too old is given up.
    pub fn due(&mut self, now: DateTime<Utc>) -> Option<Message> {
        while self.waiting.front().is_some_and(|first| now - first.message.at > TOO_OLD && first.attempts > 0) {
            self.waiting.pop_front();
            self.give_up(1);
        }
        let missed = self.missed;
        let first = self.waiting.iter_mut().find(|waiting| waiting.next.is_none_or(|next| next <= now))?;
        // From here on it may have arrived: it is never taken back.
        first.attempts = first.attempts.saturating_add(1);
        Some(Message { missed, ..first.message.clone() })
    }

    /// When the next one may be sent.
    pub fn next(&self) -> Option<DateTime<Utc>> {
        self.waiting.iter().map(|waiting| waiting.next.unwrap_or(DateTime::<Utc>::MIN_UTC)).min()
    }

    /// A message arrived, or did not.
    pub fn sent(&mut self, id: &str, outcome: Result<(), String>, now: DateTime<Utc>) {
        match outcome {
            Ok(()) => {
                self.waiting.retain(|waiting| waiting.message.id != id);
                (self.missed, self.failing) = (0, None);
            }
            Err(why) => {
                // All of them wait: who does not take one does not take the next.
                let attempts = self.waiting.iter().find(|waiting| waiting.message.id == id).map_or(1, |w| w.attempts);
                let wait = FIRST.saturating_mul(2_u32.saturating_pow(attempts.saturating_sub(1))).min(LONGEST);
                let next = now + TimeDelta::from_std(wait).unwrap_or_default();
                for waiting in &mut self.waiting {
                    waiting.next = Some(waiting.next.map_or(next, |own| own.max(next)));
                }
                self.failing = Some(why);
            }
        }
    }

    /// Nothing is told of this integration any more, not even that something is right again.
    pub fn leave_out(&mut self, integration: &IntegrationName) {
        let about =
            |text: &str| text.contains(&format!("`{integration}`")) || text.contains(&format!("{integration}/"));
        self.told.retain(|told| told.integration.as_ref() != Some(integration) && !about(&told.title));
        self.waiting.retain(|waiting| {
            let message = &waiting.message;
            message.integration.as_ref() != Some(integration) && !about(&message.text) && !about(&message.title)
        });
    }

    /// Tells how it stands.
    pub fn show(&self, now: &mut NotificationNow) {
        now.told = self.told.iter().map(|told| told.title.clone()).collect();
        (now.waiting, now.next) = (self.waiting.len(), self.next().filter(|next| *next > DateTime::<Utc>::MIN_UTC));
        (now.failing, now.dropped) = (self.failing.clone(), self.dropped);
    }

    fn key(name: &str) -> Key {
        Key::new(Space::Meta, &["notice", name])
    }

    /// Reads a book; an empty one if there is none.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn read(ledger: &Ledger, name: &str) -> Result<Self, StoreError> {
        let key = Self::key(name);
        let found = ledger.store().get(std::slice::from_ref(&key)).await?.into_iter().flatten().next();
        Ok(found.map(|bytes| frame::decode(&key, &bytes)).transpose()?.unwrap_or_default())
    }

    /// Every book, also of those who are told nothing any more.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn all(ledger: &Ledger) -> Result<Vec<(String, Self)>, StoreError> {
        let all = ledger.all_below(&Key::new(Space::Meta, &["notice"])).await?.into_iter();
        let named = all.filter_map(|(key, bytes)| Some((key.parts().pop()?, key, bytes)));
        named.map(|(name, key, bytes)| Ok((name, frame::decode(&key, &bytes)?))).collect()
    }

    /// Makes books durable.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn write(ledger: &Ledger, books: impl Iterator<Item = (&str, &Self)>) -> Result<(), StoreError> {
        let mut groups = Vec::new();
        for (name, book) in books {
            let mut group = Group::default();
            group.put(Self::key(name), frame::encode(book));
            groups.push(group);
        }
        if groups.is_empty() {
            return Ok(());
        }
        ledger.store().commit(groups).await?;
        ledger.store().flush().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::Topic, daemon::notices::Message};

    fn waiting(id: &str, at: &str) -> Waiting {
        let message = Message { id: id.to_owned(), ..Message::test("office", at.parse().unwrap()) };
        Waiting::new((Topic::Runs, id.to_owned()), message, None)
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_message_that_does_not_arrive_is_sent_again_with_back_off_and_holds_up_the_next() {
        let mut book = Book::default();
        book.put(waiting("1", "2026-06-01T00:00:00Z"));
        book.put(waiting("2", "2026-06-01T00:00:01Z"));
        let mut now = at("2026-06-01T00:01:00Z");
        let mut waits = Vec::new();
        for _ in 0..12 {
            assert_eq!(book.due(now).unwrap().id, "1");
            book.sent("1", Err("refused".to_owned()), now);
            assert!(book.due(now).is_none(), "nothing goes before the first");
            waits.push((book.next().unwrap() - now).num_seconds());
            now = book.next().unwrap();
        }
        assert_eq!(waits[..4], [10, 20, 40, 80]);
        assert_eq!(waits.last(), Some(&3600));
        assert_eq!(book.due(now).unwrap().id, "1");
        book.sent("1", Ok(()), now);
        assert_eq!((book.due(now).unwrap().id.as_str(), book.failing.as_deref()), ("2", None));
    }

    #[test]
    fn what_is_too_old_is_given_up_and_the_next_says_so() {
        let mut book = Book::default();
        book.put(waiting("1", "2026-06-01T00:00:00Z"));
        let began = at("2026-06-01T00:00:00Z");
        book.due(began).unwrap();
        book.sent("1", Err("down".to_owned()), began);
        book.put(waiting("2", "2026-06-04T01:00:00Z"));
        let message = book.due(at("2026-06-04T02:00:00Z")).unwrap();
        assert_eq!((message.id.as_str(), message.missed), ("2", 1));
        assert!(message.whole_text().contains("1 earlier messages"), "{}", message.whole_text());
        book.sent("2", Ok(()), at("2026-06-04T02:00:00Z"));
        assert_eq!((book.missed, book.dropped), (0, 1));
    }

    #[test]
    fn only_what_nobody_can_have_read_is_taken_back() {
        let mut book = Book::default();
        book.put(waiting("1", "2026-06-01T00:00:00Z"));
        book.put(waiting("2", "2026-06-01T00:00:00Z"));
        book.due(at("2026-06-01T00:00:00Z")).unwrap();
        assert!(!book.withdraw(&(Topic::Runs, "1".to_owned())), "it may have arrived");
        assert!(book.withdraw(&(Topic::Runs, "2".to_owned())));
        assert_eq!(book.waiting.len(), 1);
    }

    #[test]
    fn a_receiver_that_is_gone_for_good_costs_no_more_than_so_much() {
        let mut book = Book::default();
        for number in 0..MOST + 5 {
            book.put(waiting(&number.to_string(), "2026-06-01T00:00:00Z"));
        }
        assert_eq!((book.waiting.len(), book.dropped), (MOST, 5));
    }
}
