//! Fields.

mod ends;
mod flow;
mod known;
mod list;

pub(crate) use flow::of as flow_of;

use super::{
    Cx, Need, Written,
    ends::{Declared, EndBuilder},
    hash, steps, value,
};
use crate::{
    config::{
        Blanks, Conflicts, Content, Differences, Field, FieldEnd, Flow, IntegrationName, Join, KnownConstant,
        PipelineName, Reference, Transform, WriteWhen,
        diagnostic::{Finding, error},
        source::Span,
        written::{At, FieldW, WriteW},
    },
    connector::FieldTable,
    mapping,
    record::{Kind, Path, Side},
};

const FORMS: &str = "a field is { source: $.a, target: $.b }, { value: text, target: $.b }, { at: { … }, fields: [ … ] } or { each: { … }, fields: [ … ] }";

/// What fields of a pipeline have in common.
pub(crate) struct Fields<'a, 'c> {
    /// The world.
    pub cx: &'a Cx<'c>,
    /// The integration, for names of other pipelines.
    pub within: Option<&'a IntegrationName>,
    /// Both ends.
    pub ends: &'a mut [EndBuilder; 2],
    /// Which way the pipeline flows.
    pub flow: Flow,
    /// The pipeline's rules.
    pub conflicts: Conflicts,
    /// The pipeline's rules.
    pub blanks: Blanks,
    /// The pipeline's rules.
    pub differences: Differences,
    /// Pipelines referred to.
    pub needs: Vec<(PipelineName, Span, Need)>,
    /// What is written.
    pub writes: Vec<Written>,
    /// Constants that must be known to the target.
    pub known: Vec<KnownConstant>,
}

/// Where paths begin and which fields there are.
#[derive(Clone)]
struct Scope<'t> {
    tables: [&'t FieldTable; 2],
    prefix: [Option<Path>; 2],
    /// Inside an element of a list: paths are relative, and nothing is read into slots.
    element: Option<Flow>,
}

/// A path with the place it was written at.
type Written1 = At<Path>;

impl Fields<'_, '_> {
    /// Resolves the fields of a pipeline.
    pub(crate) fn all(&mut self, written: &[FieldW]) -> Vec<Field> {
        let resources = [self.ends[0].resource.clone(), self.ends[1].resource.clone()];
        let scope = Scope { tables: [&resources[0].fields, &resources[1].fields], prefix: [None, None], element: None };
        let mut found: Vec<(Field, Span)> = Vec::new();
        self.some(written, &scope, &mut found);
        for (at, (field, span)) in found.iter().enumerate() {
            if let Some((_, first)) = found[..at].iter().find(|(other, _)| other.id == field.id) {
                self.report(
                    error("config::duplicate_field", *span, format!("the field `{}` is given twice", field.name))
                        .label("given again")
                        .also(*first, "given first")
                        .help("remove one of them"),
                );
            }
        }
        found.into_iter().map(|(field, _)| field).collect()
    }

    fn report(&self, finding: Finding) {
        self.cx.report.add(finding);
    }

    fn some(&mut self, written: &[FieldW], scope: &Scope<'_>, found: &mut Vec<(Field, Span)>) {
        for field in written {
            if field.at.is_some() {
                self.at(field, scope, found);
            } else if let Some(field) = self.one(field, scope).map(|resolved| (resolved, field.span)) {
                found.push(field);
            }
        }
    }

    /// `at:` only moves where paths begin.
    fn at(&mut self, written: &FieldW, scope: &Scope<'_>, found: &mut Vec<(Field, Span)>) {
        self.only(written, "`at`", &["at", "fields"]);
        let Some(at) = &written.at else { return };
        let Some(fields) = &written.fields else {
            self.report(error("config::missing_key", written.span, "`at` needs `fields`").help(FORMS));
            return;
        };
        let mut inner = scope.clone();
        for (side, path) in [(Side::Source, &at.source), (Side::Target, &at.target)] {
            if let Some(path) = path {
                inner.prefix[side.index()] = Some(self.path(side, path, scope)).flatten().map(|at| at.value);
            }
        }
        self.some(fields, &inner, found);
    }

