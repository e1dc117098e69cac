//! Templates: one integration written once, made for many clients (LANGUAGE section 4).
//!
//! Everything happens on trees, before anything is decoded: a template's body is copied, its placeholders are filled
//! in ([`fill`]), what its `when:` switches off is left out, the client's `overrides` are laid over it ([`overlay`]),
//! what these switch off is left out as well, and the result stands where the client was written. From there on a
//! client is an integration like any other, so that every check is made once, in one place. Values keep their places:
//! what the client gave points into the client's file, everything else into the template; [`Origins`] remembers which
//! belongs to which, so that a mistake shows both.

mod clients;
mod emit;
mod fill;
mod origins;
mod overlay;
mod params;
mod read;

use std::{collections::BTreeMap, sync::Arc};

pub(crate) use clients::Clients;
pub(crate) use emit::emit;
pub(crate) use origins::Origins;
pub(crate) use params::{AnyNode, ParamW};

use self::{
    fill::Filler,
    params::Values,
    read::{Template, Use},
};
use super::{
    diagnostic::{Report, error},
    nearest::suggest,
    placeholders::EnvSource,
    source::{Sources, Span},
    tree::{Key, Map, Node, NodeValue},
    when,
};

/// The maps of a template whose entries get the client's name before theirs.
const OWN: [&str; 3] = ["connections", "tables", "notifications"];

/// The keys by which an integration is made from a template.
const USE: [&str; 3] = ["template", "with", "overrides"];

/// Everything that templates are made of, while the files are put together.
pub(crate) struct Templates<'a> {
    known: BTreeMap<String, Arc<Template>>,
    env: &'a dyn EnvSource,
    report: &'a Report,
    origins: Origins,
    clients: Clients,
}

impl<'a> Templates<'a> {
    /// Takes the templates out of the files.
    pub(crate) fn take(files: &mut [Node], env: &'a dyn EnvSource, sources: &mut Sources, report: &'a Report) -> Self {
        let mut templates =
            Self { known: BTreeMap::new(), env, report, origins: Origins::default(), clients: Clients::default() };
        for file in files {
            let NodeValue::Map(root) = &mut file.value else { continue };
            let Some(at) = root.entries.iter().position(|(key, _)| key.text == "templates") else { continue };
            let (_, node) = root.entries.remove(at);
            let NodeValue::Map(map) = node.value else {
                if !node.is_null() {
                    report.add(
                        error(
                            "config::wrong_shape",
                            node.span,
                            format!("a map of templates is wanted here, not {}", node.kind()),
                        )
                        .help("write templates: { shop: { params: { … }, connections: { … }, pipelines: { … } } }"),
                    );
                }
                continue;
            };
            for (key, body) in map.entries {
                templates.add(&key, body, sources);
            }
        }
        for base in templates.known.values().filter_map(|template| template.base.as_ref()) {
            templates.hide_given(base, sources);
        }
        templates
    }

    /// Which of the values given to a template are secrets, the template says; of one that is not known, or holds
    /// mistakes, each may be one.
    fn hide_given(&self, used: &Use, sources: &mut Sources) {
        let sound = self.known.get(&used.template.value).filter(|template| !template.broken);
        for (key, value) in &used.with.entries {
            if sound.is_none_or(|template| template.may_be_secret(&key.text)) {
                params::hide(value, sources);
            }
        }
    }

    fn add(&mut self, key: &Key, body: Node, sources: &mut Sources) {
        if let Some(first) = self.known.get_mut(&key.text) {
            // Of two of a name nobody knows which is meant.
            Arc::make_mut(first).broken = true;
            self.report.add(
                error("config::defined_twice", key.span, format!("the template `{}` is defined twice", key.text))
                    .label("defined again")
                    .also(first.name.span, format!("`{}` is defined first here", key.text))
                    .help("rename or remove one of them"),
            );
            return;
        }
        let name = key.text.clone();
        let misread = self.report.misread(key.span, &body) > 0;
        let (template, broken) = self.report.watch(|| {
            let template = Template::read(key, body, self.report, sources)?;
            fill::check_names(&template, self.report);
            Some(template)
        });
        if let Some(template) = template {
            self.known.insert(name, Arc::new(Template { broken: broken || misread, ..template }));
        }
    }

