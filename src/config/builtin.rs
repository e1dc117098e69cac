//! The connectors that ship with the program.

/// Name in messages, and text, of each.
pub(crate) const MANIFESTS: [(&str, &str); 2] = [
    ("built-in/website.yaml", include_str!("../../connectors/website.yaml")),
    ("built-in/xero.yaml", include_str!("../../connectors/xero.yaml")),
];
