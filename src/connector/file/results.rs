//! What became of the rows of a file, written as a file for whoever made it: `id,pipeline,outcome,message`.
//!
//! A file of results has the name that its file has once it was taken. It is written when the run has ended, and again whenever
//! what it says has changed: at each run while a row waits or is parked, and in a full read, which lists the files that were
//! taken, too.

use std::{collections::HashMap, fs, path::Path};

use super::{place::failed, write::replace_file};
use crate::{
    connector::{CallError, Outcome, Standing, Unread},
    record::RecordId,
};

/// What it must be told of a file.
#[derive(Clone, Debug)]
pub(super) struct Telling {
    /// Its name once it was taken.
    pub name: String,
    /// Its records.
    pub ids: Vec<RecordId>,
    /// What nobody can read in it.
    pub unread: Vec<Unread>,
}

/// From now on it is told of these files as well.
pub(super) fn expect(telling: &mut Vec<Telling>, held: &[Telling]) {
    telling.retain(|file| held.iter().all(|new| new.name != file.name));
    telling.extend(held.iter().cloned());
}

/// Writes what became of the rows of files into a folder. Files of which nothing is open are forgotten.
///
/// # Errors
///
/// When the disk does not let it: then it is tried again with the next run.
pub(super) fn tell(folder: &Path, telling: &mut Vec<Telling>, outcomes: &[Outcome]) -> Result<(), CallError> {
    let mut by_record: HashMap<&RecordId, Vec<&Outcome>> = HashMap::new();
    for outcome in outcomes {
        by_record.entry(&outcome.of).or_default().push(outcome);
    }
    for file in telling.iter() {
        let text = text(file, &by_record)?;
        let path = folder.join(result_name(&file.name));
        if fs::read(&path).ok().as_deref() != Some(text.as_slice()) {
            fs::create_dir_all(folder).map_err(|error| failed("make", folder, &error))?;
            replace_file(&path, &text)?;
        }
    }
    let is_open = |outcome: &&Outcome| matches!(outcome.standing, Standing::Waiting | Standing::Parked);
    telling.retain(|file| file.ids.iter().any(|id| by_record.get(id).is_none_or(|all| all.iter().any(is_open))));
    Ok(())
}

/// The name of the file of results: it is CSV, whatever the other one is.
fn result_name(name: &str) -> String {
    if name.to_ascii_lowercase().ends_with(".csv") { name.to_owned() } else { format!("{name}.csv") }
}

fn text(file: &Telling, by_record: &HashMap<&RecordId, Vec<&Outcome>>) -> Result<Vec<u8>, CallError> {
    let wrong =
        |error: csv::Error| CallError::NotDone(format!("the results of {} cannot be written: {error}", file.name));
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["id", "pipeline", "outcome", "message"]).map_err(wrong)?;
    for id in &file.ids {
        match by_record.get(id) {
            None => {
                writer.write_record([id.as_str(), "", "waiting", "no pipeline has looked at it yet"]).map_err(wrong)?;
            }
            Some(outcomes) => {
                for one in outcomes {
                    let standing = one.standing.to_string();
                    writer.write_record([one.id.as_str(), &one.pipeline, &standing, &one.message]).map_err(wrong)?;
                }
            }
        }
    }
    for unread in &file.unread {
        writer.write_record([unread.place.as_str(), "", "not read", &unread.reason]).map_err(wrong)?;
    }
    writer.into_inner().map_err(|error| CallError::NotDone(error.to_string()))
}
