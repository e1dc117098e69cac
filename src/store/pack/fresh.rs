//! Records without a link. Flags first: what of the optional parts is there, and what is true of the record.

use super::{Pack, Unfit, Unpack, flags, unflags};
use crate::sync::{Fresh, Observation};

impl Pack for Observation {
    fn pack(&self, to: &mut Vec<u8>) {
        let Self { id, projection, label, version, edited_at, gone, merged } = self;
        to.push(flags([version.is_some(), edited_at.is_some(), *gone, merged.is_some()]));
        id.pack(to);
        label.pack(to);
        if let Some(version) = version {
            version.pack(to);
        }
        if let Some(edited_at) = edited_at {
            edited_at.pack(to);
        }
        if let Some(merged) = merged {
            merged.pack(to);
        }
        projection.pack(to);
    }

    fn unpack(from: &mut Unpack<'_>) -> Result<Self, Unfit> {
        let [version, edited_at, gone, merged] = unflags(from.byte()?)?;
        Ok(Self {
            id: Pack::unpack(from)?,
            label: Pack::unpack(from)?,
            version: version.then(|| Pack::unpack(from)).transpose()?,
            edited_at: edited_at.then(|| Pack::unpack(from)).transpose()?,
            merged: merged.then(|| Pack::unpack(from)).transpose()?,
            projection: Pack::unpack(from)?,
            gone,
        })
    }
}

impl Pack for Fresh {
    fn pack(&self, to: &mut Vec<u8>) {
        let Self { observation, spec_hash, admitted, suffixed, released, doubted, late } = self;
        to.push(flags([*admitted, *suffixed, *released, *doubted, *late]));
        to.extend(spec_hash.to_le_bytes());
        observation.pack(to);
    }

    fn unpack(from: &mut Unpack<'_>) -> Result<Self, Unfit> {
        let [admitted, suffixed, released, doubted, late] = unflags(from.byte()?)?;
        let spec_hash = from.u32()?;
        Ok(Self { observation: Pack::unpack(from)?, spec_hash, admitted, suffixed, released, doubted, late })
    }
}
