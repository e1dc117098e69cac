//! The two ends of a pipeline while it is being made.

use std::sync::Arc;

use super::{Cx, elements::elements, manifest::no_fields};
use crate::{
    config::{
        Connection, Elements, Flow,
        diagnostic::error,
        nearest::suggest,
        source::Span,
        written::{At, ResourceRefW},
    },
    connector::{FieldTable, FieldType, Resource},
    record::{Canon, Kind, Path, ProjectionSpec, Side, Slot, SlotIndex},
};

/// One end.
#[derive(Clone, Debug)]
pub(crate) struct EndBuilder {
    /// Which side it is.
    pub side: Side,
    /// The account.
    pub connection: Arc<Connection>,
    /// The collection.
    pub resource: Arc<Resource>,
    /// Its records are the elements of the resource's records; the resource is as elements see it.
    pub elements: Option<Elements>,
    /// What is read so far.
    pub spec: ProjectionSpec,
    /// Where the end is named.
    pub span: Span,
    /// Nobody knows what this end is: it stands in, so that the other end's mistakes are found all the same.
    pub stand_in: bool,
}

impl EndBuilder {
    /// The slot of a value.
    pub(crate) fn value(&mut self, path: &Path) -> SlotIndex {
        self.spec.slot(Slot::Value(path.clone()))
    }

    /// An unknown other end of a pipeline: it can all that this one can, and has any field.
    fn stand_in(self) -> Self {
        let resource = Resource {
            fields: FieldTable { open: true, ..FieldTable::default() },
            updated_at: self.resource.updated_at.clone().or_else(|| Some(self.resource.id.clone())),
            ..(*self.resource).clone()
        };
        let elements = None;
        Self { side: self.side.other(), resource: Arc::new(resource), elements, stand_in: true, ..self }
    }

    /// For people: `acme-xero/contacts`.
    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.connection.name, self.resource.name)
    }
}

/// Finds the account and the collection that a pipeline names.
pub(crate) fn end(cx: &Cx<'_>, side: Side, written: &ResourceRefW) -> Option<EndBuilder> {
    let At { value, span } = &written.name;
    let Some((connection_name, resource_name)) = value.rsplit_once('/') else {
        cx.report.add(
            error("config::bad_resource", *span, format!("`{value}` does not say connection/resource"))
                .maybe_help(cx.names(&cx.connections).first().map(|name| format!("write it as {name}/contacts"))),
        );
        return None;
    };
    let Some((_, connection)) = cx.connection(connection_name) else {
        let names = cx.names(&cx.connections);
        cx.report.add(
            error("config::unknown_connection", *span, format!("there is no connection `{connection_name}`"))
                .label("not known")
                .maybe_help(
                    suggest(connection_name, names.iter().map(String::as_str))
                        .or_else(|| Some("describe it under `connections:`".to_owned())),
                ),
        );
        return None;
    };
    // One with mistakes was reported where it is written.
    let connection = connection.as_ref()?;
    let resources = &connection.manifest.resources;
    let Some(resource) = resources.get(resource_name) else {
        cx.report.add(
            error(
                "config::unknown_resource",
                span.at_offset(connection_name.len() + 1),
                format!("`{connection_name}` ({}) has no resource `{resource_name}`", connection.manifest.name),
            )
            .label("not known")
            .maybe_help(suggest(resource_name, resources.keys().map(String::as_str))),
        );
        return None;
    };
    Some(EndBuilder {
        side,
        connection: Arc::clone(connection),
        resource: Arc::clone(resource),
        spec: ProjectionSpec::default(),
        span: *span,
        elements: None,
        stand_in: false,
    })
}

/// Both ends. Where one of them cannot be found, something that takes everything stands in for it; where neither can,
/// there is nothing to check against.
pub(crate) fn both(
    cx: &Cx<'_>,
    written: [Option<&ResourceRefW>; 2],
    flow: Option<(Flow, Span)>,
) -> Option<[EndBuilder; 2]> {
    let [source, target] = written;
    let one = |side, at: Option<&ResourceRefW>| {
        let at = at?;
        let mut end = end(cx, side, at)?;
        elements(cx, &mut end, at, flow);
        Some(end)
    };
    let (source, target) = (one(Side::Source, source), one(Side::Target, target));
    match (source, target) {
        (Some(source), Some(target)) => Some([source, target]),
        (Some(source), None) => Some([source.clone(), source.stand_in()]),
        (None, Some(target)) => Some([target.clone().stand_in(), target]),
        (None, None) => None,
    }
}

/// What a manifest says of a path.
#[derive(Clone, Debug, Default)]
pub(crate) struct Declared<'t> {
    /// How values compare.
    pub canon: Canon,
    /// The remote refuses or ignores writes to it, or to what it is in.
    pub read_only: bool,
    /// The remote takes it, or what it is in, when a record is made, and no change of it.
    pub create_only: bool,
    /// The remote answers with a mask.
    pub masked: bool,
    /// The field, if it is declared.
    pub field: Option<&'t FieldType>,
}

