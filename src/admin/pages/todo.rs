//! Everything that waits for a person, whatever it is of.

use axum::{extract::Query, response::Response};
use maud::{Markup, html};

use super::{Asked, Drawn, Frame, Look, card, words};
use crate::{
    cli::text::number,
    config::{IntegrationName, PipelineName},
    daemon::protocol::{Request, Response as Answer},
    engine::{ConflictItem, ParkedItem},
    store::Approval,
};

/// Records on one page.
const MOST: usize = 50;

/// Draws it.
pub(super) async fn show(look: Look, Query(asked): Asked) -> Result<Response, Response> {
    let only = asked.get("integration").map(String::as_str).unwrap_or_default();
    let frame = Frame::of(look, super::frame::address("/todo", &[("integration", only)])).await?;
    let body = draw(&frame, only).await;
    Ok(frame.answer("For you", body))
}

async fn draw(frame: &Frame, only: &str) -> Drawn {
    let wanted = |name: &IntegrationName| only.is_empty() || name.as_str() == only;
    let edits: Vec<_> = frame.status.edits.iter().filter(|edit| wanted(&edit.integration)).collect();
    let held: Vec<_> = frame
        .status
        .integrations
        .iter()
        .filter(|one| wanted(&one.integration))
        .flat_map(|one| &one.pipelines)
        .filter(|pipeline| words::waits_for_approval(pipeline))
        .collect();
    let records = Records::of(frame, None).await?.only(&|name| wanted(&name.integration()));
    let edits: Vec<_> = edits.into_iter().filter(|edit| edit.approval == Approval::Waiting).collect();
    let nothing = edits.is_empty() && held.is_empty() && records.is_empty();
    Ok(html! {
        h1 { "For you" @if !only.is_empty() { ": " (only) } }
        @if !only.is_empty() { p { a href=(frame.href("/todo")) { "Show everything that waits" } } }
        div #waiting data-live {
            @if nothing { section.card { p.say { "Nothing waits for you." } p.dim { "Whatever needs a person is listed here, with what can be done about it." } } }
            @if !edits.is_empty() || !held.is_empty() {
                h2 { "To approve" }
                @for one in edits.iter().take(MOST) { (card::edit(frame, one)) }
                @for one in held.iter().take(MOST) { (card::held(frame, one)) }
                (more(edits.len().max(held.len())))
            }
            (records.draw(frame))
        }
    })
}

/// Records that need a person.
pub(super) struct Records {
    conflicts: Vec<ConflictItem>,
    parked: Vec<ParkedItem>,
    ignored: usize,
}

impl Records {
    /// Those of one pipeline, or of all.
    pub async fn of(frame: &Frame, pipeline: Option<&PipelineName>) -> Result<Self, crate::daemon::protocol::Failure> {
        let ask = async |request| frame.look.lobby.carry_out(frame.visitor(), request).await;
        let conflicts = match ask(Request::Conflicts { pipeline: pipeline.cloned() }).await? {
            Answer::Conflicts(conflicts) => conflicts,
            _ => Vec::new(),
        };
        let mut parked = match ask(Request::Parked { pipeline: pipeline.cloned() }).await? {
            Answer::Parked(parked) => parked,
            _ => Vec::new(),
        };
        // What can be decided with two values side by side is shown so, and once.
        let is_conflict = |item: &ParkedItem| {
            conflicts.iter().any(|conflict| {
                conflict.pipeline == item.pipeline
                    && (conflict.source == item.id || conflict.target == item.id)
                    && item.parked.field.as_ref() == Some(&conflict.field)
            })
        };
        let ignored_fields: Vec<(PipelineName, Option<String>, crate::record::RecordId)> = parked
            .iter()
            .filter(|item| item.parked.ignored)
            .map(|item| (item.pipeline.clone(), item.parked.field.clone(), item.id.clone()))
            .collect();
        parked.retain(|item| !is_conflict(item));
        let ignored = ignored_fields.len();
        let is_ignored = |conflict: &ConflictItem| {
            ignored_fields.iter().any(|(pipeline, field, id)| {
                *pipeline == conflict.pipeline
                    && field.as_ref() == Some(&conflict.field)
                    && (*id == conflict.source || *id == conflict.target)
            })
        };
        let conflicts: Vec<ConflictItem> = conflicts.into_iter().filter(|conflict| !is_ignored(conflict)).collect();
        parked.retain(|item| !item.parked.ignored);
        Ok(Self { conflicts, parked, ignored })
    }

    /// Those of some pipelines.
    pub fn only(mut self, wanted: &dyn Fn(&PipelineName) -> bool) -> Self {
        self.conflicts.retain(|item| wanted(&item.pipeline));
        self.parked.retain(|item| wanted(&item.pipeline));
        self
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.conflicts.is_empty() && self.parked.is_empty()
    }

    /// All of them, or the first of many.
    pub fn draw(&self, frame: &Frame) -> Markup {
        html! {
            @if !self.conflicts.is_empty() {
                h2 { "Which value is right? " span.count { (number(self.conflicts.len() as u64)) } }
                @for item in self.conflicts.iter().take(MOST) { (card::conflict(frame, item)) }
                (more(self.conflicts.len()))
            }
            @if !self.parked.is_empty() {
                h2 { "Put aside " span.count { (number(self.parked.len() as u64)) } }
                @for item in self.parked.iter().take(MOST) { (card::parked(frame, item)) }
                (more(self.parked.len()))
            }
            @if self.ignored > 0 { p.dim.small { (number(self.ignored as u64)) " more were taken off the list." } }
        }
    }
}

fn more(all: usize) -> Markup {
    html! { @if all > MOST { p.dim { "… and " (number((all - MOST) as u64)) " more. The next ones are shown when these are done." } } }
}
