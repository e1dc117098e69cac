//! A connection, and the login that it needs: what its connector asks for.

use std::fmt::Write as _;

use super::{questions::End, written::FILL_IN};
use crate::connector::{AuthKind, Manifest, OAuth, SettingKind};

/// Whether only the user knows where it is.
#[must_use]
pub fn wants_address(manifest: &Manifest) -> bool {
    let own = manifest.base_url.as_deref().unwrap_or_default();
    !manifest.is_of_posts() && (own.is_empty() || own.contains("${settings.base_url}"))
}

/// The login by consent that a connector has, where it knows its addresses.
pub fn consent(manifest: &Manifest) -> Option<&OAuth> {
    manifest.auth.iter().find_map(|kind| match kind {
        AuthKind::OAuth2(login) if login.authorize.is_some() && login.token.is_some() => Some(login.as_ref()),
        _ => None,
    })
}

/// Environment variables go by the name of the connection.
fn variable(connection: &str, what: &str) -> String {
    format!("{}_{what}", connection.to_uppercase().replace(['-', '/'], "_"))
}

/// The name of the grant of a connection.
#[must_use]
pub fn grant(end: &End) -> Option<String> {
    consent(&end.manifest).map(|_| format!("{}-login", end.connection))
}

/// The secrets that an end needs, as environment variables.
#[must_use]
pub fn variables(end: &End) -> Vec<String> {
    let of = |what: &str| vec![variable(&end.connection, what)];
    if consent(&end.manifest).is_some() {
        return vec![variable(&end.connection, "CLIENT_ID"), variable(&end.connection, "CLIENT_SECRET")];
    }
    match end.manifest.auth.iter().find(|kind| !matches!(kind, AuthKind::OAuth2(_) | AuthKind::Beside(_))) {
        Some(AuthKind::Bearer) => of("TOKEN"),
        Some(AuthKind::Basic) => vec![variable(&end.connection, "USER"), variable(&end.connection, "PASSWORD")],
        Some(AuthKind::Header(_)) => of("KEY"),
        _ => Vec::new(),
    }
}

/// The grant of an end, two spaces in.
#[must_use]
pub fn grant_yaml(end: &End) -> String {
    let Some(name) = grant(end) else { return String::new() };
    let [id, secret] = ["CLIENT_ID", "CLIENT_SECRET"].map(|what| variable(&end.connection, what));
    format!(
        "  {name}:                                   # its owner consents once: `reconciled connect {name}`\n    \
         connector: {}\n    client_id: \"${{env:{id}:-not-set}}\"           # of the app that you register with the system\n    \
         client_secret: \"${{env:{secret}}}\"\n",
        end.manifest.name
    )
}

/// The connection of an end, two spaces in.
#[must_use]
pub fn connection_yaml(end: &End) -> String {
    let manifest = &end.manifest;
    let mut out = format!("  {}:\n    connector: {}\n", end.connection, manifest.name);
    if let Some(url) = &end.url {
        let _ = writeln!(out, "    base_url: {}", quoted(url));
    } else if wants_address(manifest) {
        let (address, why) = if manifest.is_of_files() {
            ("files", "the folder of its files".to_owned())
        } else if manifest.is_of_tables() {
            ("postgres://db.example/shop", "the database of its tables".to_owned())
        } else {
            let why = manifest.settings.get("base_url").map(|setting| setting.description.clone());
            ("https://shop.example/api", why.filter(|why| !why.is_empty()).unwrap_or_else(|| "where it is".to_owned()))
        };
        let _ = writeln!(out, "    base_url: {address}  {FILL_IN} {why}");
    }
    let missing = |(name, setting): &(&String, &crate::connector::Setting)| {
        name.as_str() != "base_url" && setting.required && setting.default.is_none()
    };
    let settings: Vec<_> = manifest.settings.iter().filter(missing).collect();
    if !settings.is_empty() {
        out.push_str("    settings:\n");
    }
    for (name, setting) in settings {
        let value = match &setting.kind {
            SettingKind::Text => "something",
            SettingKind::Url => "https://api.example",
            SettingKind::Enum(values) => values.first().map_or("something", String::as_str),
        };
        let _ = writeln!(out, "      {name}: {}  {FILL_IN} {}", quoted(value), setting.description);
    }
    if let Some(account) = &end.account {
        let _ = writeln!(out, "    tenant: {}", quoted(account));
    } else if has_accounts(end) {
        let _ = writeln!(out, "    tenant: \"0\"  {FILL_IN} the account: its name, or its id");
    }
    if let Some(grant) = grant(end) {
        let _ = writeln!(out, "    grant: {grant}");
        return out;
    }
    let names = variables(end);
    let login = match names.as_slice() {
        [user, password] => format!("user: \"${{env:{user}:-not-set}}\", password: \"${{env:{password}}}\""),
        [token] if token.ends_with("_TOKEN") => format!("token: \"${{env:{token}}}\""),
        [key] => format!("header: \"${{env:{key}}}\""),
        _ => return out,
    };
    let _ = writeln!(out, "    auth: {{ {login} }}");
    out
}

/// Whether a login may have several accounts, or every call names one.
fn has_accounts(end: &End) -> bool {
    let named = |text: &str| text.contains("${tenant}");
    let oauth = end.manifest.auth.iter().any(|kind| matches!(kind, AuthKind::OAuth2(_)));
    let listed = end.resource.list.as_ref().is_some_and(|list| named(&list.path));
    oauth || listed || end.manifest.base_url.as_deref().is_some_and(named)
}

/// A value as YAML text, in quotes where it would be read as something else.
#[must_use]
pub fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '/' | '-' | '_');
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    let word =
        matches!(text.to_lowercase().as_str(), "true" | "false" | "yes" | "no" | "on" | "off" | "null" | "y" | "n");
    let is_url = text.split_once("://").is_some_and(|(scheme, rest)| {
        scheme.chars().all(|c| c.is_ascii_alphabetic())
            && rest.chars().all(|c| plain(c) || c == ':')
            && !rest.ends_with(':')
    });
    if is_url || (begins && !word && text.chars().all(plain)) {
        return text.to_owned();
    }
    serde_json::Value::from(text).to_string()
}
