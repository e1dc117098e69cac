//! Order among pipelines: those referred to come first; circles are refused; who needs a broken one is left out.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{Cx, Need, Resolved, integration::Draft};
use crate::{
    config::{Content, Field, Pipeline, PipelineName, diagnostic::error},
    record::Side,
};

/// A pipeline that does not run although it holds no mistake itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The pipeline.
    pub pipeline: PipelineName,
    /// The one it needs, which holds mistakes.
    pub needs: PipelineName,
}

/// Checks what pipelines say of each other, drops those that cannot run, and brings the rest of each integration
/// into order.
pub(crate) fn settle(cx: &Cx<'_>, drafts: &mut [Draft]) -> Vec<LeftOut> {
    check_references(cx, drafts);
    let circular = circles(cx, drafts);
    for draft in drafts.iter_mut() {
        draft.pipelines.retain(|resolved| !circular.contains(&resolved.pipeline.name));
    }
    let left_out = drop_needy(drafts);
    let order = ranks(drafts);
    for draft in drafts.iter_mut() {
        draft.pipelines.sort_by_key(|resolved| order.get(&resolved.pipeline.name).copied().unwrap_or(usize::MAX));
    }
    left_out
}

fn all(drafts: &[Draft]) -> BTreeMap<&PipelineName, &Resolved> {
    drafts.iter().flat_map(|draft| &draft.pipelines).map(|resolved| (&resolved.pipeline.name, resolved)).collect()
}

/// How the ends of a pipeline stand to those of another.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Facing {
    /// Between the same two accounts, from the same to the same.
    Alike,
    /// Between the same two accounts, the other way round.
    Turned,
    /// Between others.
    Elsewhere,
}

fn facing(own: &Pipeline, theirs: &Pipeline) -> Facing {
    let name = |pipeline: &Pipeline, side| pipeline.end(side).connection.name.clone();
    let [source, target] = Side::BOTH.map(|side| name(own, side));
    let [their_source, their_target] = Side::BOTH.map(|side| name(theirs, side));
    if source == their_source && target == their_target {
        Facing::Alike
    } else if source == their_target && target == their_source {
        Facing::Turned
    } else {
        Facing::Elsewhere
    }
}

/// A reference must lead to the same two accounts; `referenced_by` needs a reference that leads here.
fn check_references(cx: &Cx<'_>, drafts: &mut [Draft]) {
    let mut refused = BTreeSet::new();
    let mut turned = BTreeSet::new();
    let known = all(drafts);
    for resolved in known.values() {
        let own = &resolved.pipeline;
        for (name, span, need) in &resolved.needs {
            let Some(other) = known.get(name) else { continue };
            let theirs = &other.pipeline;
            match need {
                Need::Needs => {}
                Need::Reference if theirs.ends.iter().any(|end| end.elements.is_some()) => {
                    cx.report.add(
                        error("config::reference_elsewhere", *span, format!("`{name}` links elements of records"))
                            .label("no value of a record is the id of an element")
                            .also(other.span, "the pipeline referred to")
                            .help("refer to a pipeline whose source is whole records"),
                    );
                    refused.insert(own.name.clone());
                }
                Need::Reference => match facing(own, theirs) {
                    Facing::Alike => {}
                    Facing::Turned => {
                        turned.insert((own.name.clone(), name.clone()));
                    }
                    Facing::Elsewhere => {
                        cx.report.add(
                            error(
                                "config::reference_elsewhere",
                                *span,
                                format!("`{name}` links records of other connections"),
                            )
                            .label("its links say nothing of the records here")
                            .also(other.span, "the pipeline referred to")
                            .help("refer to a pipeline between the same two connections"),
                        );
                        refused.insert(own.name.clone());
                    }
                },
                Need::ReferencedBy | Need::AwaitedBy => {
                    let points_here =
                        other.needs.iter().any(|(target, _, need)| *need == Need::Reference && *target == own.name);
                    if points_here && facing(theirs, own) == Facing::Turned {
                        let message = format!("`{name}` refers to the target of `{}`", own.name);
                        cx.report.add(
                            error("config::no_reference", *span, message)
                                .label("says nothing of the source's records")
                                .also(other.span, "goes the other way")
                                .help(format!(
                                    "remove it, or turn `{}` round: its source where that of `{}` is",
                                    last(name),
                                    last(&own.name)
                                )),
                        );
                        refused.insert(own.name.clone());
                    } else if !points_here {
                        cx.report.add(
                            error(
                                "config::no_reference",
                                *span,
                                format!("no field of `{name}` refers to `{}`", own.name),
                            )
                            .also(other.span, "this pipeline")
                            .help(format!(
                                "add `reference: {}` to the field of `{name}` that holds the id",
                                last(&own.name)
                            )),
                        );
                        refused.insert(own.name.clone());
                    }
                }
            }
        }
    }
    drop(known);
    for draft in drafts {
        draft.pipelines.retain(|resolved| !refused.contains(&resolved.pipeline.name));
        for Resolved { pipeline, .. } in &mut draft.pipelines {
            if turned.iter().any(|(own, _)| *own == pipeline.name) {
                let pipeline = Arc::make_mut(pipeline);
                turn(&pipeline.name, &mut pipeline.fields, &turned);
            }
        }
    }
}

