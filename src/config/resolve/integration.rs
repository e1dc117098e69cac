//! Integrations, and pipelines at the top level, which are integrations of their own.

use chrono_tz::Tz;

use super::{
    Cx, Resolved, moves, pipeline,
    schedule::{self, Used},
};
use crate::config::{
    ApplyMode, Integration, IntegrationName, PipelineName,
    diagnostic::error,
    nearest::suggest,
    written::{ApplyW, At, BlackoutW, DebounceW, Entry, IntegrationW, OneOrMany, PipelineW, ScheduleW},
};

/// An integration with its pipelines before order is brought into them.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    /// The integration, without pipelines.
    pub integration: Integration,
    /// Those without mistakes.
    pub pipelines: Vec<Resolved>,
}

impl Draft {
    /// Whether what it comes to depends on nothing but its tree and what it looked up: whether something may move is asked
    /// of all that is written. One without pipelines is none.
    pub(crate) fn stands_alone(&self) -> bool {
        let moved = self.pipelines.iter().any(|made| made.pipeline.moved_from.is_some());
        self.integration.moved_from.is_none() && !moved && !self.pipelines.is_empty()
    }
}

impl Cx<'_> {
    /// The full name of a pipeline named in another: one of the same integration, else one of the top level.
    pub(crate) fn find_pipeline(&self, written: &At<String>, within: Option<&IntegrationName>) -> Option<PipelineName> {
        let candidates =
            [within.map(|integration| format!("{integration}/{}", written.value)), Some(written.value.clone())];
        let found = candidates
            .into_iter()
            .flatten()
            .filter_map(|name| PipelineName::parse(&name).ok())
            .find(|name| self.has_pipeline(name));
        if found.is_none() {
            let names = self.pipelines.iter().map(PipelineName::as_str).map(|name| match within {
                Some(integration) => name.strip_prefix(&format!("{integration}/")).unwrap_or(name),
                None => name,
            });
            let names: Vec<&str> = names.collect();
            self.report.add(
                error("config::unknown_pipeline", written.span, format!("there is no pipeline `{}`", written.value))
                    .label("not known")
                    .maybe_help(suggest(&written.value, names.iter().copied())),
            );
        }
        found
    }

    fn integration_name(&self, name: &At<String>) -> Option<IntegrationName> {
        match IntegrationName::parse(&name.value) {
            Ok(name) => Some(name),
            Err(cause) => {
                self.report.add(error("config::bad_name", name.span, cause.to_string()).help("choose another name"));
                None
            }
        }
    }
}

/// The parts an integration and a pipeline at the top level have in common.
struct Common<'a> {
    automatic: Option<&'a At<bool>>,
    apply: Option<&'a At<ApplyW>>,
    timezone: Option<&'a At<Tz>>,
    debounce: Option<&'a DebounceW>,
    schedule: Option<&'a ScheduleW>,
    blackouts: Option<&'a OneOrMany<BlackoutW>>,
    moved_from: Option<&'a At<String>>,
}

impl Common<'_> {
    fn make(&self, cx: &Cx<'_>, name: &IntegrationName, used: &Used) -> Integration {
        Integration {
            name: name.clone(),
            moved_from: moves::integration(cx, self.moved_from, name),
            made: None,
            automatic: self.automatic.is_none_or(|at| at.value),
            apply: match self.apply.map(|at| at.value) {
                None | Some(ApplyW::Automatic) => ApplyMode::Automatic,
                Some(ApplyW::Observe) => ApplyMode::Observe,
            },
            timezone: self.timezone.map_or(Tz::UTC, |at| at.value),
            debounce: schedule::debounce(cx, self.debounce),
            blackouts: schedule::blackouts(cx, self.blackouts),
            schedule: schedule::schedule(cx, name, self.schedule, used),
            pipelines: Vec::new(),
        }
    }
}

/// The connections that pipelines mention, broken or not.
fn mentioned<'w>(pipelines: impl Iterator<Item = &'w PipelineW>) -> Used {
    let mut used = Used { all_known: true, ..Used::default() };
    for end in pipelines.flat_map(|written| [&written.source, &written.target]) {
        match end.as_ref().and_then(|end| end.name.value.rsplit_once('/')) {
            Some((connection, _)) => {
                used.names.insert(connection.to_owned());
            }
            None => used.all_known = false,
        }
    }
    used
}

