//! Where requests go: always below the connection's base URL, never to another host.

use std::{borrow::Cow, fmt::Write as _};

use url::Url;

use crate::{
    config::{Auth, Connection},
    record::RecordId,
};

/// Stands for the account.
const TENANT: &str = "${tenant}";

/// Puts `target` (path and query) below the base URL.
///
/// # Errors
///
/// When the result would be on another host, or outside of what a URL can say.
pub(super) fn below(base: &Url, target: &str) -> Result<Url, String> {
    let slash = if target.starts_with('/') { "" } else { "/" };
    let text = format!("{}{slash}{target}", base.as_str().trim_end_matches('/'));
    let url = Url::parse(&text).map_err(|error| format!("`{}` is not a usable path: {error}", path_only(target)))?;
    let foreign = url.origin() != base.origin() || !url.username().is_empty() || url.password().is_some();
    if foreign || !url.path().starts_with(base.path().trim_end_matches('/')) {
        return Err(format!("`{}` leads away from the connection's base URL", path_only(target)));
    }
    Ok(url)
}

/// The path of a target, for messages: a query may hold values nobody wants in a log.
pub(super) fn path_only(target: &str) -> &str {
    target.split(['?', '#']).next().unwrap_or(target)
}

/// Appends query parameters to a path that may have some already.
pub(super) fn with_query(path: &str, parameters: &[(String, String)]) -> String {
    let mut target = path.to_owned();
    for (name, value) in parameters {
        target.push(if target.contains('?') { '&' } else { '?' });
        encode(&mut target, name);
        target.push('=');
        encode(&mut target, value);
    }
    target
}

/// Puts an id into a path that holds `{id}`.
///
/// # Errors
///
/// When the id would change the path's meaning: URL rules treat `.` and `..` as steps even when they are encoded.
pub(super) fn with_id(path: &str, id: &RecordId) -> Result<String, String> {
    let id = id.as_str();
    if id.is_empty() || id == "." || id == ".." {
        return Err(format!("the id `{id}` cannot stand in a path"));
    }
    let mut encoded = String::with_capacity(id.len());
    encode(&mut encoded, id);
    Ok(path.replace("{id}", &encoded))
}

/// Replaces `${settings.x}` and `${tenant}`; `None` when the connection does not give one of them.
pub(super) fn fill(text: &str, connection: &Connection) -> Option<String> {
    fill_with(text, connection, str::to_owned)
}

/// As [`fill`], with the account that the login found.
pub(super) fn fill_as(text: &str, connection: &Connection, account: Option<&str>) -> Option<String> {
    match account {
        Some(account) => fill(&text.replace("${tenant}", account), connection),
        None => fill(text, connection),
    }
}

/// As [`fill`], for a path: what is put in is percent-encoded. The account that a login finds is not known yet, and is put
/// in by [`with_account`].
pub(super) fn fill_path(text: &str, connection: &Connection) -> Option<String> {
    if matches!(connection.auth, Auth::Grant(_)) {
        let parts: Option<Vec<String>> = text.split(TENANT).map(|part| fill_with(part, connection, encoded)).collect();
        return Some(parts?.join(TENANT));
    }
    fill_with(text, connection, encoded)
}

/// Puts the account that the login found into a target; `None` where it found none.
pub(super) fn with_account<'t>(target: &'t str, account: Option<&str>) -> Option<Cow<'t, str>> {
    if !target.contains(TENANT) {
        return Some(Cow::Borrowed(target));
    }
    Some(Cow::Owned(target.replace(TENANT, &encoded(account?))))
}

/// The base URL on another host.
pub(super) fn at_host(base: &Url, host: &Url) -> Option<Url> {
    let mut moved = base.clone();
    moved.set_scheme(host.scheme()).ok()?;
    moved.set_host(host.host_str()).ok()?;
    moved.set_port(host.port()).ok()?;
    Some(moved)
}

fn fill_with(text: &str, connection: &Connection, write: impl Fn(&str) -> String) -> Option<String> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}')?;
        filled.push_str(before);
        let value =
            match name.strip_prefix("settings.") {
                Some(setting) => connection.settings.get(setting).map(String::as_str).or_else(|| {
                    connection.manifest.settings.get(setting).and_then(|setting| setting.default.as_deref())
                }),
                None if name == "tenant" => connection.tenant.as_deref(),
                None => None,
            };
        filled.push_str(&write(value?));
        rest = after;
    }
    filled.push_str(rest);
    Some(filled)
}

/// What is below the base URL of an address, as [`below`] takes it; `None` where the address is elsewhere.
pub(super) fn target_of(base: &Url, url: &Url) -> Option<String> {
    let foreign = url.origin() != base.origin() || !url.username().is_empty() || url.password().is_some();
    let path = url.path().strip_prefix(base.path().trim_end_matches('/')).filter(|path| path.starts_with('/'));
    let path = path.filter(|_| !foreign)?;
    Some(url.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}")))
}

/// Percent-encoded, for a path.
pub(super) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    encode(&mut encoded, text);
    encoded
}

/// Percent-encodes everything but RFC 3986's unreserved characters.
fn encode(into: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            into.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(into, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(base: &str, target: &str, expected: Option<&str>) {
        let url = below(&Url::parse(base).unwrap(), target);
        assert_eq!(url.ok().map(String::from).as_deref(), expected, "{base} + {target}");
    }

    #[test]
    fn requests_stay_below_the_base_url() {
        check("https://a.example/api", "/customers?page=2", Some("https://a.example/api/customers?page=2"));
        check("https://a.example/api/", "customers", Some("https://a.example/api/customers"));
        check("https://a.example", "/x", Some("https://a.example/x"));
        check("https://a.example", "//evil.example/x", Some("https://a.example//evil.example/x"));
        check("https://a.example", "@evil.example/x", Some("https://a.example/@evil.example/x"));
        check("https://a.example/api", "/../admin", None);
        check("https://a.example/api", "/%2e%2e/admin", None);
    }

    #[test]
    fn an_address_is_followed_only_below_the_base_url() {
        let base = Url::parse("https://a.example/api/").unwrap();
        let target = |text: &str| target_of(&base, &Url::parse(text).unwrap());
        assert_eq!(target("https://a.example/api/x?page=2#y").as_deref(), Some("/x?page=2"));
        for elsewhere in [
            "https://evil.example/api/x",
            "http://a.example/api/x",
            "https://a.example:8443/api/x",
            "https://a.example/other",
            "https://a.example/apix",
            "https://u:p@a.example/api/x",
        ] {
            assert_eq!(target(elsewhere), None, "{elsewhere}");
        }
    }

    #[test]
    fn an_id_is_one_step_of_the_path_whatever_it_holds() {
        let put = |id: &str| with_id("/c/{id}/x", &RecordId::from(id)).ok();
        assert_eq!(put("a/b?c#d é").as_deref(), Some("/c/a%2Fb%3Fc%23d%20%C3%A9/x"));
        assert_eq!(put(".."), None);
        assert_eq!(put(""), None);
    }

    #[test]
    fn query_parameters_are_encoded_and_join_those_of_the_path() {
        let parameters =
            [("a".to_owned(), "1 &2".to_owned()), ("b".to_owned(), "2026-06-01T00:00:00+02:00".to_owned())];
        assert_eq!(with_query("/x?y=1", &parameters), "/x?y=1&a=1%20%262&b=2026-06-01T00%3A00%3A00%2B02%3A00");
    }
}
