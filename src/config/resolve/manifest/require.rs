//! What the values of posts and rows must be.

use super::entries;
use crate::{
    config::{
        diagnostic::{Report, error},
        nearest::suggest,
        written::{At, Named, RequireW},
    },
    connector::{FieldTable, FieldType, Require, Resource},
    record::Kind,
};

/// What values must be; each is a declared field, or one below it.
pub(super) fn require(made: &Resource, written: Option<&Named<At<RequireW>>>, report: &Report) -> Vec<Require> {
    let mut found = Vec::new();
    for entry in entries(written) {
        let names: Vec<String> = entry.name.value.split('.').map(str::to_owned).collect();
        let above_zero = entry.value.value == RequireW::AboveZero;
        let Some(field) = declared(&made.fields, &names, &entry.name, report) else { continue };
        if above_zero && !matches!(field.kind(), Kind::Decimal | Kind::Integer) {
            report.add(
                error("config::bad_value", entry.value.span, format!("`{}` is no number", entry.name.value))
                    .help("write present, or declare the field as decimal or integer"),
            );
            continue;
        }
        found.push(Require { names, above_zero });
    }
    found
}

fn declared<'f>(table: &'f FieldTable, names: &[String], at: &At<String>, report: &Report) -> Option<&'f FieldType> {
    let (name, rest) = names.split_first()?;
    let Some(field) = table.fields.get(name) else {
        report.add(
            error("config::unknown_field", at.span, format!("there is no field `{name}`"))
                .help("declare it under `fields`")
                .maybe_help(suggest(name, table.fields.keys().map(String::as_str))),
        );
        return None;
    };
    match &field.children {
        _ if rest.is_empty() => Some(field),
        Some(children) => declared(children, rest, at, report),
        None => {
            report.add(
                error("config::unknown_field", at.span, format!("nothing is declared below `{name}`"))
                    .help(format!("declare its fields: {name}: {{ type: list, fields: {{ … }} }}")),
            );
            None
        }
    }
}
