//! `notifications`: who is told what goes wrong, and whether it reaches them.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};

use super::{
    args::NotificationsCommand,
    client,
    exit::{CliError, Exit},
    output::Output,
    setup::Office,
    text::{Paint, count, until, wrap},
};
use crate::daemon::{
    NotificationNow,
    protocol::{Request, Response},
};

/// Carries out `notifications list` or `test`.
///
/// # Errors
///
/// When there is no such notification, or the message did not arrive.
pub async fn run(office: &mut Office, command: &NotificationsCommand, out: &Output) -> Result<Exit, CliError> {
    match command {
        NotificationsCommand::List => {
            let Response::Notifications(all) = office.ask(Request::Notifications).await? else {
                return Err(Office::astray());
            };
            let all = client::receivers(office, all);
            if out.json {
                out.json(&all);
            } else {
                out.data(&render(&all, office.now(), out.paint));
            }
            Ok(if all.iter().any(|one| one.failing.is_some()) { Exit::Failed } else { Exit::Done })
        }
        NotificationsCommand::Test { name } => {
            let asked = Request::NotificationTest { name: client::receiver(office, name)? };
            let Response::NotificationSent = office.ask(asked).await? else { return Err(Office::astray()) };
            out.talk(&format!("a test message went to `{name}`"));
            Ok(Exit::Done)
        }
    }
}

/// Everybody who is told, with what they were told and what waits.
#[must_use]
pub fn render(all: &[NotificationNow], now: DateTime<Utc>, paint: Paint) -> String {
    if all.is_empty() {
        return "nobody is told anything; `notifications:` in the configuration says who is\n".to_owned();
    }
    let mut text = String::new();
    for one in all {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{} ({})", one.name, one.kind);
        for told in &one.told {
            text.push_str(&wrap(&format!("was told: {told}"), 2));
        }
        if one.waiting > 0 {
            let when = one.next.filter(|next| *next > now).map(|next| format!(", the next goes {}", until(now, next)));
            let waiting = count(one.waiting as u64, "message waits", "messages wait");
            text.push_str(&wrap(&format!("{waiting}{}", when.unwrap_or_default()), 2));
        }
        if let Some(why) = &one.failing {
            text.push_str(&paint.red(&wrap(&format!("! the last attempt failed: {why}"), 2)));
        }
        if one.dropped > 0 {
            text.push_str(&wrap(&format!("given up: {}", count(one.dropped, "message", "messages")), 2));
        }
    }
    text
}
