//! Collections that are kept in tables of databases.

use std::time::Duration;

use super::native;
use crate::{
    config::{
        diagnostic::{Report, error},
        written::{At, IdsW, ResourceW, SqlW},
    },
    connector::{Ids, Resource, SqlTable, VersionPlace},
    record::Kind,
};

/// Records a write, and so a transaction.
const BATCH: usize = 100;
/// How much is read again, unless something else is said.
const OVERLAP: Duration = Duration::from_mins(1);

/// What a resource has that is kept in a table.
pub(super) fn resource(made: Resource, written: &ResourceW, sql: &SqlW, report: &Report) -> Option<Resource> {
    let help = "; with `write: true` below `sql`, records are written";
    if !native::has_no_calls(written, sql.span, "in a table", help, report)
        || !native::one_name(&made, written, sql.span, "write id: $.number", report)
    {
        return None;
    }
    let table = sql.table.as_ref()?;
    let parts = names(table, report)?;
    check_columns(&made, written, sql, report);
    let changed_at = made.updated_at.as_ref().and_then(|path| path.names().first().map(|name| (*name).to_owned()));
    if let (Some(overlap), None) = (&sql.overlap, &changed_at) {
        report.add(error("config::bad_value", overlap.span, "`overlap` goes with `updated_at`").help(
            "name the column of the last change, as updated_at: $.changed_at; else everything is read each time",
        ));
    }
    let overlap = sql.overlap.as_ref().map_or(OVERLAP, |overlap| overlap.value);
    let write = sql.write.as_ref().is_some_and(|write| write.value);
    let whole = native::whole()?;
    let call = |method: &str| write.then(|| native::write(&table.value, &made.id, &whole, method, BATCH));
    Some(Resource {
        version: Some(VersionPlace::Etag),
        list: Some(native::list(&table.value, &whole, changed_at.is_some().then_some(overlap))),
        get: Some(native::get(&table.value, &whole)),
        create: call("ADD"),
        update: call("CHANGE"),
        delete: call("REMOVE"),
        sql: Some(SqlTable {
            table: parts,
            id: made.id.names().first().map(|name| (*name).to_owned())?,
            changed_at,
            ids: match sql.ids.as_ref().map(|ids| ids.value) {
                None | Some(IdsW::Database) => Ids::Database,
                Some(IdsW::Us) => Ids::Us,
                Some(IdsW::Record) => Ids::Record,
            },
            zone: sql.zone.as_ref().map_or(chrono_tz::UTC, |zone| zone.value),
            write,
        }),
        ..made
    })
}

/// `schema.table` or `table`. Names are quoted when they are used; a control character is none of a name.
fn names(table: &At<String>, report: &Report) -> Option<Vec<String>> {
    let parts: Vec<String> = table.value.split('.').map(str::to_owned).collect();
    let bad = |part: &String| part.is_empty() || part.len() > 63 || part.chars().any(char::is_control);
    if parts.len() > 2 || parts.iter().any(bad) {
        report.add(
            error("config::bad_value", table.span, format!("`{}` is no name of a table", table.value))
                .help("write table: customers, or with its schema, table: shop.customers"),
        );
        return None;
    }
    Some(parts)
}

/// A table has columns, and nothing below them.
fn check_columns(made: &Resource, written: &ResourceW, sql: &SqlW, report: &Report) {
    if made.fields.open {
        report.add(
            error("config::missing_key", sql.span, "the columns of a table are its fields, and none is listed")
                .help("add fields: { name: text, email: text }; other columns are neither read nor written"),
        );
    }
    let nested = made.fields.fields.iter().find(|(_, field)| matches!(field.kind(), Kind::Object | Kind::List));
    if let Some((name, _)) = nested {
        report.add(
            error("config::bad_value", sql.span, format!("the column `{name}` cannot be a list or an object"))
                .help("declare it as text, or read the rows of the other table as a resource of its own"),
        );
    }
    if let (Some(path), Some(at)) = (&made.updated_at, &written.updated_at)
        && path.names().len() != 1
    {
        let span = at.0.path.as_ref().map_or(sql.span, |path| path.span);
        report.add(
            error("config::bad_value", span, "the last change of a row is in one of its columns")
                .help("write updated_at: $.changed_at"),
        );
    }
}
