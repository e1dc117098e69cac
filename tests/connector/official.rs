//! Every request that the manifests of Xero and of Practice Manager make, and every answer of the practice systems, against Xero's own
//! `OpenAPI` files.

mod xero;
mod xpm;

use reconciled::connector::{FieldTable, FieldType, ItemAnswer, RemoteRecord};
use serde_json::{Map, Value};

#[track_caller]
fn written(answer: ItemAnswer) -> RemoteRecord {
    match answer {
        ItemAnswer::Written { record, .. } => *record,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn none(faults: &[String]) {
    assert!(faults.is_empty(), "{} faults: {faults:#?}", faults.len());
}

/// A call as the judges name it: `{}` stands for ids, and nothing for a fixed query.
fn call(method: &str, path: &str) -> String {
    let path = path.split('?').next().unwrap_or_default();
    let parts = path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part });
    format!("{method} {}", parts.collect::<Vec<_>>().join("/"))
}

/// A value for each member that may be written.
fn members(table: &FieldTable, value: &dyn Fn(&str, &FieldType) -> Value) -> Map<String, Value> {
    let written = table.fields.iter().filter(|(_, field)| !field.read_only);
    written.map(|(name, field)| (name.clone(), value(name, field))).collect()
}
