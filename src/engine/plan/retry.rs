//! Refusals that have waited long enough: the remote is asked once more, although nothing changed here.

use crate::{
    config::Pipeline,
    engine::{EngineError, run::Run},
    record::Side,
    store::Parked,
    sync::{Link, ParkCode},
};

impl Run<'_> {
    /// Takes fields off the shelf whose refusal is to be tried again by now (a period that was locked may be open
    /// again). Returns the links, each with whether anything was taken off.
    pub(super) async fn ripe(&self, pipeline: &Pipeline, links: Vec<Link>) -> Result<Vec<(Link, bool)>, EngineError> {
        let mut ripe = Vec::with_capacity(links.len());
        for mut link in links {
            let refused = |link: &Link| link.fields.values().any(is_refused);
            let due = if refused(&link) {
                let listed = self.engine.ledger.parked(&pipeline.name, Side::Source, &link.source).await?;
                listed.into_iter().filter(|entry| self.is_ripe(entry)).map(|entry| entry.field).collect()
            } else {
                Vec::new()
            };
            let mut moved = false;
            for field in &pipeline.fields {
                // An entry without a field speaks of all that were refused together.
                let asked = due.iter().any(|name| name.as_ref().is_none_or(|name| *name == field.name));
                if let (true, Some(state)) = (asked, link.fields.get_mut(&field.id))
                    && is_refused(state)
                {
                    state.parked = None;
                    moved = true;
                }
            }
            link.revision += u64::from(moved);
            ripe.push((link, moved));
        }
        Ok(ripe)
    }

    fn is_ripe(&self, entry: &Parked) -> bool {
        entry.code == ParkCode::Refused && entry.next_try.is_some_and(|at| at <= self.engine.clock.now())
    }
}

fn is_refused(state: &crate::sync::FieldState) -> bool {
    state.parked.as_ref().is_some_and(|park| park.code == ParkCode::Refused)
}
