//! Carrying deletions over: the last look before, and the look whether it is true after.

use std::sync::Arc;

use chrono::TimeDelta;

use super::{
    EngineError,
    apply::Item,
    deliver::{keys_of_linked, reindex},
    pull::Attached,
    run::Run,
};
use crate::{
    config::Pipeline,
    connector::{ItemAnswer, RemoteRecord, WriteItem, WriteKind},
    record::{RecordId, Side},
    store::{Changes, Intent, IntentItem},
    sync::{Context, Link, decide_link, settle_delete},
};

impl Run<'_> {
    /// Deletions that may still be made. Both records are read by id right before: the one must still be gone, and the
    /// other as it was when both agreed. What is typed between that reading and the call is lost on a system without
    /// versions; the report keeps what the record held.
    pub(super) async fn deletions(
        &mut self,
        pipeline: &Arc<Pipeline>,
        side: Side,
        items: Vec<Item>,
    ) -> Result<(Vec<Item>, Vec<WriteItem>), EngineError> {
        let mut kept = Vec::with_capacity(items.len());
        let mut writes = Vec::with_capacity(items.len());
        for item in items {
            let Some(link) = self.engine.ledger.link(&pipeline.name, Side::Source, &item.origin).await? else {
                continue;
            };
            // A link that moved is due, and is decided about again.
            let Some(record) = self.look_again(pipeline, &link, side).await? else { continue };
            let Some(link) = self.engine.ledger.link(&pipeline.name, Side::Source, &item.origin).await? else {
                continue;
            };
            let links = [link];
            let known = self.known_for_links(pipeline, &links).await?;
            let context = Context { pipeline, lookups: &known, now: self.engine.clock.now() };
            let [link] = &links;
            let writes_now = decide_link(&context, link).writes;
            let Some(write) = writes_now.into_iter().find(|write| write.delete && write.side == side) else { continue };
            let (id, version) = (Some(link.id(side).clone()), link.mark(side).version.clone());
            writes.push(WriteItem { id, body: record.body, version, now: None });
            kept.push(Item { write, ..item });
        }
        Ok((kept, writes))
    }

    /// Reads both records of a pair by id. The record of `left`, unless it is gone by now or one of the two cannot be
    /// read.
    async fn look_again(
        &mut self,
        pipeline: &Arc<Pipeline>,
        link: &Link,
        left: Side,
    ) -> Result<Option<RemoteRecord>, EngineError> {
        let mut found = None;
        for side in [left.other(), left] {
            let end = pipeline.end(side);
            if end.resource.get.is_none() {
                // Two full listings lacked it; there is no other way to look.
                continue;
            }
            if self.is_down(&end.connection.name) {
                return Ok(None);
            }
            // What is shown may be older than our own last write; an edit in it would not count, and be deleted.
            if self.may_be_old(pipeline, side, std::slice::from_ref(link.id(side))).await?.contains(&true) {
                return Ok(None);
            }
            let record = match self.connector(&end.connection.name)?.get(&end.resource, link.id(side)).await {
                Ok(record) => record,
                Err(error) => {
                    self.trouble(&end.connection.name, &error);
                    return Ok(None);
                }
            };
            match record {
                Some(record) => {
                    let attached = Attached { pipeline: pipeline.clone(), side, spill: false };
                    self.deliver(&attached, std::slice::from_ref(&record), TimeDelta::zero()).await?;
                    found = Some(record).filter(|_| side == left);
                }
                None if side == left => self.mark_gone(pipeline, side, link.id(side)).await?,
                None => {}
            }
        }
        Ok(found)
    }

    /// An answer to a deletion is believed when the record is gone: by the record in the answer, else by looking.
    pub(super) async fn confirmed(
        &mut self,
        pipeline: &Arc<Pipeline>,
        intent: &Intent,
        item: &IntentItem,
        answer: ItemAnswer,
    ) -> Result<ItemAnswer, EngineError> {
        let ItemAnswer::Written { record, body } = answer else { return Ok(answer) };
        if intent.call.kind != WriteKind::Delete || (body && record.gone) {
            return Ok(ItemAnswer::Written { record, body });
        }
        let end = pipeline.end(intent.side);
        let id = item.write.id.as_ref().unwrap_or(&record.id);
        match self.connector(&end.connection.name)?.get(&end.resource, id).await {
            Ok(None) => Ok(ItemAnswer::Written { record, body }),
            Ok(Some(there)) if there.gone => Ok(ItemAnswer::Written { record: Box::new(there), body: true }),
            Ok(Some(_)) if !end.connection.manifest.lag.is_zero() => {
                let reason = "it is still shown, and what is shown may be old".to_owned();
                Ok(ItemAnswer::Unknown { reason })
            }
            Ok(Some(_)) => {
                let message = format!("{} took the deletion, and the record is still there", end.connection.name);
                Ok(ItemAnswer::Refused { message, duplicate: false, stale: false })
            }
            Err(error) => {
                let reason = format!("it is not known whether it was deleted: {error}");
                self.trouble(&end.connection.name, &error);
                Ok(ItemAnswer::Unknown { reason })
            }
        }
    }

    /// Remembers that a record was deleted because its counterpart was. The link stays, and nobody matches it any more.
    pub(super) async fn settle_deleted(
        &mut self,
        changes: &mut Changes,
        pipeline: &Arc<Pipeline>,
        side: Side,
        source: &RecordId,
    ) -> Result<(), EngineError> {
        let Some(link) = self.engine.ledger.link(&pipeline.name, Side::Source, source).await? else { return Ok(()) };
        if link.mark(side).gone && link.deleted == Some(side) {
            return Ok(()); // settled before a crash
        }
        let old_keys = keys_of_linked(pipeline, &link);
        let link = settle_delete(&link, side);
        let new_keys = keys_of_linked(pipeline, &link);
        let answered = self.answered_now(pipeline, side);
        self.report_of(&pipeline.name).tally.deleted[side.index()] += 1;
        changes.together(|atomic| {
            answered.remember(atomic, link.id(side));
            atomic.relink(&pipeline.name, &link);
            atomic.done(&pipeline.name, Side::Source, &link.source);
            atomic.unpark(&pipeline.name, Side::Source, &link.source);
            reindex(atomic, &pipeline.name, Side::Target, &link.target, &old_keys, &new_keys);
        });
        Ok(())
    }
}
