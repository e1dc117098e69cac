//! What a sync would do, shown before it does it. Whoever asked need not wait: it is drawn when it is there.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use axum::{Form, response::Response};
use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::{Frame, Look, words};
use crate::{
    admin::{access, act, session::Told},
    cli::{report::short_field, text},
    config::{IntegrationName, Role},
    daemon::protocol::{Failure, FailureKind, Request, Response as Answer},
    engine::{FindingItem, Mode, PipelineReport, PlanItem, RunReport, RunRequest, Verb},
    sync::FindingKind,
};

/// Items and findings shown of each pipeline.
const MOST: usize = 100;
/// Previews that are kept.
const KEPT: usize = 50;

/// A preview.
#[derive(Clone, Debug)]
struct Preview {
    by: String,
    at: DateTime<Utc>,
    /// `None` while it is being made.
    outcome: Option<Result<RunReport, String>>,
}

/// The last preview of each integration.
#[derive(Debug, Default)]
pub(in crate::admin) struct Previews(Mutex<BTreeMap<IntegrationName, Preview>>);

impl Previews {
    fn of(&self, name: &IntegrationName) -> Option<Preview> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    fn set(&self, name: &IntegrationName, preview: Preview) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while all.len() >= KEPT && !all.contains_key(name) {
            let oldest = all.iter().min_by_key(|(_, preview)| preview.at).map(|(name, _)| name.clone());
            let Some(oldest) = oldest else { break };
            all.remove(&oldest);
        }
        all.insert(name.clone(), preview);
    }
}

/// The button that begins one.
pub(super) fn button(frame: &Frame, name: &IntegrationName, label: &str) -> Markup {
    if !frame.visitor().may(Role::Operator) {
        return html! {};
    }
    html! {
        form.inline method="post" action=(frame.href("/preview")) {
            input type="hidden" name="csrf" value=(frame.visitor().csrf());
            input type="hidden" name="integration" value=(name);
            button type="submit" { (label) }
        }
    }
}

/// Begins one, and leads to where it will be.
pub(in crate::admin) async fn begin(look: Look, Form(form): Form<BTreeMap<String, String>>) -> Response {
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let back = super::frame::address("/integration", &[("name", field("integration"))]);
    let told = match start(&look, field("csrf"), field("integration")).await {
        Ok(()) => None,
        Err(failure) => Some(Told::failed(failure.message)),
    };
    act::back(&look, &format!("{back}#preview"), told)
}

async fn start(look: &Look, csrf: &str, name: &str) -> Result<(), Failure> {
    if !look.visitor.is_own_form(csrf) {
        return Err(Failure::new(FailureKind::NotPossible, act::STALE));
    }
    let bad = |error: crate::config::NameError| Failure::new(FailureKind::BadRequest, error.to_string());
    let integration = IntegrationName::parse(name).map_err(bad)?;
    let (lobby, visitor) = (look.lobby.clone(), look.visitor.clone());
    let request = Request::Run(RunRequest {
        integration: integration.clone(),
        pipelines: Vec::new(),
        connection: None,
        mode: Mode::Plan,
        full: false,
        limit: None,
        revert: None,
        list: false,
        why: "by hand".to_owned(),
    });
    // Whoever may not have it must not take the place of one that others made.
    if let Err(refused) = access::permit(&lobby.daemon, (visitor.role, &visitor.scope), &request).await {
        lobby.note(&visitor, request.without_secrets(), Some(&refused));
        return Err(refused);
    }
    let begun = Preview { by: visitor.name.clone(), at: lobby.now(), outcome: None };
    lobby.previews.set(&integration, begun.clone());
    tokio::spawn(async move {
        let outcome = match lobby.carry_out(&visitor, request).await {
            Ok(Answer::Run(report)) => {
                let mut report = *report;
                report.pipelines.iter_mut().for_each(|pipeline| pipeline.cut_to(MOST));
                Ok(report)
            }
            Ok(_) => Err("this is no plan".to_owned()),
            Err(failure) => Err(failure.message),
        };
        lobby.previews.set(&integration, Preview { at: lobby.now(), outcome: Some(outcome), ..begun });
        lobby.stir.send_modify(|count| *count = count.wrapping_add(1));
    });
    Ok(())
}

