//! A report holds the first thousand; who wants all of them is told while the plan is made. And listings that would never
//! end.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use reconciled::{
    config::ConnectionName,
    connector::{
        Answer, CallError, Connector, Page, PreparedCall, PullCursor, RemoteRecord, Requests, Resource, WriteItem,
        WriteKind,
    },
    engine::{Listed, Listing, Mode, PipelineReport, RunReport, RunRequest, Verb},
    record::{RecordId, Side},
};
use serde_json::json;

use crate::{
    fields::CONTACTS,
    support::{Fake, World},
};

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

/// The books, asked for their pages by a parameter that they do not know, or by cursors that lead back.
struct Astray {
    books: Arc<Fake>,
    ignores: bool,
    asked: AtomicUsize,
}

#[async_trait]
impl Connector for Astray {
    fn resource(&self, name: &str) -> Option<&Resource> {
        self.books.resource(name)
    }

    async fn pull(&self, resource: &Resource, cursor: &PullCursor) -> Result<Page, CallError> {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        if asked > 50 {
            return Err(CallError::NotDone("it would go on for ever".to_owned()));
        }
        if self.ignores {
            let first = PullCursor { page: None, ..cursor.clone() };
            return Ok(Page { next: Some(asked.to_string()), ..self.books.pull(resource, &first).await? });
        }
        let page = self.books.pull(resource, cursor).await?;
        Ok(Page { next: page.next.or(Some("2".to_owned())), ..page })
    }

    async fn get(&self, resource: &Resource, id: &RecordId) -> Result<Option<RemoteRecord>, CallError> {
        self.books.get(resource, id).await
    }

    fn prepare(
        &self,
        of: &Resource,
        kind: WriteKind,
        items: &[WriteItem],
        key: &str,
    ) -> Result<PreparedCall, CallError> {
        self.books.prepare(of, kind, items, key)
    }

    async fn send(&self, resource: &Resource, call: &PreparedCall) -> Result<Answer, CallError> {
        self.books.send(resource, call).await
    }

    fn requests(&self) -> Requests {
        self.books.requests()
    }
}

#[tokio::test]
async fn a_listing_that_does_not_get_on_ends_in_trouble_and_nothing_is_written() {
    for (ignores, told) in [(true, "the same page again and again"), (false, "goes in a circle")] {
        let world = World::new(CONTACTS);
        world.books.page_size(2);
        for n in 0..6 {
            world.books.insert("contacts", json!({"name": format!("N{n}"), "email": format!("{n}@x.example")}));
        }
        world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example"}));
        let mut engine = world.engine();
        let mut connectors = (*engine.connectors).clone();
        let books = Astray { books: world.books.clone(), ignores, asked: AtomicUsize::new(0) };
        connectors.insert(ConnectionName::parse("books").unwrap(), Arc::new(books));
        engine.connectors = Arc::new(connectors);
        let report = engine.run(world.request(Mode::Sync)).await.unwrap();
        assert!(format!("{:?}", report.troubles).contains(told), "{report:#?}");
        assert!(world.books.written().is_empty() && world.shop.written().is_empty());
        // Somebody mends the manifest.
        world.clock.advance(Duration::from_secs(60));
        world.sync().await;
        assert_eq!((world.books.count("contacts"), world.shop.count("contacts")), (7, 7));
        world.settled().await;
    }
}
