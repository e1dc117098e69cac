//! One writer: no two pipelines, and no two fields, may fight over a value.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{Cx, Resolved, Written, hash::plain_path, integration::Draft};
use crate::{
    config::{CoWriter, ConnectionName, PipelineName, diagnostic::error},
    record::Path,
};

/// Checks all pipelines against each other and each within itself; returns those that are refused. Two that may share a
/// resource learn of each other: which of them links a record is checked when it is linked.
pub(crate) fn one_writer(cx: &Cx<'_>, drafts: &mut [Draft]) {
    let mut refused: BTreeSet<PipelineName> = BTreeSet::new();
    let mut sharing: BTreeMap<PipelineName, Vec<CoWriter>> = BTreeMap::new();
    let all: Vec<&Resolved> = drafts.iter().flat_map(|draft| &draft.pipelines).collect();
    let writers = writers(&all);
    for (at, first) in all.iter().enumerate() {
        if within(cx, first) {
            refused.insert(first.pipeline.name.clone());
        }
        let places: BTreeSet<Place<'_>> = places(first).collect();
        let others: BTreeSet<usize> = places
            .iter()
            .filter_map(|place| writers.get(place))
            .flatten()
            .copied()
            .filter(|other| *other > at)
            .collect();
        for second in others.into_iter().filter_map(|other| all.get(other)) {
            if have_own_filters(first, second) {
                for (of, other) in co_writers(first, second) {
                    sharing.entry(of).or_default().push(other);
                }
            } else if between(cx, first, second) {
                refused.extend([first.pipeline.name.clone(), second.pipeline.name.clone()]);
            }
        }
    }
    for draft in drafts {
        draft.pipelines.retain(|resolved| !refused.contains(&resolved.pipeline.name));
        for resolved in &mut draft.pipelines {
            let others = sharing.remove(&resolved.pipeline.name).unwrap_or_default();
            let others: Vec<CoWriter> = others.into_iter().filter(|other| !refused.contains(&other.pipeline)).collect();
            if resolved.pipeline.co_writers != others {
                Arc::make_mut(&mut resolved.pipeline).co_writers = others;
            }
        }
    }
}

/// Where something is written: a connection and a resource of it.
type Place<'r> = (&'r ConnectionName, &'r str);

/// Where a pipeline writes on every change: elsewhere it fights with nobody.
fn places(resolved: &Resolved) -> impl Iterator<Item = Place<'_>> {
    resolved.writes.iter().filter(|write| write.always).map(|write| {
        let end = resolved.pipeline.end(write.side);
        (&end.connection.name, end.resource.name.as_str())
    })
}

/// Who writes where, in the order of pipelines: those of other clients are not compared, of whom an agency has thousands.
fn writers<'r>(all: &[&'r Resolved]) -> BTreeMap<Place<'r>, BTreeSet<usize>> {
    let mut found: BTreeMap<Place<'r>, BTreeSet<usize>> = BTreeMap::new();
    for (at, resolved) in all.iter().enumerate() {
        for place in places(resolved) {
            found.entry(place).or_default().insert(at);
        }
    }
    found
}

/// Whether each has a filter of its own, so that no record need belong to both.
fn have_own_filters(first: &Resolved, second: &Resolved) -> bool {
    matches!((first.filters, second.filters), (Some(a), Some(b)) if a != b)
}

/// The sides on which two pipelines write the same values, as each of them sees the other.
fn co_writers(first: &Resolved, second: &Resolved) -> Vec<(PipelineName, CoWriter)> {
    let mut found: Vec<(PipelineName, CoWriter)> = Vec::new();
    for (one, other) in clashes(first, second) {
        let (a, b) = (&first.pipeline.name, &second.pipeline.name);
        let (side, theirs) = (one.side, other.side);
        for (of, co_writer) in [
            (a.clone(), CoWriter { pipeline: b.clone(), side, theirs }),
            (b.clone(), CoWriter { pipeline: a.clone(), side: theirs, theirs: side }),
        ] {
            if !found.iter().any(|(known, known_writer)| *known == of && *known_writer == co_writer) {
                found.push((of, co_writer));
            }
        }
    }
    found
}

/// Values of the same resource that both write on every change, and do not share.
fn clashes<'r>(first: &'r Resolved, second: &'r Resolved) -> impl Iterator<Item = (&'r Written, &'r Written)> {
    let pairs = first.writes.iter().flat_map(|one| second.writes.iter().map(move |other| (one, other)));
    pairs.filter(|(one, other)| {
        same_records(first, one, second, other)
            && one.always
            && other.always
            && !(one.shared && other.shared)
            && overlap(&one.path, &other.path)
    })
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

/// Two pipelines that write to the same resource and could link the same records.
fn between(cx: &Cx<'_>, first: &Resolved, second: &Resolved) -> bool {
    let Some((one, other)) = clashes(first, second).next() else { return false };
    let (a, b) = (&first.pipeline.name, &second.pipeline.name);
    cx.report.add(
        error("config::two_writers", other.span, format!("`{a}` and `{b}` both write `{}`", other.path.as_str()))
            .label(format!("written by `{b}`"))
            .also(one.span, format!("written by `{a}`"))
            .help("give each pipeline a filter so that no record belongs to both, or all but one `write: on-create` or `if-blank`, or both fields `shared: true`"),
    );
    true
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
