//! Notifications.

use std::collections::BTreeSet;

use lettre::message::Mailbox;
use secrecy::ExposeSecret as _;
use url::Url;

use super::Cx;
use crate::config::{
    After, Channel, ConnectionName, Email, IntegrationName, MailSecurity, Notification, QuietHours, Secret, Topic,
    diagnostic::error,
    nearest::suggest,
    placeholders,
    source::Span,
    written::{AfterW, At, EmailW, NotificationW, QuietHoursW, SecretText, SecurityW, TopicW, WebhookW},
};

const CHANNELS: &str = "give one of webhook: { url: \"${env:HOOK_URL}\" }, email: { to: [ … ], from: …, server: … } and \
                        command: [ /usr/local/bin/tell ]";

/// Resolves a notification. `None` when it holds mistakes. `integrations` are all that are written.
pub(crate) fn notification(
    cx: &Cx<'_>,
    name: &At<String>,
    written: &NotificationW,
    integrations: &BTreeSet<String>,
) -> Option<Notification> {
    let (made, broken) = cx.report.watch(|| make(cx, name, written, integrations));
    made.filter(|_| !broken)
}

fn make(
    cx: &Cx<'_>,
    name: &At<String>,
    written: &NotificationW,
    integrations: &BTreeSet<String>,
) -> Option<Notification> {
    if let Err(cause) = ConnectionName::parse(&name.value) {
        cx.report.add(error("config::bad_name", name.span, cause.to_string()).help("choose another name"));
    }
    let client = client(cx, name, written, integrations);
    let channel = channel(cx, name, written);
    let mut about = written.about.as_ref().map_or_else(|| Topic::ALL.into(), |topics| topics_of(topics));
    if client.is_some() {
        about.retain(|topic| !OF_THE_DAEMON.contains(topic));
    }
    Some(Notification {
        name: name.value.clone(),
        client,
        channel: channel?,
        about,
        integrations: written.integrations.as_ref().map(|names| only(cx, names, integrations)),
        quiet: written.quiet_hours.as_ref().and_then(|quiet| quiet_hours(cx, quiet)),
        after: after(written.after.as_ref()),
    })
}

/// Topics that are nobody's alone.
const OF_THE_DAEMON: [Topic; 2] = [Topic::Config, Topic::Store];

/// The client of a notification that a template gave it, which is told of nothing else.
fn client(
    cx: &Cx<'_>,
    name: &At<String>,
    written: &NotificationW,
    integrations: &BTreeSet<String>,
) -> Option<IntegrationName> {
    let (client, _) = name.value.split_once('/')?;
    if !integrations.contains(client) {
        cx.report.add(
            error(
                "config::bad_name",
                name.span,
                format!("`{}` is a name of the client `{client}`, which is not there", name.value),
            )
            .help("choose a name without a slash, or put it into the client's template"),
        );
    }
    if let Some(first) = written.integrations.as_ref().and_then(|names| names.first()) {
        cx.report.add(
            error("config::misplaced_key", first.span, "a notification in a template is told of its client alone")
                .label("others are none of its business")
                .help("remove `integrations`, or put the notification outside of the template"),
        );
    }
    let of_all = |topic: &&At<TopicW>| matches!(topic.value, TopicW::Config | TopicW::Store);
    if let Some(topic) = written.about.iter().flatten().find(of_all) {
        let word = if topic.value == TopicW::Store { "store" } else { "config" };
        cx.report.add(
            error(
                "config::bad_word",
                topic.span,
                format!("`{word}` is about the daemon as a whole, not about a client"),
            )
            .label("cannot be told to a client alone")
            .help("remove it, or put the notification outside of the template"),
        );
    }
    IntegrationName::parse(client).ok()
}

fn topics_of(written: &[At<TopicW>]) -> BTreeSet<Topic> {
    let of = |topic: &At<TopicW>| match topic.value {
        TopicW::Connection => Topic::Connection,
        TopicW::Runs => Topic::Runs,
        TopicW::Held => Topic::Held,
        TopicW::Edit => Topic::Edit,
        TopicW::Config => Topic::Config,
        TopicW::Parked => Topic::Parked,
        TopicW::Unverified => Topic::Unverified,
        TopicW::Token => Topic::Token,
        TopicW::Store => Topic::Store,
    };
    written.iter().map(of).collect()
}

fn only(cx: &Cx<'_>, names: &[At<String>], known: &BTreeSet<String>) -> BTreeSet<IntegrationName> {
    for name in names.iter().filter(|name| !known.contains(&name.value)) {
        cx.report.add(
            error("config::unknown_integration", name.span, format!("there is no integration `{}`", name.value))
                .label("not known")
                .maybe_help(suggest(&name.value, known.iter().map(String::as_str))),
        );
    }
    names.iter().filter_map(|name| IntegrationName::parse(&name.value).ok()).collect()
}

fn after(written: Option<&AfterW>) -> After {
    let default = After::default();
    let Some(written) = written else { return default };
    After {
        connection: written.connection.as_ref().map_or(default.connection, |at| at.value),
        runs: written.runs.as_ref().map_or(default.runs, |at| at.value.max(1)),
        unverified: written.unverified.as_ref().map_or(default.unverified, |at| at.value),
        parked: written.parked.as_ref().map_or(default.parked, |at| at.value),
    }
}

