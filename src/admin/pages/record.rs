//! One record: where it stands, both its values, what was written to it and why.

use axum::{extract::Query, response::Response};
use maud::{Markup, html};

use super::{Asked, Drawn, Frame, Look, card, words};
use crate::{
    cli::{report::short_field, text},
    config::PipelineName,
    daemon::protocol::{Failure, FailureKind, Request, Response as Answer},
    engine::{Explanation, FieldExplanation, ParkedItem, Whereabouts, on_side},
    record::{Cell, RecordId, Side},
};

/// Draws it.
pub(super) async fn show(look: Look, Query(asked): Asked) -> Result<Response, Response> {
    let parameter = |name: &str| asked.get(name).cloned().unwrap_or_default();
    let (pipeline, record) = (parameter("pipeline"), parameter("record"));
    let here = super::frame::address("/record", &[("pipeline", &pipeline), ("record", &record)]);
    let frame = Frame::of(look, here).await?;
    let body = draw(&frame, &pipeline, &record).await;
    Ok(frame.answer("Record", body))
}

async fn draw(frame: &Frame, pipeline: &str, record: &str) -> Drawn {
    let bad = |error: crate::config::NameError| Failure::new(FailureKind::BadRequest, error.to_string());
    let pipeline = PipelineName::parse(pipeline).map_err(bad)?;
    let ask = async |request| frame.look.lobby.carry_out(frame.visitor(), request).await;
    let found = match ask(Request::Explain { pipeline: pipeline.clone(), record: record.trim().to_owned() }).await {
        Ok(Answer::Explained(found)) => found,
        Ok(_) => Vec::new(),
        Err(failure) if failure.kind == FailureKind::NoSuch => {
            return Ok(html! {
                h1 { "Not found" }
                section.card { p { (card::capital(&failure.message)) }
                    p { a href=(frame.link("/pipeline", &[("name", pipeline.as_str())])) { "Back to " (pipeline) } } }
            });
        }
        Err(failure) => return Err(failure),
    };
    let parked = match ask(Request::Parked { pipeline: Some(pipeline.clone()) }).await? {
        Answer::Parked(parked) => parked,
        _ => Vec::new(),
    };
    Ok(html! {
        p { a href=(frame.link("/pipeline", &[("name", pipeline.as_str())])) { "← " (pipeline) } }
        @if found.len() > 1 { p.dim { (found.len()) " records have that name or value." } }
        @for (place, one) in found.iter().enumerate() {
            div id=(format!("record-{place}")) data-live { (explanation(frame, one, &parked)) }
        }
    })
}

fn explanation(frame: &Frame, one: &Explanation, parked: &[ParkedItem]) -> Markup {
    let (config, name) = (&frame.config, &one.pipeline);
    let on = |side| words::system(config, name, side);
    match &one.stands {
        Whereabouts::Linked { source, target, born, fields, gone, deleted, next } => html! {
            h1 { (words::record(config, name, Side::Source, &one.label)) }
            section.card {
                p.say {
                    @if let Some(side) = deleted { "It was deleted in " (on(side.other())) ", and therefore in " (on(*side)) ", too." }
                    @else if let Some(side) = gone { "It is gone from " (on(*side)) ", where it is never made anew." }
                    @else { "It is in " (on(Side::Source)) " and in " (on(Side::Target)) ", and both are kept the same." }
                }
                p.dim { (card::capital(born)) }
                div.row { (card::open_in(frame, name, Side::Source, source)) (card::open_in(frame, name, Side::Target, target)) }
            }
            @for item in of_record(parked, &[(Side::Source, source), (Side::Target, target)]) { (card::parked(frame, item)) }
            h2 { "Its values" }
            div.table { table.stack {
                thead { tr { th { "" } th { (on(Side::Source)) } th { (on(Side::Target)) } th { "" } } }
                tbody { @for field in fields { (row(frame, one, field, source)) } }
            } }
            h2 { "What comes next" }
            @if next.is_empty() { p { "Nothing: both sides agree, or what does not is listed above." } }
            @else { ul { @for step in next { li { (card::capital(&text::one_line(step))) } } } }
            (due(frame, one))
            (history(frame, one))
            details { summary.dim.small { "For whoever keeps the configuration" } p.small { (on(Side::Source)) ": " code { (source) } ", " (on(Side::Target)) ": " code { (target) } } }
        },
        Whereabouts::Seen { side, id, filter } => html! {
            h1 { (words::record(config, name, *side, &one.label)) }
            section.card {
                p.say { "It is in " (on(*side)) ", and not in " (on(side.other())) "." }
                p { (card::capital(&text::one_line(filter))) }
                div.row { (card::open_in(frame, name, *side, id)) }
            }
            @for item in of_record(parked, &[(*side, id)]) { (card::parked(frame, item)) }
            (due(frame, one))
            details { summary.dim.small { "For whoever keeps the configuration" } p.small { (on(*side)) ": " code { (id) } } }
        },
    }
}

