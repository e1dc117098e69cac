//! Connections.

use std::{collections::BTreeMap, sync::Arc};

use url::Url;

use super::{
    Cx,
    database::{DATABASES, database},
};
use crate::{
    config::{
        Auth, Connection, ConnectionName,
        diagnostic::error,
        nearest::suggest,
        placeholders,
        source::Span,
        written::{At, AuthW, ConnectionW, HeaderAuthW, SecretText},
    },
    connector::{AuthKind, Manifest, SettingKind},
};

/// Resolves a connection. `None` when it holds mistakes.
pub(crate) fn connection(cx: &Cx<'_>, name: &At<String>, written: &ConnectionW) -> Option<Connection> {
    let (made, broken) = cx.report.watch(|| make(cx, name, written));
    made.filter(|_| !broken)
}

fn make(cx: &Cx<'_>, name: &At<String>, written: &ConnectionW) -> Option<Connection> {
    let parsed = match ConnectionName::parse(&name.value) {
        Ok(parsed) => Some(parsed),
        Err(cause) => {
            cx.report.add(error("config::bad_name", name.span, cause.to_string()).help("choose another name"));
            None
        }
    };
    let manifest = manifest(cx, written.connector.as_ref()?)?;
    let (settings, lacking) = cx.report.watch(|| settings(cx, name, written, &manifest));
    let base_url = base_url(cx, name, written, &manifest, &settings, lacking);
    let (auth, beside) = match &written.grant {
        Some(grant) => (by_grant(cx, grant, written, &manifest), beside(cx, written, &manifest)),
        None => (auth(cx, name, written, &manifest), Ok(None)),
    };
    Some(Connection {
        name: parsed?,
        base_url: base_url?,
        tenant: written.tenant.as_ref().map(|tenant| tenant.value.clone()),
        settings,
        auth: auth?,
        beside: beside.ok()?,
        webhook_key: match &written.webhook_key {
            Some(key) => Some(webhook_key(cx, key, &manifest)?),
            None => None,
        },
        moved_from: match &written.moved_from {
            Some(from) => Some(super::moves::connection(cx, from, name)?),
            None => None,
        },
        unlimited: written.unlimited.as_ref().is_some_and(|unlimited| unlimited.value),
        manifest,
        pinned: written.connector.as_ref().is_some_and(|kind| kind.value.contains('@')),
    })
}

fn manifest(cx: &Cx<'_>, written: &At<String>) -> Option<Arc<Manifest>> {
    let (kind, version) = match written.value.split_once('@') {
        Some((kind, version)) => (kind, Some(version)),
        None => (written.value.as_str(), None),
    };
    let native = match kind {
        "file" => Some("what is in the files: resources: { sales: { id: $.number, file: { path: sales.csv } } }"),
        "sql" => Some(
            "what is in the tables: resources: { sales: { id: $.id, fields: { total: decimal }, sql: { table: sales } } }",
        ),
        "inbox" => {
            Some("what is posted: resources: { sales: { id: $.number, fields: { total: decimal }, inbox: {} } }")
        }
        _ => None,
    };
    if let Some(what) = native.filter(|_| !cx.manifests.contains_key(kind)) {
        cx.report.add(
            error(
                "config::unknown_connector",
                written.span,
                format!("`{kind}` alone does not say what the records are"),
            )
            .help(format!("give a connector of your own under `connectors:` that says {what}")),
        );
        return None;
    }
    let Some(known) = cx.manifests.get(kind) else {
        cx.report.add(
            error("config::unknown_connector", written.span, format!("there is no connector `{kind}`"))
                .label("not known")
                .maybe_help(suggest(kind, cx.manifests.keys().map(String::as_str))),
        );
        return None;
    };
    // One with mistakes was reported where it is written.
    let manifest = known.as_ref()?;
    if let Some(version) = version
        && version != manifest.version.to_string()
    {
        cx.report.add(
            error("config::connector_version", written.span, format!("there is no version {version} of `{kind}`"))
                .help(format!("this program has {kind}@{}", manifest.version)),
        );
        return None;
    }
    Some(Arc::clone(manifest))
}

