//! A record that takes the place of one that is gone.
//!
//! Some remotes give the same thing a new id (a prospect of XPM that becomes a client), and people delete a record and
//! make it anew. Its counterpart is there and linked with what is gone. The link goes over to the new record, with what
//! both still agree on, so that nothing is made twice and nothing is overwritten (`docs/decisions/succession.md`).

use std::sync::Arc;

use super::{Planned, SHOWN, claim};
use crate::{
    config::Pipeline,
    engine::{
        EngineError,
        deliver::{keys_of, keys_of_linked, note_keys, projection_of, reindex},
        run::Run,
        step::{Newcomer, Step},
    },
    record::{RecordId, Side},
    store::{Changes, Due, MatchKey},
    sync::{Link, succeed},
};

impl Run<'_> {
    pub(super) async fn plan_succession(
        &mut self,
        changes: &mut Changes,
        pipeline: &Arc<Pipeline>,
        newcomer: Newcomer,
        with: &RecordId,
        planned: &mut Planned,
    ) -> Result<(), EngineError> {
        let side = newcomer.side;
        let old = self.engine.ledger.link(&pipeline.name, side.other(), with).await?;
        let free = |old: &Link| {
            let claim = claim(Side::Source, &old.source);
            let at_rest = !planned.claimed.contains(&claim) || planned.at_rest.contains(&claim);
            old.mark(side).gone && at_rest && !self.is_busy(&pipeline.name, old)
        };
        let Some(old) = old.filter(free) else {
            self.keep_newcomer(changes, pipeline, newcomer, "its match is being decided about");
            return Ok(());
        };
        let seen = &newcomer.fresh.observation;
        let mut link = succeed(pipeline, &old, side, seen);
        if side == Side::Target {
            note_keys(pipeline, &mut link, &seen.projection);
        }
        planned.at_rest.remove(&claim(Side::Source, &old.source));
        planned.claimed.extend([claim(Side::Source, &old.source), claim(side, &seen.id), claim(side.other(), with)]);
        self.note_link(pipeline, &link);
        planned.push(Step::Succeed { old: Box::new(old), link: Box::new(link), newcomer: Box::new(newcomer) })
    }

    /// A record without a link that may take the place of the one that is gone: it holds the same key. Until it is decided
    /// about, the record that is left is not deleted; a new id is no deletion.
    pub(super) async fn successor(&self, pipeline: &Pipeline, link: &Link) -> Result<Option<String>, EngineError> {
        let Some(side) = Side::BOTH.into_iter().find(|side| link.mark(*side).gone) else { return Ok(None) };
        for (tier, text) in keys_of(pipeline, side, &projection_of(pipeline, side, link)) {
            let at = MatchKey { pipeline: &pipeline.name, side, tier, text: &text };
            let mut ids = self.engine.ledger.matches(&at, SHOWN).await?;
            ids.retain(|id| id != link.id(side));
            let linked = self.engine.ledger.links_of(&pipeline.name, side, &ids).await?;
            let fresh = self.engine.ledger.fresh(&pipeline.name, side, &ids).await?;
            let mut free = fresh.into_iter().zip(linked).filter(|(_, link)| link.is_none());
            if let Some(fresh) = free.find_map(|(fresh, _)| fresh) {
                return Ok(Some(fresh.observation.label));
            }
        }
        Ok(None)
    }

    /// Remembers the link under its new id, unless it was decided about meanwhile.
    pub(in crate::engine) async fn apply_succession(
        &mut self,
        pipeline: &Arc<Pipeline>,
        old: &Link,
        link: Link,
        newcomer: Newcomer,
    ) -> Result<(), EngineError> {
        let (side, name) = (newcomer.side, &pipeline.name);
        let mut changes = Changes::new();
        let now = self.engine.ledger.link(name, Side::Source, &old.source).await?;
        let taken = self.engine.ledger.link(name, side, link.id(side)).await?.is_some();
        if taken || now.as_ref() != Some(old) || self.was_read_again(pipeline, &newcomer) {
            self.keep_newcomer(&mut changes, pipeline, newcomer, "its match was decided about");
            return Ok(self.engine.ledger.commit(changes).await?);
        }
        let seen = &newcomer.fresh.observation;
        let due = Due { at: self.engine.clock.now(), why: format!("a new record on the {side} took a place") };
        let keys = if side == Side::Target { keys_of(pipeline, side, &seen.projection) } else { Vec::new() };
        // Before the link, as everywhere: who is woken too early waits again, who is forgotten waits for ever.
        self.wake(&mut changes, pipeline, &link).await?;
        changes.together(|atomic| {
            atomic.unlink(name, old);
            atomic.unpark(name, Side::Source, &old.source);
            atomic.done(name, Side::Source, &old.source);
            atomic.link(name, &link);
            atomic.forget_fresh(name, side, &seen.id);
            atomic.unpark(name, side, &seen.id);
            atomic.done(name, side, &seen.id);
            atomic.due(name, Side::Source, &link.source, &due);
            // A linked record is found by its target's keys only.
            if side == Side::Target {
                reindex(atomic, name, side, &old.target, &keys_of_linked(pipeline, old), &[]);
                reindex(atomic, name, side, &seen.id, &[], &keys);
            }
            reindex(atomic, name, side, &seen.id, &newcomer.old_keys, &keys);
        });
        self.engine.ledger.commit(changes).await?;
        self.meter.done(1);
        Ok(())
    }
}
