//! Records that a person left out of an approval: what would be written to them, or made of them, stays held until it is
//! approved, too. Everything else of a plan goes on without them.

use std::collections::HashSet;

use super::{Planned, number_of};
use crate::{
    config::Pipeline,
    engine::{
        EngineError, Mode, Verb,
        run::Run,
        step::{Newcomer, Step},
    },
    record::{RecordId, Side},
    store::{Approval, Changes, HeldRun, Hold},
    sync::{Damage, Finding, FindingKind, Link, RecordWrite},
};

/// What is left out of one plan.
#[derive(Debug, Default)]
pub(super) struct LeftOut {
    /// The hold that says so.
    hold: Option<HeldRun>,
    named: HashSet<(Side, RecordId)>,
    writes: Vec<Write>,
    newcomers: Vec<Newcomer>,
}

/// A write that is held.
#[derive(Debug)]
struct Write {
    /// The record that it begins with, and of a linked one its counterpart.
    of: [Option<(Side, RecordId)>; 2],
    number: u64,
    damage: Damage,
}

impl LeftOut {
    fn has(&self, of: &[Option<(Side, RecordId)>; 2]) -> bool {
        !self.named.is_empty() && of.iter().flatten().any(|one| self.named.contains(one))
    }

    /// The held writes to these records: what an approval was shown beside all others.
    pub fn of(&self, except: &[(Side, RecordId)]) -> (Damage, u64) {
        let shown = self.writes.iter().filter(|write| write.of.iter().flatten().any(|one| except.contains(one)));
        shown.fold((Damage::default(), 0), |(damage, number), write| {
            (damage + write.damage, number.wrapping_add(write.number))
        })
    }
}

fn of_link(link: &Link) -> [Option<(Side, RecordId)>; 2] {
    Side::BOTH.map(|side| Some((side, link.id(side).clone())))
}

