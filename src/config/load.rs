//! Loading: from a folder to everything that is sound in it, and every mistake.

mod defined;

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use super::{
    Cache, Config, ConnectionName, Diagnostic, IntegrationName, LeftOut, MadeFrom, PipelineName, Rollout, Snapshot,
    Sources, builtin,
    cache::Shelf,
    client_list,
    diagnostic::Report,
    extends, parse,
    placeholders::{self, EnvSource},
    resolve::{self, Cx},
    settings,
    source::Span,
    templates::Templates,
    tree::Node,
    unparsed, when,
    written::{Decode as _, Entry, ManifestW, TopW},
};
use crate::connector::Manifest;

pub(crate) use defined::{Found, Item, defines};
use defined::{RawNames, Written};

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
    /// Every integration that is written, with mistakes or without.
    pub written: BTreeMap<IntegrationName, WrittenIn>,
    /// The integrations that templates make.
    pub made: BTreeMap<IntegrationName, MadeFrom>,
    /// How edits of templates reach their clients, by template.
    pub rollouts: BTreeMap<String, Rollout>,
    /// The files that could be read and hold no mistake in their own form.
    pub readable: BTreeSet<String>,
    /// Every connector that is sound, by name: the built-in ones and the user's own.
    pub connectors: BTreeMap<String, Arc<Manifest>>,
    /// The texts, for showing mistakes.
    pub sources: Sources,
}

/// Where an integration is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenIn {
    /// The file that names it.
    pub file: String,
    /// Nothing of it is left out.
    pub whole: bool,
}

impl Loaded {
    /// Whether a file holds a mistake.
    #[must_use]
    pub fn has_errors_in(&self, file: &str) -> bool {
        self.diagnostics.iter().any(|diagnostic| diagnostic.is_error() && diagnostic.file() == Some(file))
    }

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
    load_snapshot(&Snapshot::read(dir), env, &BTreeMap::new())
}

/// As [`load()`], of files that were read already. `earlier` holds texts that files had before: what they define is not
/// gone because the file cannot be read now, or holds a mistake; it counts as defined with mistakes.
#[must_use]
pub fn load_snapshot(snapshot: &Snapshot, env: &dyn EnvSource, earlier: &BTreeMap<String, Arc<str>>) -> Loaded {
    load_with(snapshot, env, earlier, None).0
}

/// As [`load_snapshot`], and the same comes of it. Integrations that are as they were at an earlier load are not made
/// again.
#[must_use]
pub fn load_cached(
    snapshot: &Snapshot,
    env: &dyn EnvSource,
    earlier: &BTreeMap<String, Arc<str>>,
    cache: &mut Cache,
) -> Loaded {
    let (loaded, after) = load_with(snapshot, env, earlier, Some(cache));
    if loaded.has_errors() {
        // What is kept knows no places, and a mistake is told with all that have to do with it. What is kept stays for when it is mended.
        return load_snapshot(snapshot, env, earlier);
    }
    *cache = after;
    loaded
}

