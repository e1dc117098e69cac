//! Loading: from a folder to everything that is sound in it, and every mistake.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use super::{
    Config, ConnectionName, Diagnostic, IntegrationName, LeftOut, PipelineName, Sources, builtin,
    diagnostic::{Report, error},
    files, parse,
    placeholders::{self, EnvSource},
    resolve::{self, Cx},
    settings,
    source::Span,
    templates::Templates,
    tree::Node,
    written::{At, ConnectionW, Decode as _, Entry, IntegrationW, Later, ManifestW, Named, PipelineW, TableW, TopW},
};
use crate::connector::Manifest;

/// What a configuration folder holds.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// All that is sound.
    pub config: Config,
    /// Every mistake of every file, in the order of files and places.
    pub diagnostics: Vec<Diagnostic>,
    /// Whether the settings are sound. If they are not, nobody knows which state folder is meant: nothing may run.
    pub settings_sound: bool,
    /// Pipelines that hold no mistake themselves, but need one that does.
    pub left_out: Vec<LeftOut>,
    /// Every connector that is sound, by name: the built-in ones and the user's own.
    pub connectors: BTreeMap<String, Arc<Manifest>>,
    /// The texts, for showing mistakes.
    pub sources: Sources,
}

impl Loaded {
    /// Whether there is an error (not only warnings).
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }

    /// The diagnostics as text with snippets.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        super::render(&self.diagnostics, &self.sources, colour)
    }
}

/// The daemon's own settings, in the configuration folder.
pub const SETTINGS_FILE: &str = "reconciled.toml";

/// Reads a configuration folder. Never fails as a whole: what is wrong is in `diagnostics`, and the rest is usable.
#[must_use]
pub fn load(dir: &Path, env: &dyn EnvSource) -> Loaded {
    let report = Report::default();
    let mut sources = Sources::default();
    let toml = dir.join(SETTINGS_FILE).exists().then(|| files::read(dir, SETTINGS_FILE, &mut sources, &report));
    let settings =
        settings::settings(dir, toml.flatten().as_ref().map(|file| (file.number, file.text.as_str())), env, &report);
    let settings_sound = report.errors() == 0;
    let files = files::read_all(dir, &mut sources, &report);
    let nodes = files.iter().filter_map(|file| read_tree(file.number, &file.text, env, &mut sources, &report));
    let mut nodes: Vec<Node> = nodes.collect();
    let mut templates = Templates::take(&mut nodes, env, &report);
    templates.expand(&mut nodes, None, &mut sources);
    let origins = templates.finish();
    let mut written = Written::default();
    for top in nodes.iter().filter_map(|node| TopW::decode(node, &report)) {
        written.add(top, &report);
    }
    drop(nodes);
    let mut cx = Cx {
        report: &report,
        env,
        config_dir: dir,
        manifests: manifests(&written.connectors, &report),
        connections: BTreeMap::new(),
        tables: BTreeMap::new(),
        pipelines: written.pipeline_names(),
        client: RefCell::default(),
    };
    for name in &written.failed[2] {
        cx.manifests.insert(name.clone(), None);
    }
    cx.connections = written
        .connections
        .iter()
        .map(|entry| {
            let made = resolve::connection(&cx, &entry.name, &entry.value).filter(|_| entry.errors == 0);
            (entry.name.value.clone(), made.map(Arc::new))
        })
        .chain(written.failed[0].iter().map(|name| (name.clone(), None)))
        .collect();
    cx.tables = written
        .tables
        .iter()
        .map(|entry| {
            let table = resolve::table(&entry.name, &entry.value, &report);
            (entry.name.value.clone(), (entry.errors == 0).then_some(table))
        })
        .chain(written.failed[1].iter().map(|name| (name.clone(), None)))
        .collect();
    let integrations = written.integrations.iter().filter_map(|entry| resolve::integration(&cx, entry));
    let mut drafts: Vec<_> = integrations.collect();
    drafts.extend(written.pipelines.iter().filter_map(|entry| resolve::top_level(&cx, entry)));
    resolve::one_writer(&cx, &mut drafts);
    let left_out = resolve::settle(&cx, &mut drafts);
    let config = Config {
        settings,
        connections: connections(&cx),
        integrations: drafts.into_iter().filter_map(finish).collect(),
    };
    let connectors = cx.manifests.into_iter().filter_map(|(name, manifest)| Some((name, manifest?))).collect();
    let diagnostics = report.close(&sources, &origins);
    Loaded { config, diagnostics, settings_sound, left_out, connectors, sources }
}

fn connections(cx: &Cx<'_>) -> BTreeMap<ConnectionName, Arc<super::Connection>> {
    cx.connections.values().flatten().map(|connection| (connection.name.clone(), Arc::clone(connection))).collect()
}

fn finish(draft: resolve::Draft) -> Option<(IntegrationName, Arc<super::Integration>)> {
    let mut integration = draft.integration;
    integration.pipelines = draft.pipelines.into_iter().map(|resolved| Arc::new(resolved.pipeline)).collect();
    (!integration.pipelines.is_empty()).then(|| (integration.name.clone(), Arc::new(integration)))
}

/// One file: text to tree to written maps.
pub(super) fn read(file: u32, text: &str, env: &dyn EnvSource, sources: &mut Sources, report: &Report) -> Option<TopW> {
    TopW::decode(&read_tree(file, text, env, sources, report)?, report)
}

