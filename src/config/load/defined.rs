//! Everything that was written, in any file, by name.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{
    IntegrationName, PipelineName,
    cache::Known,
    diagnostic::{Report, error},
    parse,
    source::Span,
    tree::{Key, Node, NodeValue},
    written::{At, ConnectionW, Entry, GrantW, IntegrationW, ManifestW, Named, NotificationW, PipelineW, TableW, TopW},
};

/// An integration that is written.
pub(crate) enum Item {
    /// It is to be made.
    New(Box<Entry<IntegrationW>>),
    /// It was made from the same tree before.
    Known(Box<Known>),
}

impl Item {
    fn name(&self) -> &str {
        match self {
            Self::New(entry) => &entry.name.value,
            Self::Known(known) => &known.key.text,
        }
    }
}

/// What was taken out of a file before it was decoded.
#[derive(Default)]
pub(crate) struct Found {
    /// Integrations that were made from the same tree before.
    pub known: Vec<Known>,
    /// The place of each integration of the file, by name.
    pub order: BTreeMap<String, usize>,
}

/// Everything that was written, in any file.
#[derive(Default)]
pub(super) struct Written {
    pub connectors: Vec<Entry<ManifestW>>,
    pub grants: Vec<Entry<GrantW>>,
    pub connections: Vec<Entry<ConnectionW>>,
    pub tables: Vec<Entry<TableW>>,
    pub integrations: Vec<Item>,
    pub pipelines: Vec<Entry<PipelineW>>,
    pub notifications: Vec<Entry<NotificationW>>,
    /// Connections, tables, connectors and grants of which nothing could be read.
    pub failed: [Vec<String>; 4],
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
    /// Takes in what a file holds; `found` was taken out of it before.
    pub fn add(&mut self, top: TopW, found: Found, file: &str, report: &Report) {
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
        self.place(&top, &found, file);
        let (names, twice) = (&mut self.names, &mut self.twice);
        self.connectors.extend(unique(top.connectors, "connector", names, twice, report));
        self.grants.extend(unique(top.grants, "grant", names, twice, report));
        self.connections.extend(unique(top.connections, "connection", names, twice, report));
        self.tables.extend(unique(top.tables, "table", names, twice, report));
        let new = unique(top.integrations, "integration", names, twice, report);
        let known =
            found.known.into_iter().filter(|known| is_first(&known.name(), "integration", names, twice, report));
        let mut items: Vec<Item> = new.into_iter().map(|entry| Item::New(Box::new(entry))).collect();
        items.extend(known.map(|known| Item::Known(Box::new(known))));
        // In the order in which they are written, whichever of them are known.
        items.sort_by_key(|item| found.order.get(item.name()).copied());
        self.integrations.extend(items);
        // A pipeline of the top level is an integration of its own, so both share their names.
        self.pipelines.extend(unique(top.pipelines, "integration", names, twice, report));
        self.notifications.extend(unique(top.notifications, "notification", names, twice, report));
    }

    /// What a file defined when it could be read. What is defined in another file by now is there.
    pub fn remember(&mut self, raw: &RawNames, file: &str) {
        for (at, kind) in [(0, "connection"), (1, "table"), (2, "connector"), (3, "grant")] {
            let missing = raw.parts[at].iter().filter(|name| !self.names.contains_key(&(kind, (*name).clone())));
            let missing: Vec<String> = missing.cloned().collect();
            self.failed[at].extend(missing);
        }
        self.place_raw(raw, file);
    }

    /// Notes integrations that are written, where nothing was made of them.
    pub fn place_raw(&mut self, raw: &RawNames, file: &str) {
        for name in raw.integrations.iter().filter(|name| !self.off.contains(*name)) {
            self.integrations_in.entry(name.clone()).or_insert_with(|| (file.to_owned(), BTreeSet::new()));
        }
    }

    /// Notes where integrations are; the first file counts.
    fn place(&mut self, top: &TopW, found: &Found, file: &str) {
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
        let known = found.known.iter().map(|known| (known.name().value, known.pipelines()));
        for (name, pipelines) in inner.chain(own).chain(failed).chain(known) {
            self.integrations_in.entry(name).or_insert_with(|| (file.to_owned(), pipelines));
        }
    }

    /// Every integration that is written: its file, and the full names of its pipelines.
    pub fn defined(&self) -> BTreeMap<IntegrationName, (String, BTreeSet<PipelineName>)> {
        let parse = |names: &BTreeSet<String>| names.iter().filter_map(|name| PipelineName::parse(name).ok()).collect();
        let all = self.integrations_in.iter();
        all.filter_map(|(name, (file, pipelines))| {
            Some((IntegrationName::parse(name).ok()?, (file.clone(), parse(pipelines))))
        })
        .collect()
    }

    /// Of what is defined twice nobody can say which one is meant: none is used.
    pub fn drop_twins(&mut self) {
        let twice = std::mem::take(&mut self.twice);
        let is_twin = |kind: &'static str, name: &At<String>| twice.contains(&(kind, name.value.clone()));
        self.connections.retain(|entry| !is_twin("connection", &entry.name));
        self.grants.retain(|entry| !is_twin("grant", &entry.name));
        self.tables.retain(|entry| !is_twin("table", &entry.name));
        self.connectors.retain(|entry| !is_twin("connector", &entry.name));
        self.integrations.retain(|item| !twice.contains(&("integration", item.name().to_owned())));
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
pub(super) struct RawNames {
    /// Connections, tables, connectors, grants.
    parts: [Vec<String>; 4],
    integrations: Vec<String>,
}

impl RawNames {
    pub fn of(node: &Node) -> Self {
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
    entries.into_iter().filter(|entry| is_first(&entry.name, kind, names, twice, report)).collect()
}

/// Whether a name is new; one that is not is reported with both places.
fn is_first(
    At { value, span }: &At<String>,
    kind: &'static str,
    names: &mut BTreeMap<(&'static str, String), Span>,
    twice: &mut BTreeSet<(&'static str, String)>,
    report: &Report,
) -> bool {
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
}
