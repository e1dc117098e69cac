//! Constants that are the id of a record of the target (`one_of`).

use serde_json::Value;

use super::EndBuilder;
use crate::{
    config::{
        KnownConstant,
        diagnostic::{Finding, error},
        nearest::suggest,
        written::{At, Raw},
    },
    record::RecordId,
};

/// The constant, and where it must be known.
pub(super) fn constant(
    target: &EndBuilder,
    one_of: &At<String>,
    (raw, value): (&At<Raw>, &Value),
    field: String,
) -> Result<KnownConstant, Box<Finding>> {
    let connection = &target.connection;
    let id = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    };
    if id.is_empty() {
        let message = format!("this is no id of `{}`, so nothing could ever be sent", one_of.value);
        let help = format!("give the id of a record of {}/{}", connection.name, one_of.value);
        return Err(Box::new(error("config::bad_value", raw.span, message).label("blank").help(help)));
    }
    let resources = &connection.manifest.resources;
    match resources.get(&one_of.value) {
        Some(resource) if resource.get.is_some() => {
            Ok(KnownConstant { field, id: RecordId::from(id), resource: resource.clone() })
        }
        Some(_) => {
            let message = format!("one record of {}/{} cannot be looked up", connection.name, one_of.value);
            let help = "the connector has no `get` for it; remove one_of";
            Err(Box::new(error("config::not_readable", one_of.span, message).help(help)))
        }
        None => {
            let message =
                format!("`{}` ({}) has no resource `{}`", connection.name, connection.manifest.name, one_of.value);
            let near = suggest(&one_of.value, resources.keys().map(String::as_str));
            Err(Box::new(error("config::unknown_resource", one_of.span, message).label("not known").maybe_help(near)))
        }
    }
}
