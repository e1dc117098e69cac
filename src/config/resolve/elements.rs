//! Sources of one record per element.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    Cx,
    ends::{EndBuilder, declared},
    hash::Bytes,
};
use crate::{
    config::{
        Count, Dates, EachElement, Elements, Flow, Interval,
        diagnostic::error,
        source::Span,
        written::{At, CountW, DatesW, EachElementW, IntervalW, ResourceRefW, ShortMonthW},
    },
    connector::{FieldTable, FieldType, Resource},
    record::{Canon, Kind, Path},
};

/// Makes an end one of elements, where that is written: from here on its records are `{ parent, item }`. Where it holds
/// a mistake, the end becomes a stand-in.
pub(crate) fn elements(cx: &Cx<'_>, end: &mut EndBuilder, written: &ResourceRefW, flow: Option<(Flow, Span)>) {
    let Some(each) = &written.each else {
        if let Some(id) = written.id.first() {
            cx.report.add(
                error("config::misplaced_key", id.span, "`id` tells elements apart, and there is no `each`")
                    .help("the connector knows the id of whole records; remove `id`, or add `each`"),
            );
            end.stand_in = true;
        }
        return;
    };
    let span = match each {
        EachElementW::List(at) => at.span,
        EachElementW::Dates(_, span) => *span,
    };
    if end.side == crate::record::Side::Target {
        cx.report.add(
            error("config::misplaced_key", span, "elements can be a source, not a target")
                .label("nothing can be written to an element")
                .help("to write lists inside records, use a field: { each: { source: …, target: …, key: … }, fields: [ … ] }"),
        );
        end.stand_in = true;
        return;
    }
    if let Some((flow, at)) = flow
        && flow != Flow::ToTarget
    {
        cx.report.add(
            error("config::against_direction", at, "a source of one record per element is one-way")
                .also(span, "the elements")
                .help("write direction: source-to-target; nothing can be written to an element"),
        );
    }
    let found = match each {
        EachElementW::List(path) => list(cx, end, path),
        EachElementW::Dates(written, _) => dates(cx, end, written),
    };
    let Some((each, item)) = found else {
        end.stand_in = true;
        end.resource = Arc::new(Resource {
            fields: FieldTable { open: true, ..FieldTable::default() },
            ..(*end.resource).clone()
        });
        return;
    };
    let parent_id = end.resource.id.clone();
    end.resource = Arc::new(wrapped(&end.resource, item));
    let Some(id) = id(cx, end, written, &each, &parent_id, span) else {
        end.stand_in = true;
        return;
    };
    end.elements = Some(Elements { each, id });
}

fn list(cx: &Cx<'_>, end: &EndBuilder, path: &At<Path>) -> Option<(EachElement, FieldType)> {
    let found = declared(cx, &end.resource.fields, &end.name(), &path.value, path.span)?;
    if let Some(field) = found.field.filter(|field| !matches!(field.kind(), Kind::List | Kind::Any | Kind::Object)) {
        cx.report.add(
            error("config::wrong_kind", path.span, format!("`{}` is one value, not a list", path.value.as_str()))
                .label(format!("{:?}", field.kind()).to_lowercase())
                .help("name a list, with `[*]` for each of its elements: \"$.Contacts[*]\""),
        );
        return None;
    }
    if found.field.is_some_and(|field| field.kind() == Kind::List) && !path.value.as_str().ends_with(']') {
        cx.report.add(
            error("config::wrong_kind", path.span, format!("`{}` is the list as a whole", path.value.as_str()))
                .help(format!("write each: \"{}[*]\"", path.value.as_str())),
        );
        return None;
    }
    let children = found.field.and_then(|field| field.children.clone());
    let kind = if children.is_some() { Kind::Object } else { Kind::Any };
    let item = FieldType { canon: Canon { kind, ..Canon::default() }, children, ..FieldType::default() };
    Some((EachElement::List(path.value.clone()), item))
}