impl Run<'_> {
    /// What a person left out of this pipeline.
    pub(super) async fn left_out_of(&self, pipeline: &Pipeline) -> Result<LeftOut, EngineError> {
        if self.request.revert.is_some() {
            return Ok(LeftOut::default());
        }
        let hold = self.engine.ledger.held(&pipeline.name, Hold::LeftOut).await?;
        let named = hold.iter().flat_map(|hold| hold.except.iter().cloned()).collect();
        Ok(LeftOut { hold, named, ..LeftOut::default() })
    }

    /// Plans a write to a linked record.
    pub(super) fn plan_write(
        &mut self,
        pipeline: &Pipeline,
        link: &Link,
        write: RecordWrite,
        planned: &mut Planned,
    ) -> Result<(), EngineError> {
        let of = of_link(link);
        if planned.left_out.has(&of) {
            self.leave_out(pipeline, (&link.source, &link.label, of), &write, planned);
            return Ok(());
        }
        let verb = if write.delete { Verb::Delete } else { Verb::Update };
        self.note_step(pipeline, planned, &link.label, &link.source, verb, &write);
        planned.push(Step::Update { source: link.source.clone(), label: link.label.clone(), write })
    }

    /// Plans the counterpart of a record.
    pub(super) fn plan_create(
        &mut self,
        pipeline: &Pipeline,
        newcomer: Newcomer,
        write: RecordWrite,
        planned: &mut Planned,
    ) -> Result<(), EngineError> {
        let (id, label) = (newcomer.fresh.observation.id.clone(), newcomer.fresh.observation.label.clone());
        let of = [Some((newcomer.side, id.clone())), None];
        if planned.left_out.has(&of) {
            self.leave_out(pipeline, (&id, &label, of), &write, planned);
            planned.left_out.newcomers.push(newcomer);
            return Ok(());
        }
        self.note_step(pipeline, planned, &label, &id, Verb::Create, &write);
        planned.push(Step::Create { newcomer: Box::new(newcomer), write })
    }

    fn leave_out(
        &mut self,
        pipeline: &Pipeline,
        (origin, label, of): (&RecordId, &str, [Option<(Side, RecordId)>; 2]),
        write: &RecordWrite,
        planned: &mut Planned,
    ) {
        let mut damage = Damage::default();
        damage.add(pipeline, write);
        let id = planned.left_out.hold.as_ref().map(|hold| hold.id.clone()).unwrap_or_default();
        let message = format!("left out of an approval; `reconciled approve {id}` lets it be written");
        let side = of.iter().flatten().map(|(side, _)| *side).next().unwrap_or(Side::Source);
        let finding = Finding { kind: FindingKind::Skipped, field: None, message };
        self.list_findings(pipeline, side, origin, label, &[finding]);
        planned.left_out.writes.push(Write { of, number: number_of(origin, write), damage });
    }

    /// Remembers what stays held, and forgets what there is nothing to write to any more.
    pub(super) async fn keep_left_out(&mut self, pipeline: &Pipeline, left: LeftOut) -> Result<(), EngineError> {
        let Some(mut hold) = left.hold else { return Ok(()) };
        self.report_of(&pipeline.name).left_out = left.writes.len() as u64;
        if self.request.mode != Mode::Sync {
            return Ok(());
        }
        let mut changes = Changes::new();
        for newcomer in left.newcomers {
            self.keep_newcomer(&mut changes, pipeline, newcomer, "left out of an approval");
        }
        self.engine.ledger.commit(changes).await?;
        let mut named = Vec::new();
        for (side, id) in std::mem::take(&mut hold.except) {
            let waits = left.writes.iter().any(|write| write.of.iter().flatten().any(|of| *of == (side, id.clone())));
            // What was not decided about in this round is decided about later.
            if waits || self.is_open(pipeline, side, &id).await? {
                named.push((side, id));
            }
        }
        let mut changes = Changes::new();
        if named.is_empty() {
            changes.together(|atomic| atomic.release(&pipeline.name, Hold::LeftOut));
        } else {
            let damage = left.writes.iter().fold(Damage::default(), |sum, write| sum + write.damage);
            let kept = HeldRun { except: named, damage, ..hold };
            changes.together(|atomic| atomic.hold(&kept));
        }
        Ok(self.engine.ledger.commit(changes).await?)
    }

    /// Whether something may still be decided about a record: it is due, or of a write nobody knows what became.
    async fn is_open(&self, pipeline: &Pipeline, side: Side, id: &RecordId) -> Result<bool, EngineError> {
        if self.busy.contains(&(pipeline.name.clone(), side, id.clone())) {
            return Ok(true);
        }
        let ledger = &self.engine.ledger;
        if let Some(link) = ledger.link(&pipeline.name, side, id).await? {
            let due = ledger.due(&pipeline.name, Side::Source, &link.source).await?;
            return Ok(due.is_some() || self.is_busy(&pipeline.name, &link));
        }
        Ok(ledger.due(&pipeline.name, side, id).await?.is_some())
    }
}

/// The hold of these records, beside those that were left out before.
pub(in crate::engine) fn held_back(
    pipeline: &Pipeline,
    before: Option<HeldRun>,
    except: &[(Side, RecordId)],
    since: chrono::DateTime<chrono::Utc>,
) -> HeldRun {
    let mut named = before.map(|before| before.except).unwrap_or_default();
    named.extend(except.iter().filter(|one| !named.contains(one)).cloned().collect::<Vec<_>>());
    let text = format!("{}:left out:{named:?}:{since}", pipeline.name);
    let id = format!("{:06x}", xxhash_rust::xxh3::xxh3_64(text.as_bytes()) & 0xff_ffff);
    let message = format!(
        "records were left out of an approval; `reconciled plan {}` lists them, `reconciled approve {id}` lets them be \
         written, too",
        pipeline.name
    );
    HeldRun {
        id,
        pipeline: pipeline.name.clone(),
        what: Hold::LeftOut,
        message: Some(message),
        since,
        damage: Damage::default(),
        guards: Vec::new(),
        earlier: [Damage::default(); 2],
        config: pipeline.hash,
        plan: None,
        except: named,
        approval: Approval::Waiting,
    }
}
