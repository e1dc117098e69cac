//! Pipelines.

use std::sync::Arc;

use super::{
    Cx, Need, Resolved,
    ends::{self, EndBuilder, declared},
    field::{Fields, short},
    filter::Filters,
    hash, moves, policy, steps,
};
use crate::{
    config::{
        Blanks, Conflicts, CutOver, Differences, EachElement, Elements, End, Expectation, FirstRun, Flow,
        IntegrationName, Keep, KeyPair, OnLeave, Pipeline, PipelineName, Then, Tier, Unique, WriteWhen,
        diagnostic::error,
        source::Span,
        written::{
            At, DirectionW, Entry, FirstApplyW, FirstRunW, OneOrMany, PairW, PipelineW, ThenW, TierW, TransformW,
        },
    },
    connector::{Also, Resource, WriteKind},
    record::{Canon, Kind, Path, ProjectionSpec, Side, Slot, SlotIndex},
};

/// Where a pipeline stands.
pub(crate) struct Home<'a> {
    /// Its integration.
    pub integration: &'a IntegrationName,
    /// The integration whose pipelines it may name without prefix; `None` at the top level.
    pub within: Option<&'a IntegrationName>,
    /// The name the integration had before.
    pub moved_from: Option<&'a IntegrationName>,
    /// The integration's first run.
    pub first_run: Option<&'a FirstRunW>,
}

/// Resolves a pipeline. `None` when it, or what it uses, holds mistakes.
pub(crate) fn pipeline(
    cx: &Cx<'_>,
    entry: &Entry<PipelineW>,
    name: &PipelineName,
    home: &Home<'_>,
) -> Option<Resolved> {
    let (made, broken) = cx.report.watch(|| {
        let maker = Maker::new(cx, entry, home)?;
        let whole = maker.ends.iter().all(|end| !end.stand_in);
        let made = maker.make(name, entry);
        whole.then_some(made)
    });
    made.filter(|_| !broken && entry.errors == 0)
}

struct Maker<'a, 'c> {
    cx: &'a Cx<'c>,
    written: &'a PipelineW,
    home: &'a Home<'a>,
    ends: [EndBuilder; 2],
    flow: Flow,
    needs: Vec<(PipelineName, Span, Need)>,
}

impl<'a, 'c> Maker<'a, 'c> {
    fn new(cx: &'a Cx<'c>, entry: &'a Entry<PipelineW>, home: &'a Home<'a>) -> Option<Self> {
        let written = &entry.value;
        if home.within.is_some() {
            check_own_keys(cx, written);
        }
        // A direction that cannot be read was reported already; the rest is checked as what it most likely is.
        let mixed = written.fields.iter().flatten().any(|field| field.direction.is_some());
        let direction = written.direction.as_ref().map(|at| at.value).or(mixed.then_some(DirectionW::TwoWay));
        let flow = direction.map_or(Flow::ToTarget, super::field::flow_of);
        let said = written.direction.as_ref().map(|at| (flow, at.span));
        let ends = ends::both(cx, [written.source.as_ref(), written.target.as_ref()], said)?;
        let all_known = ends.iter().all(|end| !end.stand_in);
        if all_known && ends[0].name() == ends[1].name() {
            cx.report.add(
                error("config::same_ends", ends[1].span, "source and target are the same records")
                    .also(ends[0].span, "the source")
                    .help("name another resource or connection"),
            );
        }
        Some(Self { cx, written, home, ends, flow, needs: Vec::new() })
    }

