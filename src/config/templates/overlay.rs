//! `overrides:`: what one client has otherwise, addressed by name, and fields by their target path.

use crate::config::{
    diagnostic::{Report, error},
    nearest::suggest,
    source::Span,
    tree::{Key, Map, Node, NodeValue, Scalar},
};

/// Lays overrides over the body of a client.
pub(super) fn overlay(body: &mut Map, overrides: &Node, template: &str, report: &Report) {
    let Some(map) = overrides.map() else {
        report.add(
            error(
                "config::wrong_shape",
                overrides.span,
                format!("a map of changes is wanted here, not {}", overrides.kind()),
            )
            .help("write overrides: { pipelines.contacts.debounce: 5m }"),
        );
        return;
    };
    for (key, value) in &map.entries {
        let (names, path) = address(&key.text);
        one(body, &Address { key, names: &names, path, template, report }, value);
    }
}

/// Where a change goes: names, and at the end perhaps the path of a field.
struct Address<'a> {
    key: &'a Key,
    names: &'a [&'a str],
    path: Option<&'a str>,
    template: &'a str,
    report: &'a Report,
}

/// `pipelines.contacts.fields.$.Website`: three names and a path.
fn address(text: &str) -> (Vec<&str>, Option<&str>) {
    let (names, path) = match text.find(".$") {
        Some(at) => (text.get(..at).unwrap_or_default(), text.get(at + 1..)),
        None => (text, None),
    };
    (names.split('.').collect(), path)
}

/// One change: goes to the map that holds what is addressed, and changes it there.
fn one(body: &mut Map, address: &Address<'_>, value: &Node) {
    let Some((last, way)) = address.names.split_last() else { return };
    let mut map = body;
    for (depth, name) in way.iter().enumerate() {
        let names: Vec<String> = map.entries.iter().map(|(key, _)| key.text.clone()).collect();
        match map.entries.iter_mut().find(|(key, _)| key.text == **name).map(|(_, node)| &mut node.value) {
            Some(NodeValue::Map(inner)) => map = inner,
            Some(_) => {
                nowhere(address, depth, "is no map", None);
                return;
            }
            None => {
                nowhere(address, depth, "does not exist", suggest(name, names.iter().map(String::as_str)));
                return;
            }
        }
    }
    if let Some(path) = address.path {
        let fields = map.entries.iter_mut().find(|(key, _)| key.text == **last);
        let Some((_, Node { value: NodeValue::Seq(items), .. })) = fields else {
            nowhere(address, way.len(), "is no list of fields", None);
            return;
        };
        let key = Key { text: path.to_owned(), span: address.key.span };
        field(items, &key, value, address.report);
    } else {
        // A name that the template lacks may be new: a setting it leaves open, or a pipeline of this client alone.
        // But a setting at the very top that nothing knows is found when the result is decoded.
        let key = Key { text: (*last).to_owned(), span: address.key.span };
        put(map, key, value, address.report);
    }
}

fn nowhere(address: &Address<'_>, depth: usize, what: &str, help: Option<String>) {
    let so_far = address.names.get(..=depth).unwrap_or_default().join(".");
    address.report.add(
        error(
            "config::unknown_override",
            address.key.span,
            format!("`{so_far}` {what} in the template `{}`", address.template),
        )
        .label("nothing to change")
        .maybe_help(help.or_else(|| Some(format!("`render` shows what the template `{}` holds", address.template)))),
    );
}

/// Lays a value over a key: maps are merged, a list of fields is changed field by field, nothing removes, and all else
/// takes the place.
fn put(map: &mut Map, key: Key, value: &Node, report: &Report) {
    if value.is_null() {
        map.entries.retain(|(known, _)| known.text != key.text);
        return;
    }
    let Some((_, old)) = map.entries.iter_mut().find(|(known, _)| known.text == key.text) else {
        map.entries.push((key, value.clone()));
        return;
    };
    match (&mut old.value, &value.value) {
        (NodeValue::Map(old), NodeValue::Map(new)) => {
            for (key, value) in &new.entries {
                put(old, key.clone(), value, report);
            }
        }
        (NodeValue::Seq(items), NodeValue::Map(new)) if key.text == "fields" => {
            for (key, value) in &new.entries {
                field(items, key, value, report);
            }
        }
        _ => *old = value.clone(),
    }
}

/// Changes, adds or removes the field that writes a path.
fn field(items: &mut Vec<Node>, path: &Key, value: &Node, report: &Report) {
    let places: Vec<usize> =
        items.iter().enumerate().filter(|(_, item)| writes(item, &path.text)).map(|(place, _)| place).collect();
    if let [_, _, ..] = places.as_slice() {
        let finding = error(
            "config::unknown_override",
            path.span,
            format!("{} fields of the template have the target `{}`", places.len(), path.text),
        );
        let finding = places
            .iter()
            .filter_map(|place| items.get(*place))
            .fold(finding, |finding, item| finding.also(item.span, "one"));
        report.add(finding.help("override the whole list: fields: [ … ]"));
        return;
    }
    if value.is_null() {
        if places.is_empty() {
            report.add(
                error(
                    "config::unknown_override",
                    path.span,
                    format!("no field of the template has the target `{}`", path.text),
                )
                .label("nothing to remove")
                .help("leave it out, or correct the path"),
            );
        }
        items.retain(|item| !writes(item, &path.text));
        return;
    }
    let NodeValue::Map(new) = &value.value else {
        report.add(
            error(
                "config::wrong_shape",
                value.span,
                format!("what a field has otherwise is a map, not {}", value.kind()),
            )
            .help("write { source: $.url }, or nothing to remove the field"),
        );
        return;
    };
    if let Some(Node { value: NodeValue::Map(old), .. }) = places.first().and_then(|place| items.get_mut(*place)) {
        for (key, value) in &new.entries {
            put(old, key.clone(), value, report);
        }
    } else {
        let mut entries = new.entries.clone();
        if !entries.iter().any(|(key, _)| key.text == "target") {
            let target = Key { text: "target".to_owned(), span: path.span };
            entries.push((target, scalar(&path.text, path.span)));
        }
        let map = Map { entries, flow: new.flow };
        items.push(Node { span: value.span, owner: Some(path.span), value: NodeValue::Map(map) });
    }
}

fn scalar(text: &str, span: Span) -> Node {
    let scalar = Scalar { text: text.to_owned(), written: None, holes: Vec::new(), plain: false };
    Node { span, owner: None, value: NodeValue::Scalar(scalar) }
}

/// Whether a field's target is this path; that of an `at` or `each` counts as well.
fn writes(item: &Node, path: &str) -> bool {
    let Some(map) = item.map() else { return false };
    let target = |map: &Map| map.get("target").and_then(Node::scalar).is_some_and(|scalar| scalar.text == path);
    target(map) || ["at", "each"].iter().any(|key| map.get(key).and_then(Node::map).is_some_and(target))
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn an_address_is_names_and_perhaps_a_path() {
        assert_eq!(address("pipelines.contacts.debounce"), (vec!["pipelines", "contacts", "debounce"], None));
        assert_eq!(
            address("pipelines.contacts.fields.$.Addresses[?(@.Type=='X')].City"),
            (vec!["pipelines", "contacts", "fields"], Some("$.Addresses[?(@.Type=='X')].City"))
        );
    }
}
