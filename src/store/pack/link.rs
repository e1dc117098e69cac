//! Links. Of most fields only the definition and one value are there: both sides agree, on the same JSON.

use std::collections::BTreeMap;

use super::{Pack, Unfit, Unpack, flags, put_size, put_varint, unflags};
use crate::{
    config::FieldId,
    mapping::each::ElementPair,
    record::{Cell, Side},
    sync::{Belief, Born, FieldPark, FieldState, Link, Mark, ParkCode},
};

impl Pack for Link {
    fn pack(&self, to: &mut Vec<u8>) {
        let Self { source, target, born, label, revision, marks: [at_source, at_target], fields, beside } = self;
        source.pack(to);
        target.pack(to);
        born.pack(to);
        label.pack(to);
        put_varint(to, *revision);
        at_source.pack(to);
        at_target.pack(to);
        put_size(to, fields.len());
        for (FieldId(id), state) in fields {
            to.extend(id.to_le_bytes());
            state.pack(to);
        }
        beside.pack(to);
    }

    fn unpack(from: &mut Unpack<'_>) -> Result<Self, Unfit> {
        Ok(Self {
            source: Pack::unpack(from)?,
            target: Pack::unpack(from)?,
            born: Pack::unpack(from)?,
            label: Pack::unpack(from)?,
            revision: from.varint()?,
            marks: [Pack::unpack(from)?, Pack::unpack(from)?],
            fields: fields(from)?,
            beside: Pack::unpack(from)?,
        })
    }
}

/// They are in their order, so the map is made at once.
fn fields(from: &mut Unpack<'_>) -> Result<BTreeMap<FieldId, FieldState>, Unfit> {
    (0..from.count()?).map(|_| Ok((FieldId(from.u32()?), FieldState::unpack(from)?))).collect()
}

impl Pack for Mark {
    fn pack(&self, to: &mut Vec<u8>) {
        let Self { hash, version, edited_at, gone, missing, paused, carried } = self;
        to.push(flags([version.is_some(), edited_at.is_some(), *gone, *missing, *paused, !carried.is_empty()]));
        to.extend(hash.to_le_bytes());
        if let Some(version) = version {
            version.pack(to);
        }
        if let Some(edited_at) = edited_at {
            edited_at.pack(to);
        }
        if !carried.is_empty() {
            put_size(to, carried.len());
            for (path, cell) in carried {
                path.pack(to);
                cell.pack(to);
            }
        }
    }

    fn unpack(from: &mut Unpack<'_>) -> Result<Self, Unfit> {
        let [version, edited_at, gone, missing, paused, carried] = unflags(from.byte()?)?;
        Ok(Self {
            hash: from.u64()?,
            version: version.then(|| Pack::unpack(from)).transpose()?,
            edited_at: edited_at.then(|| Pack::unpack(from)).transpose()?,
            gone,
            missing,
            paused,
            carried: if carried { Vec::unpack(from)?.into_iter().collect() } else { BTreeMap::new() },
        })
    }
}

/// What few fields have is told by flags of its own, behind one flag that says that there are such.
impl Pack for FieldState {
    fn pack(&self, to: &mut Vec<u8>) {
        let Self { definition, base, pending_source, pending_target, parked, winner, pairs, uneven, believed } = self;
        let two = base.as_ref().is_some_and(|[source, target]| source != target);
        let rare = flags([parked.is_some(), winner.is_some(), !pairs.is_empty(), believed.is_some(), *uneven]);
        to.push(flags([base.is_some(), two, pending_source.is_some(), pending_target.is_some(), rare != 0]));
        if rare != 0 {
            to.push(rare);
        }
        to.extend(definition.to_le_bytes());
        if let Some([source, target]) = base {
            source.pack(to);
            if two {
                target.pack(to);
            }
        }
        for pending in [pending_source, pending_target].into_iter().flatten() {
            pending.pack(to);
        }
        if let Some(parked) = parked {
            parked.pack(to);
        }
        if let Some(winner) = winner {
            winner.pack(to);
        }
        if !pairs.is_empty() {
            pairs.pack(to);
        }
        if let Some(believed) = believed {
            believed.pack(to);
        }
    }

