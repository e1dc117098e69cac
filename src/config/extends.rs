//! `extends:`: a connector laid over another one, before either is decoded, so that every value keeps its place.
//!
//! What is given replaces what was. `settings`, `headers`, `query`, `resources` and the `fields` of a resource are laid over
//! entry by entry; everything else (`list`, `create`, `limits`, `auth`, …) is one thing and replaced as a whole: half of one
//! call and half of another is none. `~` takes an entry away. The version is the variant's own.

use std::collections::{BTreeMap, HashMap};

use super::{
    builtin,
    diagnostic::{Report, error},
    load::read_tree,
    nearest::suggest,
    source::{Sources, Span},
    tree::{Key, Map, Node, NodeValue},
};

/// Lays every connector that `extends` another over it. One that cannot be keeps its key, and counts as one with
/// mistakes.
pub(crate) fn lay(nodes: &mut [Node], sources: &mut Sources, report: &Report) {
    if !connectors(nodes).any(|(_, node)| said(node).is_some()) {
        return;
    }
    let mut own: BTreeMap<String, Option<Node>> = BTreeMap::new();
    for (key, node) in connectors(nodes) {
        // Of two of a name nobody knows which is meant; what was dropped from a text was meant, too.
        let sound = !own.contains_key(&key.text) && report.misread(key.span, node) == 0;
        own.insert(key.text.clone(), sound.then(|| node.clone()));
    }
    let mut layers = Layers { own, built_in: BTreeMap::new(), sources, report };
    let laid: BTreeMap<String, Option<Node>> = (layers.own.clone().into_iter())
        .filter_map(|(name, node)| Some((name, node.filter(|node| said(node).is_some())?)))
        .map(|(name, node)| (name.clone(), layers.laid(&name, &node, &mut vec![name.clone()])))
        .collect();
    for node in nodes {
        let Some(entries) = maps_mut(node) else { continue };
        for (key, value) in &mut entries.entries {
            if let Some(Some(whole)) = laid.get(&key.text)
                && said(value).is_some()
            {
                *value = whole.clone();
            }
        }
    }
}

fn connectors(nodes: &[Node]) -> impl Iterator<Item = &(Key, Node)> {
    let maps = nodes.iter().filter_map(|node| node.map()?.get("connectors")?.map());
    maps.flat_map(|map| &map.entries)
}

fn maps_mut(node: &mut Node) -> Option<&mut Map> {
    let NodeValue::Map(top) = &mut node.value else { return None };
    let (_, connectors) = top.entries.iter_mut().find(|(key, _)| key.text == "connectors")?;
    match &mut connectors.value {
        NodeValue::Map(map) => Some(map),
        _ => None,
    }
}

/// What a connector says it extends, and where.
fn said(node: &Node) -> Option<(&str, Span)> {
    let value = node.map()?.get("extends").filter(|value| !value.is_null())?;
    Some((value.scalar()?.text.as_str(), value.span))
}

struct Layers<'a> {
    /// The user's, `None` where one cannot be built upon.
    own: BTreeMap<String, Option<Node>>,
    /// Trees of built-in connectors, as far as they were needed.
    built_in: BTreeMap<String, Option<Node>>,
    sources: &'a mut Sources,
    report: &'a Report,
}

