//! Which client was made from which template, and how an edit of that reaches it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use super::read::Template;
use crate::config::{
    IntegrationName, MadeFrom, Rollout,
    diagnostic::{Report, error},
    nearest::suggest,
    resolve::entries_hash,
    tree::{Key, Map, Node},
    written::AfterFirstW,
};

/// How long the other clients wait, unless the rollout says otherwise.
const WAIT: Duration = Duration::from_hours(24);

/// The maps that everybody shares and that decide how the records of a client are treated.
const SHARED: [&str; 2] = ["tables", "connectors"];

/// The clients that were made, or should have been.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    /// By name.
    made: BTreeMap<String, MadeFrom>,
    /// By the template that holds them.
    rollouts: BTreeMap<String, Rollout>,
}

impl Clients {
    /// A client is made from a template, and that perhaps from another.
    pub(super) fn made(&mut self, client: &Key, (template, base): (&Template, Option<&Template>)) {
        let rollout = [Some(template), base].into_iter().flatten().find(|one| one.rollout.is_some());
        let text = template.text_hash ^ base.map_or(0, |base| base.text_hash.rotate_left(1));
        let made = MadeFrom {
            template: template.name.value.clone(),
            rollout: rollout.map(|one| one.name.value.clone()),
            text,
            shared: text,
        };
        self.made.insert(client.text.clone(), made);
    }

    /// Checks who goes first, now that all clients are known.
    pub(super) fn check(&mut self, known: &BTreeMap<String, Arc<Template>>, report: &Report) {
        for (name, template) in known {
            let Some(written) = &template.rollout else { continue };
            let clients: BTreeSet<&str> = self
                .made
                .iter()
                .filter(|(_, made)| made.rollout.as_ref() == Some(name))
                .map(|(c, _)| c.as_str())
                .collect();
            let mut first = Vec::new();
            for client in written.first.iter().flat_map(|first| &first.0) {
                match IntegrationName::parse(&client.value) {
                    Ok(known) if clients.contains(client.value.as_str()) => first.push(known),
                    _ => report.add(
                        error(
                            "config::unknown_client",
                            client.span,
                            format!("the template `{name}` has no client `{}`", client.value),
                        )
                        .label("not known")
                        .maybe_help(
                            suggest(&client.value, clients.iter().copied())
                                .or_else(|| Some(format!("name integrations that say `template: {name}`"))),
                        ),
                    ),
                }
            }
            let rollout = Rollout {
                first,
                wait: written.wait.as_ref().map_or(WAIT, |wait| wait.value),
                by_itself: written.then.as_ref().is_some_and(|then| then.value == AfterFirstW::Automatic),
                parked: written.parked.as_ref().map_or(0, |parked| parked.value),
            };
            self.rollouts.insert(name.clone(), rollout);
        }
    }

    /// Takes into account what is shared by all, as the files say.
    pub(crate) fn share(&mut self, files: &[Node]) {
        let all = files.iter().filter_map(Node::map);
        let maps = all.flat_map(|root| SHARED.into_iter().filter_map(|name| root.get(name)?.map()));
        // What clients have of their own has their name before it.
        let entries = maps.flat_map(|map| &map.entries).filter(|(key, _)| !key.text.contains('/'));
        let shared = entries_hash(entries.cloned().collect());
        for made in self.made.values_mut() {
            made.shared = made.text.rotate_left(1) ^ shared;
        }
    }

    /// The clients by name, and the rollouts by template.
    pub(crate) fn finish(self) -> (BTreeMap<IntegrationName, MadeFrom>, BTreeMap<String, Rollout>) {
        let made = self.made.into_iter();
        let made = made.filter_map(|(name, made)| Some((IntegrationName::parse(&name).ok()?, made))).collect();
        (made, self.rollouts)
    }
}

/// What a template says of records, but for who its clients are and how they get it. Who is told what changes no record.
pub(super) fn text_hash(template: &Map) -> u64 {
    const OTHER: [&str; 4] = ["rollout", "clients", "description", "notifications"];
    let entries = template.entries.iter().filter(|(key, _)| !OTHER.contains(&key.text.as_str()));
    entries_hash(entries.cloned().collect())
}
