//! Writes, as a run spills them.

use super::{Pack, Unfit, Unpack, flags, unflags};
use crate::{
    config::FieldId,
    record::{Cell, Side},
    sync::{FieldWrite, RecordWrite, Why},
};

impl Pack for RecordWrite {
    fn pack(&self, to: &mut Vec<u8>) {
        let Self { side, id, version, fields, delete } = self;
        side.pack(to);
        id.pack(to);
        version.pack(to);
        fields.pack(to);
        to.push(flags([*delete]));
    }

    fn unpack(from: &mut Unpack<'_>) -> Result<Self, Unfit> {
        Ok(Self {
            side: Pack::unpack(from)?,
            id: Pack::unpack(from)?,
            version: Pack::unpack(from)?,
            fields: Pack::unpack(from)?,
            delete: {
                let [delete] = unflags(from.byte()?)?;
                delete
            },
        })
    }
}

/// What it was made from is there only where it is not the value itself.
impl Pack for FieldWrite {
    fn pack(&self, to: &mut Vec<u8>) {
        let Self { field: FieldId(id), value, before, from, why } = self;
        let (had, made) = (!before.is_absent(), from != value);
        to.push(flags([had, made]));
        to.extend(id.to_le_bytes());
        value.pack(to);
        if had {
            before.pack(to);
        }
        if made {
            from.pack(to);
        }
        why.pack(to);
    }

    fn unpack(bytes: &mut Unpack<'_>) -> Result<Self, Unfit> {
        let [had, made] = unflags(bytes.byte()?)?;
        let (field, value) = (FieldId(bytes.u32()?), Cell::unpack(bytes)?);
        let before = if had { Cell::unpack(bytes)? } else { Cell::Absent };
        let from = if made { Cell::unpack(bytes)? } else { value.clone() };
        Ok(Self { field, value, before, from, why: Pack::unpack(bytes)? })
    }
}

impl Pack for Why {
    fn pack(&self, to: &mut Vec<u8>) {
        let (kind, side) = match self {
            Self::Created => (0, None),
            Self::FilledBlank => (1, None),
            Self::PutBack => (2, None),
            Self::Reverted => (8, None),
            Self::Changed(side) => (3, Some(side)),
            Self::ConflictWon(side) => (4, Some(side)),
            Self::Resolved(side) => (5, Some(side)),
            Self::FirstDifference(side) => (6, Some(side)),
            Self::Deleted(side) => (7, Some(side)),
        };
        to.push(kind);
        if let Some(side) = side {
            side.pack(to);
        }
    }

    fn unpack(from: &mut Unpack<'_>) -> Result<Self, Unfit> {
        let with: fn(Side) -> Self = match from.byte()? {
            0 => return Ok(Self::Created),
            1 => return Ok(Self::FilledBlank),
            2 => return Ok(Self::PutBack),
            3 => Self::Changed,
            4 => Self::ConflictWon,
            5 => Self::Resolved,
            6 => Self::FirstDifference,
            7 => Self::Deleted,
            8 => return Ok(Self::Reverted),
            _ => return Err(Unfit("it is written for no reason that is known")),
        };
        Side::unpack(from).map(with)
    }
}
