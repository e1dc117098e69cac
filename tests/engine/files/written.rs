//! Writing a file: what stays, whose it is, and when it is left alone.

use std::{
    fs::{self, File},
    time::Duration,
};

use reconciled::{
    connector::{CallError, Connector, ItemAnswer, WriteItem, WriteKind},
    record::RecordId,
};
use serde_json::{Value, json};

use super::{PEOPLE, Till};

/// A change of one value of the record `id`.
fn change(id: &str, body: Value) -> WriteItem {
    WriteItem { id: Some(RecordId::from(id)), body, version: None, now: None }
}

const STOCK: &str = r#"
      stock:
        id: $.code
        fields:
          code: { type: text }
          active: { type: boolean }
          price: { type: decimal }
          pieces: { type: integer }
          day: { type: date }
          seen: { type: datetime }
        file: { path: stock.csv, columns: [code, active, price, pieces, day, seen], delimiter: ";", decimal: comma, date_format: "%d.%m.%Y", write: true }
"#;

#[tokio::test]
async fn conformance_file_what_nobody_changed_stays_as_it_is_to_the_byte() {
    let till = Till::new(STOCK, "");
    let head = "\u{feff}code;active;price;pieces;day;seen\r\n";
    let untouched =
        "A;1;1.234,50;007;31.12.2026;2026-06-01T14:00:00+12:00\r\n\"B \"\"x\"\"\nsecond line\";\"0\";1.000;1;;\r\n";
    let touched = "C;0;1.234,50;007;31.12.2026;2026-06-01T14:00:00+12:00\r\n";
    till.put("stock.csv", format!("{head}{untouched}{touched}"));
    let answer = till.write("stock", WriteKind::Update, change("C", json!({ "active": true, "pieces": 8 }))).await;
    assert!(matches!(answer, ItemAnswer::Written { .. }), "{answer:?}");
    let wanted = "C;1;1.234,50;8;31.12.2026;2026-06-01T14:00:00+12:00\r\n";
    assert_eq!(till.text("stock.csv"), format!("{head}{untouched}{wanted}"));
    let new = WriteItem { id: None, body: json!({ "code": "D", "active": false }), version: None, now: None };
    till.write("stock", WriteKind::Create, new).await;
    let gone = change("A", json!({}));
    till.write("stock", WriteKind::Delete, gone).await;
    let left = untouched.split_once("\r\n").unwrap().1;
    assert_eq!(till.text("stock.csv"), format!("{head}{left}{wanted}D;0;;;;\r\n"));
    assert_eq!(till.pull("stock").await.unwrap().records.len(), 3);
    // UTF-16 is read, and is not made something else.
    let wide: Vec<u8> =
        "\u{feff}code;active;price;pieces;day;seen\nA;1;1;1;;\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    till.put("stock.csv", &wide);
    assert_eq!(till.pull("stock").await.unwrap().records.len(), 1);
    let resource = till.resource("stock");
    let call =
        till.connector.prepare(&resource, WriteKind::Update, &[change("A", json!({ "pieces": 2 }))], "k").unwrap();
    let said = till.connector.send(&resource, &call).await.unwrap_err();
    assert!(said.to_string().contains("UTF-16, which is read and not written"), "{said}");
    assert_eq!(fs::read(till.path("stock.csv")).unwrap(), wide);
}

#[tokio::test]
async fn conformance_file_json_lines_keep_the_forms_of_their_dates() {
    let stock =
        STOCK.replace("stock.csv, columns: [code, active, price, pieces, day, seen], delimiter: \";\"", "stock.jsonl");
    let stock =
        stock.replace("write: true", "datetime_format: \"%d.%m.%Y %H:%M\", zone: Pacific/Auckland, write: true");
    let till = Till::new(&stock, "");
    let untouched = r#"{ "code":"A", "active":"yes", "day":"31.12.2026", "seen":"01.06.2026 14:00", "price":"1,50" }"#;
    till.put("stock.jsonl", format!("{untouched}\n{}\n", untouched.replace("\"A\"", "\"B\"")));
    let body = json!({ "day": "2026-07-01", "seen": "2026-06-02T02:00:00Z" });
    let answer = till.write("stock", WriteKind::Update, change("B", body.clone())).await;
    let ItemAnswer::Written { record, .. } = &answer else { panic!("{answer:?}") };
    assert_eq!((&record.body["day"], &record.body["seen"]), (&body["day"], &body["seen"]));
    let lines = till.text("stock.jsonl");
    let (first, second) = lines.trim_end().split_once('\n').unwrap();
    assert_eq!(first, untouched);
    let second: Value = serde_json::from_str(second).unwrap();
    let wanted =
        json!({ "code": "B", "active": "yes", "day": "01.07.2026", "seen": "02.06.2026 14:00", "price": "1,50" });
    assert_eq!(second, wanted);
    let read = till.pull("stock").await.unwrap();
    assert_eq!((read.records.len(), read.unread), (2, vec![]));
}

