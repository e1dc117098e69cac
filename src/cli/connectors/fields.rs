//! `connectors show`: the fields of a connector's resources.

use std::{fmt::Write as _, path::Path};

use crate::{
    cli::{
        exit::{CliError, Exit},
        output::Output,
        text::{Paint, Table},
    },
    config::{self, ProcessEnv},
    connector::{FieldTable, Manifest},
};

/// Shows one connector.
///
/// # Errors
///
/// When there is none of this name.
pub(super) fn show(dir: &Path, name: &str, out: &Output) -> Result<Exit, CliError> {
    let loaded = config::load(dir, &ProcessEnv);
    let Some(manifest) = loaded.connectors.get(name) else {
        let known: Vec<&str> = loaded.connectors.keys().map(AsRef::as_ref).collect();
        let text = format!("there is no connector `{name}`; there are {}", known.join(", "));
        return Err(CliError::Usage(text));
    };
    if out.json {
        out.json(&super::described(manifest));
    } else {
        out.data(&render(manifest, out.paint));
    }
    Ok(Exit::Done)
}

/// Each resource with its fields.
fn render(manifest: &Manifest, paint: Paint) -> String {
    let mut text = String::new();
    for (name, resource) in &manifest.resources {
        let _ = writeln!(text, "{}", paint.bold(&format!("{}/{name}", manifest.name)));
        let mut table = Table::new(&["FIELD", "TYPE", "WRITTEN", "ABOUT"]);
        rows(&mut table, "$", &resource.fields);
        text.push_str(&table.render(2, paint));
        if resource.fields.open {
            let _ = writeln!(text, "  and whatever else a record has");
        }
    }
    text
}

fn rows(table: &mut Table, at: &str, fields: &FieldTable) {
    for (name, field) in &fields.fields {
        let list = field.kind() == crate::record::Kind::List;
        let path = format!("{at}.{name}{}", if list { "[*]" } else { "" });
        let kind = format!("{:?}", field.kind()).to_lowercase();
        let written = match (field.read_only, field.create_only) {
            (true, _) => "no",
            (false, true) => "when made",
            (false, false) => "yes",
        };
        table.row(vec![path.clone(), kind, written.to_owned(), field.description.clone()]);
        if let Some(children) = &field.children {
            rows(table, &path, children);
        }
    }
}