impl Layers<'_> {
    /// A connector over what it extends. `way` are the connectors on the way here.
    fn laid(&mut self, name: &str, node: &Node, way: &mut Vec<String>) -> Option<Node> {
        let Some((text, span)) = said(node) else {
            // One without resources changes the built-in connector of its name.
            let whole = node.map().is_some_and(|map| map.get("resources").is_some());
            let below = if whole { None } else { self.built_in(name) };
            return Some(below.map_or_else(|| node.clone(), |below| over(&below, node, Level::Connector)));
        };
        let (base, version) = match text.split_once('@') {
            Some((base, version)) => (base, Some(version)),
            None => (text, None),
        };
        let below = self.base(name, (base, span), way)?;
        let known = below.map().and_then(|map| map.get("version")?.scalar()).map_or("1", |scalar| &scalar.text);
        if let Some(version) = version.filter(|version| *version != known) {
            self.report.add(
                error("config::connector_version", span, format!("there is no version {version} of `{base}`"))
                    .help(format!("write extends: {base}@{known}")),
            );
            return None;
        }
        Some(variant(below, node))
    }

    /// The connector that `name` extends, its own layers in place.
    fn base(&mut self, name: &str, (base, span): (&str, Span), way: &mut Vec<String>) -> Option<Node> {
        let own = self.own.get(base).filter(|_| base != name).cloned();
        let Some(node) = own else {
            let found = self.built_in(base);
            if found.is_none() {
                self.unknown(name, base, span);
            }
            return found;
        };
        // Its mistakes were told.
        let node = node?;
        if way.iter().any(|known| known == base) {
            // Each of a circle is asked for by itself; the first in the alphabet tells.
            if way.iter().min() == way.first() && way.first().is_some_and(|first| first == base) {
                let circle = [way.as_slice(), &[base.to_owned()]].concat().join(", ");
                self.report.add(
                    error("config::circle", span, format!("connectors extend each other in a circle: {circle}"))
                        .help("one of them must be described in full"),
                );
            }
            return None;
        }
        way.push(base.to_owned());
        let laid = self.laid(base, &node, way);
        way.pop();
        laid
    }

    fn unknown(&self, name: &str, base: &str, span: Span) {
        let names = builtin::manifests().keys().chain(self.own.keys()).map(String::as_str);
        let names: Vec<&str> = names.filter(|known| *known != name).collect();
        self.report.add(
            error("config::unknown_connector", span, format!("there is no connector `{base}` to extend"))
                .label("not known")
                .maybe_help(suggest(base, names)),
        );
    }

    fn built_in(&mut self, name: &str) -> Option<Node> {
        if !self.built_in.contains_key(name) {
            let tree = builtin::text(name).and_then(|text| {
                let number = self.sources.add(format!("{name} (built in)"), text);
                let nothing: HashMap<String, String> = HashMap::new();
                // A test keeps the built-in ones free of mistakes.
                let tree = read_tree(number, text, &nothing, self.sources, &Report::default())?;
                tree.map()?.get("connectors")?.map()?.get(name).cloned()
            });
            // A built-in variant is one of the built-in connector, whatever else has that name.
            let tree = match tree.as_ref().and_then(said) {
                Some((base, _)) => self.built_in(base).zip(tree.as_ref()).map(|(below, tree)| variant(below, tree)),
                None => tree,
            };
            self.built_in.insert(name.to_owned(), tree);
        }
        self.built_in.get(name).cloned().flatten()
    }
}

/// A connector over the one that it extends.
fn variant(mut below: Node, node: &Node) -> Node {
    if let NodeValue::Map(map) = &mut below.value {
        map.entries.retain(|(key, _)| key.text != "version");
    }
    let mut whole = over(&below, node, Level::Connector);
    if let NodeValue::Map(map) = &mut whole.value {
        map.entries.retain(|(key, _)| key.text != "extends");
    }
    whole
}

/// Where in a connector one is: what is laid over entry by entry there, and what is replaced.
#[derive(Clone, Copy)]
enum Level {
    Connector,
    Entries,
    Resources,
    Resource,
    Fields,
    Field,
}

impl Level {
    fn below(self, key: &str) -> Option<Self> {
        match (self, key) {
            (Self::Connector, "settings" | "headers" | "query") => Some(Self::Entries),
            (Self::Connector, "resources") => Some(Self::Resources),
            (Self::Resources, _) => Some(Self::Resource),
            (Self::Resource | Self::Field, "fields") => Some(Self::Fields),
            (Self::Fields, _) => Some(Self::Field),
            _ => None,
        }
    }
}

fn over(base: &Node, top: &Node, level: Level) -> Node {
    let (NodeValue::Map(below), NodeValue::Map(above)) = (&base.value, &top.value) else { return top.clone() };
    let mut whole = Map { entries: below.entries.clone(), flow: above.flow };
    for (key, value) in &above.entries {
        let place = whole.entries.iter().position(|(known, _)| known.text == key.text);
        let laid = match (level.below(&key.text), place.and_then(|at| whole.entries.get(at))) {
            (Some(level), Some((_, old))) => over(old, value, level),
            _ => value.clone(),
        };
        match place {
            Some(at) if laid.is_null() => drop(whole.entries.remove(at)),
            Some(at) => {
                if let Some(entry) = whole.entries.get_mut(at) {
                    *entry = (key.clone(), laid);
                }
            }
            None => whole.entries.push((key.clone(), laid)),
        }
    }
    Node { span: top.span, owner: top.owner, value: NodeValue::Map(whole) }
}
