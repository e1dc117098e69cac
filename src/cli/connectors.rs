//! `connectors`: what systems can be spoken to, and what they hold.

mod fields;
mod try_one;

use std::fmt::Write as _;
use std::path::Path;

use serde_json::json;

use super::{
    args::{ConnectorsArgs, ConnectorsCommand},
    exit::{CliError, Exit},
    output::Output,
    text::{Paint, Table},
};
use crate::{
    config::{self, ProcessEnv},
    connector::{Manifest, Resource, WriteKind},
};

/// Lists the connectors (the built-in ones, and those of the configuration if there is one), shows one, or tries it.
///
/// # Errors
///
/// When there is none of the name, or it cannot be tried.
pub async fn run(dir: &Path, args: &ConnectorsArgs, out: &Output) -> Result<Exit, CliError> {
    match &args.command {
        None | Some(ConnectorsCommand::List) => Ok(list(dir, out)),
        Some(ConnectorsCommand::Show { name }) => fields::show(dir, name, out),
        Some(ConnectorsCommand::Try { connection, resource, limit }) => {
            try_one::run(dir, (connection, resource), *limit, out).await
        }
    }
}

fn list(dir: &Path, out: &Output) -> Exit {
    let loaded = config::load(dir, &ProcessEnv);
    let manifests: Vec<&Manifest> = loaded.connectors.values().map(AsRef::as_ref).collect();
    if out.json {
        let all: Vec<_> = manifests.iter().map(|manifest| described(manifest)).collect();
        out.json(&all);
    } else {
        out.data(&render(&manifests, out.paint));
    }
    Exit::Done
}

fn described(manifest: &Manifest) -> serde_json::Value {
    let resources: Vec<_> = manifest
        .resources
        .values()
        .map(|resource| {
            json!({
                "name": resource.name,
                "list": resource.list.is_some(),
                "changes": changes(resource),
                "create": resource.batch_size(WriteKind::Create),
                "update": resource.batch_size(WriteKind::Update),
                "delete": resource.batch_size(WriteKind::Delete),
                "fields": resource.fields.fields.keys().collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({ "name": manifest.name, "version": manifest.version, "resources": resources })
}

fn changes(resource: &Resource) -> bool {
    resource.list.as_ref().is_some_and(|list| list.changed_since.is_some())
}

/// Each connector with its resources.
#[must_use]
pub fn render(manifests: &[&Manifest], paint: Paint) -> String {
    let mut out = String::new();
    for manifest in manifests {
        let _ = writeln!(out, "{}", paint.bold(&format!("{}@{}", manifest.name, manifest.version)));
        let mut table = Table::new(&["RESOURCE", "LIST", "CHANGES ONLY", "CREATE#", "UPDATE#", "DELETE#", "FIELDS#"]);
        let yes_no = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
        let batch = |resource: &Resource, kind| match resource.batch_size(kind) {
            0 => "no".to_owned(),
            size => format!("{size} a call"),
        };
        for resource in manifest.resources.values() {
            table.row(vec![
                resource.name.clone(),
                yes_no(resource.list.is_some()),
                yes_no(changes(resource)),
                batch(resource, WriteKind::Create),
                batch(resource, WriteKind::Update),
                batch(resource, WriteKind::Delete),
                resource.fields.fields.len().to_string(),
            ]);
        }
        out.push_str(&table.render(2, paint));
    }
    out
}
