//! Placeholders: `${env:X}`, `${env:X:-default}`, and those of secrets.
//!
//! They are put into the parsed tree, never into the text of a file: a value with a quote or a colon in it stays one
//! value.

use std::{collections::HashMap, hash::BuildHasher, path::Path};

use secrecy::SecretString;

use super::{
    Secret, SecretCommand,
    diagnostic::{Report, error},
    source::{Sources, Span},
    tree::{Hole, Key, Node, NodeValue, Scalar},
};

/// Where environment variables come from; a map in tests.
pub trait EnvSource {
    /// The value of a variable, if it is set.
    fn var(&self, name: &str) -> Option<String>;

    /// What stands for a variable that is not set and has no default, where that is no mistake: in a test, which needs
    /// no secrets. Unless told otherwise, nothing does.
    fn stand_in(&self, _name: &str) -> Option<String> {
        None
    }
}

/// The environment of this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessEnv;

impl EnvSource for ProcessEnv {
    fn var(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}

impl<S: BuildHasher> EnvSource for HashMap<String, String, S> {
    fn var(&self, name: &str) -> Option<String> {
        self.get(name).cloned()
    }
}

/// A piece of a text with placeholders.
#[derive(Debug, PartialEq, Eq)]
enum Piece<'t> {
    Text(&'t str),
    /// What stands between `${` and `}`.
    Hole(&'t str),
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let Some(length) = rest[start + 2..].find('}') else { break };
        if start > 0 {
            found.push(Piece::Text(&rest[..start]));
        }
        found.push(Piece::Hole(&rest[start + 2..start + 2 + length]));
        rest = &rest[start + 3 + length..];
    }
    if !rest.is_empty() {
        found.push(Piece::Text(rest));
    }
    found
}

/// Fills in the environment, everywhere below `node`.
pub(crate) fn fill(node: &mut Node, env: &dyn EnvSource, manifest: bool, report: &Report) {
    let span = node.span;
    match &mut node.value {
        NodeValue::Scalar(scalar) => fill_scalar(scalar, span, env, manifest, report),
        NodeValue::Seq(items) => items.iter_mut().for_each(|item| fill(item, env, manifest, report)),
        NodeValue::Map(map) => {
            for (key, value) in &mut map.entries {
                check_key(key, report);
                // A template is filled in for each client.
                if key.text != "templates" {
                    fill(value, env, manifest || key.text == "connectors", report);
                }
            }
        }
    }
}

/// Only values are filled in: a placeholder in a key would be part of a name.
pub(crate) fn check_key(key: &Key, report: &Report) {
    let hole = pieces(&key.text).into_iter().find_map(|piece| match piece {
        Piece::Hole(hole) if !known_elsewhere(hole, false) => Some(hole),
        Piece::Hole(_) | Piece::Text(_) => None,
    });
    if let Some(hole) = hole {
        report.add(
            error("config::placeholder", key.span, format!("`${{{hole}}}` stands in a key, and only values are filled in"))
                .label("taken as it is written")
                .help("write the key itself; in a template a parameter of type map may be the whole map, as rows: \"${params.accounts}\""),
        );
    }
}

fn fill_scalar(scalar: &mut Scalar, span: Span, env: &dyn EnvSource, manifest: bool, report: &Report) {
    if !scalar.text.contains("${") {
        return;
    }
    let (mut text, mut holes, mut touched) = (String::new(), Vec::new(), false);
    for piece in pieces(&scalar.text) {
        match piece {
            Piece::Text(plain) => text.push_str(plain),
            Piece::Hole(hole) => match hole.split_once(':') {
                Some(("env", rest)) => {
                    touched = true;
                    match env_value(rest, env) {
                        Ok(value) => text.push_str(&value),
                        Err(name) => holes.push(Hole::MissingEnv(name)),
                    }
                }
                Some(("file" | "credential" | "command", _)) => {
                    touched = true;
                    holes.push(Hole::SecretOnly(format!("${{{hole}}}")));
                }
                _ => {
                    if !known_elsewhere(hole, manifest) {
                        report.add(unknown(hole, span));
                    }
                    text.push_str("${");
                    text.push_str(hole);
                    text.push('}');
                }
            },
        }
    }
    if touched {
        scalar.written = Some(std::mem::replace(&mut scalar.text, text));
        scalar.holes = holes;
    }
}

/// `X` or `X:-default`: the value, or the name of what is not set.
fn env_value(rest: &str, env: &dyn EnvSource) -> Result<String, String> {
    let (name, default) = rest.split_once(":-").map_or((rest, None), |(name, default)| (name, Some(default)));
    // As in a shell, `:-` counts an empty variable as one that is not set.
    match (env.var(name), default) {
        (Some(value), None) => Ok(value),
        (Some(value), Some(_)) if !value.is_empty() => Ok(value),
        (_, Some(default)) => Ok(default.to_owned()),
        (None, None) => env.stand_in(name).ok_or_else(|| name.to_owned()),
    }
}

/// `$1` groups in braces, and the places that a manifest fills in itself.
fn known_elsewhere(hole: &str, manifest: bool) -> bool {
    hole.bytes().all(|byte| byte.is_ascii_digit()) || (manifest && (hole.starts_with("settings.") || hole == "tenant"))
}

fn unknown(hole: &str, span: Span) -> super::diagnostic::Finding {
    if hole == "client" || hole.starts_with("params.") {
        return error("config::placeholder", span, format!("`${{{hole}}}` has a meaning only below `templates:`"))
            .help("write the value");
    }
    if hole.starts_with("settings.") || hole == "tenant" {
        return error("config::placeholder", span, format!("`${{{hole}}}` has a meaning only below `connectors:`"))
            .help("write the value");
    }
    let help = match hole.split_once(':') {
        Some((kind, rest)) => {
            let near = super::nearest::nearest(kind, ["env", "file", "credential", "command"]).unwrap_or("env");
            format!("did you mean `${{{near}:{rest}}}`?")
        }
        None => {
            format!("an environment variable is written `${{env:{hole}}}`, or with a default `${{env:{hole}:-value}}`")
        }
    };
    error("config::placeholder", span, format!("`${{{hole}}}` is not a placeholder")).help(help)
}

/// Makes a secret of a scalar. A variable that is not set is no error: `validate` needs no secrets.
pub(crate) fn secret(
    scalar: &Scalar,
    span: Span,
    env: &dyn EnvSource,
    config_dir: &Path,
    report: &Report,
) -> Option<Secret> {
    let written = scalar.shown();
    let found = pieces(written);
    if let [Piece::Hole(hole)] = found.as_slice() {
        match hole.split_once(':') {
            Some(("file", path)) => return Some(Secret::File(config_dir.join(path))),
            Some(("credential", name)) => {
                if name.is_empty() || name.contains('/') {
                    report.add(
                        error("config::placeholder", span, format!("`{name}` is not the name of a credential"))
                            .help("credentials are named in the service unit: LoadCredential=NAME:/path"),
                    );
                    return None;
                }
                return Some(match env.var("CREDENTIALS_DIRECTORY") {
                    Some(folder) => Secret::File(Path::new(&folder).join(name)),
                    None => Secret::Missing {
                        what: format!("credential {name} (systemd gives the folder in CREDENTIALS_DIRECTORY)"),
                    },
                });
            }
            Some(("command", line)) => {
                let command = SecretCommand::parse(line).map_err(|why| {
                    error("config::placeholder", span, format!("this is no command: {why}"))
                        .help("write a program and its arguments: ${command:pass show acme/website}; no shell is used")
                });
                return command.map(Secret::Command).map_err(|finding| report.add(finding)).ok();
            }
            _ => {}
        }
    }
    let mut missing = None;
    for hole in &scalar.holes {
        match hole {
            Hole::MissingEnv(name) => missing = Some(format!("environment variable {name}")),
            Hole::SecretOnly(text) => {
                report.add(
                    error("config::placeholder", span, format!("`{text}` must be the whole value"))
                        .help(format!("write \"{text}\" and nothing around it")),
                );
                return None;
            }
        }
    }
    Some(match missing {
        Some(what) => Secret::Missing { what },
        None => Secret::Known(SecretString::from(scalar.text.clone())),
    })
}

/// Hides literal secrets from snippets: every value below a key `auth`, `grants` or one that names a secret.
pub(crate) fn hide_secrets(node: &Node, inside: bool, sources: &mut Sources) {
    match &node.value {
        NodeValue::Scalar(scalar) => {
            let placeholder = is_placeholder(&scalar.text);
            let address = ["https://", "http://"].iter().any(|scheme| scalar.text.starts_with(scheme));
            if (inside && !placeholder && !address && !scalar.text.is_empty()) || has_login(&scalar.text) {
                sources.hide(node.span);
            }
        }
        NodeValue::Seq(items) => items.iter().for_each(|item| hide_secrets(item, inside, sources)),
        NodeValue::Map(map) => {
            for (key, value) in &map.entries {
                // Overrides name a place: `connections.website.auth.token`.
                let name = key.text.rsplit('.').next().filter(|_| !key.text.contains('$')).unwrap_or(&key.text);
                let within = match name {
                    // A manifest tells only what kind of login there is.
                    "connectors" => continue,
                    "user" | "username" | "name" | "connector" | "kind" | "type" | "client_id" | "scopes" | "flow"
                    | "redirect" | "endpoints" => false,
                    "auth" | "grants" | "webhook" | "token" | "password" | "secret" | "client_secret" | "api_key"
                    | "webhook_key" => true,
                    _ => inside,
                };
                hide_secrets(value, within, sources);
            }
        }
    }
}

/// Whether a text is an address with a login in it.
pub(super) fn has_login(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else { return false };
    let host = rest.split('/').next().unwrap_or_default();
    let asked = rest.split_once('?').map(|(_, asked)| asked.to_ascii_lowercase());
    host.contains('@') || asked.is_some_and(|asked| asked.contains("password="))
}

/// Whether a text is one placeholder and nothing else; a default of its own may be the secret.
pub(super) fn is_placeholder(text: &str) -> bool {
    text.starts_with("${") && text.ends_with('}') && !text.contains("}${") && !text.contains(":-")
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::config::tree::Hole;

    fn env() -> HashMap<String, String> {
        [("HOST", "shop.example"), ("EMPTY", ""), ("CREDENTIALS_DIRECTORY", "/run/credentials/x")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    fn filled(text: &str) -> (Scalar, usize) {
        let report = Report::default();
        let mut scalar = Scalar { text: text.to_owned(), written: None, holes: Vec::new(), plain: false };
        fill_scalar(&mut scalar, Span::default(), &env(), false, &report);
        (scalar, report.errors())
    }

    #[track_caller]
    fn check(text: &str, expected: &str, holes: &[Hole], errors: usize) {
        let (scalar, found) = filled(text);
        assert_eq!((scalar.text.as_str(), scalar.holes.as_slice(), found), (expected, holes, errors), "{text}");
    }

    #[test]
    fn placeholders_are_filled_in() {
        check("plain", "plain", &[], 0);
        check("https://${env:HOST}/v1", "https://shop.example/v1", &[], 0);
        check("${env:NONE:-x:y}", "x:y", &[], 0);
        check("${env:EMPTY:-x}", "x", &[], 0);
        check("${env:EMPTY}", "", &[], 0);
        check("a${env:NONE}", "a", &[Hole::MissingEnv("NONE".into())], 0);
        check("${file:/x}", "", &[Hole::SecretOnly("${file:/x}".into())], 0);
        check("${1}-${2}", "${1}-${2}", &[], 0);
        check("${HOST}", "${HOST}", &[], 1);
        check("${evn:HOST}", "${evn:HOST}", &[], 1);
        check("${params.site}", "${params.site}", &[], 1);
        check("${open", "${open", &[], 0);
    }

    #[track_caller]
    fn check_secret(text: &str, expected: &str) {
        let (scalar, _) = filled(text);
        let report = Report::default();
        let secret = secret(&scalar, Span::default(), &env(), Path::new("/etc/r"), &report);
        let shown = match secret {
            Some(Secret::Known(text)) => format!("known {}", text.expose_secret()),
            Some(Secret::File(path)) => format!("file {}", path.display()),
            Some(Secret::Command(command)) => format!("command {:?}", command.known().0),
            Some(Secret::Missing { what }) => format!("missing {what}"),
            None => format!("{} error", report.errors()),
        };
        assert_eq!(shown, expected, "{text}");
    }

    #[test]
    fn secrets_come_from_text_files_credentials_and_the_environment() {
        check_secret("abc", "known abc");
        check_secret("${env:HOST}", "known shop.example");
        check_secret("${env:NONE}", "missing environment variable NONE");
        check_secret("${file:secrets/x}", "file /etc/r/secrets/x");
        check_secret("${file:/run/x}", "file /run/x");
        check_secret("${credential:acme}", "file /run/credentials/x/acme");
        check_secret("${credential:../x}", "1 error");
        check_secret("${command:pass x}", "command [\"pass\", \"x\"]");
        check_secret("${command:sh -c 'a b'}", "command [\"sh\", \"-c\", \"a b\"]");
        check_secret("${command:sh -c 'a}", "1 error");
        check_secret("${command:}", "1 error");
        check_secret("x${file:/run/x}", "1 error");
    }
}
