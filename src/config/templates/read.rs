//! What a template and its use look like on the page.

use super::{
    OWN, clients,
    params::{self, Param},
};
use crate::config::{
    diagnostic::{Report, error},
    nearest::suggest,
    source::{Sources, Span},
    tree::{Key, Map, Node, NodeValue},
    written::{At, Decode as _, IntegrationW, RolloutW, at},
};

/// A template as it was written.
#[derive(Clone)]
pub(super) struct Template {
    /// Its name.
    pub name: At<String>,
    /// All of it.
    pub span: Span,
    /// What a client gives.
    pub params: Vec<Param>,
    /// Everything that becomes part of a client.
    pub body: Map,
    /// The template it is made from itself.
    pub base: Option<Use>,
    /// How edits of it reach its clients.
    pub rollout: Option<RolloutW>,
    /// Changes with what it says.
    pub text_hash: u64,
    /// Clients that it lists: name and integration.
    pub clients: Vec<(Key, Node)>,
    /// It holds mistakes, so nothing is made from it.
    pub broken: bool,
}

/// How a client is made from a template.
#[derive(Clone)]
pub(super) struct Use {
    /// The template.
    pub template: At<String>,
    /// Values of its parameters.
    pub with: Map,
    /// Where they are given, or should be.
    pub with_span: Span,
    /// Changes to what comes out.
    pub overrides: Option<Node>,
}

/// Keys that a template has besides those of an integration.
const BESIDE: [&str; 4] = ["params", "clients", "rollout", "description"];

impl Template {
    /// Reads a template; nothing in it is filled in yet.
    pub(super) fn read(key: &Key, node: Node, report: &Report, sources: &mut Sources) -> Option<Self> {
        let span = Span { start: key.span.start, ..node.span };
        let kind = node.kind();
        let NodeValue::Map(map) = node.value else {
            report.add(
                error("config::wrong_shape", node.span, format!("a template is a map, not {kind}"))
                    .help("write { params: { … }, connections: { … }, pipelines: { … } }"),
            );
            return None;
        };
        let mut template = Self {
            name: at(key),
            span,
            params: Vec::new(),
            body: Map { entries: Vec::new(), flow: map.flow },
            base: None,
            rollout: None,
            text_hash: clients::text_hash(&map),
            clients: Vec::new(),
            broken: false,
        };
        let known: Vec<&str> = IntegrationW::KEYS.iter().copied().chain(OWN).chain(BESIDE).collect();
        let (mut with, mut overrides, mut base) = (None, None, None);
        for (key, value) in map.entries {
            match key.text.as_str() {
                "params" => template.params = params::read(&value, report, sources),
                "template" => base = Some(value),
                "with" => with = Some(value),
                "overrides" => overrides = Some(value),
                "clients" => template.clients = listed(&value, &template.name, report, sources),
                "rollout" if value.is_null() => {}
                "rollout" => template.rollout = RolloutW::decode(&value, report),
                "description" => {}
                other if known.contains(&other) => template.body.entries.push((key, value)),
                other => report.add(
                    error("config::unknown_key", key.span, format!("a template has no key `{other}`"))
                        .label("not known")
                        .maybe_help(suggest(other, known.iter().copied())),
                ),
            }
        }
        if let Some(base) = base {
            template.base = Use::made(&base, (with, overrides), report, sources);
        }
        Some(template)
    }

    /// Whether the value of a parameter may be a secret; of one that there is not, nobody knows.
    pub(super) fn may_be_secret(&self, param: &str) -> bool {
        let known = self.params.iter().find(|known| known.name.value == param);
        known.is_none_or(Param::may_be_secret)
    }
}

impl Use {
    /// How an integration uses a template. `None` when it cannot be told.
    pub(super) fn read(integration: &Node, report: &Report, sources: &mut Sources) -> Option<Self> {
        let map = integration.map()?;
        let given = (map.get("with").cloned(), map.get("overrides").cloned());
        Self::made(map.get("template")?, given, report, sources)
    }

    /// Takes `with` and `overrides`.
    fn made(
        template: &Node,
        (with, overrides): (Option<Node>, Option<Node>),
        report: &Report,
        sources: &mut Sources,
    ) -> Option<Self> {
        let Some(name) = At::<String>::decode(template, report) else {
            if let Some(with) = &with {
                params::hide(with, sources);
            }
            return None;
        };
        let with_span = with.as_ref().map_or(name.span, |node| node.span);
        let with = match with {
            None => Map { entries: Vec::new(), flow: false },
            Some(Node { value: NodeValue::Map(map), .. }) => map,
            Some(node) if node.is_null() => Map { entries: Vec::new(), flow: false },
            Some(node) => {
                params::hide(&node, sources);
                report.add(
                    error(
                        "config::wrong_shape",
                        node.span,
                        format!("a map of parameters is wanted here, not {}", node.kind()),
                    )
                    .help("write with: { site: https://shop.example, … }"),
                );
                return None;
            }
        };
        Some(Self { template: name, with, with_span, overrides: overrides.filter(|node| !node.is_null()) })
    }
}

/// The clients that a template lists: each a map with `client`, its name, and values of parameters.
fn listed(node: &Node, template: &At<String>, report: &Report, sources: &mut Sources) -> Vec<(Key, Node)> {
    const FORM: &str = "write clients: [ { client: acme, site: https://acme.example }, … ]";
    let NodeValue::Seq(items) = &node.value else {
        params::hide(node, sources);
        report.add(
            error("config::wrong_shape", node.span, format!("a list of clients is wanted here, not {}", node.kind()))
                .help(FORM),
        );
        return Vec::new();
    };
    let made = items.iter().filter_map(|item| {
        let made = client(item, template, report, FORM);
        if made.is_none() {
            params::hide(item, sources);
        }
        made
    });
    made.collect()
}

fn client(item: &Node, template: &At<String>, report: &Report, form: &str) -> Option<(Key, Node)> {
    let Some(map) = item.map() else {
        report
            .add(error("config::wrong_shape", item.span, format!("a client is a map, not {}", item.kind())).help(form));
        return None;
    };
    let Some(name) = map.get("client").and_then(|node| node.scalar().map(|scalar| (scalar, node.span))) else {
        report.add(
            error("config::missing_key", item.whole(), "a client needs `client`, its name").label("no name").help(form),
        );
        return None;
    };
    let key = Key { text: name.0.text.clone(), span: name.1 };
    let with = map.entries.iter().filter(|(key, _)| key.text != "client").cloned().collect();
    let named =
        crate::config::tree::Scalar { text: template.value.clone(), written: None, holes: Vec::new(), plain: true };
    let word = |text: &str| Key { text: text.to_owned(), span: item.span };
    let node = |value| Node { span: item.span, owner: item.owner, value };
    let entries = vec![
        (word("template"), Node { span: template.span, owner: None, value: NodeValue::Scalar(named) }),
        (word("with"), node(NodeValue::Map(Map { entries: with, flow: map.flow }))),
    ];
    Some((key, node(NodeValue::Map(Map { entries, flow: map.flow }))))
}
