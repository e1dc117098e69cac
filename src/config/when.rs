//! Parts that are there or not, as `when:` says: of pipelines, connections and receivers, and of lists in them (fields,
//! filters). They are left out of the tree, before anything is decoded.
//!
//! `when: "${params.payments}"` in a template asks the client, `when: "${env:GROUPS_FROM_XPM:-false}"` outside of one the
//! environment; `{ not: … }` is the opposite.

use super::{
    diagnostic::{Report, error},
    tree::{Map, Node, NodeValue},
    written::text_of,
};

/// Leaves out what is switched off in a file, outside of templates.
pub(super) fn in_file(file: &mut Node, report: &Report) {
    let NodeValue::Map(root) = &mut file.value else { return };
    leave_out(root, report);
    let integrations = root.entries.iter_mut().filter(|(key, _)| key.text == "integrations");
    for (_, node) in integrations {
        let NodeValue::Map(named) = &mut node.value else { continue };
        for (_, integration) in &mut named.entries {
            if let NodeValue::Map(body) = &mut integration.value {
                leave_out(body, report);
            }
        }
    }
}

/// Removes what `when:` switches off in the body of an integration, and the key itself where it says yes.
pub(super) fn leave_out(body: &mut Map, report: &Report) {
    for (key, node) in &mut body.entries {
        if !matches!(key.text.as_str(), "pipelines" | "connections" | "notifications") {
            continue;
        }
        let NodeValue::Map(named) = &mut node.value else { continue };
        named.entries.retain_mut(|(_, value)| keep(value, report));
        for (_, value) in &mut named.entries {
            lists(value, report);
        }
    }
}

/// Items of `fields` and of the lists in `filters` may have a `when:` as well.
fn lists(node: &mut Node, report: &Report) {
    match &mut node.value {
        NodeValue::Map(map) => map.entries.iter_mut().for_each(|(_, value)| lists(value, report)),
        NodeValue::Seq(items) => {
            items.retain_mut(|item| keep(item, report));
            for item in items {
                lists(item, report);
            }
        }
        NodeValue::Scalar(_) => {}
    }
}

fn keep(node: &mut Node, report: &Report) -> bool {
    let NodeValue::Map(map) = &mut node.value else { return true };
    let Some(at) = map.entries.iter().position(|(key, _)| key.text == "when") else { return true };
    let (_, when) = map.entries.remove(at);
    let negated = when.map().and_then(|map| match map.entries.as_slice() {
        [(key, node)] if key.text == "not" => Some(node),
        _ => None,
    });
    // With a mistake it stays: what it holds is checked all the same. Of two that exclude each other, one.
    match negated {
        Some(node) => truth(node, report).is_some_and(|truth| !truth),
        None => truth(&when, report).unwrap_or(true),
    }
}

fn truth(node: &Node, report: &Report) -> Option<bool> {
    match text_of(node, "true or false", report)?.text.as_str() {
        "true" => Some(true),
        "false" => Some(false),
        other => {
            report.add(
                error("config::bad_value", node.span, format!("`when` is true or false, not `{other}`"))
                    .help("give it a boolean: when: \"${params.payments}\" in a template, when: \"${env:PAYMENTS:-false}\" elsewhere"),
            );
            None
        }
    }
}