/// One file as a tree, with everything filled in but templates.
pub(super) fn read_tree(
    file: u32,
    text: &str,
    env: &dyn EnvSource,
    sources: &mut Sources,
    report: &Report,
) -> Option<Node> {
    let before = report.errors();
    let Some(mut node) = parse::parse(file, text, report) else {
        if report.errors() > before {
            placeholders::hide_likely_secrets(file, text, sources);
        }
        return None;
    };
    placeholders::hide_secrets(&node, false, sources);
    placeholders::fill(&mut node, env, false, report);
    (!node.is_null()).then_some(node)
}

/// Everything that was written, in any file.
#[derive(Default)]
struct Written {
    connectors: Vec<Entry<ManifestW>>,
    connections: Vec<Entry<ConnectionW>>,
    tables: Vec<Entry<TableW>>,
    integrations: Vec<Entry<IntegrationW>>,
    pipelines: Vec<Entry<PipelineW>>,
    /// Connections, tables and connectors of which nothing could be read.
    failed: [Vec<String>; 3],
    /// Full names of pipelines of which nothing could be read.
    failed_pipelines: Vec<String>,
    /// Kind and name of everything, with its first place.
    names: BTreeMap<(&'static str, String), Span>,
}

impl Written {
    fn add(&mut self, top: TopW, report: &Report) {
        for (later, what) in [(&top.grants, "grants"), (&top.notifications, "notifications")] {
            if let Some(Later { span }) = later {
                report.add(
                    error("config::not_in_this_version", *span, format!("`{what}` is not in this version"))
                        .help(format!("remove the map `{what}`; everything else in this file is read")),
                );
            }
        }
        for (at, failed) in [
            names_failed(top.connections.as_ref()),
            names_failed(top.tables.as_ref()),
            names_failed(top.connectors.as_ref()),
        ]
        .into_iter()
        .enumerate()
        {
            self.failed[at].extend(failed);
        }
        self.failed_pipelines.extend(names_failed(top.pipelines.as_ref()));
        let names = &mut self.names;
        self.connectors.extend(unique(top.connectors, "connector", names, report));
        self.connections.extend(unique(top.connections, "connection", names, report));
        self.tables.extend(unique(top.tables, "table", names, report));
        self.integrations.extend(unique(top.integrations, "integration", names, report));
        // A pipeline of the top level is an integration of its own, so both share their names.
        self.pipelines.extend(unique(top.pipelines, "integration", names, report));
    }

    fn pipeline_names(&self) -> BTreeSet<PipelineName> {
        let inner = self.integrations.iter().flat_map(|integration| {
            let pipelines = integration.value.pipelines.iter().flat_map(|named| &named.entries);
            let failed = integration.value.pipelines.iter().flat_map(|named| &named.failed);
            let names = pipelines.map(|entry| &entry.name).chain(failed);
            names.map(|name| format!("{}/{}", integration.name.value, name.value))
        });
        let top = self.pipelines.iter().map(|entry| entry.name.value.clone());
        let failed = self.failed_pipelines.iter().cloned();
        inner.chain(top).chain(failed).filter_map(|name| PipelineName::parse(&name).ok()).collect()
    }
}

fn names_failed<T>(named: Option<&Named<T>>) -> Vec<String> {
    named.into_iter().flat_map(|named| &named.failed).map(|name| name.value.clone()).collect()
}

/// The entries whose name is new; others are reported with both places.
fn unique<T>(
    written: Option<Named<T>>,
    kind: &'static str,
    names: &mut BTreeMap<(&'static str, String), Span>,
    report: &Report,
) -> Vec<Entry<T>> {
    let entries = written.map(|map| map.entries).unwrap_or_default();
    entries
        .into_iter()
        .filter(|entry| {
            let At { value, span } = &entry.name;
            let first = *names.entry((kind, value.clone())).or_insert(*span);
            if first == *span {
                return true;
            }
            let what = if kind == "integration" { "integration or pipeline" } else { kind };
            report.add(
                error("config::defined_twice", *span, format!("the {what} `{value}` is defined twice"))
                    .label("defined again")
                    .also(first, format!("`{value}` is defined first here"))
                    .help("rename or remove one of them"),
            );
            false
        })
        .collect()
}

/// The built-in connectors, with what the user changed, and the user's own.
fn manifests(own: &[Entry<ManifestW>], report: &Report) -> BTreeMap<String, Option<Arc<Manifest>>> {
    let mut found: BTreeMap<String, Option<Manifest>> =
        builtin::manifests().iter().map(|(name, manifest)| (name.clone(), Some(manifest.clone()))).collect();
    for entry in own {
        let name = &entry.name.value;
        let built_in = found.get(name).cloned().flatten().filter(|_| entry.value.resources.is_none());
        let made = match built_in {
            Some(mut manifest) => {
                let ((), broken) = report.watch(|| resolve::amend(&mut manifest, &entry.value, report));
                (!broken).then_some(manifest)
            }
            None => resolve::manifest(&entry.name, &entry.value, report),
        };
        found.insert(name.clone(), made.filter(|_| entry.errors == 0));
    }
    found.into_iter().map(|(name, manifest)| (name, manifest.map(Arc::new))).collect()
}