    fn make(mut self, name: &PipelineName, entry: &Entry<PipelineW>) -> Resolved {
        let (cx, written) = (self.cx, self.written);
        let first_runs = [written.first_run.as_ref(), self.home.first_run];
        let conflicts =
            written.conflicts.as_ref().map_or(Conflicts::Park, |rule| policy::conflicts(cx, rule, &self.ends));
        let blanks = written.blanks.as_ref().map_or(Blanks::Keep, |at| policy::blanks(at.value));
        let differences = first_runs.into_iter().flatten().find_map(|first| first.differences.as_ref());
        let differences = differences.map_or(Differences::FillBlanks, |at| policy::differences(at.value));
        let apply = first_runs.into_iter().flatten().find_map(|first| first.apply.as_ref());
        let approve = apply.is_none_or(|at| at.value == FirstApplyW::Approve);
        let creates = policy::creates(cx, written.creates.as_ref(), self.flow);
        let deletes = policy::deletes(cx, written.deletes.as_ref(), self.flow, &self.ends);
        let drift = policy::drift(cx, written.drift.as_ref(), self.flow, &self.ends);
        let tiers = self.tiers();
        let unique = self.unique();
        let [source_filter, target_filter] = self.filters();
        let mut fields = Fields {
            cx,
            within: self.home.within,
            ends: &mut self.ends,
            flow: self.flow,
            conflicts,
            blanks,
            differences,
            needs: Vec::new(),
            writes: Vec::new(),
            known: Vec::new(),
        };
        let resolved = fields.all(written.fields.as_deref().unwrap_or_default());
        let (needs, writes, known) = (fields.needs, fields.writes, fields.known);
        self.needs.extend(needs);
        if written.fields.as_ref().is_some_and(Vec::is_empty) && entry.errors == 0 {
            cx.report.add(
                error(
                    "config::no_fields",
                    entry.name.span,
                    "this pipeline has no fields, so it keeps nothing the same",
                )
                .help("add fields: [ { source: $.email, target: $.EmailAddress } ]"),
            );
        }
        let expect = self.expect();
        let cut_over = self.cut_over(&resolved);
        for other in written.needs.iter().flat_map(|needs| &needs.0) {
            if let Some(found) = cx.find_pipeline(other, self.home.within) {
                self.needs.push((found, other.span, Need::Needs));
            }
        }
        self.check_calls(creates, &tiers, &resolved);
        let named = |wanted: &[Need]| {
            let mut names: Vec<PipelineName> =
                self.needs.iter().filter(|(_, _, need)| wanted.contains(need)).map(|(name, ..)| name.clone()).collect();
            names.sort();
            names.dedup();
            names
        };
        let filters = written.filters.as_ref().map(|_| entry.filters_hash);
        let mut pipeline = Pipeline {
            name: name.clone(),
            integration: self.home.integration.clone(),
            moved_from: moves::pipeline(cx, written.moved_from.as_ref(), name, self.home),
            flow: self.flow,
            tiers,
            unique,
            fields: resolved,
            expect,
            creates,
            deletes,
            on_leave: written.on_leave.as_ref().map_or(OnLeave::Keep, |at| policy::on_leave(at.value)),
            drift,
            first_run: FirstRun { approve },
            guards: policy::guards(written.guards.as_ref()),
            cut_over,
            needs: named(&[Need::Needs, Need::Reference]),
            referenced_by: named(&[Need::ReferencedBy, Need::AwaitedBy]),
            awaited_by: named(&[Need::AwaitedBy]),
            co_writers: Vec::new(),
            known,
            hash: 0,
            ends: {
                let [source, target] = self.ends;
                [finish(source, source_filter), finish(target, target_filter)]
            },
        };
        pipeline.hash = hash::pipeline(entry.hash, &pipeline);
        Resolved { pipeline: Arc::new(pipeline), span: entry.name.span, needs: self.needs, writes, filters }
    }

    fn filters(&mut self) -> [crate::config::Filter; 2] {
        let written = self.written.filters.as_ref();
        let mut filters = Filters { cx: self.cx, within: self.home.within, needs: &mut self.needs };
        let [source, target] = &mut self.ends;
        [
            filters.all(source, written.and_then(|filters| filters.source.as_ref())),
            filters.all(target, written.and_then(|filters| filters.target.as_ref())),
        ]
    }

    /// A path of one side that is only read.
    fn read(&mut self, side: Side, path: &At<Path>) -> Option<(SlotIndex, Canon)> {
        let end = &mut self.ends[side.index()];
        let resource = end.resource.clone();
        let canon = declared(self.cx, &resource.fields, &end.name(), &path.value, path.span)?.canon;
        Some((end.value(&path.value), canon))
    }

    fn tiers(&mut self) -> Vec<Tier> {
        let written = self.written;
        written.is_match.iter().flat_map(|tiers| &tiers.0).filter_map(|tier| self.tier(tier)).collect()
    }