    /// A path with what it is relative to in front.
    fn path(&self, side: Side, written: &Written1, scope: &Scope<'_>) -> Option<Written1> {
        let Some(prefix) = &scope.prefix[side.index()] else { return Some(written.clone()) };
        match prefix.join(&written.value) {
            Ok(value) => Some(At { value, span: written.span }),
            Err(cause) => {
                self.report(
                    error("config::bad_path", written.span, cause.to_string()).help("see `at`, which comes before it"),
                );
                None
            }
        }
    }

    /// Reports keys that do not go with the form of a field.
    fn only(&self, written: &FieldW, what: &str, allowed: &[&str]) {
        for (key, span) in written.given() {
            if !allowed.contains(key) {
                self.report(
                    error("config::misplaced_key", *span, format!("`{key}` does not go with {what}")).help(FORMS),
                );
            }
        }
    }

    fn one(&mut self, written: &FieldW, scope: &Scope<'_>) -> Option<Field> {
        if written.each.is_some() {
            self.only(
                written,
                "`each`",
                &["each", "fields", "direction", "write", "blanks", "conflicts", "differences", "shared"],
            );
            return self.list(written, scope);
        }
        if written.fields.is_some() {
            self.report(
                error("config::misplaced_key", written.span, "`fields` goes only with `at` or `each`").help(FORMS),
            );
            return None;
        }
        if written.value.is_some() {
            self.only(written, "a constant", &["value", "target", "one_of", "write", "direction", "shared"]);
            return self.constant(written, scope);
        }
        self.mapped(written, scope)
    }

    fn constant(&mut self, written: &FieldW, scope: &Scope<'_>) -> Option<Field> {
        let raw = written.value.as_ref()?;
        let Some(target) = &written.target else {
            self.report(error("config::missing_key", written.span, "a constant needs `target`").help(FORMS));
            return None;
        };
        let outer = scope.element.unwrap_or(self.flow);
        let given = written.direction.as_ref().map(|at| flow::of(at.value));
        if outer == Flow::ToSource || given.is_some_and(|flow| flow != Flow::ToTarget) {
            let span = written.direction.as_ref().map_or(raw.span, |at| at.span);
            self.report(
                error("config::constant_direction", span, "a constant goes to the target only")
                    .help("swap source and target of the pipeline, or leave the constant out"),
            );
            return None;
        }
        let target = self.path(Side::Target, target, scope)?;
        let declared = self.declared(Side::Target, &target, scope)?;
        let value = value::one(declared.canon.kind, raw, self.cx.report)?;
        let id = hash::field_id("constant", &[], target.value.as_str());
        if let Some(one_of) = &written.one_of {
            let known = known::constant(&self.ends[1], one_of, (raw, &value), short(&target.value));
            match known {
                Ok(known) => self.known.push(known),
                Err(finding) => self.report(*finding),
            }
        }
        let name = format!("\"{}\" -> {}", raw.value.text, short(&target.value));
        let content = Content::Constant(value);
        let end = self.end(Side::Target, &[target], scope, Flow::ToTarget, written)?;
        Some(self.finish(written, id, name, [FieldEnd::default(), end], Flow::ToTarget, content))
    }