impl<'t> Declared<'t> {
    /// The fields below, as far as they are known.
    pub(crate) fn children(&self) -> &'t FieldTable {
        self.field.and_then(|field| field.children.as_ref()).unwrap_or_else(|| no_fields())
    }
}

/// Looks a path up in a table of fields; a misspelt one is reported with the nearest name.
pub(crate) fn declared<'t>(
    cx: &Cx<'_>,
    table: &'t FieldTable,
    owner: &str,
    path: &Path,
    span: Span,
) -> Option<Declared<'t>> {
    check_selectors(cx, table, owner, path, span)?;
    follow(cx, table, owner, &path.names(), (path, span))
}

/// Checks the names by which elements of a list are selected: `PhoneType` in `$.Phones[?(@.PhoneType=='MOBILE')]`.
fn check_selectors(cx: &Cx<'_>, table: &FieldTable, owner: &str, path: &Path, span: Span) -> Option<()> {
    let text = path.as_str();
    for (at, _) in text.match_indices("[?") {
        let Some(list) = text.get(..at).and_then(|before| Path::parse(before).ok()) else { continue };
        let elements = follow(cx, table, owner, &list.names(), (path, span))?.children();
        let condition = text.get(at..).unwrap_or_default();
        let condition = condition.split_once(']').map_or(condition, |(condition, _)| condition);
        for part in condition.split("@.").skip(1) {
            let length = part.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(part.len());
            let name = part.get(..length).unwrap_or_default();
            let owner = format!("`{}` of {owner}", list.as_str());
            follow(cx, elements, &owner, &[name], (path, span))?;
        }
    }
    Some(())
}

/// Looks up what a condition asks for.
pub(crate) fn check_condition(cx: &Cx<'_>, table: &FieldTable, owner: &str, path: &Path, span: Span) {
    for names in path.condition_names() {
        follow(cx, table, owner, &names, (path, span));
    }
}

/// Follows names through a table of fields.
fn follow<'t>(
    cx: &Cx<'_>,
    table: &'t FieldTable,
    owner: &str,
    names: &[&str],
    (path, span): (&Path, Span),
) -> Option<Declared<'t>> {
    let mut found = Declared::default();
    let mut table = table;
    let mut so_far = String::from("$");
    for name in names.iter().copied() {
        let Some(field) = table.fields.get(name) else {
            if table.open {
                return Some(Declared { canon: Canon::default(), field: None, ..found });
            }
            let below = match so_far.as_str() {
                "$" if is_element(table) => format!("an element of {owner}"),
                "$" => owner.to_owned(),
                so_far => format!("`{so_far}` of {owner}"),
            };
            cx.report.add(
                error("config::unknown_field", inside(span, path, name), format!("{below} has no field `{name}`"))
                    .label("not known")
                    .help(format!("`{so_far}` is a single value; end the path there"))
                    .maybe_help(
                        in_element(table, name).or_else(|| suggest(name, table.fields.keys().map(String::as_str))),
                    ),
            );
            return None;
        };
        so_far = format!("{so_far}.{name}");
        found = Declared {
            canon: field.canon.clone(),
            read_only: found.read_only || field.read_only,
            create_only: found.create_only || field.create_only,
            masked: field.masked,
            field: Some(field),
        };
        match &field.children {
            Some(children) => table = children,
            None if matches!(field.kind(), Kind::Any | Kind::Object | Kind::List) => table = no_fields(),
            None => table = scalar(),
        }
    }
    Some(found)
}

/// Whether these are the fields of an element as it is seen beside its parent.
fn is_element(table: &FieldTable) -> bool {
    !table.open && table.fields.keys().map(String::as_str).eq(["item", "parent"])
}

/// Of an element, the path that was probably meant: what an element or its parent has needs `$.item` or `$.parent`.
fn in_element(table: &FieldTable, name: &str) -> Option<String> {
    if !is_element(table) {
        return None;
    }
    let has = |of: &str| {
        let children = table.fields.get(of).and_then(|field| field.children.as_ref());
        children.is_some_and(|children| children.fields.contains_key(name))
    };
    let found: Vec<String> =
        ["item", "parent"].into_iter().filter(|of| has(of)).map(|of| format!("`$.{of}.{name}`")).collect();
    Some(match found.as_slice() {
        [] => "paths of an element begin with $.item, those of the record it is in with $.parent".to_owned(),
        found => format!("did you mean {}?", found.join(" or ")),
    })
}

/// Below a single value there is nothing.
fn scalar() -> &'static FieldTable {
    static NONE: FieldTable = FieldTable { fields: std::collections::BTreeMap::new(), open: false };
    &NONE
}

/// The place of a name inside a path inside a file.
fn inside(span: Span, path: &Path, name: &str) -> Span {
    let text = path.as_str();
    let quote = match (span.end - span.start).checked_sub(text.len()) {
        Some(0) => 0,
        Some(2) => 1,
        _ => return span,
    };
    match text.find(name) {
        Some(at) => Span { file: span.file, start: span.start + quote + at, end: span.start + quote + at + name.len() },
        None => span,
    }
}