fn of_record<'p>(parked: &'p [ParkedItem], ids: &[(Side, &RecordId)]) -> Vec<&'p ParkedItem> {
    parked.iter().filter(|item| ids.iter().any(|(side, id)| item.side == *side && item.id == **id)).collect()
}

fn row(frame: &Frame, one: &Explanation, field: &FieldExplanation, source: &RecordId) -> Markup {
    let shown = |value: &Option<Cell>| value.as_ref().map_or_else(|| "not read yet".to_owned(), text::cell);
    let agreed = field
        .agreed
        .as_ref()
        .is_some_and(|[ours, theirs]| field.source.as_ref() == Some(ours) && field.target.as_ref() == Some(theirs));
    let use_side = |side: Side| {
        let request = Request::ConflictResolve {
            pipeline: one.pipeline.clone(),
            record: on_side(Side::Source, source),
            field: Some(field.field.clone()),
            winner: side,
        };
        let label = format!("Use {}'s", words::system(&frame.config, &one.pipeline, side));
        frame.button(&request, &label, "")
    };
    html! {
        tr {
            td { strong { (short_field(&field.field)) } }
            td data-name=(words::system(&frame.config, &one.pipeline, Side::Source)) { (shown(&field.source)) }
            td data-name=(words::system(&frame.config, &one.pipeline, Side::Target)) { (shown(&field.target)) }
            td {
                @if let Some(reason) = &field.parked {
                    span.badge.warn { "Needs you" } p.small { (text::one_line(reason)) }
                    div.row { (use_side(Side::Source)) (use_side(Side::Target)) }
                } @else if let Some(note) = &field.note { span.dim.small { (text::one_line(note)) } }
                @else if agreed { span.badge.good { "Agrees" } }
                @else { @match &field.agreed {
                    None => span.dim.small { "Never compared" },
                    Some([ours, theirs]) => span.dim.small { "Last agreed on " (text::cell(ours)) @if ours != theirs { " and " (text::cell(theirs)) } },
                } }
            }
        }
    }
}

fn due(frame: &Frame, one: &Explanation) -> Markup {
    html! { @if let Some(due) = &one.due { p.dim { "It is looked at again " (frame.until(due.at)) ": " (text::one_line(&due.why)) "." } } }
}

fn history(frame: &Frame, one: &Explanation) -> Markup {
    html! {
        @if !one.overwritten.is_empty() {
            h2 { "What was written over" }
            ul.plain {
                @for image in &one.overwritten {
                    li {
                        (frame.ago(image.at)) ", in " (words::system(&frame.config, &one.pipeline, image.side)) ": "
                        strong { (short_field(&image.field)) } " was " (text::cell(&image.before)) ", became " (text::cell(&image.wrote))
                        span.dim { " (" (text::one_line(&image.why)) ")" }
                    }
                }
            }
        }
    }
}