    /// Makes the clients of every file, `only` this one if it is named. What was made stands where `template:` stood.
    pub(crate) fn expand(&mut self, files: &mut [Node], only: Option<&str>, sources: &mut Sources) {
        self.listed_clients(files);
        for file in files {
            let NodeValue::Map(root) = &mut file.value else { continue };
            let mut made = Map { entries: Vec::new(), flow: false };
            for (key, node) in &mut root.entries {
                if key.text != "integrations" {
                    continue;
                }
                let NodeValue::Map(integrations) = &mut node.value else { continue };
                integrations.entries.retain_mut(|(client, integration)| {
                    let uses = integration.map().is_some_and(|map| map.get("template").is_some());
                    if !uses {
                        return true;
                    }
                    if only.is_some_and(|only| only != client.text) {
                        // It may stand in the lines beside a mistake of the one that is wanted.
                        if let Some(other) = Use::read(integration, &Report::default(), sources) {
                            self.hide_given(&other, sources);
                        }
                        return false;
                    }
                    // A client with mistakes is left out as a whole; they were reported.
                    self.client(client, integration, &mut made, sources)
                });
            }
            for name in OWN {
                let own: Vec<_> = made.entries.extract_if(.., |(key, _)| key.text == name).collect();
                for (_, node) in own {
                    add_to(root, name, node);
                }
            }
        }
        if only.is_none() {
            self.clients.check(&self.known, self.report);
        }
    }

    /// The clients that a template lists itself become integrations of the file that holds the template.
    fn listed_clients(&mut self, files: &mut [Node]) {
        for template in self.known.values_mut() {
            // Nobody else has it yet.
            for (key, value) in std::mem::take(&mut Arc::make_mut(template).clients) {
                let Some(root) = files.iter_mut().find(|node| node.span.file == template.name.span.file) else {
                    continue;
                };
                let NodeValue::Map(root) = &mut root.value else { continue };
                let entry = Map { entries: vec![(key, value)], flow: false };
                add_to(
                    root,
                    "integrations",
                    Node { span: template.name.span, owner: None, value: NodeValue::Map(entry) },
                );
            }
        }
    }

    /// Makes one client in place; its connections and tables go to `made`. False when it cannot be made.
    fn client(&mut self, client: &Key, integration: &mut Node, made: &mut Map, sources: &mut Sources) -> bool {
        let before = self.report.errors();
        let misread = self.report.misread(client.span, integration) > 0;
        let Some(used) = Use::read(integration, self.report, sources) else { return false };
        if let Some(template) = self.known.get(&used.template.value) {
            let base = template.base.as_ref().and_then(|base| self.known.get(&base.template.value));
            self.clients.made(client, (template, base.map(Arc::as_ref)));
        }
        let Some(mut body) = self.body(client, &used, true, sources) else { return false };
        if let Some(overrides) = &used.overrides {
            overlay::overlay(&mut body, overrides, &used.template.value, self.report);
            when::leave_out(&mut body, self.report);
        }
        for name in OWN {
            let Some(at) = body.entries.iter().position(|(key, _)| key.text == name) else { continue };
            let (key, mut node) = body.entries.remove(at);
            if let NodeValue::Map(map) = &mut node.value {
                for (key, _) in &mut map.entries {
                    key.text = format!("{}/{}", client.text, key.text);
                }
            }
            made.entries.push((key, node));
        }
        let NodeValue::Map(own) = &mut integration.value else { return false };
        let own_keys = std::mem::take(&mut own.entries);
        for (key, node) in own_keys.into_iter().filter(|(key, _)| !USE.contains(&key.text.as_str())) {
            replace(&mut body, key, node, self.report);
        }
        integration.value = NodeValue::Map(body);
        self.report.errors() == before && !misread
    }

