//! Which record a person means by an id.

use super::{Desk, DeskError, ParkedItem};
use crate::{
    config::PipelineName,
    record::{RecordId, Side},
    sync::Link,
};

/// The sides on which an id is looked for, and the id: `source:17` and `target:17` say the side, `17` may be of either.
pub(crate) fn meant(written: &str) -> (&'static [Side], RecordId) {
    match written.split_once(':') {
        Some(("source", id)) => (&[Side::Source], RecordId::from(id)),
        Some(("target", id)) => (&[Side::Target], RecordId::from(id)),
        _ => (&Side::BOTH, RecordId::from(written)),
    }
}

/// The id together with its side, as a person may write it.
pub(crate) fn on_side(side: Side, id: &RecordId) -> RecordId {
    RecordId::from(format!("{side}:{id}"))
}

/// What to say where both sides have a record of that id.
pub(in crate::engine) fn two_of_them(id: &RecordId, within: &PipelineName, records: [&str; 2]) -> String {
    let [on_source, on_target] = records;
    format!(
        "{id} is {on_source} on the source and {on_target} on the target of {within}; say which one is meant: `source:{id}` \
         or `target:{id}`"
    )
}

/// A record that an id names.
pub(super) struct Named {
    /// The side on which it has that id.
    pub side: Side,
    /// The id.
    pub id: RecordId,
    /// Its link, if it has one.
    pub link: Option<Link>,
}

impl Named {
    /// Whether this is the record, or the one that it is linked with.
    fn is(&self, side: Side, id: &RecordId) -> bool {
        match &self.link {
            Some(link) => link.id(side) == id,
            None => self.side == side && self.id == *id,
        }
    }

    fn told(&self) -> String {
        match &self.link {
            Some(link) => format!("`{}` (linked with {})", link.label, link.id(self.side.other())),
            None => "a record without a link".to_owned(),
        }
    }
}

impl Desk<'_> {
    /// The records that an id may mean, a linked pair once.
    pub(super) async fn named(&self, name: &PipelineName, written: &RecordId) -> Result<Vec<Named>, DeskError> {
        let (sides, id) = meant(written.as_str());
        let mut found: Vec<Named> = Vec::new();
        for &side in sides {
            let link = self.engine.ledger.link(name, side, &id).await?;
            if link.is_none() || !found.iter().any(|known| known.link == link) {
                found.push(Named { side, id: id.clone(), link });
            }
        }
        Ok(found)
    }

    /// The link that is meant.
    pub(super) async fn linked(&self, name: &PipelineName, written: &RecordId) -> Result<Link, DeskError> {
        let found = self.named(name, written).await?.into_iter();
        let found = found.filter_map(|named| named.link.clone().map(|link| (named, link)));
        only(name, found.collect())?.ok_or_else(|| DeskError::NoSuch(format!("{written} is not linked in {name}")))
    }

    /// What is parked of the record that is meant, whichever id of its link it is parked under.
    pub(super) async fn parked_of(
        &self,
        name: &PipelineName,
        written: &RecordId,
    ) -> Result<Vec<ParkedItem>, DeskError> {
        let parked = self.parked(Some(name)).await?;
        let mut found = Vec::new();
        for named in self.named(name, written).await? {
            let items: Vec<ParkedItem> = parked.iter().filter(|item| named.is(item.side, &item.id)).cloned().collect();
            if !items.is_empty() {
                found.push((named, items));
            }
        }
        Ok(only(name, found)?.unwrap_or_default())
    }
}

/// The one of these records; where each side has one, nobody guesses which is meant.
fn only<T>(name: &PipelineName, found: Vec<(Named, T)>) -> Result<Option<T>, DeskError> {
    let mut found = found.into_iter();
    match (found.next(), found.next()) {
        (Some((one, _)), Some((other, _))) => {
            Err(DeskError::NotPossible(two_of_them(&one.id, name, [&one.told(), &other.told()])))
        }
        (one, _) => Ok(one.map(|(_, what)| what)),
    }
}
