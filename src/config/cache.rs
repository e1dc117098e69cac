//! What an earlier load made of integrations, for the next one: of a thousand clients one was edited, and the others are as
//! they were.
//!
//! An integration is made from its tree, with everything filled in that a template, the client and the environment give, and
//! from what it looks up by name meanwhile: connections, tables, whether a pipeline is there. What was made is taken again
//! where the tree says the same, and every name still leads to the very same thing. Connections, tables and connectors are made at each
//! load, and count as the same thing where they are equal in everything.
//!
//! Places do not count: they are only for telling of mistakes. So nothing is kept that holds a finding, and a load that
//! finds an error begins again without what is kept (`load_cached`).

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, HashMap},
    mem,
    sync::Arc,
};

use xxhash_rust::xxh3::xxh3_128;

use super::{
    Connection,
    diagnostic::Report,
    load::{Found, Item},
    resolve::{self, Cx, Draft, KnownTable, Seen},
    tree::{Hole, Key, Map, Node, NodeValue},
    written::{At, Decode as _, Entry, IntegrationW, Named, at},
};
use crate::connector::Manifest;

/// What earlier loads made.
#[derive(Clone, Debug, Default)]
pub struct Cache {
    integrations: HashMap<String, Arc<Kept>>,
    /// Connectors of the user's own, with the number of their tree.
    manifests: BTreeMap<String, (u128, Arc<Manifest>)>,
    connections: BTreeMap<String, Arc<Connection>>,
    tables: BTreeMap<String, KnownTable>,
    made: usize,
}

/// An integration as it was made.
#[derive(Debug)]
struct Kept {
    /// The number of its tree.
    tree: u128,
    /// The full names of its pipelines.
    pipelines: BTreeSet<String>,
    /// What was looked up, and what was found.
    seen: Vec<Seen>,
    draft: Draft,
}

/// An integration whose tree is as it was, with what was made of it then.
pub(crate) struct Known {
    /// Its name.
    pub key: Key,
    /// The tree, for when something that it looks up is another thing now.
    node: Node,
    kept: Arc<Kept>,
}

/// What one load takes from a cache, and what it leaves for the next.
pub(crate) struct Shelf<'c> {
    /// `None` where nothing is kept.
    before: Option<&'c Cache>,
    after: RefCell<Cache>,
    /// The numbers of the trees that are to be made, by name.
    trees: RefCell<BTreeMap<String, u128>>,
    /// The numbers of the trees of the user's own connectors.
    connectors: RefCell<BTreeMap<String, u128>>,
}

impl Cache {
    /// How many integrations the last load made, and did not take from an earlier one.
    #[must_use]
    pub const fn made(&self) -> usize {
        self.made
    }
}

impl Known {
    /// Its name, with its place.
    pub(crate) fn name(&self) -> At<String> {
        at(&self.key)
    }

    /// The full names of its pipelines.
    pub(crate) fn pipelines(&self) -> BTreeSet<String> {
        self.kept.pipelines.clone()
    }
}

impl<'c> Shelf<'c> {
    /// For one load.
    pub(crate) fn new(before: Option<&'c Cache>) -> Self {
        Self { before, after: RefCell::default(), trees: RefCell::default(), connectors: RefCell::default() }
    }

    /// What is left for the next load.
    pub(crate) fn leave(self) -> Cache {
        self.after.into_inner()
    }

    /// Takes the integrations out of a file that were made from the same trees before.
    pub(crate) fn take(&self, file: &mut Node) -> Found {
        let (mut found, Some(before)) = (Found::default(), self.before) else { return Found::default() };
        let NodeValue::Map(root) = &mut file.value else { return found };
        if let Some(Node { value: NodeValue::Map(own), .. }) = root.get("connectors") {
            let trees = own.entries.iter().map(|(key, node)| (key.text.clone(), tree(node)));
            self.connectors.borrow_mut().extend(trees);
        }
        let Some(at) = root.entries.iter().position(|(key, _)| key.text == "integrations") else { return found };
        let Some((_, Node { value: NodeValue::Map(all), .. })) = root.entries.get_mut(at) else { return found };
        let mut left = Vec::new();
        for (key, node) in mem::take(&mut all.entries) {
            found.order.insert(key.text.clone(), found.order.len());
            let tree = tree(&node);
            if let Some(kept) = before.integrations.get(&key.text).filter(|kept| kept.tree == tree) {
                found.known.push(Known { key, node, kept: Arc::clone(kept) });
            } else {
                self.trees.borrow_mut().insert(key.text.clone(), tree);
                left.push((key, node));
            }
        }
        let emptied = left.is_empty() && !found.known.is_empty();
        all.entries = left;
        if emptied {
            root.entries.remove(at);
        }
        found
    }

    /// Nothing of what this file holds is kept: there is something to be said of it.
    pub(crate) fn leave_out(&self, found: &Found) {
        self.trees.borrow_mut().retain(|name, _| !found.order.contains_key(name));
    }