    fn tier(&mut self, written: &TierW) -> Option<Tier> {
        const FORMS: &str =
            "write { source: $.email, target: $.EmailAddress }, or { all: [ { source: …, target: … }, … ] }";
        let then = match written.then.as_ref().map(|then| then.value) {
            None | Some(ThenW::Link) => Then::Link,
            Some(ThenW::Propose) => Then::Propose,
        };
        let keys: Vec<Option<KeyPair>> = match (&written.source, &written.target, &written.all) {
            (Some(source), Some(target), None) => vec![self.pair(source, target, written.normalize.as_ref())],
            (None, None, Some(pairs)) if written.normalize.is_none() && !pairs.is_empty() => {
                pairs.iter().map(|pair| self.written_pair(pair)).collect()
            }
            _ => {
                if written.broken.is_empty() {
                    self.cx.report.add(error("config::bad_match", written.span, "this is no match tier").help(FORMS));
                }
                return None;
            }
        };
        let keys: Option<Vec<KeyPair>> = keys.into_iter().collect();
        Some(Tier { keys: keys?, then })
    }

    fn written_pair(&mut self, pair: &PairW) -> Option<KeyPair> {
        self.pair(pair.source.as_ref()?, pair.target.as_ref()?, pair.normalize.as_ref())
    }

    fn pair(
        &mut self,
        source: &At<Path>,
        target: &At<Path>,
        normalize: Option<&OneOrMany<TransformW>>,
    ) -> Option<KeyPair> {
        let normalize = steps::normalizing(self.cx, normalize);
        let (source_read, target_read) = (self.read(Side::Source, source), self.read(Side::Target, target));
        let ((source_slot, source_canon), (target_slot, target_canon)) = (source_read?, target_read?);
        Some(KeyPair {
            slots: [source_slot, target_slot],
            canons: [source_canon, target_canon],
            normalize,
            names: [short(&source.value), short(&target.value)],
        })
    }

    fn unique(&mut self) -> Option<Unique> {
        let written = self.written.unique.as_ref()?;
        let (by, canon) = self.read(Side::Source, written.by.as_ref()?)?;
        let order = written.order.iter().flat_map(|order| &order.0);
        let order = order.filter_map(|path| self.read(Side::Source, path)).map(|(slot, _)| slot).collect();
        Some(Unique { by, canon, keep: Keep::LinkedThenFirst, order })
    }

    fn expect(&mut self) -> Vec<Expectation> {
        let written = self.written;
        let one = |expect: &crate::config::written::ExpectW| {
            let (source, target) = (expect.source.as_ref()?, expect.target.as_ref()?);
            let (source_slot, target_slot) = (self.read(Side::Source, source)?.0, self.read(Side::Target, target)?.0);
            Some(Expectation {
                source: source_slot,
                target: target_slot,
                name: format!("{} = {}", short(&source.value), short(&target.value)),
                within: expect.within.as_ref().map(|within| within.value).unwrap_or_default(),
            })
        };
        written.expect.iter().flat_map(|list| &list.0).filter_map(one).collect()
    }

    /// The short form looks at the one dated field there is.
    fn cut_over(&mut self, fields: &[crate::config::Field]) -> Option<CutOver> {
        let written = &self.written.cut_over.as_ref()?.0;
        let from = written.from.as_ref()?;
        if let Some(path) = &written.path {
            let (slot, canon) = self.read(Side::Source, path)?;
            if !matches!(canon.kind, Kind::Date | Kind::Datetime | Kind::Any | Kind::Text) {
                self.cx.report.add(
                    error("config::wrong_kind", path.span, format!("`{}` is no date", path.value.as_str()))
                        .help("name the date of a source record"),
                );
            }
            return Some(CutOver { slot, kind: canon.kind, from: from.value });
        }
        let dated: Vec<CutOver> = fields
            .iter()
            .map(|field| field.end(Side::Source))
            .filter(|end| matches!(end.canon.kind, Kind::Date | Kind::Datetime))
            .filter_map(|end| Some(CutOver { slot: *end.slots.first()?, kind: end.canon.kind, from: from.value }))
            .collect();
        if let [only] = dated.as_slice() {
            return Some(*only);
        }
        self.cx.report.add(
            error("config::ambiguous_date", from.span, format!("which date? {} source fields are dates", dated.len()))
                .help(format!("write cut_over: {{ path: $.sold_at, from: {} }}", from.value)),
        );
        None
    }

