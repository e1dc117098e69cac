//! One pipeline: what waits for a person, and a way to any of its records.

use axum::{extract::Query, response::Response};
use maud::html;

use super::{Asked, Drawn, Frame, Look, card, todo::Records, words};
use crate::{
    cli::text::{count, number},
    config::PipelineName,
    daemon::protocol::{Failure, FailureKind, Request},
};

/// Draws it.
pub(super) async fn show(look: Look, Query(asked): Asked) -> Result<Response, Response> {
    let name = asked.get("name").cloned().unwrap_or_default();
    let frame = Frame::of(look, super::frame::address("/pipeline", &[("name", &name)])).await?;
    let body = draw(&frame, &name).await;
    Ok(frame.answer(&name, body))
}

async fn draw(frame: &Frame, name: &str) -> Drawn {
    let all =
        frame.status.integrations.iter().flat_map(|one| one.pipelines.iter().map(move |pipeline| (one, pipeline)));
    let found = all.into_iter().find(|(_, pipeline)| pipeline.pipeline.as_str() == name);
    let nothing = || Failure::new(FailureKind::NoSuch, "There is no pipeline of that name.");
    let (integration, pipeline) = found.ok_or_else(nothing)?;
    let wanted = PipelineName::parse(name).map_err(|_| nothing())?;
    let records = Records::of(frame, Some(&wanted)).await?;
    let standing = words::of_pipeline(pipeline);
    let ends = frame.config.pipeline(&wanted).map(|(_, found)| [found.ends[0].name(), found.ends[1].name()]);
    let pause = frame.status.paused.iter().find(|pause| pause.what == name);
    let retry = Request::ParkedRetry { pipeline: wanted.clone(), record: None };
    Ok(html! {
        h1 { (name) }
        p { "Part of " a href=(frame.link("/integration", &[("name", integration.integration.as_str())])) { (integration.integration) }
            @if let Some([source, target]) = ends { " · keeps " (source) " and " (target) " the same" } }
        div #now data-live {
            section.card {
                p.say { span.badge.(standing.class) { (standing.word) } " " (count(pipeline.links, "pair", "pairs")) ", " (number(pipeline.parked)) " put aside, "
                    @match pipeline.verified { Some(at) => { "last verified " (frame.ago(at)) }, None => { "not verified yet" } } }
                @if let Some(pause) = pause { p { "Paused by " (pause.by) " " (frame.ago(pause.at)) "." } }
                div.row {
                    @if pause.is_some() { (frame.button(&Request::Resume { what: name.to_owned() }, "Let it go on", "")) }
                    @else { (frame.button(&Request::Pause { what: name.to_owned(), by: String::new() }, "Pause this part", "")) }
                    @if pipeline.parked > 0 { (frame.button(&retry, "Try everything again", "")) }
                }
            }
            @if words::waits_for_approval(pipeline) { (card::held(frame, pipeline)) }
        }
        h2 { "Find a record" }
        form.filter method="get" action=(frame.href("/record")) role="search" {
            input type="hidden" name="pipeline" value=(name);
            input type="search" name="record" required placeholder="Name, number or e-mail address ( / )" aria-label="Find a record";
            button type="submit" { "Find" }
        }
        div #records data-live {
            @if records.is_empty() { p.dim { "No record of this pipeline waits for you." } }
            (records.draw(frame))
        }
    })
}