fn quiet_hours(cx: &Cx<'_>, written: &QuietHoursW) -> Option<QuietHours> {
    let (from, to) = (written.from.as_ref()?, written.to.as_ref()?);
    if from.value == to.value {
        cx.report.add(
            error("config::bad_time", to.span, "quiet hours that end when they begin are none, or all")
                .help("write two times, or remove quiet_hours"),
        );
    }
    Some(QuietHours {
        from: from.value,
        to: to.value,
        timezone: written.timezone.as_ref().map_or(chrono_tz::UTC, |zone| zone.value),
        except: written.except.as_ref().map(|topics| topics_of(topics)).unwrap_or_default(),
    })
}

fn channel(cx: &Cx<'_>, name: &At<String>, written: &NotificationW) -> Option<Channel> {
    let given = ["webhook", "email", "command"]
        .into_iter()
        .filter(|key| written.given().iter().any(|(given, _)| given == key) || written.broken.contains(key));
    let given: Vec<&str> = given.collect();
    if given.len() != 1 {
        let (code, what) = match given.as_slice() {
            [] => ("config::missing_key", format!("the notification `{}` does not say how", name.value)),
            several => ("config::both_given", format!("`{}` exclude each other", several.join("` and `"))),
        };
        cx.report.add(error(code, name.span, what).help(CHANNELS));
        return None;
    }
    if let Some(webhook) = &written.webhook {
        return self::webhook(cx, webhook);
    }
    if let Some(email) = &written.email {
        return self::email(cx, email);
    }
    let words = written.command.as_ref()?;
    match words.first() {
        Some(program) if program.value.starts_with('/') => {}
        first => {
            let span = first.map_or(name.span, |first| first.span);
            cx.report.add(
                error("config::bad_command", span, "a command begins with the whole path of a program")
                    .help("write command: [ /usr/local/bin/tell, --urgent ]; no shell is used"),
            );
            return None;
        }
    }
    Some(Channel::Command(words.iter().map(|word| word.value.clone()).collect()))
}

fn secret(cx: &Cx<'_>, written: &SecretText) -> Option<Secret> {
    placeholders::secret(&written.scalar, written.span, cx.env, cx.config_dir, cx.report)
}

fn webhook(cx: &Cx<'_>, written: &WebhookW) -> Option<Channel> {
    let at = written.url.as_ref()?;
    let url = secret(cx, at)?;
    if let Secret::Known(text) = &url {
        let sound = Url::parse(text.expose_secret())
            .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        if !sound {
            cx.report.add(
                error("config::bad_url", at.span, "this is no http or https address")
                    .help("write the whole address: https://chat.example/hooks/1"),
            );
            return None;
        }
    }
    let secret = match &written.secret {
        Some(written) => Some(secret(cx, written)?),
        None => None,
    };
    Some(Channel::Webhook { url, secret })
}

fn mailbox(cx: &Cx<'_>, written: &At<String>) -> Option<Mailbox> {
    let parsed = written.value.parse();
    if parsed.is_err() {
        cx.report.add(
            error("config::bad_address", written.span, format!("`{}` is no mail address", written.value))
                .help("write jane@example.com, or \"Jane Doe <jane@example.com>\""),
        );
    }
    parsed.ok()
}

fn email(cx: &Cx<'_>, written: &EmailW) -> Option<Channel> {
    let written_to = written.to.as_ref()?;
    if written_to.is_empty() {
        missing(cx, written.span, "a mail needs somebody who gets it", "write to: [ jane@example.com ]");
    }
    let to: Vec<Mailbox> = written_to.iter().filter_map(|to| mailbox(cx, to)).collect();
    let from = mailbox(cx, written.from.as_ref()?);
    let security = match written.security.as_ref().map(|security| security.value) {
        None | Some(SecurityW::StartTls) => MailSecurity::StartTls,
        Some(SecurityW::Tls) => MailSecurity::Tls,
        Some(SecurityW::None) => MailSecurity::None,
    };
    let server = written.server.as_ref()?;
    let (host, port) = match server.value.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().ok().filter(|port| *port > 0)),
        None => (server.value.as_str(), Some(security.port())),
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    let (Some(port), true) = (port, !host.is_empty() && host.chars().all(plain)) else {
        cx.report.add(
            error("config::bad_server", server.span, format!("`{}` is no mail server", server.value))
                .help("write its name, and its port if it is not the usual one: smtp.example.com:587"),
        );
        return None;
    };
    let login = match (&written.user, &written.password) {
        (Some(user), Some(password)) => Some((user.value.clone(), secret(cx, password)?)),
        (None, None) => None,
        _ => {
            missing(cx, written.span, "a login is a user with a password", "give both, or none of them");
            None
        }
    };
    if login.is_some() && security == MailSecurity::None && !matches!(host, "localhost" | "127.0.0.1") {
        cx.report.add(
            error("config::open_password", written.span, "the password would go over the network in the open")
                .help("use security: starttls or tls, or a server on this machine"),
        );
    }
    Some(Channel::Email(Box::new(Email { to, from: from?, host: host.to_owned(), port, security, login })))
}

fn missing(cx: &Cx<'_>, span: Span, what: &str, help: &str) {
    cx.report.add(error("config::missing_key", span, what.to_owned()).help(help));
}
