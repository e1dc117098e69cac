//! Files that come one after the other: which counts, which waits, and where each goes once it was taken.

use std::fs;

use reconciled::{
    connector::{CallError, Connector as _, Page, PullCursor},
    record::RecordId,
};

use super::{SALES, TO_BOOKS, Till, number};
use crate::support::World;

const HEAD: &str = "number;customer;date;total\n";

fn rows(total: u32) -> String {
    format!("{HEAD}1;Jane;01.01.2026;{total}\n")
}

/// A correction under the same name is a second file, and a full read must find it whatever the pattern is.
#[tokio::test]
async fn conformance_file_a_name_that_comes_again_is_found_by_a_full_read() {
    let dated = SALES.replace("path: sales.csv", "path: in/*-sales.csv, done: done");
    let till = Till::new(&dated, TO_BOOKS);
    for total in [1, 5] {
        till.put("in/20260601-sales.csv", rows(total));
        till.sync().await;
        assert!(!till.path("in/20260601-sales.csv").exists());
    }
    till.settled().await;
    let total = async || {
        let read = till.connector.get(&till.resource("sales"), &RecordId::from("1")).await.unwrap().unwrap();
        (World::find(&till.world.books, "sales", "number", "1")["total"].clone(), read.body["total"].clone())
    };
    assert_eq!(total().await, (number("5"), number("5")));
    // So it was put away before: the number where the pattern has none.
    fs::rename(till.path("done/20260601-2-sales.csv"), till.path("done/20260601-sales-2.csv")).unwrap();
    till.settled().await;
    assert_eq!(total().await, (number("5"), number("5")));
    // What only looks like it is none of ours.
    till.put("done/20260602-sales-2.csv", rows(9));
    till.settled().await;
    assert_eq!(total().await, (number("5"), number("5")));
}

#[tokio::test]
async fn conformance_file_the_files_behind_one_that_is_waited_for_wait_too() {
    let marked = SALES.replace("path: sales.csv", "path: in/sales-*.csv, done: done");
    let till = Till::new(&marked.replace("steady: 0s", "steady: 0s, marker: .done"), TO_BOOKS);
    till.put("in/sales-1.csv", rows(5));
    till.put("in/sales-2.csv", rows(7));
    till.put("in/sales-2.csv.done", "");
    till.sync().await;
    assert_eq!(till.world.books.count("sales"), 0);
    assert!(till.path("in/sales-2.csv").exists());
    till.put("in/sales-1.csv.done", "");
    till.settled().await;
    assert_eq!(World::find(&till.world.books, "sales", "number", "1")["total"], number("7"));
    let there = |folder: &str| {
        let found = fs::read_dir(till.path(folder)).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = found.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    };
    assert_eq!(there("in"), Vec::<String>::new(), "no marker outlives its file");
    assert_eq!(there("done"), ["sales-1.csv", "sales-2.csv"]);
}

/// Two quotes too many make one row of two: no row of such a file is what it seems to be.
#[tokio::test]
async fn conformance_file_a_quote_that_takes_rows_into_a_value_refuses_the_file() {
    let till = Till::new(SALES, "");
    for (text, begun, ended) in [
        ("1;\"Jane;01.01.2026;1\n2;\"Rua;01.01.2026;2\n", 2, 3),
        ("1;Jane;01.01.2026;1\r\n2;\"A\" frame;01.01.2026;2\r\n", 3, 3),
        ("1;\"Jane\" ;01.01.2026;1\n", 2, 2),
        ("1;\"a\nb\";01.01.2026;1\n2;\"\"\"c\"d;01.01.2026;2\n", 4, 4),
    ] {
        till.put("sales.csv", format!("{HEAD}{text}"));
        let said = till.pull_error("sales").await;
        let wanted = format!(
            "sales.csv: the value in quotes that begins in line {begun} goes on behind its closing quote in line {ended}"
        );
        assert!(said.contains(&wanted), "{said}");
    }
    till.put(
        "sales.csv",
        format!("{HEAD}1;\"Jane \"\"JD\"\"\nDoe\";01.01.2026;\"1\"\r\n2;5\" pipe;\"01.01.2026\";\"2\""),
    );
    let page = till.pull("sales").await.unwrap();
    let customers: Vec<_> = page.records.iter().map(|record| record.body["customer"].as_str().unwrap()).collect();
    assert_eq!((customers, page.unread.len()), (vec!["Jane \"JD\"\nDoe", "5\" pipe"], 0));
}

/// Two integrations read the same files: only what both have listed was delivered whoever ends first.
#[tokio::test]
async fn conformance_file_that_came_between_two_listings_is_not_put_away_with_the_first() {
    let several = SALES.replace("path: sales.csv", "path: in/sales-*.csv, done: done");
    let till = Till::new(&several, "");
    let resource = till.resource("sales");
    till.put("in/sales-1.csv", rows(1));
    till.pull("sales").await.unwrap();
    till.put("in/sales-2.csv", rows(2));
    till.pull("sales").await.unwrap();
    till.connector.settled(&resource, &[]).await;
    assert!(till.path("done/sales-1.csv").exists());
    assert!(till.path("in/sales-2.csv").exists(), "the run that ended knows nothing of it");
    till.pull("sales").await.unwrap();
    till.connector.settled(&resource, &[]).await;
    assert!(till.path("done/sales-2.csv").exists());
}

#[tokio::test]
async fn conformance_file_two_listings_at_once_are_both_read_to_their_end() {
    let till = Till::new(SALES, "");
    let numbers: String = (0..1_201).map(|number| format!("{number};Jane;01.01.2026;1\n")).collect();
    till.put("sales.csv", format!("{HEAD}{numbers}"));
    let resource = till.resource("sales");
    let rest = async |mut page: Page| -> Result<usize, CallError> {
        let mut count = page.records.len();
        while let Some(next) = page.next {
            page = till.connector.pull(&resource, &PullCursor { since: None, page: Some(next) }).await?;
            count += page.records.len();
        }
        Ok(count)
    };
    let (first, second) = (till.pull("sales").await.unwrap(), till.pull("sales").await.unwrap());
    assert_eq!((rest(first).await.unwrap(), rest(second).await.unwrap()), (1_201, 1_201));
    // Not every listing that nobody goes on with is kept.
    let forgotten = till.pull("sales").await.unwrap();
    for _ in 0..20 {
        till.pull("sales").await.unwrap();
    }
    assert!(matches!(rest(forgotten).await, Err(CallError::PageExpired)));
}
