//! What needs a person: a record put aside, a field whose sides disagree, something held.

use maud::{Markup, html};

use super::{Frame, frame::address, words};
use crate::{
    cli::{report::short_field, text},
    config::PipelineName,
    daemon::{
        protocol::Request,
        reload::{HeldEdit, Rollout, RolloutStage},
    },
    engine::{ConflictItem, ParkedItem, PipelineStatus, on_side},
    record::{Cell, RecordId, Side},
    store::{Approval, Choice, HeldRun, Stage},
    sync::ParkCode,
};

/// The page of a record.
pub(super) fn record_page(frame: &Frame, pipeline: &PipelineName, id: &str) -> String {
    frame.link("/record", &[("pipeline", pipeline.as_str()), ("record", id)])
}

/// A way into the system itself.
pub(super) fn open_in(frame: &Frame, pipeline: &PipelineName, side: Side, id: &RecordId) -> Markup {
    let address = words::web_address(&frame.config, pipeline, side, id);
    html! {
        @if let Some(address) = address {
            a.button href=(address) target="_blank" rel="noopener noreferrer" {
                "Open in " (words::system(&frame.config, pipeline, side))
            }
        }
    }
}

/// A record that is put aside.
pub(super) fn parked(frame: &Frame, item: &ParkedItem) -> Markup {
    let (config, pipeline) = (&frame.config, &item.pipeline);
    let other = words::system(config, pipeline, item.side.other());
    let name = words::record(config, pipeline, item.side, &item.parked.label);
    // The other side may have another record of that id.
    let record = on_side(item.side, &item.id);
    let retry = Request::ParkedRetry { pipeline: pipeline.clone(), record: Some(record.clone()) };
    let ignore = Request::ParkedIgnore { pipeline: pipeline.clone(), record };
    html! {
        section.card.warn {
            p.say {
                strong { (name) }
                @if let Some(field) = &item.parked.field {
                    " is not the same on both sides: " (short_field(field)) "."
                } @else if item.linked_with.is_some() {
                    " is on both sides, and something about it needs you."
                } @else {
                    " is not in " (other) "."
                }
            }
            blockquote {
                @if matches!(item.parked.code, ParkCode::Refused) { (other) " says: " }
                (text::one_line(&item.parked.message))
            }
            p { (words::advice(item.parked.code)) }
            @for choice in &item.parked.candidates { (candidate(frame, item, choice)) }
            @if !item.behind.is_empty() {
                p.dim {
                    "Waiting behind it: "
                    @for (place, one) in item.behind.iter().enumerate() {
                        @if place > 0 { ", " }
                        a href=(record_page(frame, &one.pipeline, one.id.as_str())) {
                            (words::record(config, &one.pipeline, Side::Source, &one.label))
                        }
                    }
                    @if item.more_behind > 0 { " and " (text::count(item.more_behind as u64, "other", "others")) }
                    "."
                }
            }
            div.row {
                (frame.button(&retry, "Try again", ""))
                (open_in(frame, pipeline, item.side, &item.id))
                @if let Some(linked) = &item.linked_with { (open_in(frame, pipeline, item.side.other(), linked)) }
                a.button href=(record_page(frame, pipeline, item.id.as_str())) { "Why?" }
                @if !item.parked.ignored { (frame.button(&ignore, "Take off the list", "quiet")) }
            }
            p.dim.small {
                a href=(frame.href(&address("/pipeline", &[("name", pipeline.as_str())]))) { (pipeline) }
                " · since " (frame.ago(item.parked.since))
                @match item.parked.next_try {
                    Some(at) => { " · tried again by itself " (frame.until(at)) ", and after any change" }
                    None if item.parked.code == ParkCode::Unknown => { " · never sent again by itself" }
                    None => { " · tried again after any change" }
                }
                @if item.parked.ignored { " · off the list" }
            }
        }
    }
}

/// One record that it could be.
fn candidate(frame: &Frame, item: &ParkedItem, choice: &Choice) -> Markup {
    let (source, target) = match item.side {
        Side::Source => (item.id.clone(), choice.id.clone()),
        Side::Target => (choice.id.clone(), item.id.clone()),
    };
    let link = Request::LinkAdd { pipeline: item.pipeline.clone(), source, target };
    let other = item.side.other();
    html! {
        div.row {
            span { "It could be " strong { (words::record(&frame.config, &item.pipeline, other, &choice.label)) } }
            @if choice.linked_with.is_some() {
                span.dim { "(belongs to another record already)" }
            } @else {
                (frame.button(&link, "Use that one", "main"))
            }
            (open_in(frame, &item.pipeline, other, &choice.id))
        }
    }
}

/// A field whose sides disagree, with a button below each value.
pub(super) fn conflict(frame: &Frame, item: &ConflictItem) -> Markup {
    let (config, pipeline) = (&frame.config, &item.pipeline);
    let side = |side: Side, id: &RecordId, value: &Cell| {
        let resolve = Request::ConflictResolve {
            pipeline: pipeline.clone(),
            record: on_side(Side::Source, &item.source),
            field: Some(item.field.clone()),
            winner: side,
        };
        let name = words::system(config, pipeline, side);
        html! {
            div.side {
                span.dim { (name) " has" }
                p.value { (text::cell(value)) }
                div.row {
                    (frame.button(&resolve, &format!("Use {name}'s value"), "main"))
                    (open_in(frame, pipeline, side, id))
                }
            }
        }
    };
    html! {
        section.card.warn {
            p.say {
                "The " strong { (short_field(&item.field)) } " of "
                strong { (words::record(config, pipeline, Side::Source, &item.label)) } " is not the same on both sides."
            }
            div.sides {
                (side(Side::Source, &item.source, &item.source_value))
                (side(Side::Target, &item.target, &item.target_value))
            }
            p { (capital(&text::one_line(&item.message))) }
            p.dim.small {
                a href=(frame.href(&address("/pipeline", &[("name", pipeline.as_str())]))) { (pipeline) }
                " · " a href=(record_page(frame, pipeline, item.source.as_str())) { "Why?" }
            }
        }
    }
}

