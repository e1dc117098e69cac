//! What is remembered of the two records of a create when it is answered.

use crate::{
    config::Pipeline,
    engine::{
        EngineError,
        deliver::{is_outdated, keys_of_unlinked},
        run::Run,
        step::Newcomer,
    },
    record::{RecordId, Side},
    sync::{Fresh, Link, Observation},
};

/// The record that a create made.
pub(in crate::engine) struct Made {
    /// Its id.
    pub id: RecordId,
    /// How the remote answered it, if it did.
    pub answered: Option<Observation>,
    /// What is remembered of it and of the record it was made from.
    pub beside: Beside,
}

/// What the store has of a record that was made, and of the one it was made from.
#[derive(Default)]
pub(in crate::engine) struct Beside {
    /// The link of the record that was made: it was settled before, or its id is another's.
    pub made_link: Option<Link>,
    /// The link of the record it was made from.
    pub origin_link: Option<Link>,
    /// The record that was made, read and remembered before it was known what it is.
    pub made: Option<Newcomer>,
    /// That is remembered as it was read under another configuration: what it holds is not known.
    pub made_outdated: bool,
    /// The record it was made from, if it is remembered as one without a link.
    pub origin: Option<Newcomer>,
    /// It is remembered, but as it was read under another configuration, which cannot be read as this one.
    pub outdated: bool,
}

impl Beside {
    fn of(
        pipeline: &Pipeline,
        side: Side,
        (made_link, origin_link): (Option<Link>, Option<Link>),
        (made, origin): (Option<Fresh>, Option<Fresh>),
    ) -> Self {
        let made_outdated = made.as_ref().is_some_and(|fresh| is_outdated(pipeline, side, fresh));
        let made = made.map(|fresh| remembered(pipeline, side, fresh));
        let outdated = origin.as_ref().is_some_and(|fresh| is_outdated(pipeline, side.other(), fresh));
        let origin = origin.filter(|_| !outdated).map(|fresh| remembered(pipeline, side.other(), fresh));
        Self { made_link, origin_link, made, made_outdated, origin, outdated }
    }
}

impl Run<'_> {
    /// What is remembered beside creates on `side`: for each the record it was made from and the one that was made. One
    /// question to the store for all records of an answer, instead of several for each.
    pub(in crate::engine) async fn beside(
        &self,
        pipeline: &Pipeline,
        side: Side,
        (origins, made): (&[RecordId], &[RecordId]),
    ) -> Result<Vec<Beside>, EngineError> {
        let (ledger, name) = (&self.engine.ledger, &pipeline.name);
        let made_links = ledger.links_of(name, side, made).await?;
        let origin_links = ledger.links_of(name, side.other(), origins).await?;
        let made = ledger.fresh(name, side, made).await?;
        let origins = ledger.fresh(name, side.other(), origins).await?;
        let links = made_links.into_iter().zip(origin_links);
        let all = links.zip(made.into_iter().zip(origins)).map(|((made_link, origin_link), (made, origin))| {
            Beside::of(pipeline, side, (made_link, origin_link), (made, origin))
        });
        Ok(all.collect())
    }

    /// As [`Run::beside`], of one create.
    pub(in crate::engine) async fn beside_one(
        &self,
        pipeline: &Pipeline,
        side: Side,
        (origin, made): (&RecordId, &RecordId),
    ) -> Result<Beside, EngineError> {
        let all = self.beside(pipeline, side, (std::slice::from_ref(origin), std::slice::from_ref(made))).await?;
        Ok(all.into_iter().next().unwrap_or_default())
    }

    /// A record that is remembered as one without a link.
    pub(in crate::engine) async fn remembered(
        &self,
        pipeline: &Pipeline,
        side: Side,
        id: &RecordId,
    ) -> Result<Option<Newcomer>, EngineError> {
        let fresh = self.engine.ledger.fresh(&pipeline.name, side, std::slice::from_ref(id)).await?;
        Ok(fresh.into_iter().next().flatten().map(|fresh| remembered(pipeline, side, fresh)))
    }
}

fn remembered(pipeline: &Pipeline, side: Side, fresh: Fresh) -> Newcomer {
    let old_keys = keys_of_unlinked(pipeline, side, &fresh);
    Newcomer { side, fresh, stored: true, changed: false, old_keys }
}
