//! Files that come one after the other: which counts, which waits, and where each goes once it was taken.

use super::{SALES, Till};

const HEAD: &str = "number;customer;date;total\n";

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
