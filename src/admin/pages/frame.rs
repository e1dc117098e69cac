//! What every page has: a head, the way to the others, what came of the last click, and forms.

use std::sync::Arc;

use axum::{
    http::StatusCode,
    response::{Html, IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use maud::{DOCTYPE, Markup, html};
use serde_json::Value;

use super::Look;
use crate::{
    admin::{access, assets, visitor::Visitor},
    cli::text,
    config::{Config, Role},
    daemon::protocol::{Failure, FailureKind, Request, Status},
    store::Approval,
};

/// Connections about which every page has a line of its own; of more, their number is said.
const BANNERS: usize = 3;

/// A page in the making.
pub(in crate::admin) struct Frame {
    pub look: Look,
    pub config: Arc<Config>,
    pub now: DateTime<Utc>,
    pub status: Status,
    /// The page's own address, below the base: where its forms lead back to.
    pub here: String,
}

impl Frame {
    /// What every page is drawn from.
    pub async fn of(look: Look, here: String) -> Result<Self, Response> {
        let status = look.lobby.status(&look.visitor).await;
        let (config, now) = (look.lobby.daemon.config(), look.lobby.now());
        match status {
            Ok(status) => Ok(Self { look, config, now, status, here }),
            Err(failure) => Err((StatusCode::SERVICE_UNAVAILABLE, format!("{failure}\n")).into_response()),
        }
    }

    pub fn visitor(&self) -> &Visitor {
        &self.look.visitor
    }

    /// An address below the base.
    pub fn href(&self, path: &str) -> String {
        format!("{}{path}", self.look.lobby.base)
    }

    /// An address with parameters.
    pub fn link(&self, path: &str, parameters: &[(&str, &str)]) -> String {
        self.href(&address(path, parameters))
    }

    /// The page, or what went wrong in its place.
    pub fn answer(self, title: &str, body: Result<Markup, Failure>) -> Response {
        let (code, body) = match body {
            Ok(body) => (StatusCode::OK, body),
            Err(failure) => {
                let code = match failure.kind {
                    FailureKind::NoSuch => StatusCode::NOT_FOUND,
                    FailureKind::NotPossible => StatusCode::FORBIDDEN,
                    FailureKind::BadRequest => StatusCode::BAD_REQUEST,
                    _ => StatusCode::SERVICE_UNAVAILABLE,
                };
                (code, html! { section.card.bad { h2 { "This cannot be shown" } p { (failure.message) } } })
            }
        };
        (code, Html(self.whole(title, &body).into_string())).into_response()
    }

    fn whole(&self, title: &str, body: &Markup) -> Markup {
        let lobby = &self.look.lobby;
        let told = if self.look.again { None } else { lobby.sessions.told(self.visitor().secret()) };
        html! {
            (DOCTYPE)
            html lang="en" {
                (head(&lobby.base, title))
                body data-events=(self.href("/events")) {
                    a.skip href="#main" { "Skip to the content" }
                    header.top {
                        a.brand href=(self.href("/")) { "reconciled" }
                        nav aria-label="Pages" {
                            (self.way("/", "Overview", None))
                            (self.way("/todo", "For you", Some(self.open_questions())))
                            (self.way("/connections", "Connections", Some(self.broken_connections())))
                            @if self.visitor().scope.is_whole() {
                                (self.way("/configuration", "Configuration", Some(self.mistakes())))
                            }
                            @if self.visitor().may(Role::Admin) && self.visitor().scope.is_whole() {
                                (self.way("/changes", "Changes", None))
                            }
                        }
                        div.who {
                            span { (self.visitor().name) " · " (self.visitor().role.word()) }
                            @if lobby.settings.open.is_none() {
                                form method="post" action=(self.href("/logout")) {
                                    input type="hidden" name="csrf" value=(self.visitor().csrf());
                                    button.quiet type="submit" { "Sign out" }
                                }
                            }
                        }
                    }
                    main #main tabindex="-1" {
                        @if let Some(told) = told {
                            p.told.good[told.good].bad[!told.good] role="status" {
                                (told.text)
                                @if let Some(link) = told.link { " " a href=(link) rel="noreferrer" { (link) } }
                            }
                        }
                        div #banners data-live { (self.banners()) }
                        (body)
                    }
                    footer { "reconciled " (env!("CARGO_PKG_VERSION")) " · times are UTC" }
                }
            }
        }
    }

    fn way(&self, path: &str, name: &str, count: Option<usize>) -> Markup {
        let here = self.here.split('?').next() == Some(path);
        html! {
            a href=(self.href(path)) aria-current=[here.then_some("page")] {
                (name)
                @if let Some(count) = count.filter(|count| *count > 0) { " " span.count { (text::number(count as u64)) } }
            }
        }
    }

    /// How much waits for a person.
    fn open_questions(&self) -> usize {
        let pipelines = self.status.integrations.iter().flat_map(|one| &one.pipelines);
        let parked: u64 = pipelines.clone().map(|pipeline| pipeline.parked).sum();
        let held = pipelines.filter(|pipeline| super::words::waits_for_approval(pipeline)).count();
        let edits = self.status.edits.iter().filter(|edit| edit.approval == Approval::Waiting).count();
        usize::try_from(parked).unwrap_or(usize::MAX).saturating_add(held + edits)
    }

    fn broken_connections(&self) -> usize {
        super::connections::all(self).iter().filter(|one| one.needs_person()).count()
    }

    fn mistakes(&self) -> usize {
        self.status.daemon.iter().filter_map(|daemon| daemon.config.as_ref()).map(|config| config.mistakes.len()).sum()
    }

    /// What everybody should know, whatever page they look at.
    fn banners(&self) -> Markup {
        let broken = super::connections::all(self);
        let count = broken.iter().filter(|one| one.needs_person()).count();
        html! {
            @if let Some(daemon) = &self.status.daemon {
                @if daemon.stopping { p.banner.warn { "reconciled is stopping: it ends when what is under way has come to its end." } }
                @if let Some(cause) = &daemon.store_failing {
                    p.banner.bad { "Nothing is written to any system at the moment, because the disk or the store fails: " (cause) " It goes on by itself when that is mended." }
                }
            }
            @for one in broken.iter().filter(|one| one.needs_person()).take(BANNERS) {
                p.banner.bad {
                    strong { (one.name) " is not connected." } " " (one.sentence(self.now)) " "
                    a href=(self.href("/connections")) { "What to do" }
                }
            }
            @if count > BANNERS {
                p.banner.bad {
                    (text::number((count - BANNERS) as u64)) " more connections are not connected. "
                    a href=(self.href("/connections")) { "Show them" }
                }
            }
        }
    }

    /// The way to the other pages of a long list, at `path` with its parameters; this is `page` of `pages`, from 0.
    pub fn pages(&self, (path, parameters): (&str, &[(&str, &str)]), (page, pages): (usize, usize)) -> Markup {
        if pages < 2 {
            return html! {};
        }
        let to = |number: usize| {
            let number = number.to_string();
            let parameters: Vec<(&str, &str)> = parameters.iter().copied().chain([("page", number.as_str())]).collect();
            self.link(path, &parameters)
        };
        html! {
            p.row {
                @for number in 0..pages {
                    @if number == page { strong { (number + 1) } }
                    @else { a href=(to(number)) { (number + 1) } }
                }
            }
        }
    }

    /// A button that has the daemon do something; nothing where the visitor may not.
    pub fn button(&self, request: &Request, label: &str, class: &str) -> Markup {
        if !self.visitor().may(access::need(request)) {
            return html! {};
        }
        let value = serde_json::to_value(request).unwrap_or(Value::Null);
        html! {
            form.inline method="post" action=(self.href("/do")) {
                input type="hidden" name="csrf" value=(self.visitor().csrf());
                input type="hidden" name="back" value=(self.here);
                input type="hidden" name="request" value=(value);
                button class=(class) type="submit" { (label) }
            }
        }
    }

    /// As [`Frame::button`], for what should not happen by a slip: it asks first.
    pub fn careful_button(&self, request: &Request, (label, question): (&str, &str), class: &str) -> Markup {
        if !self.visitor().may(access::need(request)) {
            return html! {};
        }
        html! {
            details.sure {
                summary class=(class) { (label) }
                div { p { (question) } (self.button(request, &format!("Yes: {}", label.to_lowercase()), class)) }
            }
        }
    }

    /// A time as people say it, with the exact one behind it.
    pub fn ago(&self, at: DateTime<Utc>) -> Markup {
        html! { time datetime=(at.to_rfc3339()) title=(at.format("%Y-%m-%d %H:%M:%S UTC")) { (text::ago(self.now, at)) } }
    }

    /// A time to come.
    pub fn until(&self, at: DateTime<Utc>) -> Markup {
        html! { time datetime=(at.to_rfc3339()) title=(at.format("%Y-%m-%d %H:%M:%S UTC")) { (text::until(self.now, at)) } }
    }
}

/// The head of a page.
pub(super) fn head(base: &str, title: &str) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            title { (title) " · reconciled" }
            link rel="stylesheet" href=(format!("{base}{}", assets::STYLE.path()));
            link rel="icon" type="image/svg+xml" href=(format!("{base}{}", assets::ICON.path()));
            script src=(format!("{base}{}", assets::SCRIPT.path())) defer {}
        }
    }
}

/// An address with parameters.
pub(super) fn address(path: &str, parameters: &[(&str, &str)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in parameters.iter().filter(|(_, value)| !value.is_empty()) {
        query.append_pair(name, value);
    }
    let query = query.finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

/// A text as part of a query.
pub(super) fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
