//! One writer: two pipelines that write the same values of a resource never link the same record.

use crate::{
    config::Pipeline,
    record::{RecordId, Side},
    store::{Ledger, StoreError},
    sync::{Finding, FindingKind, FreshDecision, ParkCode},
};

/// Why these records (source, target; `None` if it is to be made) must not be linked by this pipeline: another one links
/// one of them already, and writes the same values of it. One look-up for each pipeline that overlaps, and none where
/// none does.
pub(in crate::engine) async fn second_writer(
    ledger: &Ledger,
    pipeline: &Pipeline,
    ids: [Option<&RecordId>; 2],
) -> Result<Option<Finding>, StoreError> {
    for other in &pipeline.co_writers {
        let Some(id) = ids[other.side.index()] else { continue };
        if let Some(link) = ledger.link(&other.pipeline, other.theirs, id).await? {
            let name = &pipeline.end(other.side).connection.name;
            let message =
                format!("{} links {} of {name} already, and writes the same values of it", other.pipeline, link.label);
            return Ok(Some(Finding { kind: FindingKind::Parked(ParkCode::TwoWriters), field: None, message }));
        }
    }
    Ok(None)
}

/// The records that a decision about a record would link.
pub(super) fn to_be_linked<'d>(
    decision: &'d FreshDecision,
    side: Side,
    id: &'d RecordId,
) -> Option<[Option<&'d RecordId>; 2]> {
    let with = match decision {
        FreshDecision::Create(_) => None,
        FreshDecision::Link { with } | FreshDecision::Succeed { with } => Some(with),
        FreshDecision::Leave { .. } => return None,
    };
    Some(if side == Side::Source { [Some(id), with] } else { [with, Some(id)] })
}
