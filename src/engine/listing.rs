//! Whether a full listing can be believed.
//!
//! A listing that lacks most of what is known is more likely wrong (a right that was taken away, a filter on the
//! remote's side, an error that looks like an empty list) than true. It is judged before anything of it is acted on; a
//! person may say that it is true.

use std::collections::HashSet;

use xxhash_rust::xxh3::xxh3_64;

use super::{
    EngineError,
    elements::record_to_read,
    pull::{Attached, PullOrder, id_hash},
    run::Run,
};
use crate::{
    store::{Approval, Changes, HeldRun, Hold},
    sync::{Damage, Fresh, Held},
};

/// So few may be missing from any listing.
const FEW: usize = 10;

/// What a full listing lacks: absent and known, of linked records and of those seen without a link.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lacks {
    pub links: (usize, usize),
    pub seen: (usize, usize),
    /// Records that it holds.
    pub listed: usize,
}

impl Lacks {
    const fn absent(&self) -> usize {
        self.links.0 + self.seen.0
    }

    /// More than a few and more than half of either kind, or everything.
    fn is_suspicious(&self) -> bool {
        let most = |(absent, known): (usize, usize)| absent > FEW && absent * 2 > known;
        most(self.links) || most(self.seen) || (self.listed == 0 && self.absent() > 1)
    }
}

impl Run<'_> {
    /// Why a full listing is not believed; `None` if it is, or if a person said that it is true.
    pub(super) async fn disbelieved(
        &self,
        order: &PullOrder<'_>,
        attached: &Attached,
        lacks: Lacks,
    ) -> Result<Option<String>, EngineError> {
        let name = &attached.pipeline.name;
        let what = Hold::Listing(attached.side);
        let old = self.engine.ledger.held(name, what).await?;
        let absent = lacks.absent() as u64;
        let approved = old.as_ref().is_some_and(|old| {
            old.approval == Approval::Approved && old.guards.iter().any(|guard| absent <= guard.count)
        });
        let mut changes = Changes::new();
        if !lacks.is_suspicious() || approved {
            if old.is_some() {
                changes.together(|atomic| atomic.release(name, what));
                self.engine.ledger.commit(changes).await?;
            }
            return Ok(None);
        }
        let account = order.connection.account();
        let text = format!("{name}:{what:?}:{account}:{absent}");
        let id = format!("{:06x}", xxh3_64(text.as_bytes()) & 0xff_ffff);
        let message = format!(
            "the full listing of {}/{} lacks {} of {} linked records and {} of {} others that were there; it is not \
             believed and nothing is marked as gone. Check that this is the right account and that the login may still \
             read all of it; if the records were really removed, `reconciled approve {id}`",
            order.connection.name, order.resource.name, lacks.links.0, lacks.links.1, lacks.seen.0, lacks.seen.1,
        );
        tracing::warn!(event = "listing.disbelieved", pipeline = %name, absent);
        let same = old.filter(|old| old.id == id);
        let held = HeldRun {
            id,
            pipeline: name.clone(),
            what,
            message: Some(message.clone()),
            since: same.as_ref().map_or_else(|| self.engine.clock.now(), |old| old.since),
            damage: Damage::default(),
            earlier: [Damage::default(); 2],
            guards: vec![Held { guard: "absent".to_owned(), count: absent, allowed: FEW as u64 }],
            config: attached.pipeline.hash,
            plan: None,
            except: Vec::new(),
            approval: same.map_or(Approval::Waiting, |old| old.approval),
        };
        changes.together(|atomic| atomic.hold(&held));
        self.engine.ledger.commit(changes).await?;
        Ok(Some(message))
    }

    /// How many of the records seen without a link a full listing lacks, and how many there are.
    pub(super) async fn seen_and_absent(
        &self,
        attached: &Attached,
        listed: &HashSet<u64>,
    ) -> Result<(usize, usize), EngineError> {
        let end = attached.pipeline.end(attached.side);
        let (mut absent, mut known) = (0, 0);
        let mut after = None;
        loop {
            let (page, next) =
                self.engine.ledger.list_fresh(&attached.pipeline.name, attached.side, after.as_ref()).await?;
            known += page.len();
            let read_as = |fresh: &Fresh| id_hash(&record_to_read(end, &fresh.observation.id));
            absent += page.iter().filter(|fresh| !listed.contains(&read_as(fresh))).count();
            match next {
                Some(key) => after = Some(key),
                None => return Ok((absent, known)),
            }
        }
    }
}