fn dates(cx: &Cx<'_>, end: &EndBuilder, written: &DatesW) -> Option<(EachElement, FieldType)> {
    let of_kind = |path: &Path, span: Span, kinds: &[Kind], what: &str| {
        let kind = declared(cx, &end.resource.fields, &end.name(), path, span)?.canon.kind;
        if kinds.contains(&kind) {
            return Some(());
        }
        let text = format!("`{}` is not {what}", path.as_str());
        cx.report.add(error("config::wrong_kind", span, text).help(format!("name {what} of {}", end.name())));
        None
    };
    let first = written.first.as_ref()?;
    let count = written.count.as_ref()?;
    let dated = of_kind(&first.value, first.span, &[Kind::Date, Kind::Text, Kind::Any], "a date");
    let counted = match &count.value {
        CountW::Number(_) => Some(()),
        CountW::Path(path) => of_kind(path, count.span, &[Kind::Integer, Kind::Decimal, Kind::Any], "a number"),
    };
    dated.and(counted)?;
    let every = match written.every.as_ref()?.value {
        IntervalW::Days(days) => Interval::Days(days),
        IntervalW::Months(months) => Interval::Months(months),
    };
    let each = EachElement::Dates(Dates {
        first: first.value.clone(),
        every,
        count: match &count.value {
            CountW::Number(number) => Count::Number(*number),
            CountW::Path(path) => Count::Path(path.clone()),
        },
        last_day: written.short_month.as_ref().is_none_or(|at| at.value == ShortMonthW::LastDay),
    });
    let field = |kind| FieldType { canon: Canon { kind, ..Canon::default() }, ..FieldType::default() };
    let item = object([("date", field(Kind::Date)), ("index", field(Kind::Integer))]);
    Some((each, item))
}

fn object<const N: usize>(fields: [(&str, FieldType); N]) -> FieldType {
    let fields: BTreeMap<String, FieldType> =
        fields.into_iter().map(|(name, field)| (name.to_owned(), field)).collect();
    FieldType {
        canon: Canon { kind: Kind::Object, ..Canon::default() },
        children: Some(FieldTable { fields, open: false }),
        ..FieldType::default()
    }
}

/// The resource as its elements are seen: each with its parent beside it.
fn wrapped(resource: &Resource, item: FieldType) -> Resource {
    let parent = FieldType {
        canon: Canon { kind: Kind::Object, ..Canon::default() },
        children: Some(resource.fields.clone()),
        ..FieldType::default()
    };
    let fields = object([("parent", parent), ("item", item)]).children.unwrap_or_default();
    Resource { fields, ..resource.clone() }
}

/// The paths that tell elements apart, less the parent's own id, which is always part of an element's.
fn id(
    cx: &Cx<'_>,
    end: &EndBuilder,
    written: &ResourceRefW,
    each: &EachElement,
    parent_id: &Path,
    span: Span,
) -> Option<Vec<Path>> {
    let own = format!("$.parent{}", parent_id.as_str().trim_start_matches('$'));
    let mut paths = Vec::new();
    for path in &written.id {
        declared(cx, &end.resource.fields, &end.name(), &path.value, path.span)?;
        if path.value.as_str() != own {
            paths.push(path.value.clone());
        }
    }
    if !paths.is_empty() {
        return Some(paths);
    }
    if matches!(each, EachElement::Dates(_)) {
        return Path::parse("$.item.index").ok().map(|path| vec![path]);
    }
    let (at, message) = match written.id.first() {
        Some(path) => (path.span, "the id of the parent does not tell its elements apart"),
        None => (span, "elements need an `id` that tells them apart"),
    };
    cx.report.add(
        error("config::missing_key", at, message)
            .help(format!("add id: [{own}, $.item.ID], with the name of what no two elements share")),
    );
    None
}

/// Adds to a hash what elements are made of.
pub(crate) fn feed(bytes: &mut Bytes, elements: &Elements) {
    match &elements.each {
        EachElement::List(path) => {
            bytes.text("list").text(path.as_str());
        }
        EachElement::Dates(dates) => {
            let (unit, number) = match dates.every {
                Interval::Days(days) => ("days", days),
                Interval::Months(months) => ("months", months),
            };
            bytes.text("dates").text(dates.first.as_str()).text(unit).number(u64::from(number));
            match &dates.count {
                Count::Number(number) => bytes.text("number").number(u64::from(*number)),
                Count::Path(path) => bytes.text("path").text(path.as_str()),
            };
            bytes.number(u64::from(dates.last_day));
        }
    }
    for path in &elements.id {
        bytes.text(path.as_str());
    }
}
