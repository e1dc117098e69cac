//! What is parked at several clients of one template, by cause: the same missing account is one thing to mend, whoever
//! it is missing for.

use std::{fmt::Write as _, fs, path::Path};

use serde_json::{Value, json};

use super::exits;

/// Two clients, each with five systems of its own: what it sells, refunds, is paid, buys, and its books.
const AGENCY: &str = r#"
connectors:
  list:
    resources:
      rows:
        id: $.key
        label: '{key}'
        fields: { account: text, amount: text }
        file: { path: rows.csv, columns: [ key, account, amount ], write: true, ready: { steady: 0s } }
tables:
  accounts: { rows: { "200": sales } }
templates:
  shop:
    connections:
      till:    { connector: list, base_url: "${client}/till" }
      refunds: { connector: list, base_url: "${client}/refunds" }
      bank:    { connector: list, base_url: "${client}/bank" }
      orders:  { connector: list, base_url: "${client}/orders" }
      books:   { connector: list, base_url: "${client}/books" }
    first_run: { apply: automatic }
    automatic: false
    pipelines:
"#;

fn agency() -> String {
    let mut text = AGENCY.to_owned();
    for from in ["till", "refunds", "bank", "orders"] {
        let _ = write!(
            text,
            "      {from}:
        source: {from}/rows
        target: books/rows
        direction: source-to-target
        filters: {{ source: {{ path: $.amount, not_equals: {from} }} }}
        match: [ {{ source: $.amount, target: $.amount }} ]
        fields:
          - {{ source: $.account, target: $.account, transform: {{ lookup: accounts }} }}
          - {{ source: $.amount, target: $.amount }}
"
        );
    }
    text + "integrations: { acme: { template: shop }, bravo: { template: shop } }\n"
}

/// The rows of a system of a client: an account each, and an amount that nobody else has.
fn rows(dir: &Path, client: &str, system: &str, accounts: &[&str]) {
    let folder = dir.join(client).join(system);
    fs::create_dir_all(&folder).unwrap();
    let mut text = "key,account,amount\n".to_owned();
    for (at, account) in accounts.iter().enumerate() {
        let _ = writeln!(text, "{system}-{at},{account},{client} {system} {at}");
    }
    fs::write(folder.join("rows.csv"), text).unwrap();
}

fn causes(dir: &Path, args: &[&str]) -> Vec<(String, u64, Value)> {
    let (out, _) = exits(dir, &[args, &["parked", "list", "--causes", "--json"]].concat(), 0);
    let all: Vec<Value> = serde_json::from_str(&out).unwrap();
    let one = |cause: &Value| {
        assert_eq!(cause["code"], "unmappable");
        (cause["message"].as_str().unwrap().to_owned(), cause["entries"].as_u64().unwrap(), cause["clients"].clone())
    };
    all.iter().map(one).collect()
}

#[test]
fn the_same_account_missing_at_two_clients_is_one_cause_with_the_counts_of_both() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(dir.join("reconciled.toml"), "state_dir = \"state\"\nsocket = \"daemon.sock\"\n").unwrap();
    fs::write(dir.join("shop.yaml"), agency()).unwrap();
    rows(dir, "acme", "till", &["091", "200", "091", "091"]);
    rows(dir, "acme", "refunds", &["091"]);
    rows(dir, "acme", "bank", &["092"]);
    rows(dir, "acme", "orders", &["200"]);
    rows(dir, "bravo", "till", &["091", "200"]);
    rows(dir, "bravo", "refunds", &[]);
    rows(dir, "bravo", "bank", &["091"]);
    rows(dir, "bravo", "orders", &["200", "200"]);
    for client in ["acme", "bravo"] {
        rows(dir, client, "books", &[]);
    }
    exits(dir, &["sync"], 4);

    let of_091 = "account -> account: table `accounts` has no row for `091`".to_owned();
    let of_092 = "account -> account: table `accounts` has no row for `092`".to_owned();
    assert_eq!(
        causes(dir, &[]),
        [(of_091.clone(), 6, json!({ "acme": 4, "bravo": 2 })), (of_092.clone(), 1, json!({ "acme": 1 }))]
    );
    let (text, _) = exits(dir, &["parked", "list", "--causes"], 0);
    assert_eq!(
        text,
        "unmappable: account -> account: table `accounts` has no row for `091`
  2 integrations, 6 entries: acme 4, bravo 2
  to do: correct the value, or extend the table or transform
unmappable: account -> account: table `accounts` has no row for `092`
  1 integration, 1 entry: acme 1
  to do: correct the value, or extend the table or transform
"
    );
    // Of one client alone nothing of the other is told.
    assert_eq!(causes(dir, &["--client", "bravo"]), [(of_091, 2, json!({ "bravo": 2 }))]);
    let (text, _) = exits(dir, &["--client", "bravo", "parked", "list", "--causes"], 0);
    assert!(text.contains("1 integration, 2 entries: bravo 2") && !text.contains("acme"), "{text}");

    // One row mends it at both, and what else is missing stays.
    let mended = agency().replace(r#""200": sales"#, r#""200": sales, "091": cash"#);
    fs::write(dir.join("shop.yaml"), mended).unwrap();
    exits(dir, &["sync"], 4);
    assert_eq!(causes(dir, &[]), [(of_092, 1, json!({ "acme": 1 }))]);
    let books = |client: &str| fs::read_to_string(dir.join(client).join("books/rows.csv")).unwrap();
    for (client, written) in [("acme", 4), ("bravo", 2)] {
        assert_eq!(books(client).matches(",cash,").count(), written, "{}", books(client));
    }
    let (plan, _) = exits(dir, &["plan", "--detailed-exitcode"], 0);
    let before = ["acme", "bravo"].map(books);
    exits(dir, &["sync"], 4);
    assert_eq!(["acme", "bravo"].map(books), before, "a further sync writes something; planned was\n{plan}");
}
