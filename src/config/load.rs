//! Loading: from a folder to everything that is sound in it, and every mistake.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use super::{
    Config, ConnectionName, Diagnostic, IntegrationName, LeftOut, MadeFrom, PipelineName, Rollout, Snapshot, Sources,
    builtin, client_list,
    diagnostic::{Report, error},
    extends, parse,
    placeholders::{self, EnvSource},
    resolve::{self, Cx},
    settings,
    source::Span,
    templates::Templates,
    tree::{Key, Node, NodeValue},
    unparsed, when,
    written::{
        At, ConnectionW, Decode as _, Entry, GrantW, IntegrationW, ManifestW, Named, NotificationW, PipelineW, TableW,
        TopW,
    },
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
#[allow(clippy::too_many_lines, reason = "one step after the other")]
pub fn load_snapshot(snapshot: &Snapshot, env: &dyn EnvSource, earlier: &BTreeMap<String, Arc<str>>) -> Loaded {
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
    // Making clients takes those with mistakes out of the trees; they are written all the same.
    let raw: Vec<RawNames> = nodes.iter().map(RawNames::of).collect();
    let mut templates = Templates::take(&mut nodes, env, &report);
    templates.expand(&mut nodes, None, &mut sources);
    let (origins, mut clients) = templates.finish();
    clients.share(&nodes);
    extends::lay(&mut nodes, &mut sources, &report);
    let mut written = Written::default();
    for (node, name) in nodes.iter().zip(&names) {
        let (top, bad) = report.watch(|| TopW::decode(node, &report));
        if let Some(top) = top {
            written.add(top, name, &report);
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
    };
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
    resolve::check_connections(&cx, &written.connections);
    if toml.is_some() && settings_sound && settings.public.is_none() {
        resolve::unheard(&cx, &written.grants, &written.connections);
    }
    let integrations = written.integrations.iter().filter_map(|entry| resolve::integration(&cx, entry));
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
    Loaded {
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
    }
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
    integration.pipelines = draft.pipelines.into_iter().map(|resolved| Arc::new(resolved.pipeline)).collect();
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
    if let Some(template) = client_list::template_of(sources.name(file)).map(str::to_owned) {
        let list = client_list::read(file, &template, text, report);
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

/// Everything that was written, in any file.
#[derive(Default)]
struct Written {
    connectors: Vec<Entry<ManifestW>>,
    grants: Vec<Entry<GrantW>>,
    connections: Vec<Entry<ConnectionW>>,
    tables: Vec<Entry<TableW>>,
    integrations: Vec<Entry<IntegrationW>>,
    pipelines: Vec<Entry<PipelineW>>,
    notifications: Vec<Entry<NotificationW>>,
    /// Connections, tables, connectors and grants of which nothing could be read.
    failed: [Vec<String>; 4],
    /// The file of each integration and the full names of its pipelines, by name.
    integrations_in: BTreeMap<String, (String, BTreeSet<String>)>,
    /// Integrations without any pipeline.
    off: BTreeSet<String>,
    /// Kind and name of what is defined more than once.
    twice: BTreeSet<(&'static str, String)>,
    /// Kind and name of everything, with its first place.
    names: BTreeMap<(&'static str, String), Span>,
}

impl Written {
    fn add(&mut self, top: TopW, file: &str, report: &Report) {
        for (at, failed) in [
            names_failed(top.connections.as_ref()),
            names_failed(top.tables.as_ref()),
            names_failed(top.connectors.as_ref()),
            names_failed(top.grants.as_ref()),
        ]
        .into_iter()
        .enumerate()
        {
            self.failed[at].extend(failed);
        }
        self.place(&top, file);
        let (names, twice) = (&mut self.names, &mut self.twice);
        self.connectors.extend(unique(top.connectors, "connector", names, twice, report));
        self.grants.extend(unique(top.grants, "grant", names, twice, report));
        self.connections.extend(unique(top.connections, "connection", names, twice, report));
        self.tables.extend(unique(top.tables, "table", names, twice, report));
        self.integrations.extend(unique(top.integrations, "integration", names, twice, report));
        // A pipeline of the top level is an integration of its own, so both share their names.
        self.pipelines.extend(unique(top.pipelines, "integration", names, twice, report));
        self.notifications.extend(unique(top.notifications, "notification", names, twice, report));
    }

    /// What a file defined when it could be read. What is defined in another file by now is there.
    fn remember(&mut self, raw: &RawNames, file: &str) {
        for (at, kind) in [(0, "connection"), (1, "table"), (2, "connector"), (3, "grant")] {
            let missing = raw.parts[at].iter().filter(|name| !self.names.contains_key(&(kind, (*name).clone())));
            let missing: Vec<String> = missing.cloned().collect();
            self.failed[at].extend(missing);
        }
        self.place_raw(raw, file);
    }

    /// Notes integrations that are written, where nothing was made of them.
    fn place_raw(&mut self, raw: &RawNames, file: &str) {
        for name in raw.integrations.iter().filter(|name| !self.off.contains(*name)) {
            self.integrations_in.entry(name.clone()).or_insert_with(|| (file.to_owned(), BTreeSet::new()));
        }
    }

    /// Notes where integrations are; the first file counts.
    fn place(&mut self, top: &TopW, file: &str) {
        let entries = top.integrations.iter().flat_map(|named| &named.entries);
        let empty = entries.clone().filter(|entry| {
            entry.errors == 0 && all_names(entry.value.pipelines.as_ref()).is_empty() && entry.value.pipelines.is_some()
        });
        // All of its pipelines are switched off: that is no mistake, there is just nothing of it.
        self.off.extend(empty.map(|entry| entry.name.value.clone()));
        let inner = entries.filter(|entry| !self.off.contains(&entry.name.value)).map(|entry| {
            let name = &entry.name.value;
            let pipelines = all_names(entry.value.pipelines.as_ref());
            (name.clone(), pipelines.into_iter().map(|pipeline| format!("{name}/{pipeline}")).collect())
        });
        let own = all_names(top.pipelines.as_ref()).into_iter().map(|name| (name.clone(), BTreeSet::from([name])));
        let failed = names_failed(top.integrations.as_ref()).into_iter().map(|name| (name, BTreeSet::new()));
        for (name, pipelines) in inner.chain(own).chain(failed) {
            self.integrations_in.entry(name).or_insert_with(|| (file.to_owned(), pipelines));
        }
    }

    /// Every integration that is written: its file, and the full names of its pipelines.
    fn defined(&self) -> BTreeMap<IntegrationName, (String, BTreeSet<PipelineName>)> {
        let parse = |names: &BTreeSet<String>| names.iter().filter_map(|name| PipelineName::parse(name).ok()).collect();
        let all = self.integrations_in.iter();
        all.filter_map(|(name, (file, pipelines))| {
            Some((IntegrationName::parse(name).ok()?, (file.clone(), parse(pipelines))))
        })
        .collect()
    }

    /// Of what is defined twice nobody can say which one is meant: none is used.
    fn drop_twins(&mut self) {
        let twice = std::mem::take(&mut self.twice);
        let is_twin = |kind: &'static str, name: &At<String>| twice.contains(&(kind, name.value.clone()));
        self.connections.retain(|entry| !is_twin("connection", &entry.name));
        self.grants.retain(|entry| !is_twin("grant", &entry.name));
        self.tables.retain(|entry| !is_twin("table", &entry.name));
        self.connectors.retain(|entry| !is_twin("connector", &entry.name));
        self.integrations.retain(|entry| !is_twin("integration", &entry.name));
        self.pipelines.retain(|entry| !is_twin("integration", &entry.name));
        self.notifications.retain(|entry| !is_twin("notification", &entry.name));
        for (kind, name) in twice {
            match kind {
                "connection" => self.failed[0].push(name),
                "table" => self.failed[1].push(name),
                "connector" => self.failed[2].push(name),
                "grant" => self.failed[3].push(name),
                // An integration that is placed and not made is one with mistakes.
                _ => {}
            }
        }
    }
}

/// What a text defines: the map and the name of each entry. `None` where it cannot be read.
pub(crate) fn defines(text: &str) -> Option<Vec<(String, String)>> {
    let node = parse::parse(0, text, &Report::default())?;
    let maps = node.map()?.entries.iter().filter_map(|(kind, named)| Some((kind, named.map()?)));
    let pair = |kind: &Key, (name, _): &(Key, Node)| (kind.text.clone(), name.text.clone());
    Some(maps.flat_map(|(kind, named)| named.entries.iter().map(move |entry| pair(kind, entry))).collect())
}

/// The names in a file, taken from its keys before anything is made of them.
#[derive(Default)]
struct RawNames {
    /// Connections, tables, connectors, grants.
    parts: [Vec<String>; 4],
    integrations: Vec<String>,
}

impl RawNames {
    fn of(node: &Node) -> Self {
        let keys = |node: Option<&Node>| -> Vec<String> {
            let entries = node.and_then(Node::map).into_iter().flat_map(|map| &map.entries);
            entries.map(|(key, _)| key.text.clone()).collect()
        };
        let Some(root) = node.map() else { return Self::default() };
        let parts = ["connections", "tables", "connectors", "grants"].map(|kind| keys(root.get(kind)));
        let mut integrations = keys(root.get("integrations"));
        integrations.extend(keys(root.get("pipelines")));
        let templates = root.get("templates").and_then(Node::map).into_iter().flat_map(|map| &map.entries);
        for (_, template) in templates {
            let Some(NodeValue::Seq(clients)) = template.map().and_then(|map| Some(&map.get("clients")?.value)) else {
                continue;
            };
            let names = clients.iter().filter_map(|client| client.map()?.get("client")?.scalar());
            integrations.extend(names.map(|name| name.text.clone()));
        }
        Self { parts, integrations }
    }
}

fn all_names<T>(named: Option<&Named<T>>) -> Vec<String> {
    let entries = named.into_iter().flat_map(|named| &named.entries).map(|entry| entry.name.value.clone());
    entries.chain(names_failed(named)).collect()
}

fn names_failed<T>(named: Option<&Named<T>>) -> Vec<String> {
    named.into_iter().flat_map(|named| &named.failed).map(|name| name.value.clone()).collect()
}

/// The entries whose name is new; others are reported with both places.
fn unique<T>(
    written: Option<Named<T>>,
    kind: &'static str,
    names: &mut BTreeMap<(&'static str, String), Span>,
    twice: &mut BTreeSet<(&'static str, String)>,
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
            twice.insert((kind, value.clone()));
            let what = if kind == "integration" { "integration or pipeline" } else { kind };
            report.add(
                error("config::defined_twice", *span, format!("the {what} `{value}` is defined twice"))
                    .label("defined again")
                    .also(first, format!("`{value}` is defined first here"))
                    .help("rename or remove one of them; until then neither is used"),
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
            // What it extends could not be laid below it; that was said.
            _ if entry.value.extends.is_some() => None,
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
