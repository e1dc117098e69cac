//! Counting damage, and the body of a write.

use serde_json::{Value, json};

use super::build::*;
use crate::{
    config::{Amount, FieldId},
    record::{Cell, Side},
    sync::{Damage, FieldWrite, RecordWrite, Why, body, judge},
};

fn write(id: Option<&str>, values: &[(&str, &str)]) -> RecordWrite {
    let field = |(before, value): &(&str, &str)| FieldWrite {
        field: FieldId(1),
        value: Cell::from(*value),
        before: Cell::from(*before),
        from: Cell::from(*value),
        why: Why::Created,
    };
    RecordWrite {
        side: Side::Target,
        id: id.map(Into::into),
        version: None,
        fields: values.iter().map(field).collect(),
        delete: false,
    }
}

#[test]
fn damage_is_counted() {
    let mut damage = Damage::default();
    let mut p = with_fields(&["a", "b"]);
    damage.add(&p, &write(None, &[("", "x")]));
    damage.add(&p, &write(Some("t1"), &[("x", ""), ("", ""), ("x", "y")]));
    assert_eq!(damage, Damage { creates: 1, touched: 1, blanked: 1, deletes: 0, keys: 0 });
    // The same values, now of the field by which records are matched: new ones and filled blanks are no change of keys.
    tier(&mut p, "$.a", "$.a", crate::config::Then::Link);
    let mut sent = write(Some("t1"), &[("x", ""), ("", "z"), ("x", "y"), ("x", "x")]);
    sent.fields.iter_mut().for_each(|field| field.field = p.fields[0].id);
    let mut damage = Damage::default();
    damage.add(&p, &sent);
    assert_eq!((damage.keys, damage.blanked), (2, 1));
}

#[test]
fn guards_hold_what_is_over_them() {
    let mut guards = pipeline().guards;
    let held = |guards, damage, links| -> Vec<String> {
        judge(&guards, damage, links).into_iter().map(|h| format!("{} {}>{}", h.guard, h.count, h.allowed)).collect()
    };
    let damage = Damage { creates: 1000, touched: 20, blanked: 10, deletes: 0, keys: 20 };
    assert!(held(guards, damage, 0).is_empty());
    let damage = Damage { creates: 1000, touched: 31, blanked: 11, deletes: 1, keys: 21 };
    assert_eq!(held(guards, damage, 100), ["touched 31>30", "blanked 11>10", "deletes 1>0", "keys 21>20"]);
    guards.creates = Some(Amount::Count(999));
    assert_eq!(held(guards, damage, 1000), ["creates 1000>999", "blanked 11>10", "deletes 1>0"]);
}

#[track_caller]
fn check_body(target: &str, value: &str, there: &Value, expected: &Value) {
    let mut p = pipeline();
    add(&mut p, "$.a", target);
    let mut link = matched(&p, &json!({}), &json!({}));
    see(&p, &mut link, Side::Target, there);
    let mut write = write(Some("t1"), &[("", value)]);
    write.fields[0].field = p.fields[0].id;
    assert_eq!(body(&p, &write, Some(link.mark(Side::Target))).unwrap(), *expected);
}

#[test]
fn bodies_hold_what_is_written_and_the_rest_of_arrays() {
    check_body("$.a.b", "x", &json!({ "a": { "b": "y", "c": 1 } }), &json!({ "a": { "b": "x" } }));
    let phones = json!({ "Phones": [{ "T": "FAX", "N": "1" }, { "T": "MOBILE", "N": "2", "Area": "9" }] });
    let sent = json!({ "Phones": [{ "T": "FAX", "N": "1" }, { "T": "MOBILE", "N": "3", "Area": "9" }] });
    check_body("$.Phones[?(@.T=='MOBILE')].N", "3", &phones, &sent);
}

#[test]
fn a_value_to_be_cleared_is_sent_as_null() {
    let p = with_fields(&["a"]);
    let mut write = write(Some("t1"), &[("x", "")]);
    (write.fields[0].field, write.fields[0].value) = (p.fields[0].id, Cell::Absent);
    assert_eq!(body(&p, &write, None).unwrap(), json!({ "a": null }));
}

#[test]
fn a_field_that_is_no_longer_there_is_an_error() {
    let error = body(&pipeline(), &write(None, &[("", "x")]), None).unwrap_err();
    assert!(error.to_string().contains("no longer has this field"));
}
