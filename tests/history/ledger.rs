//! What must hold in the store, whatever happened.

use std::collections::{BTreeMap, BTreeSet};

use reconciled::{
    config::{Pipeline, PipelineName},
    engine::Engine,
    mapping::match_key,
    record::{Projection, RecordId, Side},
    store::{Key, Ledger, Space},
    sync::{Fresh, Link, ParkCode},
};
use serde_json::Value;

/// Every row of a space.
pub async fn rows(ledger: &Ledger, space: Space) -> Vec<Vec<String>> {
    let prefix = Key::new(space, &[]);
    let entries = ledger.store().scan(&prefix, None, usize::MAX).await.unwrap();
    entries.into_iter().map(|(key, _)| key.parts()).collect()
}

pub async fn links(ledger: &Ledger, pipeline: &PipelineName) -> Vec<Link> {
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let (page, next) = ledger.list_links(pipeline, after.as_ref()).await.unwrap();
        all.extend(page);
        match next {
            Some(key) => after = Some(key),
            None => return all,
        }
    }
}

async fn fresh(ledger: &Ledger, pipeline: &PipelineName, side: Side) -> Vec<Fresh> {
    ledger.list_fresh(pipeline, side, None).await.unwrap().0
}

fn keys_of(pipeline: &Pipeline, side: Side, projection: &Projection) -> BTreeSet<(usize, String)> {
    let tiers = pipeline.tiers.iter().enumerate();
    tiers.filter_map(|(tier, keys)| Some((tier, match_key(keys, side, projection)?))).collect()
}

/// What is wrong in the store. `real` is the record as its system holds it now.
pub async fn faults(engine: &Engine, real: impl Fn(&Pipeline, Side, &RecordId) -> Option<Value>) -> Vec<String> {
    let ledger = &engine.ledger;
    let mut wrong = Vec::new();
    let index = rows(ledger, Space::MatchKey).await;
    let by_target = rows(ledger, Space::LinkByTarget).await;
    for (_, pipeline) in engine.config.pipelines() {
        let name = &pipeline.name;
        let links = links(ledger, name).await;
        let targets: BTreeMap<&str, &str> =
            links.iter().map(|link| (link.target.as_str(), link.source.as_str())).collect();
        if targets.len() != links.len() {
            wrong.push(format!("{name}: two links onto one target"));
        }
        let indexed: BTreeSet<&str> =
            by_target.iter().filter(|row| row[0] == name.as_str()).map(|row| row[1].as_str()).collect();
        if indexed != targets.keys().copied().collect() {
            wrong.push(format!("{name}: links by target {indexed:?} are not {targets:?}"));
        }
        for (target, source) in &targets {
            let found = ledger.sources_of(name, &[RecordId::from(*target)]).await.unwrap();
            if found[0].as_ref().map(RecordId::as_str) != Some(source) {
                wrong.push(format!("{name}: {target} is found as {found:?} and linked with {source}"));
            }
        }
        let state = ledger.pipeline(name).await.unwrap();
        if state.links != links.len() as u64 {
            wrong.push(format!("{name}: {} links are counted, {} are there", state.links, links.len()));
        }
        for side in Side::BOTH {
            let unlinked = fresh(ledger, name, side).await;
            let linked: BTreeSet<&str> = links.iter().map(|link| link.id(side).as_str()).collect();
            for record in &unlinked {
                let id = record.observation.id.as_str();
                if linked.contains(id) {
                    wrong.push(format!("{name}: {id} on the {side} is linked and remembered as not linked"));
                }
            }
            let found: BTreeSet<(usize, String, String)> = index
                .iter()
                .filter(|row| row[0] == name.as_str() && row[1] == side.to_string()[..1])
                .map(|row| (row[2].parse().unwrap(), row[3].clone(), row[4].clone()))
                .collect();
            let mut expected = BTreeSet::new();
            for record in unlinked.iter().filter(|_| pipeline.writes(side)) {
                for (tier, text) in keys_of(pipeline, side, &record.observation.projection) {
                    expected.insert((tier, text, record.observation.id.to_string()));
                }
            }
            for link in links.iter().filter(|_| side == Side::Target) {
                if let Some(body) = real(pipeline, side, link.id(side)).filter(|_| !link.mark(side).gone) {
                    for (tier, text) in keys_of(pipeline, side, &pipeline.end(side).spec.read(&body)) {
                        expected.insert((tier, text, link.id(side).to_string()));
                    }
                }
            }
            for missing in expected.difference(&found) {
                wrong.push(format!("{name}: on the {side}, {missing:?} cannot be found"));
            }
            let gone: BTreeSet<&str> =
                links.iter().filter(|link| link.mark(side).gone).map(|link| link.id(side).as_str()).collect();
            for stale in found.difference(&expected).filter(|(_, _, id)| !gone.contains(id.as_str())) {
                // A record of a one-way origin may be findable or not; if it is, then by what it holds.
                let holds = unlinked.iter().any(|record| {
                    record.observation.id.as_str() == stale.2
                        && keys_of(pipeline, side, &record.observation.projection).contains(&(stale.0, stale.1.clone()))
                });
                if !holds {
                    wrong.push(format!("{name}: on the {side}, {stale:?} is found and does not hold that"));
                }
            }
        }
    }
    for row in rows(ledger, Space::Parked).await {
        let side = if row[1] == "t" { Side::Target } else { Side::Source };
        let name = PipelineName::parse(&row[0]).unwrap();
        let id = RecordId::from(row[2].as_str());
        let link = ledger.link(&name, side, &id).await.unwrap();
        let fresh = ledger.fresh(&name, side, std::slice::from_ref(&id)).await.unwrap();
        // What a lost create made is listed under a record that may be gone by now.
        let unknown = ledger.parked(&name, side, &id).await.unwrap().iter().any(|p| p.code == ParkCode::Unknown);
        if !unknown && fresh[0].is_none() && link.as_ref().is_none_or(|_| side == Side::Target) {
            wrong.push(format!("{row:?} is parked and is not there"));
        }
    }
    wrong
}