/// Marks the references to pipelines that face the other way.
fn turn(own: &PipelineName, fields: &mut [Field], turned: &BTreeSet<(PipelineName, PipelineName)>) {
    for field in fields {
        match &mut field.content {
            Content::Mapped { reference: Some(reference), .. } => {
                reference.turned = turned.contains(&(own.clone(), reference.pipeline.clone()));
            }
            Content::Each(each) => turn(own, &mut each.fields, turned),
            Content::Mapped { reference: None, .. } | Content::Constant(_) => {}
        }
    }
}

fn last(name: &PipelineName) -> &str {
    name.as_str().rsplit('/').next().unwrap_or_default()
}

/// Pipelines that need each other in a circle.
fn circles(cx: &Cx<'_>, drafts: &[Draft]) -> BTreeSet<PipelineName> {
    let known = all(drafts);
    let mut found: BTreeSet<PipelineName> = BTreeSet::new();
    for (name, resolved) in &known {
        if found.contains(*name) {
            continue;
        }
        if let Some(circle) = way_back(&known, name) {
            let mut words: Vec<&str> = circle.iter().map(|name| name.as_str()).collect();
            words.push(name.as_str());
            let next = circle.get(1).copied().unwrap_or(name);
            let span = resolved
                .needs
                .iter()
                .find(|(n, _, need)| n == next && matches!(need, Need::Needs | Need::Reference))
                .map(|(_, s, _)| *s);
            cx.report.add(
                error(
                    "config::circle",
                    span.unwrap_or(resolved.span),
                    format!("these pipelines wait for each other: {}", words.join(" -> ")),
                )
                .help("remove one `needs` or `reference` of the circle"),
            );
            found.extend(circle.into_iter().cloned());
        }
    }
    found
}

/// The shortest way from a pipeline over its needs back to itself.
fn way_back<'p>(
    known: &BTreeMap<&'p PipelineName, &'p Resolved>,
    start: &'p PipelineName,
) -> Option<Vec<&'p PipelineName>> {
    let mut came_from: BTreeMap<&PipelineName, &PipelineName> = BTreeMap::new();
    let mut queue = std::collections::VecDeque::from([start]);
    while let Some(at) = queue.pop_front() {
        for next in known.get(at).into_iter().flat_map(|resolved| &resolved.pipeline.needs) {
            if next == start {
                let mut way = vec![at];
                let mut at = at;
                while let Some(before) = came_from.get(at) {
                    way.push(before);
                    at = before;
                }
                way.reverse();
                return Some(way);
            }
            if !came_from.contains_key(next) {
                came_from.insert(next, at);
                queue.push_back(next);
            }
        }
    }
    None
}

/// Drops, until nothing changes, what needs a pipeline that is not there.
fn drop_needy(drafts: &mut [Draft]) -> Vec<LeftOut> {
    let mut left_out = Vec::new();
    loop {
        let there: BTreeSet<PipelineName> = all(drafts).into_keys().cloned().collect();
        let before = left_out.len();
        for draft in drafts.iter_mut() {
            draft.pipelines.retain(|resolved| {
                let missing = resolved.needs.iter().map(|(name, ..)| name).find(|name| !there.contains(*name));
                if let Some(needs) = missing {
                    left_out.push(LeftOut { pipeline: resolved.pipeline.name.clone(), needs: needs.clone() });
                }
                missing.is_none()
            });
        }
        if left_out.len() == before {
            return left_out;
        }
    }
}

/// The place of each pipeline in an order in which needs come first; names decide the rest.
fn ranks(drafts: &[Draft]) -> BTreeMap<PipelineName, usize> {
    let known = all(drafts);
    let mut waits: BTreeMap<&PipelineName, usize> = BTreeMap::new();
    let mut needed_by: BTreeMap<&PipelineName, Vec<&PipelineName>> = BTreeMap::new();
    for (name, resolved) in &known {
        waits.insert(name, resolved.pipeline.needs.len());
        resolved.pipeline.needs.iter().for_each(|need| needed_by.entry(need).or_default().push(name));
    }
    let mut ready: BTreeSet<&PipelineName> =
        waits.iter().filter(|(_, needs)| **needs == 0).map(|(name, _)| *name).collect();
    let mut ranks: BTreeMap<PipelineName, usize> = BTreeMap::new();
    // There are no circles by now; if there were one, its members keep the order of their names.
    while let Some(name) = ready.pop_first() {
        ranks.insert(name.clone(), ranks.len());
        for other in needed_by.remove(name).unwrap_or_default() {
            let Some(needs) = waits.get_mut(other) else { continue };
            *needs = needs.saturating_sub(1);
            if *needs == 0 {
                ready.insert(other);
            }
        }
    }
    ranks
}