fn settings(cx: &Cx<'_>, name: &At<String>, written: &ConnectionW, manifest: &Manifest) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for entry in written.settings.iter().flat_map(|named| &named.entries) {
        let (key, value) = (&entry.name, &entry.value);
        let Some(setting) = manifest.settings.get(&key.value) else {
            cx.report.add(
                error(
                    "config::unknown_setting",
                    key.span,
                    format!("`{}` asks for no setting `{}`", manifest.name, key.value),
                )
                .label("not known")
                .help("remove it")
                .maybe_help(suggest(&key.value, manifest.settings.keys().map(String::as_str))),
            );
            continue;
        };
        match &setting.kind {
            SettingKind::Text => {}
            SettingKind::Url => {
                url(cx, value);
            }
            SettingKind::Enum(values) if values.contains(&value.value) => {}
            SettingKind::Enum(values) => cx.report.add(
                error(
                    "config::bad_word",
                    value.span,
                    format!("`{}` is not one of the values of `{}`", value.value, key.value),
                )
                .maybe_help(suggest(&value.value, values.iter().map(String::as_str))),
            ),
        }
        found.insert(key.value.clone(), value.value.clone());
    }
    if let (Some(url), true) = (&written.base_url, manifest.settings.contains_key("base_url")) {
        found.entry("base_url".to_owned()).or_insert_with(|| url.value.clone());
    }
    for (key, setting) in &manifest.settings {
        if found.contains_key(key) || (key == "base_url" && written.broken.contains(&"base_url")) {
            continue;
        }
        if let Some(default) = &setting.default {
            found.insert(key.clone(), default.clone());
        } else if setting.required {
            let help = if key == "base_url" {
                "add base_url: https://…".to_owned()
            } else {
                format!("add settings: {{ {key}: … }}")
            };
            let why = if setting.description.is_empty() { String::new() } else { format!(": {}", setting.description) };
            cx.report.add(
                error(
                    "config::missing_setting",
                    name.span,
                    format!("`{}` needs the setting `{key}`{why}", manifest.name),
                )
                .help(help),
            );
        }
    }
    found
}

fn url(cx: &Cx<'_>, written: &At<String>) -> Option<Url> {
    const HELP: &str = "write the whole address: https://shop.example/sync/v1";
    match Url::parse(&written.value) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {
            if !url.username().is_empty() || url.password().is_some() {
                cx.report.add(
                    error("config::bad_url", written.span, "an address must not hold a login")
                        .help("put the login below `auth:`, as { user, password } or { token }"),
                );
                return None;
            }
            Some(url)
        }
        Ok(_) => {
            cx.report.add(error("config::bad_url", written.span, "this is no http or https address").help(HELP));
            None
        }
        Err(cause) => {
            cx.report.add(error("config::bad_url", written.span, format!("this is no address: {cause}")).help(HELP));
            None
        }
    }
}

fn base_url(
    cx: &Cx<'_>,
    name: &At<String>,
    written: &ConnectionW,
    manifest: &Manifest,
    settings: &BTreeMap<String, String>,
    lacking: bool,
) -> Option<Url> {
    if written.broken.contains(&"base_url") {
        return None;
    }
    if manifest.is_of_posts() {
        return inbox(cx, name, written);
    }
    if let Some(base_url) = &written.base_url {
        return place(cx, manifest, base_url);
    }
    if manifest.is_of_tables() && manifest.base_url.is_none() {
        cx.report.add(
            error("config::missing_key", name.span, format!("the connection `{}` needs `base_url`", name.value))
                .label("in which database are its tables?")
                .help(DATABASES),
        );
        return None;
    }
    if manifest.is_of_files() && manifest.base_url.is_none() {
        cx.report.add(
            error("config::missing_key", name.span, format!("the connection `{}` needs `base_url`", name.value))
                .label("in which folder are its files?")
                .help("add base_url: /srv/till"),
        );
        return None;
    }
    let template = manifest.base_url.as_deref().unwrap_or_default();
    let mut text = template.to_owned();
    for (key, value) in settings {
        text = text.replace(&format!("${{settings.{key}}}"), value);
    }
    if text.is_empty() || text.contains("${settings.") {
        // Where a setting is missing, that was said.
        if lacking {
            return None;
        }
        cx.report.add(
            error("config::missing_key", name.span, format!("the connection `{}` needs `base_url`", name.value))
                .label("where is it?")
                .help("add base_url: https://shop.example/sync/v1"),
        );
        return None;
    }
    place(cx, manifest, &At { value: text, span: name.span })
}

fn place(cx: &Cx<'_>, manifest: &Manifest, written: &At<String>) -> Option<Url> {
    if manifest.is_of_files() {
        folder(cx, written)
    } else if manifest.is_of_tables() {
        database(cx, written)
    } else {
        url(cx, written)
    }
}

/// An inbox is nowhere but here: its connection's name tells it from others.
fn inbox(cx: &Cx<'_>, name: &At<String>, written: &ConnectionW) -> Option<Url> {
    if let Some(base_url) = &written.base_url {
        cx.report.add(
            error("config::bad_url", base_url.span, "an inbox is posted to, and has no address elsewhere")
                .help("remove it; posts come to PUBLIC_URL/inbox/CONNECTION/RESOURCE/TOKEN"),
        );
        return None;
    }
    Url::parse(&format!("inbox:{}", name.value)).ok()
}

