//! Members of a record that have calls of their own.

use super::{calls, listing};
use crate::{
    config::{
        diagnostic::{Report, error},
        nearest::suggest,
        written::{AlsoMapW, AlsoW, At, ChangesW, Entry, GetMapW, ResourceW},
    },
    connector::{Also, FieldTable, First, ListChanges, OwnWrite, Write},
    record::{Kind, Path},
};

/// A member that calls of its own read or write. No other write reaches it.
pub(super) fn also(entry: &Entry<AlsoW>, resource: &ResourceW, fields: &FieldTable, report: &Report) -> Option<Also> {
    let (name, written) = (&entry.name, &entry.value.0);
    let Some(field) = fields.fields.get(&name.value) else {
        let message = format!("there is no field `{}`", name.value);
        report.add(
            error("config::unknown_field", name.span, message)
                .maybe_help(suggest(&name.value, fields.fields.keys().map(String::as_str)))
                .help("declare it under `fields`; with read_only: true unless it has an `update`"),
        );
        return None;
    };
    match (&written.update, field.read_only) {
        (None, false) => {
            let message =
                format!("`{}` is read by a call of its own, so no write of the record reaches it", name.value);
            report.add(
                error("config::bad_value", name.span, message)
                    .help("add read_only: true to the field, or say with `update` which call writes it"),
            );
            return None;
        }
        (Some(update), true) => {
            let message = format!("`{}` is read only, and has a call that writes it", name.value);
            report.add(error("config::bad_value", update.span, message).help("remove read_only: true, or the call"));
            return None;
        }
        _ => {}
    }
    if let (Some(update), true) = (&written.update, field.create_only) {
        let message = format!("`{}` is taken with a new record alone, and has a call that writes it", name.value);
        report.add(error("config::bad_value", update.span, message).help("remove create_only: true, or the call"));
        return None;
    }
    if written.path.is_none() && written.update.is_none() {
        report.add(
            error("config::missing_key", name.span, format!("nothing says how `{}` is read or written", name.value))
                .help("write { path: \"/customers/{id}/notes\" } or { update: { put: \"/customers/{id}/notes\" } }"),
        );
        return None;
    }
    let get = get(written).map(|get| listing::get(&get, report));
    let changes = written.changes.as_ref().and_then(self::changes);
    let update = match &written.update {
        Some(update) => {
            let call = calls::write(update, false, report)?;
            let alone = written.alone.as_ref().is_some_and(|alone| alone.value);
            check(written, field.kind(), resource, report)?;
            let member = OwnWrite { member: name.value.clone(), changes: changes.clone(), alone };
            Some(Box::new(Write { member: Some(Box::new(member)), ..call }))
        }
        None => None,
    };
    let first = written.first.as_ref();
    let first = match (first, &changes) {
        (Some(to), Some(changes)) => Some(first_of(name, to, changes, fields, report)?),
        (Some(to), None) => {
            report.add(
                error(
                    "config::missing_key",
                    to.span,
                    "the first element is named by its key, and nothing says where that is",
                )
                .help("add changes: { key: $.id, add: $.add }"),
            );
            return None;
        }
        (None, _) => None,
    };
    Some(Also { member: name.value.clone(), get: get.flatten(), update, first })
}

fn get(written: &AlsoMapW) -> Option<GetMapW> {
    let path = written.path.clone()?;
    let (record, missing) = (written.record.clone(), written.missing.clone());
    Some(GetMapW { span: written.span, path: Some(path), record, missing, ..GetMapW::default() })
}

fn changes(written: &ChangesW) -> Option<ListChanges> {
    let path = |at: &Option<At<Path>>| at.as_ref().map(|path| path.value.clone());
    Some(ListChanges {
        key: path(&written.key)?,
        add: path(&written.add)?,
        remove: path(&written.remove),
        at: path(&written.at).or_else(calls::whole)?,
    })
}

/// What a call of one member needs besides.
fn check(written: &AlsoMapW, kind: Kind, resource: &ResourceW, report: &Report) -> Option<()> {
    if let Some(batch) = written.update.as_ref().and_then(|update| update.batch.as_ref()) {
        report.add(
            error("config::misplaced_key", batch.span, "the call of one member writes one record")
                .help("remove `batch`"),
        );
        return None;
    }
    let Some(changes) = written.changes.as_ref() else { return Some(()) };
    let (message, help) = match (kind, &resource.get) {
        (Kind::Any | Kind::List, Some(_)) => return Some(()),
        (Kind::Any | Kind::List, None) => (
            "what comes and goes is told by the record as it is right before, and there is no `get`",
            "add get: \"/groups/{id}\"",
        ),
        _ => ("only a list has elements that come and go", "remove `changes`, or declare the field as a list"),
    };
    report.add(error("config::bad_value", changes.span, message).help(help));
    None
}

fn first_of(
    name: &At<String>,
    to: &At<String>,
    changes: &ListChanges,
    fields: &FieldTable,
    report: &Report,
) -> Option<First> {
    if !fields.open && !fields.fields.contains_key(&to.value) {
        report.add(
            error("config::unknown_field", to.span, format!("there is no field `{}`", to.value))
                .maybe_help(suggest(&to.value, fields.fields.keys().map(String::as_str)))
                .help("name the field that a new record is made with"),
        );
        return None;
    }
    Some(First { member: name.value.clone(), key: changes.key.clone(), to: to.value.clone() })
}
