//! What is worth a message. Pure.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{
    book::{Book, Waiting},
    message::{Message, State},
};
use crate::config::{IntegrationName, Notification, Topic};

/// What something wrong is about: a topic, and the name of a connection, an integration, a held run or a file.
pub(super) type About = (Topic, String);

/// How something stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fact {
    /// It is wrong.
    Wrong(Wrong),
    /// It is as it should be.
    Fine,
    /// Nobody has looked since the start.
    Unknown,
}

/// Something wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// Of which integration, where it is about one; of a connection, one that uses it.
    pub integrations: Vec<IntegrationName>,
    /// Since when.
    pub since: DateTime<Utc>,
    /// It does not pass by itself.
    pub lasting: bool,
    /// A person wanted it so.
    pub by_person: bool,
    /// How many: records parked, runs that failed in a row.
    pub count: u64,
    /// In one line.
    pub title: String,
    /// What is known, and what to do.
    pub detail: String,
    /// What receivers of one client are told of it, who may know of no other.
    pub discreet: Discreet,
}

/// What those may know who are told of one client alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Discreet {
    /// The same as everybody.
    #[default]
    Same,
    /// This in place of the detail, which names others.
    Text(String),
    /// Nothing: it is a matter of whoever looks after all of them.
    Nothing,
}

/// How everything stands. What is not in it does not exist any more.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    all: BTreeMap<About, Fact>,
    /// Topics of which nothing can be said now.
    pub blind: BTreeSet<Topic>,
}

impl Facts {
    /// Notes how something stands.
    pub fn put(&mut self, topic: Topic, subject: &str, fact: Fact) {
        self.all.insert((topic, subject.to_owned()), fact);
    }
}

/// What somebody was told and is still so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Told {
    pub about: About,
    pub integration: Option<IntegrationName>,
    pub at: DateTime<Utc>,
    pub count: u64,
    pub title: String,
    /// A person wanted it so.
    #[serde(default)]
    pub by_person: bool,
}

/// Lays how everything stands beside what somebody was told, and puts what is worth a message into their book.
pub(super) fn judge(notification: &Notification, book: &mut Book, facts: &Facts, now: DateTime<Utc>) {
    for (about, fact) in &facts.all {
        let Fact::Wrong(wrong) = fact else { continue };
        let wanted = wrong.integrations.iter().find(|name| notification.wants(about.0, Some(name)));
        if wanted.is_none() && !(wrong.integrations.is_empty() && notification.wants(about.0, None)) {
            continue;
        }
        let of_client = notification.client.is_some();
        let detail = match &wrong.discreet {
            Discreet::Nothing if of_client => continue,
            Discreet::Text(text) if of_client => text,
            _ => &wrong.detail,
        };
        let integration = wanted.filter(|_| of_client || wrong.integrations.len() == 1).cloned();
        let state = match book.told.iter_mut().find(|told| told.about == *about) {
            None if is_due(notification, about.0, wrong, now) => State::Begun,
            // What was lost was disconnected, say: that is another thing.
            Some(told) if told.by_person != wrong.by_person && !facts.blind.contains(&about.0) => State::Begun,
            Some(told) if about.0 == Topic::Parked => {
                // What became fewer may become more again.
                told.count = told.count.min(wrong.count);
                let rested = now >= later(told.at, notification.after.parked);
                if wrong.count <= told.count || !rested {
                    continue;
                }
                State::Grew
            }
            _ => continue,
        };
        book.told.retain(|told| told.about != *about);
        if state == State::Begun {
            book.withdraw(about);
        }
        let told = Told {
            about: about.clone(),
            integration,
            at: now,
            count: wrong.count,
            title: wrong.title.clone(),
            by_person: wrong.by_person,
        };
        let message = message(&told, state, now, &wrong.title, detail);
        book.told.push(told);
        book.put(Waiting::new(about.clone(), message, notification.waits_until(about.0, now)));
    }
    let over: Vec<Told> =
        book.told.iter().filter(|told| is_over(notification, facts, &told.about, now)).cloned().collect();
    for told in over {
        book.told.retain(|other| other.about != told.about);
        // Nobody has read that it was wrong: there is nothing to take back.
        let unread = book.withdraw(&told.about);
        let gone = !facts.all.contains_key(&told.about);
        // A person who decided knows; what does not exist any more cannot be right.
        let plain = matches!(told.about.0, Topic::Held | Topic::Edit | Topic::Parked);
        if unread || plain || (gone && told.about.0 != Topic::Config) || !notification.about.contains(&told.about.0) {
            continue;
        }
        let title = if told.by_person {
            format!("the connection `{}` is connected again", told.about.1)
        } else {
            format!("over: {}", told.title)
        };
        let detail = format!("It was so since {}, at the latest.", told.at.format("%Y-%m-%d %H:%M UTC"));
        let detail = if told.by_person { "Everything goes on from where it was." } else { &detail };
        let message = message(&told, State::Over, now, &title, detail);
        book.put(Waiting::new(told.about.clone(), message, notification.waits_until(told.about.0, now)));
    }
}

fn later(at: DateTime<Utc>, by: std::time::Duration) -> DateTime<Utc> {
    let by = TimeDelta::from_std(by).unwrap_or(TimeDelta::MAX);
    at.checked_add_signed(by).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

fn is_due(notification: &Notification, topic: Topic, wrong: &Wrong, now: DateTime<Utc>) -> bool {
    let after = &notification.after;
    match topic {
        Topic::Connection => wrong.lasting || now >= later(wrong.since, after.connection),
        Topic::Runs => wrong.count >= u64::from(after.runs),
        Topic::Unverified => now >= later(wrong.since, after.unverified),
        _ => true,
    }
}

fn is_over(notification: &Notification, facts: &Facts, about: &About, now: DateTime<Utc>) -> bool {
    if facts.blind.contains(&about.0) {
        return false;
    }
    match facts.all.get(about) {
        None | Some(Fact::Fine) => true,
        // It was verified since.
        Some(Fact::Wrong(wrong)) => about.0 == Topic::Unverified && !is_due(notification, about.0, wrong, now),
        Some(Fact::Unknown) => false,
    }
}

/// The stable name of an event.
const fn event(topic: Topic, state: State, by_person: bool) -> &'static str {
    let over = matches!(state, State::Over);
    match topic {
        Topic::Connection if over && by_person => "connection.connected",
        Topic::Connection if by_person => "connection.disconnected",
        Topic::Connection if over => "connection.restored",
        Topic::Connection => "connection.lost",
        Topic::Runs if over => "runs.recovered",
        Topic::Runs => "runs.failed",
        Topic::Held => "run.held",
        Topic::Edit => "edit.held",
        Topic::Config if over => "config.recovered",
        Topic::Config => "config.rejected",
        Topic::Parked => "parked.grew",
        Topic::Unverified if over => "unverified.over",
        Topic::Unverified => "unverified",
        Topic::Token if over => "token.renewed",
        Topic::Token => "token.expiring",
        Topic::Store if over => "store.works",
        Topic::Store => "store.failing",
    }
}

fn message(told: &Told, state: State, at: DateTime<Utc>, title: &str, detail: &str) -> Message {
    let title = format!("reconciled: {title}");
    let (topic, subject) = &told.about;
    Message {
        id: uuid::Uuid::new_v4().to_string(),
        event: event(*topic, state, told.by_person).to_owned(),
        state,
        topic: Some(*topic),
        integration: told.integration.clone(),
        subject: subject.clone(),
        at,
        text: format!("{title}\n\n{}\n", detail.trim_end()),
        title,
        missed: 0,
    }
}

#[cfg(test)]
mod tests;
