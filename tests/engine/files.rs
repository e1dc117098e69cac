//! Files as one side of a pipeline: what a CSV file or JSON lines say, when they may be read, and writing them.

mod results;
mod taken;
mod written;

use std::{
    fs::{self, File},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use reconciled::{
    config::ConnectionName,
    connector::{
        CallError, Connector, FileConnector, ItemAnswer, PullCursor, RemoteRecord, Resource, WriteItem, WriteKind,
    },
    engine::{Engine, Mode, RunReport, RunRequest, Whereabouts},
    record::RecordId,
    sync::ParkCode,
};
use serde_json::{Value, json};

use crate::support::World;

/// A folder, a world with `books`, and the connection `till` to the folder.
struct Till {
    world: World,
    folder: tempfile::TempDir,
    connector: Arc<FileConnector>,
}

impl Till {
    /// `resource` says what is in the files, `pipeline` what becomes of it.
    fn new(resource: &str, pipeline: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let yaml = format!(
            "connectors:\n  till:\n    resources:\n{resource}\nconnections:\n  till: {{ connector: till, base_url: \"{}\" }}\n{pipeline}",
            folder.path().display(),
        );
        let world = World::new(&yaml);
        let connection = world.config.connections[&ConnectionName::parse("till").unwrap()].clone();
        let connector = Arc::new(FileConnector::new(connection, world.clock.clone()).unwrap());
        Self { world, folder, connector }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), bytes).unwrap();
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn engine(&self) -> Engine {
        let mut engine = self.world.engine();
        let mut connectors = (*engine.connectors).clone();
        connectors.insert(ConnectionName::parse("till").unwrap(), self.connector.clone());
        engine.connectors = Arc::new(connectors);
        engine
    }

    async fn run(&self, mode: Mode, full: bool) -> RunReport {
        let report = self.engine().run(RunRequest { full, ..self.world.request(mode) }).await.unwrap();
        self.world.clock.advance(Duration::from_secs(60));
        report
    }

    async fn sync(&self) -> RunReport {
        let report = self.run(Mode::Sync, false).await;
        assert_eq!(report.troubles, [], "{report:#?}");
        report
    }

    /// Nothing is left to do, and a full read finds nothing either.
    async fn settled(&self) {
        self.sync().await;
        let writes = (self.world.books.written().len(), self.connector.requests().writes);
        let plan = self.run(Mode::Plan, false).await;
        assert!(plan.is_empty_plan(), "{plan:#?}");
        for full in [false, true] {
            let report = self.run(Mode::Sync, full).await;
            assert_eq!((self.world.books.written().len(), self.connector.requests().writes), writes, "{report:#?}");
        }
    }

    async fn parked(&self) -> Vec<(String, ParkCode, String)> {
        let items = self.world.desk(async |desk| desk.parked(None).await.unwrap()).await;
        items.into_iter().map(|item| (item.id.to_string(), item.parked.code, item.parked.message)).collect()
    }

    /// Whether the sale of this number is known to be gone.
    async fn is_gone(&self, number: &str) -> bool {
        let name = self.world.pipeline("sales");
        let told = self.world.desk(async |desk| desk.explain(&name, number).await.unwrap()).await;
        let Whereabouts::Linked { gone, .. } = &told[0].stands else { panic!("{told:?}") };
        gone.is_some()
    }

    fn resource(&self, name: &str) -> Resource {
        self.connector.resource(name).unwrap().clone()
    }

    async fn pull(&self, name: &str) -> Result<reconciled::connector::Page, CallError> {
        self.connector.pull(&self.resource(name), &PullCursor { since: None, page: None }).await
    }

    async fn pull_error(&self, name: &str) -> String {
        self.pull(name).await.unwrap_err().to_string()
    }

    /// Prepares and sends one item.
    async fn write(&self, name: &str, kind: WriteKind, item: WriteItem) -> ItemAnswer {
        let resource = self.resource(name);
        let call = self.connector.prepare(&resource, kind, &[item], "key").unwrap();
        self.connector.send(&resource, &call).await.unwrap().items.remove(0)
    }
}

