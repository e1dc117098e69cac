//! What is told or posted to a daemon that does not listen.

use super::Cx;
use crate::config::{
    diagnostic::error,
    source::Span,
    written::{ConnectionW, Entry, GrantW},
};

const HELP: &str = "add to reconciled.toml, behind a proxy that speaks HTTPS: [listen] public = \"127.0.0.1:8443\", public_url = \"https://sync.example\"";

/// Warns of hooks and posts that cannot come in, because `reconciled.toml` says of no public listener. Where there is no
/// such file, nothing is known of the daemon's own settings.
pub(crate) fn unheard(cx: &Cx<'_>, grants: &[Entry<GrantW>], connections: &[Entry<ConnectionW>]) {
    let warn = |span: Span, message: String, help: String| {
        cx.report.add(error("config::nobody_listens", span, message).warning().label("never comes in").help(help));
    };
    let keys = grants.iter().filter_map(|entry| Some((&entry.name, entry.value.webhook_key.as_ref()?)));
    let own = connections.iter().filter_map(|entry| Some((&entry.name, entry.value.webhook_key.as_ref()?)));
    for (name, key) in keys.chain(own) {
        let message = format!("hooks of `{}` are expected, and nothing listens for them", name.value);
        warn(key.span, message, format!("{HELP}; or remove the key, and what changes is found by polling"));
    }
    for entry in connections {
        let made = cx.connections.get(&entry.name.value).and_then(Option::as_ref);
        if made.is_some_and(|made| made.manifest.is_of_posts()) {
            let message = format!("records are posted to `{}`, and nothing listens for them", entry.name.value);
            warn(entry.name.span, message, HELP.to_owned());
        }
    }
}