/// Resolves an integration. `None` when it holds mistakes outside its pipelines.
pub(crate) fn integration(cx: &Cx<'_>, entry: &Entry<IntegrationW>) -> Option<Draft> {
    cx.client.replace(Some(entry.name.value.clone()));
    cx.seen.borrow_mut().clear();
    let draft = resolve(cx, entry);
    cx.client.replace(None);
    draft
}

fn resolve(cx: &Cx<'_>, entry: &Entry<IntegrationW>) -> Option<Draft> {
    let written = &entry.value;
    let (made, broken) = cx.report.watch(|| {
        for (key, span) in &written.keys {
            if matches!(*key, "with" | "overrides") {
                cx.report.add(
                    error("config::missing_key", *span, format!("`{key}` is for an integration made from a template"))
                        .help("add `template: NAME`, or remove it"),
                );
            }
        }
        if written.pipelines.is_none() && !written.broken.contains(&"pipelines") {
            cx.report.add(
                error("config::missing_key", entry.name.span, "an integration needs `pipelines`")
                    .help("add pipelines: { contacts: { source: …, target: …, … } }"),
            );
        }
        let pipelines = written.pipelines.as_ref().map(|named| named.entries.as_slice()).unwrap_or_default();
        let mut used = mentioned(pipelines.iter().map(|entry| &entry.value));
        used.all_known &= written.pipelines.as_ref().is_some_and(|named| named.failed.is_empty());
        let common = Common {
            automatic: written.automatic.as_ref(),
            apply: written.apply.as_ref(),
            timezone: written.timezone.as_ref(),
            debounce: written.debounce.as_ref(),
            schedule: written.schedule.as_ref(),
            blackouts: written.blackouts.as_ref(),
            moved_from: written.moved_from.as_ref(),
        };
        cx.integration_name(&entry.name).map(|name| common.make(cx, &name, &used))
    });
    let name = made.as_ref().map(|integration| integration.name.clone())?;
    let moved_from = made.as_ref().and_then(|made| made.moved_from.clone());
    let first_run = written.first_run.as_ref();
    let home = pipeline::Home { integration: &name, within: Some(&name), moved_from: moved_from.as_ref(), first_run };
    let pipelines: Vec<Resolved> = written
        .pipelines
        .iter()
        .flat_map(|named| &named.entries)
        .filter_map(|entry| {
            let full = full_name(cx, &format!("{name}/{}", entry.name.value), &entry.name)?;
            pipeline::pipeline(cx, entry, &full, &home)
        })
        .collect();
    // A mistake inside one pipeline makes the entry unsound, but takes only that pipeline.
    let theirs = written.pipelines.as_ref().map_or(0, |named| named.errors);
    made.filter(|_| !broken && entry.errors == theirs).map(|integration| Draft { integration, pipelines })
}

/// Resolves a pipeline of the top level.
pub(crate) fn top_level(cx: &Cx<'_>, entry: &Entry<PipelineW>) -> Option<Draft> {
    let written = &entry.value;
    let (made, broken) = cx.report.watch(|| {
        let name = cx.integration_name(&entry.name)?;
        let common = Common {
            automatic: written.automatic.as_ref(),
            apply: written.apply.as_ref(),
            timezone: written.timezone.as_ref(),
            debounce: written.debounce.as_ref(),
            schedule: written.schedule.as_ref(),
            blackouts: written.blackouts.as_ref(),
            // One that was inside an integration leaves that where it is.
            moved_from: written.moved_from.as_ref().filter(|at| !at.value.contains('/')),
        };
        Some(common.make(cx, &name, &mentioned(std::iter::once(written))))
    });
    let integration = made?;
    let home = pipeline::Home { integration: &integration.name, within: None, moved_from: None, first_run: None };
    let full = full_name(cx, &entry.name.value, &entry.name)?;
    let resolved = pipeline::pipeline(cx, entry, &full, &home);
    let name = integration.name.clone();
    debug_assert_eq!(name.as_str(), full.as_str(), "a pipeline of the top level names its integration");
    (!broken).then(|| Draft { integration, pipelines: resolved.into_iter().collect() })
}

fn full_name(cx: &Cx<'_>, full: &str, written: &At<String>) -> Option<PipelineName> {
    match PipelineName::parse(full) {
        Ok(name) => Some(name),
        Err(cause) => {
            cx.report.add(error("config::bad_name", written.span, cause.to_string()).help("choose another name"));
            None
        }
    }
}