    fn mapped(&mut self, written: &FieldW, scope: &Scope<'_>) -> Option<Field> {
        if let Some(one_of) = &written.one_of {
            self.report(error("config::misplaced_key", one_of.span, "`one_of` goes with a constant").help(
                "write { value: …, target: $.b, one_of: staff }; a value that each record has is refused by the target",
            ));
        }
        let (Some(source), Some(target)) = (&written.source, &written.target) else {
            let missing = if written.target.is_some() { "source" } else { "target" };
            // A path that could not be read was reported there.
            if !written.broken.contains(&missing) {
                self.report(
                    error("config::missing_key", written.span, format!("a field needs `{missing}`"))
                        .label(format!("`{missing}` is missing"))
                        .help(FORMS),
                );
            }
            return None;
        };
        let paths: Option<Vec<Written1>> = source.0.iter().map(|path| self.path(Side::Source, path, scope)).collect();
        let (paths, target) = (paths?, self.path(Side::Target, target, scope)?);
        if paths.is_empty() {
            self.report(error("config::missing_key", written.span, "the list of sources is empty").help(FORMS));
            return None;
        }
        let flow = self.flow_of(written, scope)?;
        let joined = paths.len() > 1;
        let join = self.join(written, joined);
        if flow.writes(Side::Source) {
            self.check_way_back(written, joined);
        }
        let (forward, backward) = self.both_ways(written, flow);
        let reference = written.reference.as_ref().and_then(|name| self.reference(name));
        let source_kind = self.declared(Side::Source, paths.first()?, scope).map(|declared| declared.canon.kind);
        let target_kind = self.declared(Side::Target, &target, scope).map(|declared| declared.canon.kind);
        // Steps that could not be read were reported; what they would have changed is not known.
        let known = written.broken.is_empty() && !joined;
        if let (Some(from), Some(to), true) = (source_kind, target_kind, known) {
            self.check_kinds(written, [from, to], flow, &forward);
        }
        let texts: Vec<&str> = paths.iter().map(|path| path.value.as_str()).collect();
        let id = hash::field_id("mapped", &texts, target.value.as_str());
        let shorts: Vec<String> = paths.iter().map(|path| short(&path.value)).collect();
        let name = format!("{} -> {}", shorts.join(" + "), short(&target.value));
        let source_end = self.end(Side::Source, &paths, scope, flow, written);
        let target_end = self.end(Side::Target, std::slice::from_ref(&target), scope, flow, written);
        let (source_end, target_end) = (source_end?, target_end?);
        self.check_read_only(written, [&source_end, &target_end], flow);
        let content = Content::Mapped { join, forward, backward, reference };
        Some(self.finish(written, id, name, [source_end, target_end], flow, content))
    }

    fn join(&self, written: &FieldW, joined: bool) -> Option<Join> {
        let product = written.product.as_ref().filter(|product| product.value);
        if joined && written.join.is_none() && product.is_none() {
            self.report(
                error(
                    "config::missing_key",
                    written.span,
                    "several sources need `join`: what stands between the values",
                )
                .help("add join: \" \", or product: true where they are numbers to multiply"),
            );
        }
        let needless = match (&written.join, product) {
            (Some(join), _) if !joined || product.is_some() => Some((join.span, "join")),
            (_, Some(product)) if !joined => Some((product.span, "product")),
            _ => None,
        };
        if let Some((span, key)) = needless {
            let message = if joined {
                "values are joined or multiplied, not both".to_owned()
            } else {
                format!("`{key}` goes with several sources")
            };
            self.report(
                error("config::misplaced_key", span, message)
                    .help(format!("write source: [$.first, $.last], or remove {key}")),
            );
        }
        if let Some(suffix) = &written.unique_suffix
            && !suffix.value.contains("{id}")
        {
            self.report(
                error("config::bad_value", suffix.span, "without {id} the suffix makes nothing unique")
                    .help("write unique_suffix: \" ({id})\""),
            );
        }
        (joined || written.unique_suffix.is_some()).then(|| Join {
            separator: written.join.as_ref().map(|join| join.value.clone()).unwrap_or_default(),
            unique_suffix: written.unique_suffix.as_ref().map(|suffix| suffix.value.clone()),
            product: product.is_some(),
        })
    }