const SALES: &str = r#"
      sales:
        id: $.number
        label: "Sale {number}"
        fields:
          number: { type: text }
          customer: { type: text }
          date: { type: date }
          total: { type: decimal }
        file: { path: sales.csv, delimiter: ";", encoding: windows-1252, decimal: comma, date_format: "%d.%m.%Y", ready: { steady: 0s } }
"#;

const TO_BOOKS: &str = r#"
pipelines:
  sales:
    source: till/sales
    target: books/sales
    direction: source-to-target
    first_run: { apply: automatic }
    schedule: { poll: { till: 1m } }
    match: [ { source: $.number, target: $.number } ]
    fields:
      - { source: $.number, target: $.number }
      - { source: $.customer, target: $.contact_id }
      - { source: $.total, target: $.total }
"#;

fn number(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[tokio::test]
async fn conformance_file_csv_rows_become_records() {
    let till = Till::new(SALES, TO_BOOKS);
    till.put(
        "sales.csv",
        b"number;customer;date;total\r\n0090;\"Caf\xe9; Nord\";31.12.2026;1.234,50\r\n2;;01.01.2026;-0,5\r\n",
    );
    let page = till.pull("sales").await.unwrap();
    let first = &page.records[0];
    assert_eq!((first.id.as_str(), first.label.as_str()), ("0090", "Sale 0090"));
    let expected =
        json!({"number": "0090", "customer": "Café; Nord", "date": "2026-12-31", "total": number("1234.50")});
    assert_eq!(first.body, expected);
    assert_eq!(page.records[1].body["total"], number("-0.5"));
    till.settled().await;
    let sale = World::find(&till.world.books, "sales", "number", "0090");
    assert_eq!((&sale["contact_id"], &sale["total"]), (&json!("Café; Nord"), &number("1234.50")));
    // A value changes.
    till.put("sales.csv", b"number;customer;date;total\r\n0090;Nord;31.12.2026;1.234,50\r\n2;;01.01.2026;-0,5\r\n");
    till.settled().await;
    assert_eq!(World::find(&till.world.books, "sales", "number", "0090")["contact_id"], "Nord");
    assert_eq!(till.world.books.count("sales"), 2);
}

/// Sales of which each line is a row.
const WITH_LINES: &str = r#"
      sales:
        id: $.number
        fields:
          number: { type: text }
          customer: { type: text }
          lines: { type: list, fields: { title: { type: text }, cents: { type: integer } } }
        file: { path: sales.csv, group: { into: lines, columns: [title, cents] }, ready: { steady: 0s } }
"#;

#[tokio::test]
async fn conformance_file_rows_of_a_sale_are_one_record_with_lines() {
    let till = Till::new(WITH_LINES, "");
    till.put("sales.csv", "number,customer,title,cents\n1,Jane,Tea,350\n2,Rua,Pie,700\n1,Jane,Cup,900\n3,A,x,1\n3,B,y,2\n4,C,z,1\n4,C,z,many\n");
    let page = till.pull("sales").await.unwrap();
    let bodies: Vec<&Value> = page.records.iter().map(|record| &record.body).collect();
    let jane = json!({"number": "1", "customer": "Jane", "lines": [{"title": "Tea", "cents": number("350")}, {"title": "Cup", "cents": number("900")}]});
    let rua = json!({"number": "2", "customer": "Rua", "lines": [{"title": "Pie", "cents": number("700")}]});
    // A sale with a line that cannot be read is not read as one with fewer lines.
    assert_eq!(bodies, [&jane, &rua]);
    let unread: Vec<String> = page.unread.iter().map(|unread| format!("{}: {}", unread.place, unread.reason)).collect();
    assert_eq!(
        unread,
        [
            "sales.csv, line 6: `customer` differs from line 5 of the same `3`; the record is not used",
            "sales.csv, line 8: cents: `many` is no whole number",
        ]
    );
}

/// A row of which nobody can say whose it is may be a line of any sale: none of its file is read with lines missing.
#[tokio::test]
async fn conformance_file_a_row_without_a_known_sale_leaves_no_sale_short_of_a_line() {
    for (row, reason) in [
        (&b"1,Jane,Cup"[..], "it has 3 values, and there are 4 columns"),
        (b"1,Jane,C\xffp,900", "UTF-8"),
        (b",Jane,Cup,900", "it has no id at `$.number`"),
    ] {
        let till = Till::new(WITH_LINES, "");
        let rows =
            [b"number,customer,title,cents\n1,Jane,Tea,350\n", row, b"\n1,Jane,Pie,700\n2,Rua,Pie,700\n"].concat();
        till.put("sales.csv", rows);
        let page = till.pull("sales").await.unwrap();
        assert!(page.records.is_empty(), "{reason}: {:#?}", page.records);
        assert_eq!((page.unread.len(), page.unread[0].place.as_str()), (1, "sales.csv, line 3"));
        let said = &page.unread[0].reason;
        assert!(
            said.contains(reason)
                && said.ends_with("; it may belong to any of the 2 records of this file, and none of them is read"),
            "{said}"
        );
    }
}

#[tokio::test]
async fn conformance_file_a_bad_row_is_parked_with_its_line_and_the_rest_goes_on() {
    let till = Till::new(SALES, TO_BOOKS);
    let good = "number;customer;date;total\n1;Jane;01.01.2026;1\n2;Rua;01.01.2026;2\n";
    till.put("sales.csv", good);
    till.settled().await;
    till.put(
        "sales.csv",
        "number;customer;date;total\n1;Jane;01.01.2026;5\n2;Rua;soon;2\n3;Kim;01.01.2026\n4;Lee;01.01.2026;4\n",
    );
    let report = till.sync().await;
    assert_eq!(report.pipelines[0].tally.parked, 2, "{report:#?}");
    let parked = till.parked().await;
    assert_eq!(
        parked,
        [
            ("sales.csv, line 3".to_owned(), ParkCode::Unreadable, "date: `soon` is no date as `%d.%m.%Y`".to_owned()),
            (
                "sales.csv, line 4".to_owned(),
                ParkCode::Unreadable,
                "it has 3 values, and there are 4 columns".to_owned()
            ),
        ]
    );
    // The others went on, and the unreadable one is not gone.
    assert_eq!(World::find(&till.world.books, "sales", "number", "1")["total"], number("5"));
    assert_eq!(till.world.books.count("sales"), 3);
    till.run(Mode::Sync, true).await;
    assert!(!till.is_gone("2").await);
    till.put(
        "sales.csv",
        "number;customer;date;total\n1;Jane;01.01.2026;5\n2;Rua;01.01.2026;2\n3;Kim;01.01.2026;3\n4;Lee;01.01.2026;4\n",
    );
    till.settled().await;
    assert_eq!((till.parked().await, till.world.books.count("sales")), (vec![], 4));
}

#[tokio::test]
async fn conformance_file_a_half_written_file_is_not_read() {
    let waiting = SALES.replace("ready: { steady: 0s }", "ready: { steady: 30s, marker: .done }");
    let till = Till::new(&waiting, TO_BOOKS);
    assert!(till.pull_error("sales").await.contains("there is no file"));
    till.put("sales.csv", "number;customer;date;total\n1;Jane;01.01.2026;1\n");
    let now = std::time::SystemTime::from(till.world.clock.now());
    let changed = |ago: u64| {
        File::options()
            .write(true)
            .open(till.path("sales.csv"))
            .unwrap()
            .set_modified(now - Duration::from_secs(ago))
            .unwrap()
    };
    changed(60);
    assert!(till.pull_error("sales").await.contains("is not finished: there is no"));
    till.put("sales.csv.done", "");
    changed(10);
    assert!(till.pull_error("sales").await.contains("it is read once it is left alone for 30s"));
    till.world.clock.advance(Duration::from_secs(25));
    assert_eq!(till.pull("sales").await.unwrap().records.len(), 1);
    // A quote that is not closed swallows rows, a lost column reads as blanks, an empty file as no records.
    for (text, why) in [
        ("number;customer;date;total\n1;\"Jane;01.01.2026;1\n2;Rua;01.01.2026;2\n", "a quote in it is never closed"),
        ("number;customer;total\n1;Jane;1\n", "it has no column `date`"),
        ("", "not even a head line"),
        ("number;customer;date;total;total\n", "two columns named `total`"),
    ] {
        till.put("sales.csv", text);
        changed(60);
        let said = till.pull_error("sales").await;
        assert!(said.contains(why), "{said}");
    }
}

#[tokio::test]
async fn conformance_file_what_a_snapshot_lacks_is_gone_and_a_short_one_is_not_believed() {
    let till = Till::new(SALES, TO_BOOKS);
    let rows = |numbers: std::ops::Range<u32>| {
        let rows = numbers.map(|number| format!("{number};Jane;01.01.2026;1\n")).collect::<String>();
        format!("number;customer;date;total\n{rows}")
    };
    till.put("sales.csv", rows(0..1_201));
    // In pages, each record once.
    let resource = till.resource("sales");
    let (mut page, mut ids) = (till.pull("sales").await.unwrap(), vec![]);
    loop {
        ids.extend(page.records.into_iter().map(|record| record.id));
        let Some(next) = page.next else { break };
        page = till.connector.pull(&resource, &PullCursor { since: None, page: Some(next) }).await.unwrap();
    }
    ids.dedup();
    assert_eq!(ids.len(), 1_201);
    till.put("sales.csv", rows(0..40));
    till.settled().await;
    till.put("sales.csv", rows(0..39));
    till.sync().await;
    assert!(till.is_gone("39").await && !till.is_gone("38").await);
    till.put("sales.csv", rows(0..3));
    let report = till.run(Mode::Sync, false).await;
    assert!(report.troubles[0].message.contains("it is not believed"), "{report:#?}");
    assert_eq!(till.world.books.count("sales"), 40);
}

#[tokio::test]
async fn conformance_file_files_that_were_taken_are_put_away() {
    let several = SALES.replace("path: sales.csv", "path: in/sales-*.csv, done: done");
    let till = Till::new(&several, TO_BOOKS);
    let head = "number;customer;date;total\n";
    till.put("in/sales-1.csv", format!("{head}1;Jane;01.01.2026;1\n"));
    till.put("in/sales-2.csv", format!("{head}1;Jane;01.01.2026;7\n2;Rua;01.01.2026;2\n"));
    till.put("in/sales-3.csv", format!("{head}3;Kim;01.01.2026;3\n4;Lee;01.01.2026;four\n"));
    till.put("in/other.csv", "nothing of ours");
    // A plan takes nothing.
    till.run(Mode::Plan, false).await;
    assert!(till.path("in/sales-1.csv").exists());
    till.sync().await;
    assert_eq!(World::find(&till.world.books, "sales", "number", "1")["total"], number("7"));
    let there = |name: &str| till.path(name).exists();
    assert!(there("done/sales-1.csv") && there("done/sales-2.csv") && there("in/other.csv"));
    // One with a bad row stays where it is until it is corrected.
    assert!(there("in/sales-3.csv"));
    assert_eq!(till.parked().await[0].0, "sales-3.csv, line 3");
    till.put("in/sales-3.csv", format!("{head}3;Kim;01.01.2026;3\n4;Lee;01.01.2026;4\n"));
    // The same name again is another file.
    till.put("in/sales-1.csv", format!("{head}5;Jane;01.01.2026;5\n"));
    till.settled().await;
    assert!(there("done/sales-3.csv") && there("done/sales-1-2.csv") && !there("in/sales-1.csv"));
    assert_eq!((till.world.books.count("sales"), till.parked().await), (5, vec![]));
    // Old files may be removed: nothing is gone.
    fs::remove_dir_all(till.path("done")).unwrap();
    let report = till.run(Mode::Sync, true).await;
    assert_eq!(report.troubles, [], "{report:#?}");
    assert!(!till.is_gone("1").await && !till.is_gone("3").await);
}

#[tokio::test]
async fn conformance_file_the_file_that_was_taken_last_knows_best_whatever_its_name() {
    let several = SALES.replace("path: sales.csv", "path: in/sales*.csv, done: done");
    let till = Till::new(&several, TO_BOOKS);
    let head = "number;customer;date;total\n";
    for total in 1..=11 {
        // The name that is always used again, and one that is not.
        till.put("in/sales.csv", format!("{head}1;Jane;01.01.2026;{total}\n"));
        till.sync().await;
        till.put("in/sales-a.csv", format!("{head}2;Jane;01.01.2026;{total}\n"));
        till.sync().await;
    }
    till.put("in/sales-a.csv", format!("{head}1;Jane;01.01.2026;70\n"));
    till.sync().await;
    till.put("in/sales.csv", format!("{head}1;Jane;01.01.2026;71\n"));
    till.settled().await;
    let total = |number: &str| World::find(&till.world.books, "sales", "number", number)["total"].clone();
    assert_eq!((total("1"), total("2")), (number("71"), number("11")));
    let read = till.connector.get(&till.resource("sales"), &RecordId::from("1")).await.unwrap().unwrap();
    assert_eq!(read.body["total"], number("71"));
    // What stays here because of a bad row is not believed again once a later file was read.
    till.put("in/sales-b.csv", format!("{head}1;Jane;01.01.2026;80\n9;Lee;01.01.2026;four\n"));
    till.put("in/sales-c.csv", format!("{head}1;Jane;01.01.2026;81\n"));
    till.settled().await;
    assert_eq!(total("1"), number("81"));
}

#[tokio::test]
async fn conformance_file_a_listing_of_several_files_lacks_none_of_them() {
    let several = SALES.replace("path: sales.csv", "path: in/sales-*.csv, holds: everything").replace("0s", "30s");
    let till = Till::new(&several, TO_BOOKS);
    fs::create_dir(till.path("in")).unwrap();
    assert!(till.pull_error("sales").await.contains("there is no file"));
    let now = std::time::SystemTime::from(till.world.clock.now());
    for (name, ago) in [("in/sales-1.csv", 60), ("in/sales-2.csv", 10)] {
        till.put(name, format!("number;customer;date;total\n{ago};Jane;01.01.2026;1\n"));
        let file = File::options().write(true).open(till.path(name)).unwrap();
        file.set_modified(now - Duration::from_secs(ago)).unwrap();
    }
    assert!(till.pull_error("sales").await.contains("it is read once it is left alone for 30s"));
    till.world.clock.advance(Duration::from_secs(25));
    assert_eq!(till.pull("sales").await.unwrap().records.len(), 2);
}

const PEOPLE: &str = r#"
      people:
        id: $.key
        label: "{name}"
        fields:
          name: { type: text }
          email: { type: text }
          joined: { type: date }
        file: { path: people.FORMAT, columns: [key, name, email, joined], write: true }
"#;

const BOTH_WAYS: &str = r#"
pipelines:
  people:
    source: books/contacts
    target: till/people
    direction: two-way
    first_run: { apply: automatic }
    deletes: propagate
    guards: { deletes: unlimited }
    match: [ { source: $.email, target: $.email } ]
    fields:
      - { source: $.name, target: $.name }
      - { source: $.email, target: $.email }
"#;

#[tokio::test]
async fn conformance_file_is_written_and_read_again() {
    for format in ["csv", "jsonl"] {
        let till = Till::new(&PEOPLE.replace("FORMAT", format), BOTH_WAYS);
        let file = format!("people.{format}");
        let jane = till.world.books.insert("contacts", json!({"name": "Jane, \"JD\"", "email": "jane@x.example"}));
        till.world.books.insert("contacts", json!({"name": "Rua", "email": "rua@x.example"}));
        till.settled().await;
        let read = till.pull("people").await.unwrap().records;
        assert_eq!(read.len(), 2, "{}", till.text(&file));
        let row = |name: &str, rows: &[RemoteRecord]| rows.iter().find(|row| row.body["name"] == name).cloned();
        assert!(row("Jane, \"JD\"", &read).is_some(), "{}", till.text(&file));
        // Each way.
        till.world.books.edit("contacts", &jane, json!({"name": "Jane Doe"}));
        till.put(&file, till.text(&file).replace("Rua", "Rua Kea"));
        till.settled().await;
        assert_eq!(till.world.books.get_body("contacts", &jane)["name"], "Jane Doe");
        assert_eq!(World::find(&till.world.books, "contacts", "email", "rua@x.example")["name"], "Rua Kea");
        assert!(till.text(&file).contains("Jane Doe"));
        // A row that a person adds, and one whose counterpart is deleted.
        let added = match format {
            "csv" => format!("{}k-1,Kim,kim@x.example,\n", till.text(&file)),
            _ => format!("{}{}\n", till.text(&file), json!({"key": "k-1", "name": "Kim", "email": "kim@x.example"})),
        };
        till.put(&file, added);
        till.world.books.delete("contacts", &jane);
        till.run(Mode::Sync, true).await;
        till.settled().await;
        World::find(&till.world.books, "contacts", "name", "Kim");
        assert!(!till.text(&file).contains("Jane Doe"), "{}", till.text(&file));
        assert_eq!(till.pull("people").await.unwrap().records.len(), 2);
    }
}

#[tokio::test]
async fn conformance_file_a_lost_answer_a_stale_version_and_a_second_writer_do_no_harm() {
    let till = Till::new(&PEOPLE.replace("FORMAT", "csv"), BOTH_WAYS);
    let resource = till.resource("people");
    let new = WriteItem { id: None, body: json!({"name": "Jane", "email": "j@x.example"}), version: None, now: None };
    let call = till.connector.prepare(&resource, WriteKind::Create, &[new], "key").unwrap();
    let mut ids = Vec::new();
    for _ in 0..2 {
        let answer = till.connector.send(&resource, &call).await.unwrap().items.remove(0);
        let ItemAnswer::Written { record, body: true } = answer else { panic!("{answer:?}") };
        ids.push(record.id);
    }
    assert_eq!((ids[0] == ids[1], till.pull("people").await.unwrap().records.len()), (true, 1));
    let read = till.connector.get(&resource, &ids[0]).await.unwrap().unwrap();
    let edit = |name: &str, version: Option<String>| WriteItem {
        id: Some(ids[0].clone()),
        body: json!({"name": name}),
        version,
        now: None,
    };
    let answer = till.write("people", WriteKind::Update, edit("Jane Doe", read.version.clone())).await;
    assert!(matches!(answer, ItemAnswer::Written { .. }), "{answer:?}");
    // The same once more is what is there already; another is stale.
    let answer = till.write("people", WriteKind::Update, edit("Jane Doe", read.version.clone())).await;
    assert!(matches!(answer, ItemAnswer::Written { .. }), "{answer:?}");
    let answer = till.write("people", WriteKind::Update, edit("Jim", read.version.clone())).await;
    assert!(matches!(answer, ItemAnswer::Refused { stale: true, .. }), "{answer:?}");
    let answer = till.write("people", WriteKind::Delete, edit("", read.version)).await;
    assert!(matches!(answer, ItemAnswer::Refused { stale: true, .. }), "{answer:?}");
    // A value that a CSV file cannot say, beside a good one.
    let items = [json!({"name": ["a"]}), json!({"name": "Kim"}), json!({"shoe": 1})];
    let items = items.map(|body| WriteItem { id: None, body, version: None, now: None });
    let call = till.connector.prepare(&resource, WriteKind::Create, &items, "other").unwrap();
    let answers = till.connector.send(&resource, &call).await.unwrap().items;
    let told: Vec<bool> = answers.iter().map(|answer| matches!(answer, ItemAnswer::Written { .. })).collect();
    assert_eq!(told, [false, true, false], "{answers:?}");
    // Somebody else holds the lock: nothing is done, and that is said.
    let before = till.text("people.csv");
    let lock = File::options().write(true).open(till.path(".people.csv.lock")).unwrap();
    lock.lock().unwrap();
    let said = till.connector.send(&resource, &call).await.unwrap_err();
    assert!(matches!(&said, CallError::NotDone(why) if why.contains("somebody else writes")), "{said}");
    drop(lock);
    // A file with a row that cannot be read is not written: the row would be lost.
    till.put("people.csv", format!("{before}x,Only two\n"));
    let said = till.connector.send(&resource, &call).await.unwrap_err();
    assert!(matches!(&said, CallError::NotDone(why) if why.contains("correct it first")), "{said}");
    assert!(till.text("people.csv").contains("Only two"));
    assert!(till.connector.get(&resource, &RecordId::from("nobody")).await.is_err());
    let left: Vec<_> = fs::read_dir(till.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}
