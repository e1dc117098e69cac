//! Sessions of people: kept in memory, so that a restart ends them all.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    access::Scope,
    proof::{self, NoRandomness},
};
use crate::config::Role;

/// Sessions at once; the one that ends first gives way.
const MOST: usize = 5_000;

/// Somebody who is known for a while.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub name: String,
    pub role: Role,
    pub scope: Scope,
    /// What every form of a page holds: another site cannot know it.
    pub csrf: String,
    /// What came of the last click, shown once.
    pub told: Option<Told>,
    until: DateTime<Utc>,
}

/// What came of a click.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub good: bool,
    pub text: String,
    /// An address that it is about.
    pub link: Option<String>,
}

impl Told {
    /// It was done.
    pub fn done(text: impl Into<String>) -> Self {
        Self { good: true, text: text.into(), link: None }
    }

    /// It was not.
    pub fn failed(text: impl Into<String>) -> Self {
        Self { good: false, text: text.into(), link: None }
    }
}

/// All of them, by their secret.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<HashMap<String, Session>>);

impl Sessions {
    /// Begins one; gives its secret.
    pub fn begin(
        &self,
        (name, role, scope): (String, Role, Scope),
        (now, lives): (DateTime<Utc>, Duration),
    ) -> Result<(String, Session), NoRandomness> {
        let (secret, csrf) = (proof::random()?, proof::random()?);
        let until = TimeDelta::from_std(lives).ok().and_then(|lives| now.checked_add_signed(lives));
        let session = Session { name, role, scope, csrf, told: None, until: until.unwrap_or(DateTime::<Utc>::MAX_UTC) };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST {
            all.retain(|_, session| session.until > now);
        }
        if all.len() >= MOST {
            let first = all.iter().min_by_key(|(_, session)| session.until).map(|(secret, _)| secret.clone());
            first.and_then(|first| all.remove(&first));
        }
        all.insert(secret.clone(), session.clone());
        Ok((secret, session))
    }

    /// The session of this secret, if it has not ended.
    pub fn of(&self, secret: &str, now: DateTime<Utc>) -> Option<Session> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(secret).filter(|session| session.until > now).cloned()
    }

    /// Ends one.
    pub fn end(&self, secret: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(secret);
    }

    /// Has the next page tell what came of a click.
    pub fn tell(&self, secret: &str, told: Told) {
        if let Some(session) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get_mut(secret) {
            session.told = Some(told);
        }
    }

    /// What is to be told, once.
    pub fn told(&self, secret: &str) -> Option<Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_mut(secret)?.told.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anna() -> (String, Role, Scope) {
        ("anna".to_owned(), Role::Operator, Scope::default())
    }

    #[test]
    fn a_session_ends_by_itself_and_by_hand() {
        let sessions = Sessions::default();
        let now = DateTime::UNIX_EPOCH;
        let (secret, session) = sessions.begin(anna(), (now, Duration::from_hours(1))).unwrap();
        assert_ne!(secret, session.csrf);
        assert!(sessions.of(&secret, now + TimeDelta::minutes(59)).is_some());
        assert!(sessions.of(&secret, now + TimeDelta::minutes(60)).is_none());
        assert!(sessions.of("", now).is_none());
        sessions.end(&secret);
        assert!(sessions.of(&secret, now).is_none());
    }

    #[test]
    fn there_are_never_too_many() {
        let sessions = Sessions::default();
        let now = DateTime::UNIX_EPOCH;
        let (first, _) = sessions.begin(anna(), (now, Duration::from_mins(1))).unwrap();
        for _ in 0..MOST {
            sessions.begin(anna(), (now, Duration::from_hours(1))).unwrap();
        }
        assert!(sessions.of(&first, now).is_none(), "the one that ends first gives way");
        assert_eq!(sessions.0.lock().unwrap().len(), MOST);
    }

    #[test]
    fn what_came_of_a_click_is_told_once() {
        let sessions = Sessions::default();
        let (secret, _) = sessions.begin(anna(), (DateTime::UNIX_EPOCH, Duration::from_hours(1))).unwrap();
        sessions.tell(&secret, Told::done("done"));
        assert_eq!(sessions.told(&secret).map(|told| told.text).as_deref(), Some("done"));
        assert!(sessions.told(&secret).is_none());
    }
}