    /// The systems must be able to do what the pipeline asks.
    fn check_calls(&self, creates: crate::config::Creates, tiers: &[Tier], fields: &[crate::config::Field]) {
        for side in Side::BOTH {
            let end = &self.ends[side.index()];
            if end.stand_in {
                continue;
            }
            let refuse = |code, message: String, help: &str| {
                self.cx.report.add(error(code, end.span, message).help(help.to_owned()));
            };
            // Drift that cannot be read was reported where it is asked for.
            let reads = self.flow.writes(side.other()) || !tiers.is_empty();
            if reads && end.resource.list.is_none() {
                refuse(
                    "config::not_listable",
                    format!("{} cannot be listed, and this pipeline reads it", end.name()),
                    "the connector has no `list` for it; name another resource",
                );
            }
            if creates.on(side) {
                let Some(create) = end.resource.write(WriteKind::Create) else {
                    refuse(
                        "config::not_creatable",
                        format!("records of {} cannot be created", end.name()),
                        "say `creates: none`, or the other side alone",
                    );
                    continue;
                };
                if tiers.is_empty() && create.idempotency.is_none() {
                    refuse(
                        "config::no_match",
                        format!("creating on {} without `match` could make duplicates", end.name()),
                        "add match: [ { source: $.email, target: $.EmailAddress } ]; without it, an answer that is lost cannot be looked up",
                    );
                }
            }
            let updates = fields.iter().find(|field| field.flow.writes(side) && field.write != WriteWhen::OnCreate);
            // Where records are made, what changes later is parked; where they are not, nothing could ever be written.
            if let (Some(field), None, false) = (updates, end.resource.write(WriteKind::Update), creates.on(side)) {
                refuse(
                    "config::not_updatable",
                    format!("records of {} cannot be changed, and the field `{}` would", end.name(), field.name),
                    "let the pipeline create there, or give every field `write: on-create`",
                );
            }
            // So it is with a field that is taken when a record is made.
            let only = |field: &&crate::config::Field| {
                field.flow.writes(side) && field.write != WriteWhen::OnCreate && field.end(side).create_only
            };
            if let (Some(field), true, false) =
                (fields.iter().find(only), end.resource.write(WriteKind::Update).is_some(), creates.on(side))
            {
                refuse(
                    "config::not_updatable",
                    format!(
                        "{} takes the field `{}` when a record is made, and this pipeline makes none there",
                        end.name(),
                        field.name
                    ),
                    "let the pipeline create there, or give the field a `direction` away from there",
                );
            }
        }
    }
}

fn finish(builder: EndBuilder, filter: crate::config::Filter) -> End {
    let EndBuilder { connection, resource, spec, elements, .. } = builder;
    let spec_hash = hash::spec(&spec, elements.as_ref());
    // Calls are made for whole records, whatever is made of them here.
    let whole = elements.as_ref().and_then(|_| connection.manifest.resources.get(&resource.name).cloned());
    let resource = with_mapped_members(whole.unwrap_or(resource), &spec, elements.as_ref());
    End { connection, resource, spec, filter, elements, spec_hash }
}

/// A resource whose records have members with calls of their own, left with those that are read here.
fn with_mapped_members(resource: Arc<Resource>, spec: &ProjectionSpec, elements: Option<&Elements>) -> Arc<Resource> {
    if resource.also.is_empty() {
        return resource;
    }
    let listed = elements.and_then(|elements| match &elements.each {
        EachElement::List(path) => path.names().first().copied(),
        EachElement::Dates(_) => None,
    });
    let of_slot = |slot: &Slot| {
        let (Slot::Value(path) | Slot::Count(path) | Slot::Test(path)) = slot;
        let names = path.names();
        let name = if elements.is_some() { names.get(1) } else { names.first() };
        // A predicate has no names to go by: what it looks at is not known.
        name.map_or(names.is_empty().then(String::new), |name| Some((*name).to_owned()))
    };
    let read: Vec<String> = spec.slots.iter().filter_map(of_slot).collect();
    let mapped = |also: &Also| {
        listed == Some(also.member.as_str()) || read.iter().any(|name| name.is_empty() || *name == also.member)
    };
    let also = resource.also.iter().filter(|also| mapped(also)).cloned().collect();
    Arc::new(Resource { also, ..(*resource).clone() })
}

/// Keys that belong to the integration.
fn check_own_keys(cx: &Cx<'_>, written: &PipelineW) {
    for (key, span) in written.given() {
        if matches!(*key, "automatic" | "apply" | "timezone" | "debounce" | "schedule" | "blackouts") {
            cx.report.add(
                error(
                    "config::misplaced_key",
                    *span,
                    format!("`{key}` belongs to the integration, not to one of its pipelines"),
                )
                .help(format!("move `{key}` beside `pipelines:`")),
            );
        }
    }
}
