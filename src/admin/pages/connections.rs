//! Connections: which are connected, which are in trouble, and what to do.

use axum::response::Response;
use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::{Frame, Look};
use crate::{
    admin::access,
    cli::text::{ago, count, number, one_line},
    config::{ConnectionName, IntegrationName},
    connector::Requests,
    daemon::{ConnectionTrouble, protocol::Request},
    grant::{ConnectionNow, ConnectionState},
    record::Side,
};

/// A connection and how it stands.
pub(super) struct One {
    pub name: ConnectionName,
    system: String,
    used_by: Vec<IntegrationName>,
    trouble: Option<ConnectionTrouble>,
    login: Option<ConnectionNow>,
}

impl One {
    /// Whether it works again only when a person has done something.
    pub fn needs_person(&self) -> bool {
        self.trouble.as_ref().is_some_and(|trouble| !trouble.temporary)
            || (!self.used_by.is_empty()
                && self.login.as_ref().is_some_and(|login| login.state != ConnectionState::Connected))
    }

    /// What is wrong.
    pub fn sentence(&self, now: DateTime<Utc>) -> String {
        if let Some(login) = self.login.as_ref().filter(|login| login.state != ConnectionState::Connected) {
            return match (login.state, &login.parted, &login.todo) {
                (ConnectionState::Disconnected, Some(parted), _) => {
                    let when = ago(now, parted.at);
                    format!(
                        "{} disconnected it {when}. Nothing is kept the same with it until it is connected again.",
                        parted.by
                    )
                }
                (ConnectionState::Disconnected, None, _) => "A person disconnected it.".to_owned(),
                (ConnectionState::NeedsConsent, _, None) => "Nobody has agreed to it yet.".to_owned(),
                (_, _, Some(todo)) => super::card::capital(todo),
                (_, _, None) => "Its login does not work any more.".to_owned(),
            };
        }
        self.trouble.as_ref().map_or_else(String::new, |trouble| {
            format!("{} Since {}.", super::card::capital(&one_line(&trouble.message)), ago(now, trouble.since))
        })
    }
}

/// Every connection that the visitor may see.
pub(super) fn all(frame: &Frame) -> Vec<One> {
    let seen = access::connections(&frame.look.lobby.daemon, &frame.visitor().scope);
    let whole = frame.visitor().scope.is_whole();
    let live = frame.status.daemon.iter().flat_map(|daemon| &daemon.integrations);
    let troubles: Vec<&ConnectionTrouble> = live.flat_map(|now| &now.troubles).collect();
    let shown = frame.config.connections.iter().filter(|(name, _)| whole || seen.contains(*name));
    shown
        .map(|(name, connection)| {
            let uses = |side| move |pipeline: &crate::config::Pipeline| pipeline.end(side).connection.name == *name;
            let mut used_by: Vec<IntegrationName> = frame
                .config
                .pipelines()
                .filter(|(_, pipeline)| Side::BOTH.into_iter().any(|side| uses(side)(pipeline)))
                .map(|(integration, _)| integration.name.clone())
                .filter(|integration| frame.visitor().scope.has(integration))
                .collect();
            used_by.dedup();
            // What needs a person counts more than what passes.
            let of_this = troubles.iter().filter(|trouble| trouble.connection == *name);
            let trouble =
                of_this.min_by_key(|trouble| (trouble.temporary, trouble.since)).map(|trouble| (*trouble).clone());
            One {
                name: name.clone(),
                system: connection.manifest.name.clone(),
                used_by,
                trouble,
                login: frame.status.connections.iter().find(|one| one.connection == *name).cloned(),
            }
        })
        .collect()
}

/// Draws them.
pub(super) async fn show(look: Look) -> Result<Response, Response> {
    let frame = Frame::of(look, "/connections".to_owned()).await?;
    let mut all = all(&frame);
    all.sort_by_key(|one| (!one.needs_person(), one.trouble.is_none(), one.name.clone()));
    let requests = frame.look.lobby.daemon.requests();
    let body = html! {
        h1 { "Connections" }
        p.dim { "A connection is one account on one system." }
        div #connections data-live {
            @if all.is_empty() { p { "There is none." } }
            @for one in &all { (card(&frame, one, requests.iter().find(|(name, _)| *name == one.name).map(|(_, made)| *made).unwrap_or_default())) }
        }
    };
    Ok(frame.answer("Connections", Ok(body)))
}

fn card(frame: &Frame, one: &One, made: Requests) -> Markup {
    let (word, class) = match (&one.trouble, one.needs_person()) {
        (_, true) => ("Not connected", "bad"),
        (Some(_), false) => ("Tries again", "warn"),
        (None, false) if one.used_by.is_empty() => ("Not used", "calm"),
        (None, false) => ("Connected", "good"),
    };
    let by_consent = one.login.is_some();
    let link = Request::ConnectLink { what: one.name.to_string() };
    let disconnect = Request::Disconnect { what: one.name.to_string(), whole: false, by: String::new() };
    let connected = one.login.as_ref().is_some_and(|login| login.state == ConnectionState::Connected);
    html! {
        section.card.bad[one.needs_person()].warn[!one.needs_person() && one.trouble.is_some()] {
            h3 { (one.name) " " span.badge.(class) { (word) } }
            p.dim {
                (one.system)
                @if let Some(account) = one.login.as_ref().and_then(|login| login.account.as_ref()) { " · " (account) }
                @if !one.used_by.is_empty() {
                    " · used by "
                    @for (place, name) in one.used_by.iter().take(5).enumerate() {
                        @if place > 0 { ", " }
                        a href=(frame.link("/integration", &[("name", name.as_str())])) { (name) }
                    }
                    @if one.used_by.len() > 5 { " and " (count((one.used_by.len() - 5) as u64, "other", "others")) }
                }
                " · " (count(made.reads + made.writes, "call", "calls")) " since the start"
            }
            @if one.needs_person() || one.trouble.is_some() { p.say { (one.sentence(frame.now)) } }
            @if let Some(trouble) = &one.trouble {
                @if trouble.temporary { p { "It is tried again by itself; " (number(u64::from(trouble.attempts))) " attempts so far. Nothing is lost meanwhile." } }
                @else if !by_consent { p { "Give it a valid login: its `auth` in the configuration, or the file or credential that this names. Nothing is lost meanwhile; it goes on from where it was." } }
            }
            @if by_consent {
                div.row {
                    @if !connected { (frame.button(&link, "Connect", "main")) }
                    @if connected { (frame.careful_button(&disconnect, ("Disconnect", "Nothing is kept the same with it any more until it is connected again. Records and pairs stay."), "danger")) }
                }
                @if let Some(at) = one.login.as_ref().and_then(|login| login.expires) { p.dim.small { "The login ends " (frame.until(at)) " unless it is used before." } }
            }
        }
    }
}
