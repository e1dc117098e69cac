//! JSON Schemas of the written types, for editors.

use schemars::generate::SchemaSettings;
use serde_json::Value;

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
    schema_of::<TopW>("reconciled configuration")
}

/// The schema of a file with connector manifests only.
#[must_use]
pub fn connector_schema() -> Value {
    schema_of::<ConnectorFileW>("reconciled connector")
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
