//! Steps of a plan between deciding and applying; spilled, so that memory does not grow with a plan.

use crate::{
    record::{RecordId, Side},
    store::{
        Pack,
        pack::{Unfit, Unpack},
    },
    sync::{Fresh, Link, RecordWrite},
};

/// A record without a link, on its way through a run.
#[derive(Clone, Debug)]
pub(super) struct Newcomer {
    /// Its side.
    pub side: Side,
    /// The record.
    pub fresh: Fresh,
    /// Whether it has an entry in the store already.
    pub stored: bool,
    /// Whether it was read with other values than the entry in the store has.
    pub changed: bool,
    /// Match keys (tier, text) the stored entry is found by.
    pub old_keys: Vec<(usize, String)>,
}

/// One step of a plan.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Create the counterpart of a record.
    Create {
        /// The record.
        newcomer: Box<Newcomer>,
        /// The write.
        write: RecordWrite,
    },
    /// Remember a link of two records that match.
    Link {
        /// The link as it is to be remembered.
        link: Box<Link>,
        /// Both records.
        newcomers: Box<[Newcomer; 2]>,
    },
    /// Put a record into the place of one that is gone.
    Succeed {
        /// The link as it is remembered.
        old: Box<Link>,
        /// The link as it is to be.
        link: Box<Link>,
        /// The record.
        newcomer: Box<Newcomer>,
    },
    /// Write to a linked record, or delete it.
    Update {
        /// The link's source id.
        source: RecordId,
        /// Name for people.
        label: String,
        /// The write.
        write: RecordWrite,
    },
}

impl Pack for Newcomer {
    fn pack(&self, to: &mut Vec<u8>) {
        let Self { side, fresh, stored, changed, old_keys } = self;
        side.pack(to);
        stored.pack(to);
        changed.pack(to);
        old_keys.pack(to);
        fresh.pack(to);
    }

    fn unpack(from: &mut Unpack<'_>) -> Result<Self, Unfit> {
        let (side, stored, changed) = (Pack::unpack(from)?, Pack::unpack(from)?, Pack::unpack(from)?);
        let (old_keys, fresh) = (Pack::unpack(from)?, Pack::unpack(from)?);
        Ok(Self { side, fresh, stored, changed, old_keys })
    }
}

impl Pack for Step {
    fn pack(&self, to: &mut Vec<u8>) {
        match self {
            Self::Create { newcomer, write } => {
                to.push(0);
                newcomer.pack(to);
                write.pack(to);
            }
            Self::Link { link, newcomers } => {
                to.push(1);
                link.pack(to);
                newcomers.iter().for_each(|newcomer| newcomer.pack(to));
            }
            Self::Succeed { old, link, newcomer } => {
                to.push(3);
                old.pack(to);
                link.pack(to);
                newcomer.pack(to);
            }
            Self::Update { source, label, write } => {
                to.push(2);
                source.pack(to);
                label.pack(to);
                write.pack(to);
            }
        }
    }

    fn unpack(from: &mut Unpack<'_>) -> Result<Self, Unfit> {
        Ok(match from.byte()? {
            0 => Self::Create { newcomer: Pack::unpack(from)?, write: Pack::unpack(from)? },
            1 => {
                let link = Pack::unpack(from)?;
                Self::Link { link, newcomers: Box::new([Pack::unpack(from)?, Pack::unpack(from)?]) }
            }
            2 => Self::Update { source: Pack::unpack(from)?, label: Pack::unpack(from)?, write: Pack::unpack(from)? },
            3 => Self::Succeed { old: Pack::unpack(from)?, link: Pack::unpack(from)?, newcomer: Pack::unpack(from)? },
            _ => return Err(Unfit::new("it is no kind of step")),
        })
    }
}
