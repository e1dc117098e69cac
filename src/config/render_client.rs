//! `render`: a client as its template makes it.

use std::path::Path;

use thiserror::Error;

use super::{
    Diagnostic, Snapshot, Sources,
    diagnostic::Report,
    load::read_tree,
    nearest::suggest,
    placeholders::EnvSource,
    templates::{Templates, emit},
    tree::{Key, Map, Node, NodeValue},
};

/// Why a client cannot be rendered.
#[derive(Debug, Error)]
pub enum RenderError {
    /// There is none of this name.
    #[error("there is no integration `{name}`{hint}")]
    NoSuch {
        /// The name.
        name: String,
        /// The nearest one.
        hint: String,
    },
    /// It holds mistakes.
    #[error("`{name}` cannot be put together from its template")]
    Mistakes {
        /// The name.
        name: String,
        /// What is wrong.
        diagnostics: Vec<Diagnostic>,
        /// The texts, for showing mistakes.
        sources: Box<Sources>,
    },
}

/// The YAML of one integration with everything of its template filled in. `places` adds to each value where it came
/// from. A secret is shown as the placeholder that it was written as, and as `(secret)` where it was written itself.
///
/// # Errors
///
/// When there is no such integration, or it cannot be put together.
pub fn render_client(dir: &Path, env: &dyn EnvSource, name: &str, places: bool) -> Result<String, RenderError> {
    let report = Report::default();
    let mut sources = Sources::default();
    let files = Snapshot::read(dir).open(&mut sources, &report);
    let nodes = files.iter().filter_map(|file| read_tree(file.number, &file.text, env, &mut sources, &report));
    let mut nodes: Vec<Node> = nodes.collect();
    let mut templates = Templates::take(&mut nodes, env, &mut sources, &report);
    let before = report.errors();
    let names = names(&nodes);
    templates.expand(&mut nodes, Some(name), &mut sources);
    let broken = report.errors() > before;
    let (origins, _) = templates.finish();
    let own = format!("{name}/");
    let mut shown = Map { entries: Vec::new(), flow: false };
    for what in ["connections", "tables", "notifications", "integrations"] {
        let entries = nodes.iter().filter_map(Node::map).filter_map(|root| root.get(what)?.map());
        let entries = entries.flat_map(|map| &map.entries);
        let wanted =
            entries.filter(|(key, _)| key.text.starts_with(&own) || (what == "integrations" && key.text == name));
        let entries: Vec<_> = wanted.cloned().collect();
        let Some(span) = entries.first().map(|(key, _)| key.span) else { continue };
        let value = NodeValue::Map(Map { entries, flow: false });
        shown.entries.push((Key { text: what.to_owned(), span }, Node { span, owner: None, value }));
    }
    if broken {
        let diagnostics = report.close(&sources, &origins);
        return Err(RenderError::Mistakes { name: name.to_owned(), diagnostics, sources: Box::new(sources) });
    }
    if !shown.entries.iter().any(|(key, _)| key.text == "integrations") {
        let hint = suggest(name, names.iter().map(String::as_str)).map_or(String::new(), |hint| format!("; {hint}"));
        return Err(RenderError::NoSuch { name: name.to_owned(), hint });
    }
    let span = shown.entries.first().map(|(key, _)| key.span).unwrap_or_default();
    let node = Node { span, owner: None, value: NodeValue::Map(shown) };
    Ok(emit(&node, &sources, places))
}

fn names(nodes: &[Node]) -> Vec<String> {
    let maps = nodes.iter().filter_map(Node::map).filter_map(|root| root.get("integrations")?.map());
    maps.flat_map(|map| map.entries.iter().map(|(key, _)| key.text.clone())).collect()
}