    /// Connectors of the user's own that are as they were stay the same things.
    pub(crate) fn manifests(&self, all: &mut BTreeMap<String, Option<Arc<Manifest>>>) {
        let Some(before) = self.before else { return };
        let mut after = self.after.borrow_mut();
        for (name, tree) in self.connectors.borrow().iter() {
            let Some(Some(manifest)) = all.get_mut(name) else { continue };
            if let Some((_, known)) = before.manifests.get(name).filter(|(known, _)| known == tree) {
                *manifest = Arc::clone(known);
            }
            after.manifests.insert(name.clone(), (*tree, Arc::clone(manifest)));
        }
    }

    /// Connections that are as they were stay the same things.
    pub(crate) fn connections(&self, all: &mut BTreeMap<String, Option<Arc<Connection>>>) {
        let Some(before) = self.before else { return };
        let mut after = self.after.borrow_mut();
        for (name, connection) in all.iter_mut().filter_map(|(name, one)| Some((name, one.as_mut()?))) {
            if let Some(known) = before.connections.get(name).filter(|known| known.is_same(connection)) {
                *connection = Arc::clone(known);
            }
            after.connections.insert(name.clone(), Arc::clone(connection));
        }
    }

    /// Tables that are as they were stay the same things.
    pub(crate) fn tables(&self, all: &mut BTreeMap<String, Option<KnownTable>>) {
        let Some(before) = self.before else { return };
        let mut after = self.after.borrow_mut();
        for (name, table) in all.iter_mut().filter_map(|(name, one)| Some((name, one.as_mut()?))) {
            if let Some(known) = before.tables.get(name).filter(|known| known.says_the_same(table)) {
                table.table = Arc::clone(&known.table);
            }
            after.tables.insert(name.clone(), table.clone());
        }
    }

    /// Makes an integration, or takes what was made of it. `None` when it holds mistakes.
    pub(crate) fn make(&self, cx: &Cx<'_>, item: &Item) -> Option<Draft> {
        let decoded;
        let entry = match item {
            Item::New(entry) => entry.as_ref(),
            Item::Known(known) if cx.still_sees(&known.key.text, &known.kept.seen) => {
                let kept = Arc::clone(&known.kept);
                let draft = kept.draft.clone();
                self.after.borrow_mut().integrations.insert(known.key.text.clone(), kept);
                return Some(draft);
            }
            Item::Known(known) => {
                self.trees.borrow_mut().insert(known.key.text.clone(), known.kept.tree);
                decoded = decode(&known.key, &known.node, cx.report)?;
                &decoded
            }
        };
        let before = cx.report.added();
        let draft = resolve::integration(cx, entry);
        let mut after = self.after.borrow_mut();
        after.made += 1;
        let tree = self.trees.borrow().get(&entry.name.value).copied();
        if let (Some(tree), Some(draft)) = (tree, &draft)
            && cx.report.added() == before
            && draft.stands_alone()
        {
            let pipelines = draft.pipelines.iter().map(|made| made.pipeline.name.as_str().to_owned()).collect();
            let kept = Kept { tree, pipelines, seen: cx.seen.take(), draft: draft.clone() };
            after.integrations.insert(entry.name.value.clone(), Arc::new(kept));
        }
        draft
    }
}

/// Decodes one integration alone.
fn decode(key: &Key, node: &Node, report: &Report) -> Option<Entry<IntegrationW>> {
    let entries = vec![(key.clone(), node.clone())];
    let alone = Node { span: node.span, owner: node.owner, value: NodeValue::Map(Map { entries, flow: false }) };
    Named::<IntegrationW>::decode(&alone, report)?.entries.pop()
}

/// The number of a tree: two of the same number say the same, to whoever decodes them.
fn tree(node: &Node) -> u128 {
    let mut bytes = Vec::with_capacity(4096);
    feed(node, &mut bytes);
    xxh3_128(&bytes)
}

fn feed(node: &Node, bytes: &mut Vec<u8>) {
    // With their lengths, so that no two rows of texts give the same bytes.
    fn text(text: &str, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    match &node.value {
        NodeValue::Scalar(scalar) => {
            bytes.extend_from_slice(&[1, u8::from(scalar.plain), u8::from(scalar.written.is_some())]);
            text(&scalar.text, bytes);
            text(scalar.written.as_deref().unwrap_or_default(), bytes);
            bytes.extend_from_slice(&(scalar.holes.len() as u64).to_le_bytes());
            for hole in &scalar.holes {
                let (kind, name) = match hole {
                    Hole::MissingEnv(name) => (0, name),
                    Hole::SecretOnly(name) => (1, name),
                };
                bytes.push(kind);
                text(name, bytes);
            }
        }
        NodeValue::Seq(items) => {
            bytes.push(2);
            bytes.extend_from_slice(&(items.len() as u64).to_le_bytes());
            for item in items {
                feed(item, bytes);
            }
        }
        NodeValue::Map(map) => {
            bytes.extend_from_slice(&[3, u8::from(map.flow)]);
            bytes.extend_from_slice(&(map.entries.len() as u64).to_le_bytes());
            for (key, value) in &map.entries {
                text(&key.text, bytes);
                feed(value, bytes);
            }
        }
    }
}

#[cfg(test)]
mod tests;
