//! Addresses of databases: where one is, and how it is encrypted on the way.

use url::Url;

use super::Cx;
use crate::config::{
    diagnostic::{Finding, error},
    nearest::suggest,
    written::At,
};

/// What addresses of databases look like.
pub(super) const DATABASES: &str =
    "write base_url: postgres://db.example/shop, mysql://db.example:3306/shop, or sqlite:/srv/shop/shop.db";

/// How sure a connection is of the server, weakest first. The driver takes `allow` for `disable`, so it is none of these.
const POSTGRES: [&str; 5] = ["disable", "prefer", "require", "verify-ca", "verify-full"];
const MYSQL: [&str; 5] = ["DISABLED", "PREFERRED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY"];

/// The drivers' names for the mode, and for the files of certificates and keys.
const MODE: [&str; 2] = ["sslmode", "ssl-mode"];
const ROOT: [&str; 4] = ["sslrootcert", "ssl-root-cert", "sslca", "ssl-ca"];
const OWN: [&str; 4] = ["sslcert", "ssl-cert", "sslkey", "ssl-key"];

/// Whether a part of an address behind the question mark names a file of certificates or keys.
pub(crate) fn names_certificate(part: &str) -> bool {
    ROOT.contains(&part) || OWN.contains(&part)
}

/// A database: `postgres://host/name`, `mysql://host/name`, or a file of `SQLite`.
pub(super) fn database(cx: &Cx<'_>, written: &At<String>) -> Option<Url> {
    if let Some(file) = written.value.strip_prefix("sqlite:") {
        let file = file.strip_prefix("//").unwrap_or(file);
        let made = std::path::absolute(cx.config_dir.join(file)).ok().filter(|_| !file.is_empty());
        let made = made.and_then(|path| Url::from_file_path(path).ok());
        let made = made.and_then(|url| Url::parse(&format!("sqlite://{}", url.path())).ok());
        if made.is_none() {
            cx.report.add(error("config::bad_url", written.span, "this is no file of a database").help(DATABASES));
        }
        return made;
    }
    let url = Url::parse(&written.value).ok();
    let known = |url: &Url| matches!(url.scheme(), "postgres" | "postgresql" | "mysql" | "mariadb") && url.has_host();
    let named = |url: &Url| !url.path().trim_matches('/').is_empty();
    let Some(url) = url.filter(|url| known(url) && named(url)) else {
        cx.report.add(error("config::bad_url", written.span, "this is no address of a database").help(DATABASES));
        return None;
    };
    // The drivers take it from behind the question mark, too.
    let asked = |name: &str| matches!(name.to_ascii_lowercase().as_str(), "user" | "username" | "password");
    let login = !url.username().is_empty() || url.password().is_some();
    if login || url.query_pairs().any(|(name, _)| asked(&name)) {
        cx.report.add(
            error("config::bad_url", written.span, "an address must not hold a login")
                .help("put the login below `auth:`, as { user, password }"),
        );
        return None;
    }
    encrypted(cx, written, url)
}

/// Checks how the way is encrypted. What the driver passes over or takes for something weaker must not look like a check.
fn encrypted(cx: &Cx<'_>, written: &At<String>, mut url: Url) -> Option<Url> {
    let wrong = |message: String| error("config::bad_url", written.span, message);
    let refuse = |finding: Finding| {
        cx.report.add(finding);
        None
    };
    let postgres = url.scheme().starts_with("postgres");
    let (mode_name, root_name) = if postgres { ("sslmode", "sslrootcert") } else { ("ssl-mode", "ssl-ca") };
    let (words, checks) = if postgres { (POSTGRES, "verify-full") } else { (MYSQL, "VERIFY_IDENTITY") };
    let (mut mode, mut root) = (None, None);
    let mut pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    for (name, value) in &mut pairs {
        if MODE.contains(&name.as_str()) {
            let same = |word: &&str| if postgres { *word == value.as_str() } else { word.eq_ignore_ascii_case(value) };
            mode = words.iter().position(same);
            if mode.is_none() {
                let finding = wrong(format!("`{value}` is no `{name}`"));
                return refuse(finding.maybe_help(suggest(value, words)));
            }
        } else if ROOT.contains(&name.as_str()) {
            // As every other path, from the configuration folder.
            let path = std::path::absolute(cx.config_dir.join(&*value)).ok()?;
            *value = path.display().to_string();
            root = Some(name.clone());
        } else if OWN.contains(&name.as_str()) {
            *value = std::path::absolute(cx.config_dir.join(&*value)).ok()?.display().to_string();
        } else if name.to_ascii_lowercase().starts_with("ssl") {
            let known = [mode_name, root_name];
            let finding = wrong(format!("`{name}` is nothing that the address of a database says"));
            return refuse(finding.maybe_help(suggest(name, known)));
        }
    }
    if let Some(name) = root.filter(|_| mode.is_none_or(|mode| mode < 3)) {
        let finding = wrong(format!("`{name}` without a check: nobody looks at the server's certificate"));
        return refuse(finding.help(format!("add {mode_name}={checks}, or remove `{name}`")));
    }
    if !pairs.is_empty() {
        url.query_pairs_mut().clear().extend_pairs(&pairs);
    }
    Some(url)
}
