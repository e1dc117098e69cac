//! What people changed through the console.

use axum::response::Response;
use maud::html;
use serde_json::Value;

use super::{Frame, Look};
use crate::{
    config::Role,
    daemon::protocol::{Failure, FailureKind},
};

/// Changes that are shown.
const MOST: usize = 200;

/// Draws them.
pub(super) async fn show(look: Look) -> Result<Response, Response> {
    let frame = Frame::of(look, "/changes".to_owned()).await?;
    if !frame.visitor().may(Role::Admin) || !frame.visitor().scope.is_whole() {
        let failure =
            Failure::new(FailureKind::NotPossible, "Who changed what is shown to admins of all integrations.");
        return Ok(frame.answer("Changes", Err(failure)));
    }
    let all = frame.look.lobby.audit.last(MOST);
    let body = html! {
        h1 { "Changes" }
        p.dim { "What was changed, or tried, here and through the API; newest first." }
        div #changes data-live {
            @if all.is_empty() { p { "Nothing yet." } }
            @else {
                div.table { table.stack {
                    thead { tr { th { "When" } th { "Who" } th { "What" } th { "Came to" } } }
                    tbody {
                        @for entry in &all {
                            tr {
                                td { (frame.ago(entry.at)) }
                                td data-name="Who" { (entry.who) " (" (entry.role) ")" div.small.dim { (entry.from) } }
                                td data-name="What" { (told(&entry.what)) }
                                td data-name="Came to" { (entry.outcome) }
                            }
                        }
                    }
                } }
            }
        }
    };
    Ok(frame.answer("Changes", Ok(body)))
}

/// `approve: what acme/contacts`.
fn told(what: &Value) -> String {
    let Some(fields) = what.as_object() else { return what.as_str().unwrap_or_default().to_owned() };
    let does = fields.get("do").and_then(Value::as_str).unwrap_or_default();
    let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let empty =
        |value: &Value| value.is_null() || *value == Value::Bool(false) || value.as_array().is_some_and(Vec::is_empty);
    let rest = fields.iter().filter(|(name, value)| *name != "do" && !empty(value));
    let rest: Vec<String> = rest.map(|(name, value)| format!("{name} {}", shown(value))).collect();
    if rest.is_empty() { does.to_owned() } else { format!("{does}: {}", rest.join(", ")) }
}
