//! One integration: what it does now, its pipelines, what waits for a person, its last runs.

use axum::{extract::Query, response::Response};
use maud::{Markup, html};

use super::{Asked, Drawn, Frame, Look, card, preview, runs, words};
use crate::{
    cli::text::{count, number, one_line},
    config::IntegrationName,
    daemon::{
        IntegrationNow, Phase,
        protocol::{Failure, FailureKind, Request},
    },
    engine::{IntegrationStatus, Mode, RunRequest},
};

/// Draws it.
pub(super) async fn show(look: Look, Query(asked): Asked) -> Result<Response, Response> {
    let name = asked.get("name").cloned().unwrap_or_default();
    let frame = Frame::of(look, super::frame::address("/integration", &[("name", &name)])).await?;
    let body = draw(&frame, &name).await;
    Ok(frame.answer(&name, body))
}

async fn draw(frame: &Frame, name: &str) -> Drawn {
    let one = frame.status.integrations.iter().find(|one| one.integration.as_str() == name);
    let one = one.ok_or_else(|| Failure::new(FailureKind::NoSuch, "There is no integration of that name."))?;
    let daemon = frame.status.daemon.as_ref();
    let now = daemon.and_then(|daemon| daemon.integrations.iter().find(|now| now.integration == one.integration));
    let pause = frame.status.paused.iter().find(|pause| pause.what == name);
    let standing = words::of_integration(one, now, pause.is_some());
    let edit = frame.status.edits.iter().find(|edit| edit.integration == one.integration);
    let waiting: Vec<_> = one.pipelines.iter().filter(|pipeline| words::waits_for_approval(pipeline)).collect();
    let parked: u64 = one.pipelines.iter().map(|pipeline| pipeline.parked).sum();
    let runs = runs::draw(frame, &one.integration).await?;
    Ok(html! {
        h1 { (name) }
        div #now data-live {
            section.card {
                p.say { span.badge.(standing.class).pulse[standing.key == "running"] { (standing.word) } " " (card::capital(&words::doing(now, frame.now))) }
                @if let Some(now) = now { (progress(now)) (more(frame, now)) }
                @if let Some(pause) = pause { p { "Paused by " (pause.by) " " (frame.ago(pause.at)) ". Nothing starts by itself." } }
                div.row {
                    (frame.button(&Request::Run(sync(&one.integration)), "Sync now", "main"))
                    (preview::button(frame, &one.integration, "Show what a sync would do"))
                    @if pause.is_some() { (frame.button(&Request::Resume { what: name.to_owned() }, "Let it go on", "")) }
                    @else { (frame.button(&Request::Pause { what: name.to_owned(), by: String::new() }, "Pause", "")) }
                }
            }
        }
        div #preview-place data-live { (preview::draw(frame, &one.integration)) }
        div #approve data-live {
            @if let Some(edit) = edit { (card::edit(frame, edit)) }
            @for pipeline in &waiting { (card::held(frame, pipeline)) }
        }
        div #pipelines data-live {
            @if parked > 0 { p.say { a href=(frame.link("/todo", &[("integration", name)])) { (count(parked, "record or field needs", "records or fields need")) " you" } } }
            (pipelines(frame, one))
        }
        div #runs data-live { (runs) }
    })
}

/// A run of everything, now.
fn sync(integration: &IntegrationName) -> RunRequest {
    RunRequest {
        integration: integration.clone(),
        pipelines: Vec::new(),
        connection: None,
        mode: Mode::Sync,
        full: false,
        limit: None,
        revert: None,
        list: false,
        why: "by hand".to_owned(),
    }
}

/// How far a run is.
fn progress(now: &IntegrationNow) -> Markup {
    let Phase::Running { .. } = now.phase else { return html! {} };
    let reading = now.progress.unwrap_or_default();
    html! {
        @if reading.planned > 0 {
            progress max=(reading.planned) value=(reading.done) aria-label="How far the run is" {}
            p.dim.small { (number(reading.done)) " of " (number(reading.planned)) " written or paired; " (count(reading.records, "record", "records")) " read" }
        } @else {
            progress aria-label="The run is under way" {}
            p.dim.small { (count(reading.records, "record", "records")) " read" }
        }
    }
}

/// What else it waits for, and what is wrong.
fn more(frame: &Frame, now: &IntegrationNow) -> Markup {
    let rest = usize::from(now.phase == Phase::Waiting);
    html! {
        @for trouble in &now.troubles {
            p.bad.banner {
                strong { (trouble.connection) } ": " (card::capital(&one_line(&trouble.message)))
                @if trouble.attempts > 0 { " Since " (frame.ago(trouble.since)) ", " (count(u64::from(trouble.attempts), "attempt", "attempts")) "." }
                " "
                @if trouble.temporary { "It is tried again by itself." } @else { a href=(frame.href("/connections")) { "A person has to do something." } }
            }
        }
        @if let Some(pending) = &now.pending { p.warn.banner { "It does not run what the files say: " (one_line(pending)) } }
        @if let Some(failure) = &now.failure { p.bad.banner { "The last run could not be carried to its end: " (one_line(failure)) } }
        @if now.waits.len() > rest {
            p.dim.small {
                @for (place, wait) in now.waits.iter().skip(rest).take(4).enumerate() { @if place > 0 { " · " } (words::waits(wait, frame.now)) }
            }
        }
    }
}

fn pipelines(frame: &Frame, one: &IntegrationStatus) -> Markup {
    html! {
        h2 { "What is kept the same" }
        div.table { table.stack {
            thead { tr { th { "Pipeline" } th { "Between" } th { "State" } th.number { "Pairs" } th.number { "Put aside" } th { "Last verified" } } }
            tbody {
                @for pipeline in &one.pipelines {
                    @let standing = words::of_pipeline(pipeline);
                    @let ends = frame.config.pipeline(&pipeline.pipeline).map(|(_, found)| [found.ends[0].name(), found.ends[1].name()]);
                    @let paused = frame.status.paused.iter().any(|pause| pause.what == pipeline.pipeline.as_str());
                    tr {
                        td { a href=(frame.link("/pipeline", &[("name", pipeline.pipeline.as_str())])) { (pipeline.pipeline) } }
                        td data-name="Between" { @if let Some([source, target]) = ends { (source) " and " (target) } }
                        td data-name="State" { @if paused { span.badge.calm { "Paused" } } @else { span.badge.(standing.class) { (standing.word) } } }
                        td.number data-name="Pairs" { (number(pipeline.links)) }
                        td.number data-name="Put aside" { (number(pipeline.parked)) }
                        td data-name="Last verified" { @match pipeline.verified { Some(at) => (frame.ago(at)), None => "not yet" } }
                    }
                }
            }
        } }
    }
}
