//! What became of each row, written back as a file; and how much is read of all files together.

use std::{fs, fs::File, sync::Arc};

use reconciled::{
    config::ConnectionName,
    connector::Connector as _,
    connector::{FileConnector, PullCursor},
    engine::Mode,
};
use serde_json::json;

use super::Till;
use crate::support::World;

const DROPPED: &str = r#"
      sales:
        id: $.number
        label: "Sale {number}"
        fields:
          number: { type: text }
          customer: { type: text }
          kind: { type: text }
          total: { type: decimal }
        file: { path: in/sales-*.csv, done: done, results: results, ready: { steady: 0s } }
"#;

const TO_BOOKS: &str = r#"
pipelines:
  sales:
    source: till/sales
    target: books/sales
    direction: source-to-target
    first_run: { apply: automatic }
    match: [ { source: $.number, target: $.number } ]
    filters: { source: [ { path: $.customer, blank: false } ] }
    fields:
      - { source: $.number, target: $.number }
      - { source: $.customer, target: $.contact_id }
      - { source: $.kind, target: $.note, lookup: kinds, unknown: park }
      - { source: $.total, target: $.total }
tables:
  kinds: { rows: { a: Apples } }
"#;

fn there(till: &Till, number: &str) -> String {
    World::find(&till.world.books, "sales", "number", number)["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn conformance_file_results_tell_what_became_of_each_row() {
    let mut till = Till::new(DROPPED, TO_BOOKS);
    till.put("in/sales-1.csv", "number,customer,kind,total\n1,Jane,a,5\n2,,a,3\n3,Kim,z,4\n");
    till.put("in/sales-2.csv", "number,customer,kind,total\n4,Lee,a,many\n5,Lee,a,6\n");
    till.sync().await;
    let first = till.text("results/sales-1.csv");
    let lines: Vec<&str> = first.lines().collect();
    assert_eq!(
        lines[..3],
        [
            "id,pipeline,outcome,message",
            &format!("1,sales,linked,{}", there(&till, "1")),
            "2,sales,left out,customer is blank",
        ]
    );
    assert!(lines[3].starts_with("3,sales,parked,") && lines[3].contains('z') && lines[3].contains("kinds"), "{first}");
    let second = till.text("results/sales-2.csv");
    let expected = format!(
        "id,pipeline,outcome,message\n5,sales,linked,{}\n\"sales-2.csv, line 2\",,not read,total: `many` is no decimal\n",
        there(&till, "5"),
    );
    assert_eq!(second, expected);
    assert!(till.path("done/sales-1.csv").exists() && till.path("in/sales-2.csv").exists(), "one with a bad row stays");
    till.settled().await;
    assert_eq!((till.text("results/sales-1.csv"), till.text("results/sales-2.csv")), (first, second), "the same again");

    // A row that waited is told anew when something became of it; the file is put right, and one of a name that was there comes.
    till.put("in/sales-2.csv", "number,customer,kind,total\n4,Lee,a,7\n5,Lee,a,6\n");
    till.put("in/sales-3.csv", "number,customer,kind,total\n3,Kim,a,4\n");
    till.sync().await;
    let told = till.text("results/sales-1.csv");
    assert!(told.contains(&format!("3,sales,linked,{}\n", there(&till, "3"))), "{told}");
    assert_eq!(till.text("results/sales-2.csv").lines().count(), 3);
    till.put("in/sales-1.csv", "number,customer,kind,total\n8,Rua,a,8\n");
    till.sync().await;
    assert!(till.text("results/sales-1-2.csv").contains("8,sales,linked,"), "its name once it was taken");
    assert_eq!(till.text("results/sales-1.csv"), told);
    till.settled().await;

    // Somebody removed them, and the daemon was restarted: a full read, which reads what was taken as well, writes them again.
    fs::remove_dir_all(till.path("results")).unwrap();
    let connection = till.world.config.connections[&ConnectionName::parse("till").unwrap()].clone();
    till.connector = Arc::new(FileConnector::new(connection, till.world.clock.clone()).unwrap());
    till.run(Mode::Sync, true).await;
    let names = fs::read_dir(till.path("results")).unwrap().count();
    assert_eq!((names, till.text("results/sales-1.csv")), (4, told));
}

#[tokio::test]
async fn conformance_file_results_of_a_held_or_stopped_run_say_that_it_waits() {
    let till = Till::new(DROPPED, &TO_BOOKS.replace("apply: automatic", "apply: approve"));
    // An empty side would need no approval.
    till.world.books.insert("sales", json!({ "number": "900", "total": 1 }));
    till.put("in/sales-1.csv", "number,customer,kind,total\n1,Jane,a,5\n");
    till.sync().await;
    let told = till.text("results/sales-1.csv");
    assert!(told.starts_with("id,pipeline,outcome,message\n1,sales,waiting,"), "{told}");
    till.world.desk(async |desk| desk.approve("sales").await.unwrap()).await;
    till.sync().await;
    assert_eq!(
        till.text("results/sales-1.csv"),
        format!("id,pipeline,outcome,message\n1,sales,linked,{}\n", there(&till, "1"))
    );
    till.settled().await;
}

#[tokio::test]
async fn conformance_file_results_that_could_not_be_written_are_written_by_the_next_run() {
    let till = Till::new(DROPPED, &TO_BOOKS.replace("apply: automatic", "apply: approve"));
    till.world.books.insert("sales", json!({ "number": "900", "total": 1 }));
    till.put("in/sales-1.csv", "number,customer,kind,total\n1,Jane,a,5\n");
    till.sync().await;
    assert!(till.path("done/sales-1.csv").exists() && till.text("results/sales-1.csv").contains(",waiting,"));
    till.world.desk(async |desk| desk.approve("sales").await.unwrap()).await;
    // Something stands in the way just when there is news.
    fs::remove_dir_all(till.path("results")).unwrap();
    fs::write(till.path("results"), "in the way").unwrap();
    till.sync().await;
    fs::remove_file(till.path("results")).unwrap();
    till.sync().await;
    assert!(till.text("results/sales-1.csv").contains(&format!("1,sales,linked,{}", there(&till, "1"))));
    till.settled().await;
}

#[tokio::test]
async fn conformance_file_what_would_not_fit_into_memory_together_is_not_read() {
    let till = Till::new(DROPPED, "");
    fs::create_dir(till.path("in")).unwrap();
    // Files with a hole take no room on the disk.
    for number in 0..5 {
        File::create(till.path(&format!("in/sales-{number}.csv"))).unwrap().set_len(210 << 20).unwrap();
    }
    let said = till.pull_error("sales").await;
    assert!(said.contains("have 1050 MiB together; at most 1024 are read; remove old files from `done`"), "{said}");
    fs::remove_file(till.path("in/sales-4.csv")).unwrap();
    fs::remove_file(till.path("in/sales-3.csv")).unwrap();
    for number in 0..3 {
        till.put(&format!("in/sales-{number}.csv"), format!("number,customer,kind,total\n{number},Jane,a,5\n"));
    }
    let page = till.connector.pull(&till.resource("sales"), &PullCursor { since: None, page: None }).await.unwrap();
    assert_eq!(page.records.len(), 3);
    // And one alone.
    File::create(till.path("in/sales-9.csv")).unwrap().set_len(257 << 20).unwrap();
    let said = till.pull_error("sales").await;
    assert!(said.contains("has 257 MiB; at most 256 are read"), "{said}");
}
