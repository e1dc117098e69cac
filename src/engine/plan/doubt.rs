//! Records that may be what a create of unknown outcome made.

use crate::{
    config::Pipeline,
    engine::{EngineError, run::Run, sent::may_come_of, step::Newcomer},
    record::Side,
    store::Changes,
    sync::{Finding, FindingKind, FreshDecision, ParkCode},
};

/// Whether one of the two records of a match may be what a create of unknown outcome made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Made {
    /// Neither.
    No,
    /// It shows soon.
    Waits,
    /// Only a person can tell.
    Asks,
}

impl Run<'_> {
    /// Leaves a record alone of which, or of whose match, it is unknown whether we made it.
    pub(super) async fn leave_doubtful(
        &mut self,
        changes: &mut Changes,
        pipeline: &Pipeline,
        newcomer: Newcomer,
        made: Made,
    ) -> Result<(), EngineError> {
        let why = "it, or its match, may be what a write of unknown outcome made";
        if made == Made::Waits {
            self.keep_newcomer(changes, pipeline, newcomer, why);
            return Ok(());
        }
        let finding = Finding { kind: FindingKind::Parked(ParkCode::Proposed), field: None, message: why.to_owned() };
        self.put_aside(changes, pipeline, newcomer, &finding).await
    }

    /// Whether one of two records that would be linked may be what a create of unknown outcome made: it came since, and
    /// somebody may have given it the key of another one.
    pub(super) async fn may_be_made(
        &self,
        pipeline: &Pipeline,
        newcomer: &Newcomer,
        decision: &FreshDecision,
    ) -> Result<Made, EngineError> {
        let (FreshDecision::Link { with } | FreshDecision::Succeed { with }) = decision else { return Ok(Made::No) };
        if self.open_creates.iter().all(|(name, ..)| *name != pipeline.name) {
            return Ok(Made::No);
        }
        let side = newcomer.side;
        let other = self.engine.ledger.fresh(&pipeline.name, side.other(), std::slice::from_ref(with)).await?;
        let both = [(side, Some(&newcomer.fresh)), (side.other(), other.first().and_then(Option::as_ref))];
        let mut made = Made::No;
        for (side, fresh) in both {
            let Some(fresh) = fresh.filter(|fresh| fresh.late) else { continue };
            for (name, written, write) in &self.open_creates {
                match write {
                    _ if *name != pipeline.name || *written != side => {}
                    None => return Ok(Made::Waits),
                    Some(write) if may_come_of(pipeline, side, &fresh.observation.projection, write) => {
                        made = Made::Asks;
                    }
                    Some(_) => {}
                }
            }
        }
        Ok(made)
    }

    /// Whether a record may be what one of our own creates made, of which we do not know whether it was carried out, or
    /// what is to be made of it may be there already, made by another pipeline.
    pub(super) fn may_be_ours(&self, pipeline: &Pipeline, newcomer: &Newcomer) -> bool {
        let open = |side: Side| (pipeline.name.clone(), side, None);
        self.open_creates.contains(&open(newcomer.side)) || self.neighbour_in_doubt(pipeline, newcomer.side.other())
    }

    /// Whether a record holds a value that a create sent which is listed as of unknown outcome. Somebody may have edited
    /// most of what it made, so it is listed, too, until a person says what it is: rather asked than copied.
    pub(super) fn resembles_ours(&self, pipeline: &Pipeline, newcomer: &Newcomer) -> bool {
        let (side, projection) = (newcomer.side, &newcomer.fresh.observation.projection);
        self.open_creates.iter().any(|(name, written, write)| {
            let write = write.as_ref().filter(|_| *name == pipeline.name && *written == side);
            write.is_some_and(|write| may_come_of(pipeline, side, projection, write))
        })
    }
}