#[allow(clippy::too_many_lines, reason = "one step after the other")]
fn load_with(
    snapshot: &Snapshot,
    env: &dyn EnvSource,
    earlier: &BTreeMap<String, Arc<str>>,
    cache: Option<&Cache>,
) -> (Loaded, Cache) {
    let shelf = Shelf::new(cache);
    let dir = snapshot.dir();
    let report = Report::default();
    let mut sources = Sources::default();
    let toml = snapshot.open_one(SETTINGS_FILE, &mut sources, &report);
    let settings = settings::settings(dir, toml.as_ref().map(|file| (file.number, file.text.as_ref())), env, &report);
    if let Some(file) = &toml {
        settings::hide_secrets(file.number, &file.text, &mut sources);
    }
    let settings_sound = report.errors() == 0;
    let (mut nodes, mut names, mut broken) = (Vec::new(), Vec::new(), BTreeSet::new());
    let (mut sound, mut misread) = (BTreeSet::new(), BTreeSet::new());
    for file in snapshot.open(&mut sources, &report) {
        let (node, bad) = report.watch(|| read_tree(file.number, &file.text, env, &mut sources, &report));
        if bad {
            broken.insert(file.name.clone());
            misread.insert(file.name.clone());
        }
        sound.insert(file.name.clone());
        if let Some(node) = node {
            nodes.push(node);
            names.push(file.name);
        }
    }
    report.all_is_read();
    // Making clients takes those with mistakes out of the trees; they are written all the same.
    let raw: Vec<RawNames> = nodes.iter().map(RawNames::of).collect();
    let mut templates = Templates::take(&mut nodes, env, &mut sources, &report);
    templates.expand(&mut nodes, None, &mut sources);
    let (origins, mut clients) = templates.finish();
    clients.share(&nodes);
    extends::lay(&mut nodes, &mut sources, &report);
    let mut written = Written::default();
    for (node, name) in nodes.iter_mut().zip(&names) {
        let found = shelf.take(node);
        let before = report.added();
        let (top, bad) = report.watch(|| TopW::decode(node, &report));
        if report.added() != before {
            shelf.leave_out(&found);
        }
        if let Some(top) = top {
            written.add(top, found, name, &report);
        }
        if bad {
            broken.insert(name.clone());
        }
    }
    drop(nodes);
    sound.retain(|name| !broken.contains(name));
    for (raw, name) in raw.iter().zip(&names) {
        written.place_raw(raw, name);
    }
    for (name, text) in earlier {
        // What a sound file does not define any more, and what was in a file that is gone, is gone.
        if sound.contains(name) || snapshot.lacks(name) {
            continue;
        }
        let (scratch, mut unseen) = (Report::default(), Sources::default());
        let number = unseen.add(name.clone(), text);
        if let Some(node) = read_tree(number, text, env, &mut unseen, &scratch) {
            written.remember(&RawNames::of(&node), name);
        }
    }
    let defined = written.defined();
    written.drop_twins();
    let mut cx = Cx {
        report: &report,
        env,
        config_dir: dir,
        manifests: manifests(&written.connectors, &report),
        grants: BTreeMap::new(),
        connections: BTreeMap::new(),
        tables: BTreeMap::new(),
        pipelines: defined.values().flat_map(|(_, pipelines)| pipelines.iter().cloned()).collect(),
        client: RefCell::default(),
        seen: RefCell::default(),
    };
    shelf.manifests(&mut cx.manifests);
    for name in &written.failed[2] {
        cx.manifests.insert(name.clone(), None);
    }
    cx.grants = written
        .grants
        .iter()
        .map(|entry| {
            let made = resolve::grant(&cx, &entry.name, &entry.value).filter(|_| entry.errors == 0);
            (entry.name.value.clone(), made.map(Arc::new))
        })
        .chain(written.failed[3].iter().map(|name| (name.clone(), None)))
        .collect();
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
    shelf.connections(&mut cx.connections);
    shelf.tables(&mut cx.tables);
    resolve::check_connections(&cx, &written.connections);
    if toml.is_some() && settings_sound && settings.public.is_none() {
        resolve::unheard(&cx, &written.grants, &written.connections);
    }
    let integrations = written.integrations.iter().filter_map(|item| shelf.make(&cx, item));
    let mut drafts: Vec<_> = integrations.collect();
    drafts.extend(written.pipelines.iter().filter_map(|entry| resolve::top_level(&cx, entry)));
    resolve::check_moves(&cx, &mut drafts);
    resolve::one_writer(&cx, &mut drafts);
    let left_out = resolve::settle(&cx, &mut drafts);
    let all_names: BTreeSet<String> = defined.keys().map(ToString::to_string).collect();
    let notifications = (written.notifications.iter())
        .filter(|entry| entry.errors == 0)
        .filter_map(|entry| resolve::notification(&cx, &entry.name, &entry.value, &all_names))
        .map(|made| (made.name.clone(), Arc::new(made)));
    let (made, rollouts) = clients.finish();
    let config = Config {
        settings,
        connections: connections(&cx),
        integrations: drafts.into_iter().filter_map(|draft| finish(draft, &made)).collect(),
        notifications: notifications.collect(),
    };
    // Of a file that cannot be read as a tree (a key that is given twice, say) nobody knows what was meant.
    let whole = |name: &IntegrationName, file: &String, pipelines: &BTreeSet<PipelineName>| {
        let made = config.integrations.get(name);
        made.is_some_and(|made| made.pipelines.len() == pipelines.len()) && !misread.contains(file)
    };
    let written = defined
        .into_iter()
        .map(|(name, (file, pipelines))| (name.clone(), WrittenIn { whole: whole(&name, &file, &pipelines), file }))
        .collect();
    let connectors = cx.manifests.into_iter().filter_map(|(name, manifest)| Some((name, manifest?))).collect();
    let diagnostics = report.close(&sources, &origins);
    let loaded = Loaded {
        config,
        diagnostics,
        settings_sound,
        left_out,
        written,
        made,
        rollouts,
        readable: sound,
        connectors,
        sources,
    };
    (loaded, shelf.leave())
}

