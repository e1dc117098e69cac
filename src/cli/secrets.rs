//! `secrets check`: which secrets are missing for which clients, without showing any.

use std::fmt::Write as _;

use super::{
    exit::{CliError, Exit},
    output::Output,
    setup::Office,
    text::{Paint, count, wrap},
};
use crate::{
    config::IntegrationName,
    daemon::{
        SecretNow,
        protocol::{Request, Response},
    },
};

/// Has every secret read where they are used: by the daemon, if one runs.
///
/// # Errors
///
/// When the state cannot be used.
pub async fn check(office: &mut Office, out: &Output) -> Result<Exit, CliError> {
    let Response::Secrets(mut all) = office.ask(Request::SecretsCheck).await? else { return Err(Office::astray()) };
    if let Some(client) = office.client() {
        all.retain(|one| one.integrations.contains(client));
    }
    if out.json {
        out.json(&all);
    } else {
        if !office.has_daemon() {
            out.talk("no daemon runs: what is missing here may be there for the daemon (variables and credentials of its unit)");
        }
        out.data(&render(&all, out.paint));
    }
    Ok(if all.iter().any(|one| one.missing.is_some()) { Exit::Failed } else { Exit::Done })
}

/// What is missing, client by client.
#[must_use]
pub fn render(all: &[SecretNow], paint: Paint) -> String {
    let missing: Vec<&SecretNow> = all.iter().filter(|one| one.missing.is_some()).collect();
    let there = all.len() - missing.len();
    let mut out = match (all.len(), missing.len()) {
        (0, _) => return "no secret is needed\n".to_owned(),
        (_, 0) => return format!("{} there\n", count(there as u64, "secret is", "secrets are")),
        (total, lack) => format!("{} missing, of {total}\n", count(lack as u64, "secret is", "secrets are")),
    };
    for one in missing {
        let who = names(&one.integrations);
        let why = one.missing.as_deref().unwrap_or_default();
        let line = format!("{who}{}, `{}`: {why}", one.of, one.key);
        let _ = write!(out, "{}", paint.red(&wrap(&line, 2)));
    }
    out
}

/// Who cannot do without it.
fn names(all: &[IntegrationName]) -> String {
    /// Names told.
    const MOST: usize = 3;
    let told: Vec<&str> = all.iter().take(MOST).map(IntegrationName::as_str).collect();
    match all.len().saturating_sub(MOST) {
        _ if told.is_empty() => String::new(),
        0 => format!("{}: ", told.join(", ")),
        more => format!("{} and {more} more: ", told.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(of: &str, clients: &[&str], missing: Option<&str>) -> SecretNow {
        SecretNow {
            of: of.to_owned(),
            key: "token".to_owned(),
            integrations: clients.iter().map(|name| IntegrationName::parse(name).unwrap()).collect(),
            place: "file x".to_owned(),
            missing: missing.map(str::to_owned),
        }
    }

    #[test]
    fn only_what_is_missing_is_told_and_for_whom() {
        let here = secret("connection acme/website", &["acme"], None);
        assert_eq!(render(&[], Paint::Plain), "no secret is needed\n");
        assert_eq!(render(std::slice::from_ref(&here), Paint::Plain), "1 secret is there\n");
        let all = [
            here,
            secret("connection bravo/website", &["bravo"], Some("the secret file secrets/bravo cannot be read")),
            secret("connection xero", &["a", "b", "c", "d"], Some("environment variable X is not set")),
            secret("notification office", &[], Some("it is empty")),
        ];
        assert_eq!(
            render(&all, Paint::Plain),
            "3 secrets are missing, of 4
  bravo: connection bravo/website, `token`: the secret file secrets/bravo cannot be read
  a, b, c and 1 more: connection xero, `token`: environment variable X is not set
  notification office, `token`: it is empty
"
        );
    }
}
