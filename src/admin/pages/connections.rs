//! Connections: which are connected, which are in trouble, and what to do.

use std::collections::BTreeMap;

use axum::{extract::Query, response::Response};
use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::{Asked, Frame, Look};
use crate::{
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
    let scope = &frame.visitor().scope;
    // Looked through once: of a thousand clients each has its own.
    let mut users: BTreeMap<&ConnectionName, Vec<IntegrationName>> = BTreeMap::new();
    for (integration, pipeline) in frame.config.pipelines().filter(|(integration, _)| scope.has(&integration.name)) {
        for side in Side::BOTH {
            let used_by = users.entry(&pipeline.end(side).connection.name).or_default();
            if used_by.last() != Some(&integration.name) {
                used_by.push(integration.name.clone());
            }
        }
    }
    let mut troubles: BTreeMap<&ConnectionName, &ConnectionTrouble> = BTreeMap::new();
    for trouble in frame.status.daemon.iter().flat_map(|daemon| &daemon.integrations).flat_map(|now| &now.troubles) {
        // What needs a person counts more than what passes.
        let worse = |known: &&ConnectionTrouble| (known.temporary, known.since) <= (trouble.temporary, trouble.since);
        if !troubles.get(&trouble.connection).is_some_and(worse) {
            troubles.insert(&trouble.connection, trouble);
        }
    }
    let logins: BTreeMap<&ConnectionName, &ConnectionNow> =
        frame.status.connections.iter().map(|login| (&login.connection, login)).collect();
    let shown = frame.config.connections.iter().filter(|(name, _)| scope.is_whole() || users.contains_key(name));
    shown
        .map(|(name, connection)| One {
            name: name.clone(),
            system: connection.manifest.name.clone(),
            used_by: users.get(name).cloned().unwrap_or_default(),
            trouble: troubles.get(name).map(|trouble| (*trouble).clone()),
            login: logins.get(name).map(|login| (*login).clone()),
        })
        .collect()
}

/// Connections on one page.
const PAGE: usize = 50;
/// Accounts of a login that are listed.
const ACCOUNTS: usize = 20;

/// Draws them.
pub(super) async fn show(look: Look, Query(asked): Asked) -> Result<Response, Response> {
    let parameter = |name: &str| asked.get(name).map(String::as_str).unwrap_or_default();
    let (search, page) = (parameter("q"), parameter("page"));
    let frame = Frame::of(look, super::frame::address("/connections", &[("q", search), ("page", page)])).await?;
    let body = draw(&frame, search, page.parse().unwrap_or_default());
    Ok(frame.answer("Connections", Ok(body)))
}

fn draw(frame: &Frame, search: &str, page: usize) -> Markup {
    let mut all = all(frame);
    let many = all.len();
    let wanted = search.trim().to_lowercase();
    let named = |name: &str| name.to_lowercase().contains(&wanted);
    all.retain(|one| {
        named(one.name.as_str()) || named(&one.system) || one.used_by.iter().any(|name| named(name.as_str()))
    });
    all.sort_by_key(|one| (!one.needs_person(), one.trouble.is_none(), one.name.clone()));
    let pages = all.len().div_ceil(PAGE).max(1);
    let page = page.min(pages - 1);
    let requests: BTreeMap<ConnectionName, Requests> = frame.look.lobby.daemon.requests().into_iter().collect();
    html! {
        h1 { "Connections" }
        p.dim { "A connection is one account on one system." }
        @if many > PAGE || !search.is_empty() {
            form.filter method="get" action=(frame.href("/connections")) role="search" {
                input type="search" name="q" value=(search) placeholder="Search connections ( / )" aria-label="Search";
                button type="submit" { "Show" }
            }
        }
        div #connections data-live {
            @if many == 0 { p { "There is none." } }
            @else if all.is_empty() { p { "No connection is like that. " a href=(frame.href("/connections")) { "Show all" } } }
            @for one in all.iter().skip(page * PAGE).take(PAGE) { (card(frame, one, requests.get(&one.name).copied().unwrap_or_default())) }
            (frame.pages(("/connections", &[("q", search)]), (page, pages)))
        }
    }
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
            @if let Some(login) = one.login.as_ref().filter(|login| !login.covers.is_empty()) {
                p { "The login covers:" }
                ul { @for account in login.covers.iter().take(ACCOUNTS) { li { (account.name) " " code { (account.id) } } } }
                @if login.covers.len() > ACCOUNTS { p.dim { "… and " (count((login.covers.len() - ACCOUNTS) as u64, "other", "others")) } }
            }
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
