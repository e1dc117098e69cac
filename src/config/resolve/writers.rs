//! One writer: no two pipelines, and no two fields, may fight over a value.

use std::collections::BTreeSet;

use super::{Cx, Resolved, Written, hash::plain_path, integration::Draft};
use crate::{
    config::{PipelineName, diagnostic::error},
    record::Path,
};

/// Checks all pipelines against each other and each within itself; returns those that are refused.
pub(crate) fn one_writer(cx: &Cx<'_>, drafts: &mut [Draft]) {
    let mut refused: BTreeSet<PipelineName> = BTreeSet::new();
    let all: Vec<&Resolved> = drafts.iter().flat_map(|draft| &draft.pipelines).collect();
    for (at, first) in all.iter().enumerate() {
        if within(cx, first) {
            refused.insert(first.pipeline.name.clone());
        }
        for second in &all[at + 1..] {
            if between(cx, first, second) {
                refused.extend([first.pipeline.name.clone(), second.pipeline.name.clone()]);
            }
        }
    }
    for draft in drafts {
        draft.pipelines.retain(|resolved| !refused.contains(&resolved.pipeline.name));
    }
}

/// Two fields of one pipeline.
fn within(cx: &Cx<'_>, resolved: &Resolved) -> bool {
    let mut found = false;
    for (at, first) in resolved.writes.iter().enumerate() {
        for second in &resolved.writes[at + 1..] {
            if first.side == second.side && overlap(&first.path, &second.path) && first.always && second.always {
                cx.report.add(
                    error("config::two_writers", second.span, format!("two fields write `{}`", second.path.as_str()))
                        .label("written here too")
                        .also(first.span, "written here")
                        .help("remove one, or give all but one `write: on-create` or `write: if-blank`"),
                );
                found = true;
            }
        }
    }
    found
}

/// Two pipelines that write to the same resource. Those with filters of their own may share it: which of them links
/// a record is checked when it is linked.
fn between(cx: &Cx<'_>, first: &Resolved, second: &Resolved) -> bool {
    if let (Some(a), Some(b)) = (first.filters, second.filters)
        && a != b
    {
        return false;
    }
    let mut found = false;
    for one in &first.writes {
        for other in &second.writes {
            let clash = same_records(first, one, second, other)
                && one.always
                && other.always
                && !(one.shared && other.shared)
                && overlap(&one.path, &other.path);
            if clash && !found {
                let (a, b) = (&first.pipeline.name, &second.pipeline.name);
                cx.report.add(
                    error("config::two_writers", other.span, format!("`{a}` and `{b}` both write `{}`", other.path.as_str()))
                        .label(format!("written by `{b}`"))
                        .also(one.span, format!("written by `{a}`"))
                        .help("give each pipeline a filter so that no record belongs to both, or all but one `write: on-create` or `if-blank`, or both fields `shared: true`"),
                );
                found = true;
            }
        }
    }
    found
}

fn same_records(first: &Resolved, one: &Written, second: &Resolved, other: &Written) -> bool {
    let (a, b) = (first.pipeline.end(one.side), second.pipeline.end(other.side));
    a.connection.name == b.connection.name && a.resource.name == b.resource.name
}

/// Whether one path is, or lies in, the other. Elements selected by different conditions are different places.
fn overlap(a: &Path, b: &Path) -> bool {
    let (a, b) = (plain_path(a.as_str()), plain_path(b.as_str()));
    let inside = |outer: &str, inner: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    inside(&a, &b) || inside(&b, &a)
}