/// A folder of files: an absolute path, or one from the configuration folder.
fn folder(cx: &Cx<'_>, written: &At<String>) -> Option<Url> {
    let path = written.value.strip_prefix("file://").unwrap_or(&written.value);
    let absolute = std::path::absolute(cx.config_dir.join(path)).ok();
    let made = absolute.filter(|_| !path.contains("://") && !path.is_empty());
    let made = made.and_then(|path| Url::from_directory_path(path).ok());
    if made.is_none() {
        cx.report.add(
            error("config::bad_url", written.span, "this is no folder")
                .help("write the folder of the files: base_url: /srv/till"),
        );
    }
    made
}

/// The key of webhooks, of a system that sends some.
pub(super) fn webhook_key(cx: &Cx<'_>, written: &SecretText, manifest: &Manifest) -> Option<crate::config::Secret> {
    if manifest.webhooks.is_none() {
        cx.report.add(
            error("config::no_webhooks", written.span, format!("`{}` sends no webhooks", manifest.name))
                .help("remove it; what changes is found by polling"),
        );
        return None;
    }
    secret(cx, written)
}

fn secret(cx: &Cx<'_>, written: &SecretText) -> Option<crate::config::Secret> {
    placeholders::secret(&written.scalar, written.span, cx.env, cx.config_dir, cx.report)
}

fn auth(cx: &Cx<'_>, name: &At<String>, written: &ConnectionW, manifest: &Manifest) -> Option<Auth> {
    let forms = || {
        let forms: Vec<String> = manifest.auth.iter().map(form).collect();
        if forms.is_empty() {
            "write auth: { token: \"${env:NAME}\" }, { user: …, password: … } or { header: { name: …, value: … } }"
                .to_owned()
        } else {
            format!("`{}` takes {}", manifest.name, forms.join(" or "))
        }
    };
    let Some(auth) = &written.auth else {
        if written.broken.contains(&"auth") {
            return None;
        }
        if manifest.auth.is_empty() || manifest.auth.contains(&AuthKind::None) {
            return Some(Auth::None);
        }
        cx.report.add(
            error("config::missing_key", name.span, format!("the connection `{}` needs `auth`", name.value))
                .label("how to log in?")
                .help(forms()),
        );
        return None;
    };
    let refuse = |span: Span, what: &str| {
        cx.report.add(error("config::bad_auth", span, what.to_owned()).help(forms()));
        None
    };
    let takes = |kind: &dyn Fn(&AuthKind) -> bool| manifest.auth.is_empty() || manifest.auth.iter().any(kind);
    let span = auth.span;
    if manifest.is_of_posts() {
        return posted(cx, manifest, auth);
    }
    if let Some(key) = &auth.signed_with {
        return refuse(key.span, "`signed_with` goes with an inbox whose posts are signed");
    }
    match (&auth.token, &auth.user, &auth.password, &auth.header) {
        (Some(token), None, None, None) => {
            if !takes(&|kind| *kind == AuthKind::Bearer) {
                return refuse(span, &format!("`{}` takes no token", manifest.name));
            }
            secret(cx, token).map(Auth::Bearer)
        }
        (None, Some(user), Some(password), None) => {
            if !takes(&|kind| *kind == AuthKind::Basic) {
                return refuse(span, &format!("`{}` takes no user and password", manifest.name));
            }
            secret(cx, password).map(|password| Auth::Basic { user: user.value.clone(), password })
        }
        (None, None, None, Some(header)) => {
            if !takes(&|kind| matches!(kind, AuthKind::Header(_))) {
                return refuse(span, &format!("`{}` takes no key in a header", manifest.name));
            }
            let (name, value) = match header {
                HeaderAuthW::Pair(pair) => (pair.name.as_ref()?.value.clone(), pair.value.as_ref()?),
                HeaderAuthW::Value(value) => {
                    let known = manifest.auth.iter().find_map(|kind| match kind {
                        AuthKind::Header(name) => Some(name.clone()),
                        _ => None,
                    });
                    let Some(name) = known else {
                        return refuse(value.span, "which header holds the key?");
                    };
                    (name, value)
                }
            };
            secret(cx, value).map(|value| Auth::Header { name, value })
        }
        // An unknown key inside was reported already.
        _ if !auth.broken.is_empty() => None,
        _ => refuse(span, "a login is a token, a user with a password, or a header; one of them"),
    }
}

