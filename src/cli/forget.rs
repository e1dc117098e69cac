//! `forget`: everything that is remembered of one client is erased.

use std::fmt::Write as _;

use super::{
    args::ForgetArgs,
    exit::{CliError, Exit},
    files,
    output::Output,
    setup::Office,
    text::{count, number, wrap},
};
use crate::{
    config::IntegrationName,
    daemon::{
        Forgotten,
        protocol::{Request, Response},
    },
    store::Space,
};

/// Shows what is remembered of a client, asks, and has it erased.
///
/// # Errors
///
/// When the client is still configured, nothing is remembered of it, or the state cannot be used.
pub async fn run(office: &mut Office, args: &ForgetArgs, out: &Output) -> Result<Exit, CliError> {
    let integration = IntegrationName::parse(&args.name)
        .map_err(|error| CliError::Usage(format!("`{}` is no name of a client: {error}", args.name)))?;
    let ask = |sure| Request::Forget { integration: integration.clone(), sure };
    let Response::Forgotten(found) = office.ask(ask(false)).await? else { return Err(Office::astray()) };
    out.talk(&render(&args.name, &found));
    if !args.yes && files::ask("Erase it? This cannot be taken back. [y/N] ", out)? != Some('y') {
        out.talk("nothing was erased");
        return Ok(Exit::Failed);
    }
    let Response::Forgotten(done) = office.ask(ask(true)).await? else { return Err(Office::astray()) };
    if out.json {
        out.json(&done);
    }
    out.talk(&format!("erased: {}", count(done.entries.values().sum(), "entry", "entries")));
    Ok(Exit::Done)
}

/// What would go, and what would not.
#[must_use]
pub fn render(name: &str, found: &Forgotten) -> String {
    let mut out = format!("of {name} is remembered:\n");
    let mut rest = 0;
    for (kind, entries) in &found.entries {
        match spoken(kind) {
            Some(kind) => {
                // Writing to a string does not fail.
                let _ = writeln!(out, "  {kind}: {}", number(*entries));
            }
            None => rest += entries,
        }
    }
    if rest > 0 {
        let _ = writeln!(out, "  indexes, marks and what waits: {}", number(rest));
    }
    let mut line = |text: String| out.push_str(&wrap(&text, 2));
    if found.texts > 0 {
        line(format!("former texts of its own files: {}", number(found.texts)));
    }
    let names = |all: Vec<&str>| all.join(", ");
    if !found.connections.is_empty() {
        line(format!("connections: {}", names(found.connections.iter().map(|one| one.as_str()).collect())));
    }
    if !found.grants.is_empty() {
        let grants = names(found.grants.iter().map(String::as_str).collect());
        line(format!(
            "logins: {grants}. The systems are not told; `reconciled disconnect` before the client is taken out does that"
        ));
    }
    if !found.named_in.is_empty() {
        let files = names(found.named_in.iter().map(String::as_str).collect());
        line(format!("former texts of {files} name it among others; they are forgotten after twenty more edits"));
    }
    if !found.snapshots.is_empty() {
        let number = found.snapshots.len() as u64;
        let hold = count(number, "snapshot of the store holds", "snapshots of the store hold");
        let first = found.snapshots.first().and_then(|path| path.parent()).map(|dir| dir.display().to_string());
        line(format!(
            "{hold} it until newer ones take their place, in {}; remove them to be rid of it now",
            first.unwrap_or_default()
        ));
    }
    line("exports that were made of it, the log and the console's list of changes stay as they are".to_owned());
    line("no record in any system is touched".to_owned());
    out
}

/// What a kind of entry is to people; `None` for what only the program needs.
fn spoken(kind: &str) -> Option<&'static str> {
    Some(match Space::from_name(kind)? {
        Space::Link => "links, with the values that were agreed",
        Space::Seen => "records without a link",
        Space::Parked => "records that are put aside",
        Space::Held => "runs that are held",
        Space::Before => "calls, with the values that they overwrote",
        Space::Run => "runs",
        Space::Intent => "calls that are not finished",
        Space::Inbox => "posts, with their indexes",
        Space::Grant => "logins, with their tokens",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::ConnectionName;

    #[test]
    fn what_goes_and_what_stays_is_said() {
        let entries = [("link", 1_204), ("before", 31), ("match-key", 2_400), ("due", 3), ("grant", 1)];
        let found = Forgotten {
            entries: entries.iter().map(|(kind, number)| ((*kind).to_owned(), *number)).collect::<BTreeMap<_, _>>(),
            connections: [ConnectionName::parse("acme/xero").unwrap()].into(),
            grants: ["acme-login".to_owned()].into(),
            texts: 2,
            named_in: ["clients.yaml".to_owned()].into(),
            snapshots: vec!["/var/lib/reconciled/snapshots/one".into(), "/var/lib/reconciled/snapshots/two".into()],
            ..Forgotten::default()
        };
        insta::assert_snapshot!(render("acme", &found));
    }
}