    fn unpack(from: &mut Unpack<'_>) -> Result<Self, Unfit> {
        let [base, two, pending_source, pending_target, rare] = unflags(from.byte()?)?;
        let [parked, winner, pairs, believed, uneven] = unflags(if rare { from.byte()? } else { 0 })?;
        Ok(Self {
            definition: from.u32()?,
            base: if base { Some(both(from, two)?) } else { None },
            pending_source: pending_source.then(|| Pack::unpack(from)).transpose()?,
            pending_target: pending_target.then(|| Pack::unpack(from)).transpose()?,
            parked: parked.then(|| Pack::unpack(from)).transpose()?,
            winner: winner.then(|| Pack::unpack(from)).transpose()?,
            pairs: if pairs { Pack::unpack(from)? } else { Vec::new() },
            uneven,
            believed: believed.then(|| Pack::unpack(from)).transpose()?,
        })
    }
}

/// A base: one value where both sides hold the same.
fn both(from: &mut Unpack<'_>, two: bool) -> Result<[Cell; 2], Unfit> {
    let source = Cell::unpack(from)?;
    let target = if two { Cell::unpack(from)? } else { source.clone() };
    Ok([source, target])
}

impl Pack for FieldPark {
    fn pack(&self, to: &mut Vec<u8>) {
        let Self { code, message, seen: [source, target], config } = self;
        code.pack(to);
        message.pack(to);
        source.pack(to);
        target.pack(to);
        to.extend(config.to_le_bytes());
    }

    fn unpack(from: &mut Unpack<'_>) -> Result<Self, Unfit> {
        Ok(Self {
            code: Pack::unpack(from)?,
            message: Pack::unpack(from)?,
            seen: [Pack::unpack(from)?, Pack::unpack(from)?],
            config: from.u64()?,
        })
    }
}

impl Pack for Belief {
    fn pack(&self, to: &mut Vec<u8>) {
        let Self { side, base, uneven, before } = self;
        to.push(flags([base.is_some(), *uneven]));
        side.pack(to);
        if let Some([source, target]) = base {
            source.pack(to);
            target.pack(to);
        }
        before.pack(to);
    }

    fn unpack(from: &mut Unpack<'_>) -> Result<Self, Unfit> {
        let [base, uneven] = unflags(from.byte()?)?;
        let side = Side::unpack(from)?;
        let base = if base { Some(both(from, true)?) } else { None };
        Ok(Self { side, base, uneven, before: Pack::unpack(from)? })
    }
}

impl Pack for ElementPair {
    fn pack(&self, to: &mut Vec<u8>) {
        let Self { source, target } = self;
        source.pack(to);
        target.pack(to);
    }

    fn unpack(from: &mut Unpack<'_>) -> Result<Self, Unfit> {
        Ok(Self { source: Pack::unpack(from)?, target: Pack::unpack(from)? })
    }
}

impl Pack for Born {
    fn pack(&self, to: &mut Vec<u8>) {
        to.push(match self {
            Self::Matched => 0,
            Self::OnSource => 1,
            Self::OnTarget => 2,
            Self::ByHand => 3,
        });
    }

    fn unpack(from: &mut Unpack<'_>) -> Result<Self, Unfit> {
        Ok(match from.byte()? {
            0 => Self::Matched,
            1 => Self::OnSource,
            2 => Self::OnTarget,
            3 => Self::ByHand,
            _ => return Err(Unfit("it came to be in no way that is known")),
        })
    }
}

impl Pack for ParkCode {
    fn pack(&self, to: &mut Vec<u8>) {
        to.push(match self {
            Self::Conflict => 0,
            Self::Difference => 1,
            Self::Ambiguous => 2,
            Self::Taken => 3,
            Self::Proposed => 4,
            Self::Unmappable => 5,
            Self::Refused => 6,
            Self::NotTaken => 7,
            Self::Reshaped => 8,
            Self::Unknown => 9,
            Self::IdTaken => 10,
            Self::Expectation => 11,
            Self::Unchangeable => 12,
        });
    }

    fn unpack(from: &mut Unpack<'_>) -> Result<Self, Unfit> {
        Ok(match from.byte()? {
            0 => Self::Conflict,
            1 => Self::Difference,
            2 => Self::Ambiguous,
            3 => Self::Taken,
            4 => Self::Proposed,
            5 => Self::Unmappable,
            6 => Self::Refused,
            7 => Self::NotTaken,
            8 => Self::Reshaped,
            9 => Self::Unknown,
            10 => Self::IdTaken,
            11 => Self::Expectation,
            12 => Self::Unchangeable,
            _ => return Err(Unfit("it is parked for no reason that is known")),
        })
    }
}