/// How whoever posts to an inbox proves it.
fn posted(cx: &Cx<'_>, manifest: &Manifest, auth: &AuthW) -> Option<Auth> {
    let refuse = |span: Span, what: &str, help: &str| {
        cx.report.add(error("config::bad_auth", span, what.to_owned()).help(help.to_owned()));
        None
    };
    let Some(token) = &auth.token else {
        if !auth.broken.is_empty() {
            return None;
        }
        let help = "write auth: { token: \"${env:INBOX_TOKEN}\" }; `openssl rand -hex 24` makes one";
        return refuse(auth.span, "an inbox has a secret in its address", help);
    };
    if auth.user.is_some() || auth.password.is_some() || auth.header.is_some() {
        let help = "keep `token`; where posts are signed, add `signed_with`";
        return refuse(auth.span, "an inbox takes no user, password or header", help);
    }
    let signed = manifest.resources.values().find_map(|resource| resource.inbox.as_ref()?.signature.as_ref());
    match (signed, &auth.signed_with) {
        (Some(_), None) => refuse(
            auth.span,
            "posts to this inbox are signed, and the key is missing",
            "add signed_with: \"${env:INBOX_KEY}\", as whoever posts knows it",
        ),
        (None, Some(key)) => refuse(
            key.span,
            "posts to this inbox are not signed",
            "remove it, or add signature: { header: X-Signature } below `inbox`",
        ),
        (_, key) => Some(Auth::Posted {
            secret: secret(cx, token)?,
            signed_with: match key {
                Some(key) => Some(secret(cx, key)?),
                None => None,
            },
        }),
    }
}

/// The grant that a connection logs in by.
fn by_grant(cx: &Cx<'_>, grant: &At<String>, written: &ConnectionW, manifest: &Manifest) -> Option<Auth> {
    if let Some(auth) = written.auth.as_ref().filter(|_| beside_header(manifest).is_none()) {
        cx.report.add(
            error("config::bad_auth", auth.span, "a connection logs in by a grant or by `auth`, not by both")
                .also(grant.span, "the grant is named here")
                .help("remove one of them"),
        );
        return None;
    }
    if !manifest.auth.iter().any(|kind| matches!(kind, AuthKind::OAuth2(_))) {
        let forms: Vec<String> = manifest.auth.iter().map(form).collect();
        cx.report.add(
            error("config::bad_auth", grant.span, format!("`{}` has no logins by consent", manifest.name))
                .help(format!("`{}` takes {}", manifest.name, forms.join(" or "))),
        );
        return None;
    }
    let Some(known) = cx.grants.get(&grant.value) else {
        cx.report.add(
            error("config::unknown_grant", grant.span, format!("there is no grant `{}`", grant.value))
                .label("not known")
                .help(format!("add grants: {{ {}: {{ connector: {}, client_id: … }} }}", grant.value, manifest.name))
                .maybe_help(suggest(&grant.value, cx.grants.keys().map(String::as_str))),
        );
        return None;
    };
    // One with mistakes was reported where it is written.
    known.as_ref().map(|grant| Auth::Grant(Arc::clone(grant)))
}

/// The header that a connection may give beside its grant.
fn beside_header(manifest: &Manifest) -> Option<&str> {
    manifest.auth.iter().find_map(|kind| match kind {
        AuthKind::Beside(name) => Some(name.as_str()),
        _ => None,
    })
}

/// What a connection gives beside its grant. `Err` when it holds mistakes, which were reported.
fn beside(
    cx: &Cx<'_>,
    written: &ConnectionW,
    manifest: &Manifest,
) -> Result<Option<(String, crate::config::Secret)>, ()> {
    let (Some(auth), Some(name)) = (&written.auth, beside_header(manifest)) else { return Ok(None) };
    match &auth.header {
        Some(HeaderAuthW::Value(value)) if auth.token.is_none() && auth.user.is_none() => {
            secret(cx, value).map(|value| Some((name.to_owned(), value))).ok_or(())
        }
        _ => {
            let text = format!("beside a grant, `{}` takes the key of `{name}` alone", manifest.name);
            cx.report.add(error("config::bad_auth", auth.span, text).help("write auth: { header: \"${env:NAME}\" }"));
            Err(())
        }
    }
}

fn form(kind: &AuthKind) -> String {
    match kind {
        AuthKind::None => "no login".to_owned(),
        AuthKind::Bearer => "auth: { token: \"${env:NAME}\" }".to_owned(),
        AuthKind::Basic => "auth: { user: …, password: \"${env:NAME}\" }".to_owned(),
        AuthKind::OAuth2(_) => "a grant, as grant: NAME".to_owned(),
        AuthKind::Beside(_) => "beside a grant, auth: { header: \"${env:NAME}\" }".to_owned(),
        AuthKind::Header(_) => "auth: { header: \"${env:NAME}\" }".to_owned(),
    }
}
