//! The overview: every integration, what it does or waits for, and what needs a person.

use std::collections::BTreeMap;

use axum::{extract::Query, response::Response};
use maud::{Markup, html};

use super::{Asked, Frame, Look, words};
use crate::{
    cli::text::{count, number},
    config::IntegrationName,
    daemon::IntegrationNow,
    engine::IntegrationStatus,
};

/// Integrations on one page.
const PAGE: usize = 100;

/// Draws it.
pub(super) async fn show(look: Look, Query(asked): Asked) -> Result<Response, Response> {
    let parameter = |name: &str| asked.get(name).map(String::as_str).unwrap_or_default();
    let (search, state, page) = (parameter("q"), parameter("state"), parameter("page"));
    let frame = Frame::of(look, super::frame::address("/", &[("q", search), ("state", state), ("page", page)])).await?;
    let body = draw(&frame, search, state, page.parse().unwrap_or_default());
    Ok(frame.answer("Overview", Ok(body)))
}

/// One line of the table.
struct Line<'f> {
    one: &'f IntegrationStatus,
    now: Option<&'f IntegrationNow>,
    standing: words::Standing,
}

fn lines(frame: &Frame) -> Vec<Line<'_>> {
    let daemon = frame.status.daemon.as_ref();
    let live = daemon.map(|daemon| daemon.integrations.as_slice()).unwrap_or_default();
    let live: BTreeMap<&IntegrationName, &IntegrationNow> = live.iter().map(|now| (&now.integration, now)).collect();
    frame
        .status
        .integrations
        .iter()
        .map(|one| {
            let now = live.get(&one.integration).copied();
            let paused = frame.status.paused.iter().any(|pause| pause.what == one.integration.as_str());
            Line { one, now, standing: words::of_integration(one, now, paused) }
        })
        .collect()
}

fn draw(frame: &Frame, search: &str, state: &str, page: usize) -> Markup {
    let all = lines(frame);
    let wanted = search.trim().to_lowercase();
    let fits = |line: &&Line<'_>| {
        let named = |name: &str| name.to_lowercase().contains(&wanted);
        (state.is_empty() || line.standing.key == state)
            && (wanted.is_empty()
                || named(line.one.integration.as_str())
                || line.one.pipelines.iter().any(|pipeline| named(pipeline.pipeline.as_str())))
    };
    let found: Vec<&Line<'_>> = all.iter().filter(fits).collect();
    let many = |key: &str| all.iter().filter(|line| line.standing.key == key).count();
    let pages = found.len().div_ceil(PAGE).max(1);
    let page = page.min(pages - 1);
    html! {
        h1 { "Overview" }
        div #summary data-live {
            p.dim {
                (count(all.len() as u64, "integration", "integrations"))
                @for (key, name) in words::FILTERS {
                    @if many(key) > 0 { " · " a href=(frame.link("/", &[("state", key)])) { (number(many(key) as u64)) " " (name.to_lowercase()) } }
                }
            }
        }
        @if all.is_empty() {
            section.card { h2 { "Nothing is set up yet" } p { "Put a file that ends in .yaml into the configuration folder. It is taken over without a restart." } }
        } @else {
            form.filter method="get" action=(frame.href("/")) role="search" {
                input type="search" name="q" value=(search) placeholder="Search integrations and pipelines ( / )" aria-label="Search";
                select name="state" aria-label="State" {
                    option value="" { "All states" }
                    @for (key, name) in words::FILTERS { option value=(key) selected[key == state] { (name) } }
                }
                button type="submit" { "Show" }
            }
            div #integrations data-live {
                @if found.is_empty() { p { "No integration is like that. " a href=(frame.href("/")) { "Show all" } } }
                @else {
                    div.table { table.stack {
                        thead { tr { th { "Integration" } th { "State" } th { "Now" } th { "Last verified" } th.number { "For you" } } }
                        tbody { @for line in found.iter().skip(page * PAGE).take(PAGE) { (row(frame, line)) } }
                    } }
                    (frame.pages(("/", &[("q", search), ("state", state)]), (page, pages)))
                }
            }
        }
    }
}

fn row(frame: &Frame, line: &Line<'_>) -> Markup {
    let Line { one, now, standing } = line;
    let parked: u64 = one.pipelines.iter().map(|pipeline| pipeline.parked).sum();
    let held = one.pipelines.iter().filter(|pipeline| words::waits_for_approval(pipeline)).count() as u64;
    let verified = one.pipelines.iter().map(|pipeline| pipeline.verified).min().flatten();
    let name = one.integration.as_str();
    html! {
        tr {
            td { a href=(frame.link("/integration", &[("name", name)])) { strong { (name) } } }
            td data-name="State" { span.badge.(standing.class).pulse[standing.key == "running"] { (standing.word) } }
            td data-name="Now" { (words::doing(*now, frame.now)) @if let Some(trouble) = now.and_then(|now| now.troubles.first()) { div.small.dim { (trouble.connection) ": " (trouble.message) } } }
            td data-name="Last verified" { @match verified { Some(at) => (frame.ago(at)), None => "not yet" } }
            td.number data-name="For you" { @if parked + held > 0 { a href=(frame.link("/todo", &[("integration", name)])) { (number(parked + held)) } } }
        }
    }
}
