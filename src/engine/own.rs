//! Calls that write one member of a record.

use std::sync::Arc;

use crate::{
    config::Pipeline,
    connector::{Resource, WriteKind},
    record::Side,
    sync::RecordWrite,
};

/// The resource as the call of this write sees it.
pub(super) fn resource_of(pipeline: &Pipeline, side: Side, write: Option<&RecordWrite>) -> Arc<Resource> {
    let resource = &pipeline.end(side).resource;
    match write.and_then(|write| write.own_call(pipeline)) {
        Some(also) => resource.for_member(also),
        None => resource.clone(),
    }
}

/// Writes that go by the same kind of call: what is done, to which member, on which side. Creates go first, and members
/// after the record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Way {
    pub kind: WriteKind,
    member: Option<String>,
    pub side: Side,
}

impl Way {
    pub fn of(pipeline: &Pipeline, kind: WriteKind, write: &RecordWrite) -> Self {
        let member = write.own_call(pipeline).map(|also| also.member.clone());
        Self { kind, member, side: write.side }
    }
}
