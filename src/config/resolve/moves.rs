//! `moved_from`: the name that something had before, so that what is remembered of it moves along.

use std::collections::BTreeMap;

use super::{Cx, integration::Draft, pipeline::Home};
use crate::config::{
    ConnectionName, IntegrationName, PipelineName,
    diagnostic::error,
    written::{At, ConnectionW, Entry},
};

/// The name a pipeline had before: its own `moved_from`, or what its integration's comes to.
pub(crate) fn pipeline(
    cx: &Cx<'_>,
    written: Option<&At<String>>,
    name: &PipelineName,
    home: &Home<'_>,
) -> Option<PipelineName> {
    let short = name.as_str().rsplit('/').next().unwrap_or_default();
    let Some(at) = written else {
        return PipelineName::parse(&format!("{}/{short}", home.moved_from?)).ok();
    };
    let text = &at.value;
    let full = match home.within {
        // A pipeline cannot have been itself: one of the top level is meant.
        Some(within) if !text.contains('/') && text != short => format!("{within}/{text}"),
        _ => text.clone(),
    };
    let refuse = |message: String, help: &str| {
        cx.report.add(error("config::bad_move", at.span, message).help(help.to_owned()));
        None
    };
    match PipelineName::parse(&full) {
        Err(cause) => refuse(cause.to_string(), "write the full name it had before: moved_from: acme/contacts"),
        Ok(from) if from == *name => refuse(
            format!("`{name}` cannot have moved from itself"),
            "write the name it had before, or remove moved_from",
        ),
        Ok(from) if cx.pipelines.contains(&from) => refuse(
            format!("`{from}` is still defined, so nothing of it can have moved"),
            "remove the pipeline of that name, or remove moved_from",
        ),
        Ok(from) => Some(from),
    }
}

/// The name an integration had before.
pub(crate) fn integration(
    cx: &Cx<'_>,
    written: Option<&At<String>>,
    name: &IntegrationName,
) -> Option<IntegrationName> {
    let at = written?;
    let refuse = |message: String, help: &str| {
        cx.report.add(error("config::bad_move", at.span, message).help(help.to_owned()));
        None
    };
    match IntegrationName::parse(&at.value) {
        Err(cause) => refuse(cause.to_string(), "write the name the integration had before: moved_from: acme"),
        Ok(from) if from == *name => refuse(
            format!("`{name}` cannot have moved from itself"),
            "write the name it had before, or remove moved_from",
        ),
        Ok(from) if cx.pipelines.iter().any(|pipeline| pipeline.integration() == from) => refuse(
            format!("the integration `{from}` is still defined, so nothing of it can have moved"),
            "remove the integration of that name, or say moved_from at single pipelines",
        ),
        Ok(from) => Some(from),
    }
}

/// The name a connection had before.
pub(crate) fn connection(cx: &Cx<'_>, written: &At<String>, name: &At<String>) -> Option<ConnectionName> {
    let refuse = |message: String, help: &str| {
        cx.report.add(error("config::bad_move", written.span, message).help(help.to_owned()));
        None
    };
    match ConnectionName::parse(&written.value) {
        Err(cause) => refuse(cause.to_string(), "write the name the connection had before: moved_from: forms"),
        Ok(from) if from.as_str() == name.value => refuse(
            format!("`{from}` cannot have moved from itself"),
            "write the name it had before, or remove moved_from",
        ),
        Ok(from) => Some(from),
    }
}

/// What a connection that is still defined has stays with it.
pub(crate) fn check_connections(cx: &Cx<'_>, written: &[Entry<ConnectionW>]) {
    for at in written.iter().filter_map(|entry| entry.value.moved_from.as_ref()) {
        if cx.connections.contains_key(&at.value) {
            cx.report.add(
                error(
                    "config::bad_move",
                    at.span,
                    format!("`{}` is still defined, so nothing of it can have moved", at.value),
                )
                .help("remove the connection of that name, or remove moved_from"),
            );
        }
    }
}

/// What is remembered under one name can move to one other only.
pub(crate) fn check(cx: &Cx<'_>, drafts: &mut [Draft]) {
    let mut taken = BTreeMap::new();
    for draft in drafts {
        draft.pipelines.retain(|resolved| {
            let Some(from) = resolved.pipeline.moved_from.clone() else { return true };
            let Some(first) = taken.insert(from.clone(), resolved.span) else { return true };
            cx.report.add(
                error("config::bad_move", resolved.span, format!("two pipelines have moved from `{from}`"))
                    .also(first, "the other")
                    .help("say moved_from at the one that goes on with its links"),
            );
            false
        });
    }
}
