//! Which call carries a value: that of the record, or the one that its member has for itself.

use super::{FieldWrite, Link, RecordWrite};
use crate::{
    config::{Field, Pipeline},
    connector::Also,
    record::Side,
};

/// The member with a call of its own that `field` writes on `side`.
pub(super) fn own<'p>(pipeline: &'p Pipeline, field: &Field, side: Side) -> Option<&'p Also> {
    pipeline.end(side).resource.own_call(field.end(side).paths.first()?)
}

/// Why a record that is there cannot be given another value of `field`; `None` if it can.
pub(super) fn unchangeable(pipeline: &Pipeline, field: &Field, side: Side) -> Option<String> {
    let (end, name) = (field.end(side), pipeline.end(side).name());
    if end.create_only {
        let path = end.paths.first().map_or(field.name.as_str(), |path| path.as_str());
        return Some(format!("{name} takes `{path}` when a record is made, and no change of it"));
    }
    let changes = pipeline.end(side).resource.update.is_some() || own(pipeline, field, side).is_some();
    (!changes).then(|| format!("records of {name} can be made, but not changed"))
}

impl RecordWrite {
    /// The member whose own call this is; `None` for a call of the record.
    #[must_use]
    pub fn own_call<'p>(&self, pipeline: &'p Pipeline) -> Option<&'p Also> {
        self.id.as_ref().filter(|_| !self.delete)?;
        let sent = self.fields.first()?;
        own(pipeline, pipeline.fields.iter().find(|field| field.id == sent.field)?, self.side)
    }
}

/// The writes of these values to one record of a link, each with what its call takes: that of the record first.
pub(super) fn by_call(pipeline: &Pipeline, link: &Link, side: Side, fields: Vec<FieldWrite>) -> Vec<RecordWrite> {
    let mut calls: Vec<(Option<&str>, Vec<FieldWrite>)> = Vec::new();
    for sent in fields {
        let field = pipeline.fields.iter().find(|field| field.id == sent.field);
        let member = field.and_then(|field| own(pipeline, field, side)).map(|also| also.member.as_str());
        match calls.iter_mut().find(|(known, _)| *known == member) {
            Some((_, fields)) => fields.push(sent),
            None => calls.push((member, vec![sent])),
        }
    }
    calls.sort_by_key(|(member, _)| *member);
    let (id, version) = (link.id(side), &link.mark(side).version);
    let write = |fields| RecordWrite { side, id: Some(id.clone()), version: version.clone(), fields, delete: false };
    calls.into_iter().map(|(_, fields)| write(fields)).collect()
}
