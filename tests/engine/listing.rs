//! A report holds the first thousand; who wants all of them is told while the plan is made.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use reconciled::{
    engine::{Listed, Listing, Mode, PipelineReport, RunReport, RunRequest, Verb},
    record::Side,
};
use serde_json::json;

use crate::{fields::CONTACTS, support::World};

const MANY: usize = PipelineReport::MOST + 150;

async fn plan(world: &World, list: bool) -> (RunReport, Vec<Listed>) {
    let told: Arc<Mutex<Vec<Listed>>> = Arc::default();
    let kept = told.clone();
    let listing: Listing = Arc::new(move |listed| kept.lock().unwrap().push(listed));
    let request = RunRequest { list, ..world.request(Mode::Plan) };
    let report = world.engine().run_telling(request, Arc::default(), Some(listing)).await.unwrap();
    let told = std::mem::take(&mut *told.lock().unwrap());
    (report, told)
}

#[tokio::test]
async fn a_match_report_lists_every_record_however_many_a_report_keeps() {
    let world = World::new(&CONTACTS.replace("apply: automatic", "apply: approve"));
    world.shop.page_size(500);
    for n in 0..MANY {
        world.shop.insert("contacts", json!({"name": format!("N{n}"), "email": format!("{n}@x.example")}));
    }
    // Each of these has two namesakes on the other side, so that nobody can say which one it is.
    for n in 0..2 {
        for of in 0..n + 1 {
            let name = format!("twin {n} {of}");
            world.books.insert("contacts", json!({"name": name, "email": format!("twin{n}@x.example")}));
        }
    }
    let (report, told) = plan(&world, false).await;
    assert!(told.is_empty(), "nobody asked");
    let kept = &report.pipelines[0];
    assert_eq!(kept.items.len(), PipelineReport::MOST);
    assert_eq!(kept.planned, kept.items.len() as u64 + kept.unlisted.items);
    assert!(kept.unlisted.items >= 150, "{:?}", kept.unlisted);

    let (mut report, told) = plan(&world, true).await;
    assert_eq!(report.pipelines[0].items.len(), PipelineReport::MOST, "the report itself stays short");
    report.list_all(told);
    let listed = &report.pipelines[0];
    assert_eq!(listed.items.len() as u64, listed.planned);
    assert_eq!(listed.findings.len() as u64, listed.tally.found());
    assert_eq!((listed.unlisted.items, listed.unlisted.findings), (0, 0));
    let created: BTreeSet<_> =
        listed.items.iter().filter(|item| item.verb == Verb::Create).map(|item| (item.side, &item.origin)).collect();
    assert_eq!(created.iter().filter(|(side, _)| *side == Side::Target).count(), MANY, "each record once");
}
