//! The connectors that ship with the program.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, LazyLock},
};

use super::{
    diagnostic::{Diagnostic, Report},
    extends,
    load::read_tree,
    resolve,
    source::Sources,
    templates::Origins,
    written::{Decode as _, TopW},
};
use crate::connector::Manifest;

/// Name in messages, and text, of each.
const MANIFESTS: [(&str, &str); 11] = [
    ("connectors/cliniko.yaml", include_str!("../../connectors/cliniko.yaml")),
    ("connectors/eventbrite.yaml", include_str!("../../connectors/eventbrite.yaml")),
    ("connectors/gosweetspot.yaml", include_str!("../../connectors/gosweetspot.yaml")),
    ("connectors/myob.yaml", include_str!("../../connectors/myob.yaml")),
    ("connectors/quickbooks.yaml", include_str!("../../connectors/quickbooks.yaml")),
    ("connectors/simpro.yaml", include_str!("../../connectors/simpro.yaml")),
    ("connectors/website.yaml", include_str!("../../connectors/website.yaml")),
    ("connectors/workflowmax.yaml", include_str!("../../connectors/workflowmax.yaml")),
    ("connectors/xero.yaml", include_str!("../../connectors/xero.yaml")),
    ("connectors/xpm.yaml", include_str!("../../connectors/xpm.yaml")),
    ("connectors/zoho-crm.yaml", include_str!("../../connectors/zoho-crm.yaml")),
];

/// The text of a built-in connector's file. Each file holds the connector of its name.
pub(crate) fn text(name: &str) -> Option<&'static str> {
    let file = format!("connectors/{name}.yaml");
    MANIFESTS.iter().find(|(of, _)| *of == file).map(|(_, text)| *text)
}

/// The built-in connectors by name. They are read once; a test keeps them free of mistakes.
pub(crate) fn manifests() -> &'static BTreeMap<String, Arc<Manifest>> {
    static ALL: LazyLock<BTreeMap<String, Arc<Manifest>>> =
        LazyLock::new(|| read_all().0.into_iter().map(|(name, made)| (name, Arc::new(made))).collect());
    &ALL
}

fn read_all() -> (BTreeMap<String, Manifest>, Vec<Diagnostic>) {
    let (report, mut sources) = (Report::default(), Sources::default());
    let nothing: HashMap<String, String> = HashMap::new();
    let mut found = BTreeMap::new();
    let mut nodes = Vec::new();
    for (name, text) in MANIFESTS {
        let number = sources.add(name.to_owned(), text);
        nodes.extend(read_tree(number, text, &nothing, &mut sources, &report));
    }
    // Some are variants of others.
    extends::lay(&mut nodes, &mut sources, &report);
    for node in nodes {
        let top = TopW::decode(&node, &report);
        for entry in top.and_then(|top| top.connectors).map(|named| named.entries).unwrap_or_default() {
            let manifest = resolve::manifest(&entry.name, &entry.value, &report);
            found.extend(manifest.map(|manifest| (entry.name.value.clone(), manifest)));
        }
    }
    (found, report.close(&sources, &Origins::default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_connectors_are_free_of_mistakes() {
        let (manifests, diagnostics) = read_all();
        assert_eq!(diagnostics, []);
        let names: Vec<&str> = manifests.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "cliniko",
                "eventbrite",
                "gosweetspot",
                "myob",
                "quickbooks",
                "simpro",
                "website",
                "workflowmax",
                "xero",
                "xpm",
                "zoho-crm",
            ]
        );
        let website: Vec<&str> = manifests["website"].resources.keys().map(String::as_str).collect();
        assert_eq!(website, ["contacts", "groups", "invoices", "leads", "payments", "proposals", "receipts", "sales"]);
    }
}