/// A sentence begins with a capital and ends with a full stop.
pub(in crate::admin) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let mut sentence: String =
        letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default();
    if !sentence.is_empty() && !sentence.ends_with(['.', '!', '?']) {
        sentence.push('.');
    }
    sentence
}

/// A run that waits for a person, or a first run.
pub(super) fn held(frame: &Frame, pipeline: &PipelineStatus) -> Markup {
    let name = &pipeline.pipeline;
    let page = frame.link("/pipeline", &[("name", name.as_str())]);
    let integration = name.integration();
    let preview = html! {
        (super::preview::button(frame, &integration, "Show what it would do"))
    };
    if pipeline.stage == Stage::Unapproved {
        let approve = Request::Approve { what: name.to_string(), except: Vec::new() };
        return html! {
            section.card.warn {
                p.say { "The first run of " a href=(page) { strong { (name) } } " waits for you." }
                p { "So far it only compared. Look at what it would do; when you approve, it does that, and from then on keeps both sides the same." }
                @if let Some(held) = &pipeline.held { p { "It would " (words::damage(&held.damage)) "." } }
                div.row { (preview) (frame.careful_button(&approve, ("Approve", "Records are written from then on. Have you looked at what it would do?"), "main")) }
            }
        };
    }
    let Some(run) = &pipeline.held else { return html! {} };
    let approve = Request::Approve { what: run.id.clone(), except: Vec::new() };
    let reject = Request::Reject { what: run.id.clone() };
    html! {
        section.card.warn {
            p.say { "A run of " a href=(page) { strong { (name) } } @if run.approval == Approval::Rejected { " was rejected." } @else { " is held and waits for you." } }
            p { "It would " (words::damage(&run.damage)) "." }
            (reasons(run))
            div.row {
                (preview)
                (frame.careful_button(&approve, ("Approve", "It does exactly what it was held with, and nothing more."), "main"))
                @if run.approval == Approval::Waiting { (frame.button(&reject, "Reject", "danger")) }
            }
            p.dim.small { "Held since " (frame.ago(run.since)) " · " (run.id) }
        }
    }
}

fn reasons(run: &HeldRun) -> Markup {
    html! {
        @if let Some(message) = &run.message { blockquote { (text::one_line(message)) } }
        @if !run.guards.is_empty() {
            ul.plain { @for guard in &run.guards { li { (capital(&words::guard(guard))) } } }
        }
    }
}

/// An edit of a template that is at some of its clients first.
pub(super) fn rollout(frame: &Frame, rollout: &Rollout) -> Markup {
    let approve = Request::Approve { what: rollout.id.clone(), except: Vec::new() };
    let reject = Request::Reject { what: rollout.id.clone() };
    html! {
        section.card.warn {
            p.say { "An edit of the template " strong { (rollout.template) } " is at some of its clients first." }
            p { (capital(&rollout.to_string())) }
            @if !matches!(rollout.stage, RolloutStage::Going | RolloutStage::PutBack) {
                div.row {
                    (frame.careful_button(&approve, ("Approve", "All other clients take the edited template over."), "main"))
                    (frame.button(&reject, "Put it back", "danger"))
                }
            }
            p.dim.small { "Since " (frame.ago(rollout.since)) " · " (rollout.id) }
        }
    }
}

/// An edit of the configuration that waits for a person.
pub(super) fn edit(frame: &Frame, edit: &HeldEdit) -> Markup {
    let approve = Request::Approve { what: edit.id.clone(), except: Vec::new() };
    let reject = Request::Reject { what: edit.id.clone() };
    html! {
        section.card.warn {
            p.say { "An edit of the configuration of " strong { (edit.integration) }
                @if edit.approval == Approval::Rejected { " was rejected." } @else { " waits for you." } }
            p { "It would change records that are on both sides already: " (edit.effect) "." }
            @for pipeline in &edit.effect.pipelines {
                details {
                    summary { (pipeline.pipeline) ": " (pipeline.counts) ", where " (text::number(pipeline.allowed)) " are allowed" }
                    ul.plain {
                        @for item in &pipeline.items {
                            li {
                                strong { (words::record(&frame.config, &pipeline.pipeline, item.side, &item.label)) }
                                @for field in &item.fields {
                                    div.small { (short_field(&field.field)) ": " (text::cell(&field.before)) " → " (text::cell(&field.after)) }
                                }
                            }
                        }
                    }
                }
            }
            div.row {
                (frame.careful_button(&approve, ("Approve", "The edited configuration takes over, and the records are changed."), "main"))
                @if edit.approval == Approval::Waiting { (frame.button(&reject, "Reject", "danger")) }
            }
            p.dim.small { "Since " (frame.ago(edit.since)) " · an answer counts until " (edit.expires.format("%-d %B, %H:%M UTC")) " · " (edit.id) }
        }
    }
}
