//! `connectors try`: one page of a resource, as a pipeline would see it.

use std::{collections::BTreeSet, fmt::Write as _, path::Path};

use serde_json::{Value, json};

use crate::{
    cli::{
        exit::{CliError, Exit},
        output::Output,
        setup,
        text::Paint,
    },
    clock::Clock,
    config::{Auth, Config, Connection},
    connector::{Page, Priority, PullCursor, Resource},
};

/// Reads one page and shows it. Writes nothing, and remembers nothing: the next run reads it all the same.
///
/// # Errors
///
/// When there is no such resource, or it cannot be read.
pub(super) async fn run(dir: &Path, named: (&str, &str), limit: usize, out: &Output) -> Result<Exit, CliError> {
    let loaded = setup::load(dir, out)?;
    let (connection, resource) = find(&loaded.config, named)?;
    let clock = Clock::system();
    let keeper = match &connection.auth {
        // Its tokens are in the store.
        Auth::Grant(_) => Some(setup::keeper(&loaded.config, &setup::open_store(&loaded.config)?, &clock)),
        _ => None,
    };
    let connect = setup::connect(keeper, &clock, Priority::Manual);
    let connector = connect(connection).map_err(CliError::Other)?;
    let resource = connector.resource(&resource.name).ok_or_else(|| unknown(named, connection))?;
    if resource.list.is_none() {
        let text = format!("{}/{} is only written; there is no list to read", named.0, named.1);
        return Err(CliError::Usage(text));
    }
    let page = connector.pull(resource, &PullCursor { since: None, page: None }).await;
    let page = page.map_err(|error| CliError::Other(format!("{}/{}: {error}", named.0, named.1)))?;
    if out.json {
        out.json(&described(&page));
    } else {
        out.data(&render(named, resource, &page, limit, out.paint));
    }
    Ok(if page.unread.is_empty() { Exit::Done } else { Exit::Parked })
}

fn find<'a>(
    config: &'a Config,
    named: (&str, &str),
) -> Result<(&'a std::sync::Arc<Connection>, &'a Resource), CliError> {
    let Some((_, connection)) = config.connections.iter().find(|(name, _)| name.as_str() == named.0) else {
        let known: Vec<&str> = config.connections.keys().map(crate::config::ConnectionName::as_str).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        return Err(CliError::Usage(format!("there is no connection `{}`; there are: {known}", named.0)));
    };
    let resource = connection.manifest.resources.get(named.1).ok_or_else(|| unknown(named, connection))?;
    Ok((connection, resource))
}

fn unknown(named: (&str, &str), connection: &Connection) -> CliError {
    let known: Vec<&str> = connection.manifest.resources.keys().map(String::as_str).collect();
    CliError::Usage(format!("`{}` has no resource `{}`; it has {}", named.0, named.1, known.join(", ")))
}

fn described(page: &Page) -> Value {
    let records = page.records.iter().map(|record| {
        json!({
            "id": record.id.as_str(),
            "label": record.label,
            "updated_at": record.updated_at,
            "gone": record.gone,
            "record": record.body,
        })
    });
    let unread = page.unread.iter().map(|unread| json!({ "place": unread.place, "reason": unread.reason }));
    json!({
        "records": records.collect::<Vec<_>>(),
        "unread": unread.collect::<Vec<_>>(),
        "more": page.next.is_some(),
    })
}

fn render(named: (&str, &str), resource: &Resource, page: &Page, limit: usize, paint: Paint) -> String {
    let mut text = String::new();
    let more = if page.next.is_some() { ", and there are more pages" } else { ", and no more" };
    let records = if page.records.len() == 1 { "record" } else { "records" };
    let _ = writeln!(text, "{}/{}: {} {records} on the first page{more}", named.0, named.1, page.records.len());
    for record in page.records.iter().take(limit) {
        let gone = if record.gone { "  (gone)" } else { "" };
        let _ = writeln!(text, "\n{}  {}{gone}", paint.bold(&record.label), record.id);
        let body = serde_json::to_string_pretty(&record.body).unwrap_or_default();
        for line in body.lines() {
            let _ = writeln!(text, "  {line}");
        }
    }
    let hidden = page.records.len().saturating_sub(limit);
    if hidden > 0 {
        let _ = writeln!(text, "\n{hidden} not shown; --limit {} shows them", page.records.len());
    }
    let unlisted = unlisted(resource, page);
    if !unlisted.is_empty() {
        let paths: Vec<String> = unlisted.iter().map(|name| format!("$.{name}")).collect();
        let _ = writeln!(text, "\nnot among the connector's fields, so no pipeline can map them: {}", paths.join(", "));
    }
    for unread in &page.unread {
        let _ = writeln!(text, "\n{}: {}", paint.red(&unread.place), unread.reason);
    }
    text
}

/// Members that the connector does not list.
fn unlisted(resource: &Resource, page: &Page) -> BTreeSet<String> {
    if resource.fields.open {
        return BTreeSet::new();
    }
    let members = page.records.iter().filter_map(|record| record.body.as_object()).flat_map(|body| body.keys());
    members.filter(|name| !resource.fields.fields.contains_key(*name)).cloned().collect()
}