fn connections(cx: &Cx<'_>) -> BTreeMap<ConnectionName, Arc<super::Connection>> {
    cx.connections.values().flatten().map(|connection| (connection.name.clone(), Arc::clone(connection))).collect()
}

fn finish(
    draft: resolve::Draft,
    made: &BTreeMap<IntegrationName, MadeFrom>,
) -> Option<(IntegrationName, Arc<super::Integration>)> {
    let mut integration = draft.integration;
    integration.made = made.get(&integration.name).cloned();
    integration.pipelines = draft.pipelines.into_iter().map(|resolved| resolved.pipeline).collect();
    (!integration.pipelines.is_empty()).then(|| (integration.name.clone(), Arc::new(integration)))
}

/// One file as a tree, with everything filled in but templates.
pub(super) fn read_tree(
    file: u32,
    text: &str,
    env: &dyn EnvSource,
    sources: &mut Sources,
    report: &Report,
) -> Option<Node> {
    if client_list::template_of(sources.name(file)).is_some() {
        let list = client_list::read(file, text, report, sources);
        if list.is_none() {
            // Nobody knows which column may be a secret; what the columns are called is none.
            let start = text.find('\n').map_or(0, |at| at + 1);
            sources.hide(Span { file, start, end: text.len() });
        }
        return list;
    }
    let before = report.errors();
    let Some(mut node) = parse::parse(file, text, report) else {
        if report.errors() > before {
            unparsed::hide(file, text, ':', sources);
        }
        return None;
    };
    placeholders::hide_secrets(&node, false, sources);
    placeholders::fill(&mut node, env, false, report);
    when::in_file(&mut node, report);
    (!node.is_null()).then_some(node)
}

/// The built-in connectors, with what the user changed, and the user's own.
fn manifests(own: &[Entry<ManifestW>], report: &Report) -> BTreeMap<String, Option<Arc<Manifest>>> {
    let mut found: BTreeMap<String, Option<Arc<Manifest>>> =
        builtin::manifests().iter().map(|(name, manifest)| (name.clone(), Some(Arc::clone(manifest)))).collect();
    for entry in own {
        let name = &entry.name.value;
        let built_in = found.get(name).cloned().flatten().filter(|_| entry.value.resources.is_none());
        let made = match built_in {
            // What it extends could not be laid below it; that was said.
            _ if entry.value.extends.is_some() => None,
            Some(manifest) => {
                let mut manifest = Manifest::clone(&manifest);
                let ((), broken) = report.watch(|| resolve::amend(&mut manifest, &entry.value, report));
                (!broken).then(|| Arc::new(manifest))
            }
            None => resolve::manifest(&entry.name, &entry.value, report).map(Arc::new),
        };
        found.insert(name.clone(), made.filter(|_| entry.errors == 0));
    }
    found
}
