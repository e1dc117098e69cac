//! What a listing holds and nobody can read: parked with its place, while the rest goes on.

use std::collections::BTreeMap;

use super::{EngineError, pull::Attached, run::Run};
use crate::{
    connector::Page,
    record::RecordId,
    store::{Changes, Parked},
    sync::{Finding, FindingKind, ParkCode},
};

/// What keeps a listing from telling all there is.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    partial: bool,
    unread: BTreeMap<String, String>,
}

impl Doubts {
    /// Takes note of those of a page.
    pub(super) fn of(&mut self, page: &Page) {
        self.partial |= page.partial;
        self.unread.extend(page.unread.iter().map(|unread| (unread.place.clone(), unread.reason.clone())));
    }

    /// Whether a record that was not listed is not there: one of the rows that cannot be read may be it.
    pub(super) fn absence_tells(&self) -> bool {
        !self.partial && self.unread.is_empty()
    }
}

impl Run<'_> {
    /// Parks what could not be read under its place, and takes off the list what was corrected.
    pub(super) async fn park_unread(&mut self, attached: &Attached, doubts: &Doubts) -> Result<(), EngineError> {
        let (pipeline, side) = (&attached.pipeline, attached.side);
        if !pipeline.end(side).resource.may_be_unreadable() {
            // Other systems have no rows that nobody can read, so there is nothing to look for in the list.
            return Ok(());
        }
        let mut known: BTreeMap<String, Parked> = BTreeMap::new();
        let mut after = None;
        loop {
            let (page, next) = self.engine.ledger.list_parked(&pipeline.name, after.as_ref()).await?;
            let ours = page.into_iter().filter(|(at, ..)| *at == side);
            for (_, id, parked) in ours {
                if let Some(parked) = parked.into_iter().find(|parked| parked.code == ParkCode::Unreadable) {
                    known.insert(id.as_str().to_owned(), parked);
                }
            }
            match next {
                Some(key) => after = Some(key),
                None => break,
            }
        }
        let mut changes = Changes::new();
        for place in known.keys().filter(|place| !doubts.unread.contains_key(*place)) {
            changes.together(|atomic| atomic.unpark(&pipeline.name, side, &RecordId::from(place.as_str())));
        }
        for (place, reason) in &doubts.unread {
            let kind = FindingKind::Parked(ParkCode::Unreadable);
            let finding = Finding { kind, field: None, message: reason.clone() };
            let id = RecordId::from(place.as_str());
            if self.is_planned(&pipeline.name) {
                self.list_findings(pipeline, side, &id, place, std::slice::from_ref(&finding));
            }
            if known.get(place).is_some_and(|known| known.message == *reason) {
                continue;
            }
            // Only an edit of the file can help, and that is seen without another attempt.
            let parked = Parked { next_try: None, ..self.parked_entry(&[], place, &finding, Vec::new()) };
            changes.together(|atomic| atomic.park(&pipeline.name, side, &id, &[parked]));
        }
        Ok(self.engine.ledger.commit(changes).await?)
    }
}
