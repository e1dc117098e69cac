//! What is parked, by cause: the same trouble at many clients is one thing to mend.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    cli::text::{Paint, count, number, one_line, wrap},
    config::IntegrationName,
    engine::ParkedItem,
    sync::ParkCode,
};

/// Clients named of each cause.
const NAMES: usize = 8;

/// One cause, wherever it is.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// What kind of trouble.
    pub code: ParkCode,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
    /// How many entries there are in all.
    pub entries: u64,
    /// How many of each integration (of an agency, a client).
    pub clients: BTreeMap<IntegrationName, u64>,
}

/// The causes, those of most entries first.
#[must_use]
pub fn of(items: &[ParkedItem]) -> Vec<Cause> {
    let mut causes: Vec<Cause> = Vec::new();
    for item in items {
        let same = |cause: &&mut Cause| cause.code == item.parked.code && cause.message == item.parked.message;
        let client = item.pipeline.integration();
        if let Some(cause) = causes.iter_mut().find(same) {
            cause.entries += 1;
            *cause.clients.entry(client).or_default() += 1;
        } else {
            causes.push(Cause {
                code: item.parked.code,
                message: item.parked.message.clone(),
                remedy: item.remedy.clone(),
                entries: 1,
                clients: BTreeMap::from([(client, 1)]),
            });
        }
    }
    causes.sort_by(|a, b| (b.entries, &a.message).cmp(&(a.entries, &b.message)));
    causes
}

/// Cause by cause: how often, where, and what to do.
#[must_use]
pub fn render(causes: &[Cause], paint: Paint) -> String {
    if causes.is_empty() {
        return "nothing is parked\n".to_owned();
    }
    let mut out = String::new();
    for cause in causes {
        out.push_str(&paint.yellow(&wrap(&format!("{}: {}", cause.code, one_line(&cause.message)), 0)));
        let clients = count(cause.clients.len() as u64, "integration", "integrations");
        let mut names: Vec<(&IntegrationName, u64)> =
            cause.clients.iter().map(|(name, entries)| (name, *entries)).collect();
        names.sort_by_key(|(name, entries)| (std::cmp::Reverse(*entries), *name));
        let most: Vec<String> =
            names.iter().take(NAMES).map(|(name, entries)| format!("{name} {}", number(*entries))).collect();
        let more = if names.len() > NAMES { format!(", and {} more", names.len() - NAMES) } else { String::new() };
        let entries = count(cause.entries, "entry", "entries");
        out.push_str(&wrap(&format!("{clients}, {entries}: {}{more}", most.join(", ")), 2));
        out.push_str(&wrap(&format!("to do: {}", cause.remedy), 2));
    }
    out
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::{
        config::PipelineName,
        record::{RecordId, Side},
        store::Parked,
    };

    fn item(pipeline: &str, code: ParkCode, message: &str) -> ParkedItem {
        ParkedItem {
            pipeline: PipelineName::parse(pipeline).unwrap(),
            side: Side::Source,
            id: RecordId::from("1"),
            remedy: code.remedy().to_owned(),
            linked_with: None,
            behind: Vec::new(),
            more_behind: 0,
            parked: Parked {
                code,
                label: "Jane".to_owned(),
                field: None,
                message: message.to_owned(),
                candidates: Vec::new(),
                since: DateTime::UNIX_EPOCH,
                attempts: 1,
                next_try: None,
                ignored: false,
            },
        }
    }

    #[test]
    fn the_same_trouble_at_many_clients_is_one_cause() {
        let missing = |pipeline: &str| item(pipeline, ParkCode::Unmappable, "`091` is not in payment-accounts");
        let items = [
            item("acme/contacts", ParkCode::Conflict, "edited on both sides, to different values"),
            missing("bravo/sales"),
            missing("acme/sales"),
            missing("acme/receipts"),
        ];
        assert_eq!(
            render(&of(&items), Paint::Plain),
            "unmappable: `091` is not in payment-accounts
  2 integrations, 3 entries: acme 2, bravo 1
  to do: correct the value, or extend the table or transform
conflict: edited on both sides, to different values
  1 integration, 1 entry: acme 1
  to do: choose a side with `conflicts resolve`, or make both sides the same
"
        );
    }
}
