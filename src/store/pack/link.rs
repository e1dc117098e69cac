//! Links. Of most fields only the definition and one value are there: both sides agree, on the same JSON.

use std::collections::BTreeMap;

use super::{Pack, Unfit, Unpack, flags, put_json, put_size, put_varint, unflags};
use crate::{
    config::FieldId,
    record::Cell,
    sync::{Born, FieldState, Link, Mark},
};

impl Pack for Link {
    fn pack(&self, to: &mut Vec<u8>) {
        let Self {
            source,
            target,
            born,
            label,
            revision,
            marks: [at_source, at_target],
            fields,
            beside,
            deleted,
            undeleted,
            figures,
        } = self;
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
        to.push(flags([deleted.is_some(), undeleted.is_some(), !figures.is_empty()]));
        if let Some(deleted) = deleted {
            put_json(to, deleted);
        }
        if let Some(undeleted) = undeleted {
            put_json(to, undeleted);
        }
        if !figures.is_empty() {
            put_json(to, figures);
        }
    }

    fn unpack(from: &mut Unpack<'_>) -> Result<Self, Unfit> {
        let mut link = Self {
            source: Pack::unpack(from)?,
            target: Pack::unpack(from)?,
            born: Pack::unpack(from)?,
            label: Pack::unpack(from)?,
            revision: from.varint()?,
            marks: [Pack::unpack(from)?, Pack::unpack(from)?],
            fields: fields(from)?,
            beside: Pack::unpack(from)?,
            deleted: None,
            undeleted: None,
            figures: BTreeMap::new(),
        };
        let [deleted, undeleted, figures] = unflags(from.byte()?)?;
        link.deleted = deleted.then(|| from.json()).transpose()?;
        link.undeleted = undeleted.then(|| from.json()).transpose()?;
        if figures {
            link.figures = from.json()?;
        }
        Ok(link)
    }
}

/// They are in their order, so the map is made at once.
fn fields(from: &mut Unpack<'_>) -> Result<BTreeMap<FieldId, FieldState>, Unfit> {
    (0..from.count()?).map(|_| Ok((FieldId(from.u32()?), FieldState::unpack(from)?))).collect()
}

impl Pack for Mark {
    fn pack(&self, to: &mut Vec<u8>) {
        let Self { hash, version, edited_at, gone, merged, missing, paused, carried } = self;
        to.push(flags([
            version.is_some(),
            edited_at.is_some(),
            *gone,
            *missing,
            *paused,
            !carried.is_empty(),
            merged.is_some(),
        ]));
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
        if let Some(merged) = merged {
            merged.pack(to);
        }
    }

    fn unpack(from: &mut Unpack<'_>) -> Result<Self, Unfit> {
        let [version, edited_at, gone, missing, paused, carried, merged] = unflags(from.byte()?)?;
        Ok(Self {
            hash: from.u64()?,
            version: version.then(|| Pack::unpack(from)).transpose()?,
            edited_at: edited_at.then(|| Pack::unpack(from)).transpose()?,
            gone,
            missing,
            paused,
            carried: if carried { Vec::unpack(from)?.into_iter().collect() } else { BTreeMap::new() },
            merged: merged.then(|| Pack::unpack(from)).transpose()?,
        })
    }
}

/// What few fields have follows as JSON, whatever it is.
impl Pack for FieldState {
    fn pack(&self, to: &mut Vec<u8>) {
        let Self { definition, base, pending_source, pending_target, parked, winner, pairs, uneven, believed, motion } =
            self;
        let two = base.as_ref().is_some_and(|[source, target]| source != target);
        let rare = parked.is_some()
            || winner.is_some()
            || !pairs.is_empty()
            || *uneven
            || believed.is_some()
            || motion.is_some();
        to.push(flags([base.is_some(), two, pending_source.is_some(), pending_target.is_some(), rare]));
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
        if rare {
            let rest = Self { definition: 0, base: None, pending_source: None, pending_target: None, ..self.clone() };
            put_json(to, &rest);
        }
    }

    fn unpack(from: &mut Unpack<'_>) -> Result<Self, Unfit> {
        let [base, two, pending_source, pending_target, rare] = unflags(from.byte()?)?;
        let definition = from.u32()?;
        let base = if base { Some(both(from, two)?) } else { None };
        let pending_source = pending_source.then(|| Pack::unpack(from)).transpose()?;
        let pending_target = pending_target.then(|| Pack::unpack(from)).transpose()?;
        let rest = if rare { from.json()? } else { Self::default() };
        Ok(Self { definition, base, pending_source, pending_target, ..rest })
    }
}

/// A base: one value where both sides hold the same.
fn both(from: &mut Unpack<'_>, two: bool) -> Result<[Cell; 2], Unfit> {
    let source = Cell::unpack(from)?;
    let target = if two { Cell::unpack(from)? } else { source.clone() };
    Ok([source, target])
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
