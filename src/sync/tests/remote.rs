//! A collection with the habits of real ones.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

/// What a remote makes of a value that it is sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Quirk {
    Faithful,
    Ignores,
    Trims,
    Lowers,
    Cuts,
}

/// One collection.
#[derive(Debug, Default)]
pub struct Remote {
    pub records: BTreeMap<String, Value>,
    pub gone: BTreeSet<String>,
    /// By top-level name.
    pub quirks: BTreeMap<String, Quirk>,
    /// Names it answers with a mask.
    pub masked: BTreeSet<String>,
    /// Whether it answers writes with the record.
    pub answers: bool,
    /// It refuses records that hold this text.
    pub refuses: Option<String>,
    pub created: u32,
}

impl Remote {
    pub fn take(&mut self, id: &str, sent: &Value) {
        let record = self.records.entry(id.to_owned()).or_insert_with(|| json!({}));
        for (name, value) in sent.as_object().unwrap() {
            let quirk = self.quirks.get(name).copied().unwrap_or(Quirk::Faithful);
            let text = value.as_str().map(str::to_owned);
            let kept = match (quirk, text) {
                (Quirk::Ignores, _) => continue,
                (Quirk::Trims, Some(text)) => json!(text.trim()),
                (Quirk::Lowers, Some(text)) => json!(text.to_lowercase()),
                (Quirk::Cuts, Some(text)) => json!(text.chars().take(3).collect::<String>()),
                _ => value.clone(),
            };
            record[name] = kept;
        }
    }

    /// The record as the remote shows it.
    pub fn shown(&self, id: &str) -> Value {
        let mut record = self.records[id].clone();
        for name in &self.masked {
            if record.get(name).is_some_and(|value| !value.is_null()) {
                record[name] = json!("***");
            }
        }
        record
    }
}