#[tokio::test]
async fn conformance_file_a_compact_date_is_written_as_it_is_read() {
    let stock = STOCK
        .replace("{ type: date }", "{ type: date, format: compact-date }")
        .replace("date_format: \"%d.%m.%Y\", ", "");
    let till = Till::new(&stock, "");
    till.put("stock.csv", "code;active;price;pieces;day;seen\nA;1;1;1;20261231;\n");
    till.write("stock", WriteKind::Update, change("A", json!({ "day": "2026-07-01" }))).await;
    assert_eq!(till.text("stock.csv"), "code;active;price;pieces;day;seen\nA;1;1;1;20260701;\n");
    assert_eq!(till.pull("stock").await.unwrap().records[0].body["day"], "2026-07-01");
}

#[tokio::test]
async fn conformance_file_that_somebody_is_writing_is_not_replaced() {
    let waiting = PEOPLE.replace("FORMAT", "csv").replace("write: true", "write: true, ready: { steady: 30s }");
    let till = Till::new(&waiting, "");
    let half = "key,name,email,joined\n1,Jane,j@x.example,\n";
    till.put("people.csv", half);
    let now = std::time::SystemTime::from(till.world.clock.now());
    let file = File::options().write(true).open(till.path("people.csv")).unwrap();
    file.set_modified(now - Duration::from_secs(1)).unwrap();
    let resource = till.resource("people");
    let call =
        till.connector.prepare(&resource, WriteKind::Update, &[change("1", json!({ "name": "x" }))], "k").unwrap();
    let said = till.connector.send(&resource, &call).await.unwrap_err();
    assert!(matches!(&said, CallError::NotDone(why) if why.contains("left alone for 30s")), "{said}");
    assert_eq!(till.text("people.csv"), half);
    till.world.clock.advance(Duration::from_secs(60));
    till.connector.send(&resource, &call).await.unwrap();
    // What we wrote ourselves a moment ago is nobody else's work.
    let again =
        till.connector.prepare(&resource, WriteKind::Update, &[change("1", json!({ "name": "y" }))], "l").unwrap();
    till.connector.send(&resource, &again).await.unwrap();
    assert_eq!(till.pull("people").await.unwrap().records[0].body["name"], "y");
}

#[tokio::test]
async fn conformance_file_one_character_that_it_cannot_hold_holds_up_no_other_record() {
    let till =
        Till::new(&PEOPLE.replace("FORMAT", "csv").replace("write: true", "encoding: windows-1252, write: true"), "");
    let resource = till.resource("people");
    let items = ["\u{141}ukasz", "Ren\u{e9}"].map(|name| WriteItem {
        id: None,
        body: json!({ "name": name }),
        version: None,
        now: None,
    });
    let call = till.connector.prepare(&resource, WriteKind::Create, &items, "k").unwrap();
    let answers = till.connector.send(&resource, &call).await.unwrap().items;
    let ItemAnswer::Refused { message, .. } = &answers[0] else { panic!("{answers:?}") };
    assert_eq!(message, "name: the file is windows-1252, which has no `\u{141}`");
    assert!(matches!(answers[1], ItemAnswer::Written { .. }), "{answers:?}");
    let read = till.pull("people").await.unwrap().records;
    assert_eq!((read.len(), &read[0].body["name"]), (1, &json!("Ren\u{e9}")));
}

#[tokio::test]
async fn conformance_file_others_can_read_a_new_file_and_an_old_one_stays_whose_it_was() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let till = Till::new(&PEOPLE.replace("FORMAT", "csv"), "");
    let new = |name: &str| WriteItem { id: None, body: json!({ "name": name }), version: None, now: None };
    till.write("people", WriteKind::Create, new("Jane")).await;
    // As any file that is made here.
    till.put("other", "");
    let mode = |name: &str| fs::metadata(till.path(name)).unwrap().mode() & 0o777;
    assert_eq!(mode("people.csv"), mode("other"));
    // Behind a link, with rights of its own, and of another user if we may give files away.
    fs::create_dir(till.path("real")).unwrap();
    fs::rename(till.path("people.csv"), till.path("real/people.csv")).unwrap();
    fs::set_permissions(till.path("real/people.csv"), fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink(till.path("real/people.csv"), till.path("people.csv")).unwrap();
    let owner = fs::metadata(till.path("other")).unwrap().uid();
    let given = if owner == 0 { 12_345 } else { owner };
    std::os::unix::fs::chown(till.path("real/people.csv"), Some(given), None).unwrap();
    let answer = till
        .write(
            "people",
            WriteKind::Create,
            WriteItem { id: None, body: json!({ "name": "Rua", "key": "2" }), version: None, now: None },
        )
        .await;
    assert!(matches!(answer, ItemAnswer::Written { .. }), "{answer:?}");
    assert!(till.path("people.csv").is_symlink());
    assert_eq!((mode("real/people.csv"), fs::metadata(till.path("real/people.csv")).unwrap().uid()), (0o640, given));
    assert_eq!(till.text("real/people.csv").lines().count(), 3);
}
