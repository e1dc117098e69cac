//! Who is told what.

use std::{collections::BTreeSet, time::Duration};

use chrono::{DateTime, Days, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::config::{IntegrationName, Secret};

/// Somebody who is told what goes wrong, and when it is right again.
#[derive(Clone, Debug)]
pub struct Notification {
    /// Its name; one that a template gives to each client has the client's before it: `acme/office`.
    pub name: String,
    /// The client that it belongs to: nothing of anybody else is told, nor of the daemon as a whole.
    pub client: Option<IntegrationName>,
    /// How they are reached.
    pub channel: Channel,
    /// What they are told about.
    pub about: BTreeSet<Topic>,
    /// Only about these; `None` is all. Those that are not there (any more) are no matter.
    pub integrations: Option<BTreeSet<IntegrationName>>,
    /// When they are not disturbed.
    pub quiet: Option<QuietHours>,
    /// When something is worth a message.
    pub after: After,
}

impl Notification {
    /// Whether they are told about this topic of this integration; `None` is the daemon as a whole.
    #[must_use]
    pub fn wants(&self, topic: Topic, integration: Option<&IntegrationName>) -> bool {
        let of = |name: &IntegrationName| match &self.client {
            Some(client) => client == name,
            None => self.integrations.as_ref().is_none_or(|only| only.contains(name)),
        };
        self.about.contains(&topic) && integration.map_or(self.client.is_none(), of)
    }

    /// Until when a message about this topic waits; `None` if it may go now.
    #[must_use]
    pub fn waits_until(&self, topic: Topic, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.quiet.as_ref().filter(|quiet| !quiet.except.contains(&topic))?.end(now)
    }
}

/// How somebody is reached.
#[derive(Clone, Debug)]
pub enum Channel {
    /// A POST of JSON.
    Webhook {
        /// Where; it may hold a secret.
        url: Secret,
        /// What messages are signed with.
        secret: Option<Secret>,
    },
    /// A mail.
    Email(Box<Email>),
    /// A program and its arguments.
    Command(Vec<String>),
}

impl Channel {
    /// What it is, in one word.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Webhook { .. } => "webhook",
            Self::Email(_) => "email",
            Self::Command(_) => "command",
        }
    }
}

/// Mails through a server.
#[derive(Clone, Debug)]
pub struct Email {
    /// Who gets them.
    pub to: Vec<lettre::message::Mailbox>,
    /// Whom they come from.
    pub from: lettre::message::Mailbox,
    /// The server's name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is kept private.
    pub security: MailSecurity,
    /// User and password.
    pub login: Option<(String, Secret)>,
}

/// How a connection to a mail server is kept private.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailSecurity {
    /// It begins in the open and changes over before anything is said; refused where the server cannot.
    StartTls,
    /// From the first byte.
    Tls,
    /// Not at all.
    None,
}

impl MailSecurity {
    /// The usual port.
    #[must_use]
    pub const fn port(self) -> u16 {
        match self {
            Self::StartTls => 587,
            Self::Tls => 465,
            Self::None => 25,
        }
    }
}

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Topic {
    /// A connection is lost, or needs a person.
    Connection,
    /// Runs fail.
    Runs,
    /// A run is held by a guard, or a first run waits.
    Held,
    /// An edit of the configuration is held.
    Edit,
    /// A file of the configuration was rejected.
    Config,
    /// Records are parked.
    Parked,
    /// Nothing was verified for long.
    Unverified,
    /// A login ends soon.
    Token,
    /// The store fails.
    Store,
}

impl Topic {
    /// Every topic.
    pub const ALL: [Self; 9] = [
        Self::Connection,
        Self::Runs,
        Self::Held,
        Self::Edit,
        Self::Config,
        Self::Parked,
        Self::Unverified,
        Self::Token,
        Self::Store,
    ];
}

/// Hours of each day in which nobody is disturbed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuietHours {
    /// When they begin.
    pub from: NaiveTime,
    /// When they end; earlier than `from` is on the next day.
    pub to: NaiveTime,
    /// Where that is meant.
    pub timezone: Tz,
    /// Topics that disturb all the same.
    pub except: BTreeSet<Topic>,
}

impl QuietHours {
    /// When the quiet hours end that `now` is in, if it is in any.
    #[must_use]
    pub fn end(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let local = now.with_timezone(&self.timezone).naive_local();
        let time = local.time();
        let over_night = self.from > self.to;
        let inside = if over_night { time >= self.from || time < self.to } else { self.from <= time && time < self.to };
        let day =
            if over_night && time >= self.from { local.date().checked_add_days(Days::new(1))? } else { local.date() };
        let end = day.and_time(self.to);
        // A time that the clocks skip comes when they have been put forward.
        let at = end.and_local_timezone(self.timezone).earliest();
        let at = at.or_else(|| (end + TimeDelta::hours(1)).and_local_timezone(self.timezone).earliest())?;
        inside.then(|| at.with_timezone(&Utc))
    }
}

/// When something is worth a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct After {
    /// How long a connection must be lost.
    pub connection: Duration,
    /// How many runs in a row must fail.
    pub runs: u32,
    /// How long nothing was verified.
    pub unverified: Duration,
    /// How long after one message about parked records the next may come.
    pub parked: Duration,
}

impl Default for After {
    fn default() -> Self {
        Self {
            connection: Duration::from_mins(15),
            runs: 3,
            unverified: Duration::from_hours(48),
            parked: Duration::from_hours(24),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(from: &str, to: &str, zone: &str, now: &str, expected: Option<&str>) {
        let time = |text: &str| NaiveTime::parse_from_str(text, "%H:%M").unwrap();
        let quiet =
            QuietHours { from: time(from), to: time(to), timezone: zone.parse().unwrap(), except: BTreeSet::new() };
        let now: DateTime<Utc> = now.parse().unwrap();
        let end = quiet.end(now).map(|end| end.format("%Y-%m-%dT%H:%MZ").to_string());
        assert_eq!(end.as_deref(), expected, "{from}-{to} {zone} at {now}");
    }

    #[test]
    fn quiet_hours_may_go_over_midnight_and_are_meant_where_people_are() {
        check("18:00", "08:00", "UTC", "2026-06-01T17:59:00Z", None);
        check("18:00", "08:00", "UTC", "2026-06-01T18:00:00Z", Some("2026-06-02T08:00Z"));
        check("18:00", "08:00", "UTC", "2026-06-02T07:59:00Z", Some("2026-06-02T08:00Z"));
        check("18:00", "08:00", "UTC", "2026-06-02T08:00:00Z", None);
        check("12:00", "13:00", "UTC", "2026-06-02T12:30:00Z", Some("2026-06-02T13:00Z"));
        check("12:00", "13:00", "UTC", "2026-06-02T11:30:00Z", None);
        // 7:00 in Auckland is 19:00 UTC of the day before.
        check("18:00", "08:00", "Pacific/Auckland", "2026-06-01T19:00:00Z", Some("2026-06-01T20:00Z"));
        // The clocks of London go from 1:00 to 2:00 on this day.
        check("00:00", "01:30", "Europe/London", "2026-03-29T00:10:00Z", Some("2026-03-29T01:30Z"));
    }
}