/// The last one of an integration, if there is one.
pub(super) fn draw(frame: &Frame, name: &IntegrationName) -> Markup {
    let Some(preview) = frame.look.lobby.previews.of(name) else { return html! {} };
    html! {
        section.card #preview {
            h2 { "What a sync would do" }
            @match &preview.outcome {
                None => { p { "Reading both sides; nothing is written. It is shown here as soon as it is there." } progress aria-label="Reading" {} }
                Some(Err(message)) => { p.bad { (message) } }
                Some(Ok(report)) => { (of_report(frame, report)) }
            }
            p.dim.small { "Asked for by " (preview.by) " " (frame.ago(preview.at)) ". Records may have changed since." }
        }
    }
}

fn of_report(frame: &Frame, report: &RunReport) -> Markup {
    html! {
        @for trouble in &report.troubles { p.bad { (trouble.connection) ": " (trouble.message) } }
        @if report.is_empty_plan() { p.say { "Nothing: both sides agree, or what does not is listed." } }
        @for pipeline in report.pipelines.iter().filter(|pipeline| pipeline.planned > 0 || !pipeline.findings.is_empty()) {
            details open[pipeline.planned > 0 && pipeline.planned <= 20] {
                summary { strong { (pipeline.pipeline) } " would " (words::plan(&pipeline.counts))
                    @if !pipeline.findings.is_empty() { "; " (text::count(pipeline.tally.found(), "record is left as it is", "records are left as they are")) } }
                ul.plain {
                    @for item in &pipeline.items { (of_item(frame, pipeline, item)) }
                    @for finding in &pipeline.findings { (of_finding(frame, pipeline, finding)) }
                }
                @if pipeline.unlisted.items + pipeline.unlisted.findings > 0 {
                    p.dim { "… and " (text::number(pipeline.unlisted.items + pipeline.unlisted.findings)) " more" }
                }
            }
        }
    }
}

fn of_item(frame: &Frame, pipeline: &PipelineReport, item: &PlanItem) -> Markup {
    let system = words::system(&frame.config, &pipeline.pipeline, item.side);
    let verb = match item.verb {
        Verb::Create => format!("is created in {system}"),
        Verb::Update => format!("is changed in {system}"),
        Verb::Link => format!("is paired with the one in {system}"),
        Verb::Delete => format!("is deleted in {system}"),
    };
    html! {
        li {
            a href=(super::card::record_page(frame, &pipeline.pipeline, item.origin.as_str())) {
                (words::record(&frame.config, &pipeline.pipeline, item.side, &item.label))
            } " " (verb)
            @if item.verb == Verb::Update {
                @for field in &item.fields {
                    div.small { (short_field(&field.field)) ": " (text::cell(&field.before)) " → " (text::cell(&field.after)) span.dim { " (" (text::one_line(&field.why)) ")" } }
                }
            }
        }
    }
}

fn of_finding(frame: &Frame, pipeline: &PipelineReport, finding: &FindingItem) -> Markup {
    let what = match &finding.kind {
        FindingKind::Parked(_) => "is put aside".to_owned(),
        FindingKind::Pending => "is left as it is".to_owned(),
        FindingKind::Waiting(other) => format!("waits for {other}"),
        FindingKind::Rejected | FindingKind::Skipped => "is left out".to_owned(),
    };
    html! {
        li.dim {
            a href=(super::card::record_page(frame, &pipeline.pipeline, finding.id.as_str())) {
                (words::record(&frame.config, &pipeline.pipeline, finding.side, &finding.label))
            } " " (what) ": " (text::one_line(&finding.message))
        }
    }
}