    /// The body of a template with everything filled in; `deeper` lets it be made from another template itself.
    fn body(&mut self, client: &Key, used: &Use, deeper: bool, sources: &mut Sources) -> Option<Map> {
        let name = &used.template;
        self.hide_given(used, sources);
        let Some(template) = self.known.get(&name.value) else {
            self.report.add(
                error("config::unknown_template", name.span, format!("there is no template `{}`", name.value))
                    .label("not known")
                    .maybe_help(
                        suggest(&name.value, self.known.keys().map(String::as_str))
                            .or_else(|| Some("write it under `templates:`".to_owned())),
                    ),
            );
            return None;
        };
        self.origins.used(template.span, client);
        if template.broken {
            return None; // what is wrong with it was told
        }
        let template = Arc::clone(template);
        let values = Values::check(&template, used, client, self.report)?;
        let filler = Filler { values: &values, client, env: self.env, report: self.report };
        let mut body = filler.map(&template.body, &mut self.origins);
        when::leave_out(&mut body, self.report);
        let Some(base) = &template.base else { return Some(body) };
        if !deeper {
            self.report.add(
                error("config::template_depth", base.template.span, "templates may use templates one level deep only")
                    .label("this template is itself used by a template")
                    .help("move what both need into one template, or use it from the integrations directly"),
            );
            return None;
        }
        let base = Use {
            template: base.template.clone(),
            with: filler.map(&base.with, &mut self.origins),
            with_span: base.with_span,
            overrides: base.overrides.as_ref().map(|overrides| filler.node(overrides, &mut self.origins)),
        };
        let mut under = self.body(client, &base, false, sources)?;
        if let Some(overrides) = &base.overrides {
            overlay::overlay(&mut under, overrides, &base.template.value, self.report);
            when::leave_out(&mut under, self.report);
        }
        for (key, node) in body.entries {
            replace(&mut under, key, node, self.report);
        }
        Some(under)
    }

    /// What belongs to what, for showing mistakes, and who was made from what.
    pub(crate) fn finish(self) -> (Origins, Clients) {
        (self.origins, self.clients)
    }
}

/// Lays a key over a body: named things are added to those that are there, everything else takes the place.
fn replace(body: &mut Map, key: Key, node: Node, report: &Report) {
    let Some((_, old)) = body.entries.iter_mut().find(|(known, _)| known.text == key.text) else {
        body.entries.push((key, node));
        return;
    };
    let named = matches!(key.text.as_str(), "pipelines" | "connections" | "tables" | "notifications");
    match (&mut old.value, node.value) {
        (NodeValue::Map(old), NodeValue::Map(new)) if named => {
            for (name, value) in new.entries {
                if let Some((first, _)) = old.entries.iter().find(|(known, _)| known.text == name.text) {
                    report.add(
                        error(
                            "config::defined_twice",
                            name.span,
                            format!("`{}` is in the template already", name.text),
                        )
                        .label("defined again")
                        .also(first.span, "the template's")
                        .help(format!(
                            "change the template's under `overrides: {{ {}.{}: … }}`, or choose another name",
                            key.text, name.text
                        )),
                    );
                } else {
                    old.entries.push((name, value));
                }
            }
        }
        (_, value) => {
            old.value = value;
            old.span = node.span;
            old.owner = node.owner;
        }
    }
}

/// Adds the entries of `node` to the map `name` of a file.
fn add_to(root: &mut Map, name: &str, node: Node) {
    let NodeValue::Map(new) = node.value else { return };
    if let Some((_, Node { value: NodeValue::Map(map), .. })) =
        root.entries.iter_mut().find(|(key, _)| key.text == name)
    {
        map.entries.extend(new.entries);
        return;
    }
    root.entries.retain(|(key, value)| key.text != name || !value.is_null());
    let span = Span { end: node.span.start, ..node.span };
    let value = NodeValue::Map(new);
    root.entries.push((Key { text: name.to_owned(), span }, Node { span: node.span, owner: node.owner, value }));
}
