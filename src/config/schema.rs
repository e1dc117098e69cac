//! JSON Schemas of the written types, for editors.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::written::{ManifestW, Named, SettingsW, TopW, written};

written! {
    /// A file of connector manifests.
    ConnectorFileW as "a connector file" {
        /// Connectors by name.
        need connectors: Named<ManifestW>,
    }
}

/// The schema of a configuration file.
#[must_use]
pub fn config_schema() -> Value {
    with_variants(schema_of::<TopW>("reconciled configuration"))
}

/// The schema of a file with connector manifests only.
#[must_use]
pub fn connector_schema() -> Value {
    with_variants(schema_of::<ConnectorFileW>("reconciled connector"))
}

/// The schema of `reconciled.toml`.
#[must_use]
pub fn settings_schema() -> Value {
    schema_of::<SettingsW>("reconciled settings")
}

/// The schema of a written type.
pub(crate) fn schema_of<T: schemars::JsonSchema>(title: &str) -> Value {
    let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>();
    schema.insert("title".to_owned(), title.into());
    schema.to_value()
}

/// What a variant of a connector lays over another entry by entry; `~` takes an entry away.
const LAID: [&str; 3] = ["settings", "headers", "query"];

/// A connector that `extends` another is whole only over that one: nothing need be given in it but `extends`, and `~` takes
/// away what the other has.
fn with_variants(mut schema: Value) -> Value {
    let Some(defs) = schema.get_mut("$defs").and_then(Value::as_object_mut) else { return schema };
    let variant = |defs: &Map<String, Value>, name: &str, laid: &[&str]| {
        let mut whole = defs.get(name)?.clone();
        whole.as_object_mut()?.remove("required");
        for (key, value) in whole.get_mut("properties")?.as_object_mut()? {
            if laid.contains(&key.as_str())
                && let Some(entry) = value.get_mut("additionalProperties")
            {
                *entry = or_null(entry.take());
            }
            if key != "extends" {
                *value = or_null(value.take());
            }
        }
        Some(whole)
    };
    let (Some(mut manifest), Some(resource)) =
        (variant(defs, "Manifest", &LAID), variant(defs, "Resource", &["fields"]))
    else {
        return schema;
    };
    manifest["required"] = json!(["extends"]);
    let mut resources = manifest["properties"]["resources"].take();
    resources["anyOf"][0]["additionalProperties"] = or_null(json!({ "$ref": "#/$defs/ResourceVariant" }));
    manifest["properties"]["resources"] = resources;
    defs.insert("ManifestVariant".to_owned(), manifest);
    defs.insert("ResourceVariant".to_owned(), resource);
    let entry = schema.get_mut("properties").and_then(|all| all.get_mut("connectors"));
    if let Some(entry) = entry.and_then(|connectors| connectors.get_mut("additionalProperties")) {
        let whole = entry.take();
        *entry =
            json!({ "if": { "required": ["extends"] }, "then": { "$ref": "#/$defs/ManifestVariant" }, "else": whole });
    }
    schema
}

/// The same, or nothing; with its description where an editor looks for it.
fn or_null(mut schema: Value) -> Value {
    let description = schema.as_object_mut().and_then(|members| members.remove("description"));
    let mut either = json!({ "anyOf": [schema, { "type": "null" }] });
    if let Some(description) = description {
        either["description"] = description;
    }
    either
}
