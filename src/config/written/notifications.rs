//! Who is told what.

use std::time::Duration;

use chrono::NaiveTime;
use chrono_tz::Tz;
use schemars::{Schema, json_schema};

use super::{At, FromText, SecretText, words, written};

words! {
    /// What a message is about.
    TopicW as "topic of a notification" {
        Connection = "connection", Runs = "runs", Held = "held", Edit = "edit", Config = "config", Parked = "parked",
        Unverified = "unverified", Token = "token", Store = "store",
    }
}

words! {
    /// How a connection to a mail server is kept private.
    SecurityW as "kind of security" { StartTls = "starttls", Tls = "tls", None = "none", }
}

written! {
    /// Somebody who is told what goes wrong, and when it is right again. Give one of `webhook`, `email` and `command`.
    NotificationW as "a notification" {
        /// An address that takes JSON.
        may webhook: WebhookW,
        /// Mails.
        may email: EmailW,
        /// A program (its whole path) and its arguments; the message comes as JSON on its standard input.
        may command: Vec<At<String>>,
        /// What they are told about. Default: everything.
        may about: Vec<At<TopicW>>,
        /// Only about these integrations. Default: all. What concerns the whole daemon is told to everybody who asks for it.
        may integrations: Vec<At<String>>,
        /// When they are not to be disturbed: messages wait until its end.
        may quiet_hours: QuietHoursW,
        /// How long or how often something must be wrong before they are told.
        may after: AfterW,
    }
}

written! {
    /// An address that takes JSON by POST.
    WebhookW as "webhook" {
        /// The address. It may hold a secret, as those of chat programs do, and is shown nowhere.
        need url: SecretText,
        /// What messages are signed with (HMAC-SHA256), so that the receiver can tell them from others.
        may secret: SecretText,
    }
}

written! {
    /// Mails through a mail server.
    EmailW as "email" {
        /// Who gets them.
        need to: Vec<At<String>>,
        /// Whom they come from.
        need from: At<String>,
        /// The mail server, with or without a port: smtp.example.com:587.
        need server: At<String>,
        /// starttls (port 587), tls (port 465), or none (port 25). Default: starttls.
        may security: At<SecurityW>,
        /// The login, where the server wants one.
        may user: At<String>,
        /// Its password.
        may password: SecretText,
    }
}

written! {
    /// Hours of each day in which nobody is disturbed.
    QuietHoursW as "quiet_hours" {
        /// When they begin: "18:00".
        need from: At<NaiveTime>,
        /// When they end: "08:00". May be on the next day.
        need to: At<NaiveTime>,
        /// Where that is meant. Default: UTC.
        may timezone: At<Tz>,
        /// Topics that disturb all the same.
        may except: Vec<At<TopicW>>,
    }
}

written! {
    /// When something is worth a message.
    AfterW as "after" {
        /// How long a connection must be lost. One that will not come back by itself is told at once. Default: 15m.
        may connection: At<Duration>,
        /// How many runs in a row must fail. Default: 3.
        may runs: At<u32>,
        /// How long nothing was verified. Default: 48h.
        may unverified: At<Duration>,
        /// How long after one message about parked records the next may come, if there are more. Default: 24h.
        may parked: At<Duration>,
    }
}

impl FromText for NaiveTime {
    const CODE: &'static str = "config::bad_time";
    const WANTED: &'static str = "a time of day";
    const HELP: &'static str = "write hours and minutes, in quotes: \"18:00\"";
    fn from_text(text: &str, _: bool) -> Result<Self, (String, usize)> {
        if text.len() != 5 {
            return Err((String::new(), 0));
        }
        Self::parse_from_str(text, "%H:%M").map_err(|_| (String::new(), 0))
    }
    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-2][0-9]:[0-5][0-9]$", "examples": ["18:00"] })
    }
}
