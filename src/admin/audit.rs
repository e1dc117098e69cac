//! What people changed through the console: in the log, and in a file that outlives it.

use std::{
    fs::OpenOptions,
    io::{self, BufRead as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// When the file is longer, it is put aside as `audit.1.jsonl`, and the one that was aside before is gone.
const LONGEST: u64 = 8 << 20;

/// One change.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    /// When.
    pub at: DateTime<Utc>,
    /// Who.
    pub who: String,
    /// Their role.
    pub role: String,
    /// Where from.
    pub from: String,
    /// What: a request as the API takes it, or a word.
    pub what: Value,
    /// What came of it: `done`, or why not.
    pub outcome: String,
}

/// The file.
#[derive(Debug)]
pub(super) struct Audit {
    path: PathBuf,
    turn: Mutex<()>,
}

impl Audit {
    /// This file.
    pub fn at(path: &std::path::Path) -> Self {
        Self { path: path.to_owned(), turn: Mutex::default() }
    }

    /// Remembers a change. A file that cannot be written holds up nobody: the log has it too.
    pub fn note(&self, entry: &Entry) {
        let Entry { who, role, from, what, outcome, .. } = entry;
        tracing::info!(event = "console.changed", who, role, from, %what, outcome);
        let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = self.append(entry) {
            tracing::error!(event = "console.audit_failed", %error, path = %self.path.display());
        }
        drop(turn);
    }

    fn append(&self, entry: &Entry) -> io::Result<()> {
        if std::fs::metadata(&self.path).is_ok_and(|data| data.len() > LONGEST) {
            std::fs::rename(&self.path, self.path.with_extension("1.jsonl"))?;
        }
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(&self.path)?;
        file.write_all(&line)
    }

    /// The last changes, newest first.
    pub fn last(&self, most: usize) -> Vec<Entry> {
        let Ok(file) = std::fs::File::open(&self.path) else { return Vec::new() };
        let mut last = std::collections::VecDeque::new();
        for line in io::BufReader::new(file).lines().map_while(Result::ok) {
            // Through a value: numbers keep all their digits (serde_json's `arbitrary_precision`).
            let entry = serde_json::from_str::<Value>(&line).and_then(serde_json::from_value::<Entry>);
            last.extend(entry.ok());
            if last.len() > most {
                last.pop_front();
            }
        }
        last.into_iter().rev().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use serde_json::json;

    use super::*;

    #[test]
    fn changes_are_remembered_newest_first_and_for_nobody_else() {
        let dir = tempfile::tempdir().unwrap();
        let audit = Audit::at(&dir.path().join("audit.jsonl"));
        assert!(audit.last(10).is_empty());
        for number in 0..3 {
            audit.note(&Entry {
                at: DateTime::UNIX_EPOCH,
                who: format!("anna{number}"),
                role: "admin".to_owned(),
                from: "127.0.0.1".to_owned(),
                what: json!({ "do": "approve", "what": "acme" }),
                outcome: "done".to_owned(),
            });
        }
        let names: Vec<String> = audit.last(2).into_iter().map(|entry| entry.who).collect();
        assert_eq!(names, ["anna2", "anna1"]);
        let mode = std::fs::metadata(dir.path().join("audit.jsonl")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