    /// The steps to the target, and those back.
    fn both_ways(&self, written: &FieldW, flow: Flow) -> (Vec<Transform>, Option<Vec<Transform>>) {
        let normalize = steps::normalizing(self.cx, written.normalize.as_ref());
        let mut own = steps::steps(self.cx, written.transform.as_ref());
        if let Some(table) = &written.lookup {
            own.extend(steps::lookup(self.cx, table, written.unknown.as_ref()));
        } else if written.unknown.is_some() {
            self.report(
                error("config::misplaced_key", written.span, "`unknown` goes with `lookup`")
                    .help("add lookup: table-name"),
            );
        }
        let reverse = steps::steps(self.cx, written.reverse.as_ref());
        let back = if !flow.writes(Side::Source) {
            None
        } else if written.reverse.is_some() {
            Some(reverse)
        } else {
            mapping::invert(&own)
        };
        let backward = back.map(|back| normalize.iter().cloned().chain(back).collect());
        (normalize.into_iter().chain(own).collect(), backward)
    }

    fn reference(&mut self, written: &At<String>) -> Option<Reference> {
        let name = self.cx.find_pipeline(written, self.within)?;
        self.needs.push((name.clone(), written.span, Need::Reference));
        // Which way it faces is known when every pipeline is.
        Some(Reference::to(name))
    }

    fn finish(
        &self,
        written: &FieldW,
        id: crate::config::FieldId,
        name: String,
        ends: [FieldEnd; 2],
        flow: Flow,
        content: Content,
    ) -> Field {
        let conflicts = written
            .conflicts
            .as_ref()
            .map_or(self.conflicts, |conflicts| super::policy::conflicts(self.cx, conflicts, self.ends));
        Field {
            id,
            definition: hash::definition(&content),
            name,
            ends,
            flow,
            write: match written.write.as_ref().map(|write| write.value) {
                None | Some(WriteW::Always) => WriteWhen::Always,
                Some(WriteW::OnCreate) => WriteWhen::OnCreate,
                Some(WriteW::IfBlank) => WriteWhen::IfBlank,
            },
            blanks: written.blanks.as_ref().map_or(self.blanks, |blanks| super::policy::blanks(blanks.value)),
            conflicts,
            differences: written
                .differences
                .as_ref()
                .map_or(self.differences, |differences| super::policy::differences(differences.value)),
            content,
        }
    }

    fn declared<'t>(&self, side: Side, path: &Written1, scope: &Scope<'t>) -> Option<Declared<'t>> {
        let owner = self.ends[side.index()].name();
        super::ends::declared(self.cx, scope.tables[side.index()], &owner, &path.value, path.span)
    }

    fn check_kinds(&self, written: &FieldW, [from, to]: [Kind; 2], flow: Flow, forward: &[Transform]) {
        let zoned = forward.iter().any(|step| matches!(step, Transform::Date(_)));
        let backwards = written.reverse.is_none() && flow.writes(Side::Source);
        if (flow.writes(Side::Target) && from == Kind::Datetime && to == Kind::Date && !zoned)
            || (backwards && to == Kind::Datetime && from == Kind::Date)
        {
            self.report(
                error("config::date_needs_zone", written.span, "an instant becomes a date only in a time zone")
                    .help("add transform: { date: { zone: Pacific/Auckland } }"),
            );
        }
        let shape = |kind: Kind| match kind {
            Kind::Any => None,
            Kind::Object | Kind::List => Some(kind),
            _ => Some(Kind::Text),
        };
        if let (Some(a), Some(b), true) = (shape(from), shape(to), forward.is_empty())
            && a != b
        {
            let say = |kind| match kind {
                Kind::Object => "an object",
                Kind::List => "a list",
                _ => "a single value",
            };
            self.report(
                error("config::wrong_kind", written.span, format!("the source is {}, the target {}", say(a), say(b)))
                    .help("name a value inside the object, or map a list with `each`"),
            );
        }
    }
}

/// A path without its `$.`, for people.
pub(crate) fn short(path: &Path) -> String {
    let text = path.as_str();
    text.strip_prefix("$.").unwrap_or(text).to_owned()
}
