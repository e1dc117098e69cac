//! Laying readings beside a link.

use serde_json::{Value, json};

use super::build::*;
use crate::{
    record::Side,
    sync::{Change, FieldState, Link, observe},
};

/// What a series of readings of the source tells, and the pending source value in the end.
#[track_caller]
fn check(readings: &[(Value, Change)], pending: Option<&str>) {
    let p = with_fields(&["a"]);
    let mut link = agreed(&p, &json!({ "a": "a" }), &json!({ "a": "a" }));
    for (value, expected) in readings {
        let before = link.clone();
        let change = see(&p, &mut link, Side::Source, &json!({ "a": value }));
        assert_eq!(change, *expected, "reading {value}");
        assert_eq!(link.revision != before.revision, change != Change::Nothing, "the revision grows with changes only");
        assert_eq!(state(&p, &link, 0).base, state(&p, &before, 0).base, "seeing a value never moves a base");
    }
    assert_eq!(state(&p, &link, 0).pending_source, pending.map(Into::into));
}

#[test]
fn values_become_pending_and_back() {
    use Change::{Moved, Nothing};
    check(&[(json!("a"), Nothing)], None);
    check(&[(json!("b"), Moved), (json!("b"), Nothing)], Some("b"));
    check(&[(json!("b"), Moved), (json!("c"), Moved)], Some("c"));
    check(&[(json!("b"), Moved), (json!("a"), Moved), (json!("a"), Nothing)], None);
}

#[test]
fn differences_that_do_not_count_are_only_noted() {
    let mut p = with_fields(&["a"]);
    p.fields[0].ends[0].canon.ignore_case = true;
    let mut link = agreed(&p, &json!({ "a": "a" }), &json!({ "a": "a" }));
    assert_eq!(see(&p, &mut link, Side::Source, &json!({ "a": "A" })), Change::Noted);
    assert_eq!(state(&p, &link, 0).pending_source, None);
    assert_eq!(see(&p, &mut link, Side::Source, &json!({ "a": "A" })), Change::Nothing);
}

#[test]
fn version_and_name_are_noted() {
    let p = with_fields(&["a"]);
    let mut link = agreed(&p, &json!({ "a": "a" }), &json!({ "a": "a" }));
    let mut seen = reading(&p, Side::Source, "s1", &json!({ "a": "a" }));
    seen.version = Some("v2".to_owned());
    assert_eq!(observe(&p, &mut link, Side::Source, &seen, false), Change::Noted);
    assert_eq!(observe(&p, &mut link, Side::Source, &seen, false), Change::Nothing);
    seen.label = "Jane Doe".to_owned();
    assert_eq!(observe(&p, &mut link, Side::Source, &seen, false), Change::Noted);
    assert_eq!((link.label.as_str(), link.marks[0].version.as_deref()), ("Jane Doe", Some("v2")));
}

#[test]
fn stamps_count_only_with_a_persons_edit() {
    let p = with_fields(&["a"]);
    let mut link = agreed(&p, &json!({ "a": "a" }), &json!({ "a": "a" }));
    let mut lay = |value: &str, minutes: i64, own: bool| {
        let mut seen = reading(&p, Side::Source, "s1", &json!({ "a": value }));
        seen.edited_at = Some(at(minutes));
        observe(&p, &mut link, Side::Source, &seen, own);
        link.marks[0].edited_at
    };
    assert_eq!(lay("b", 1, false), Some(at(1)));
    assert_eq!(lay("b", 2, false), Some(at(1)), "nothing we map was edited");
    assert_eq!(lay("b", 3, true), Some(at(1)), "our own write");
    assert_eq!(lay("c", 4, true), None, "an edit that came with our own write: nobody knows when");
    assert_eq!(lay("d", 5, false), Some(at(5)));
}

#[test]
fn a_gone_record_keeps_its_last_values() {
    let p = with_fields(&["a"]);
    let mut link = agreed(&p, &json!({ "a": "a" }), &json!({ "a": "a" }));
    let mut seen = reading(&p, Side::Target, "t1", &json!({}));
    seen.gone = true;
    assert_eq!(observe(&p, &mut link, Side::Target, &seen, false), Change::Moved);
    assert_eq!(observe(&p, &mut link, Side::Target, &seen, false), Change::Nothing);
    assert!(link.marks[1].gone);
    assert_eq!(state(&p, &link, 0).pending_target, None);
}

#[test]
fn fields_that_the_pipeline_no_longer_has_are_forgotten() {
    let mut p = with_fields(&["a", "b"]);
    let mut link = agreed(&p, &json!({ "a": "a", "b": "b" }), &json!({ "a": "a", "b": "b" }));
    p.fields.pop();
    let change = see(&p, &mut link, Side::Source, &json!({ "a": "a", "b": "b" }));
    assert_eq!((change, link.fields.len()), (Change::Noted, 1));
}

#[test]
fn a_mask_tells_nothing() {
    let mut p = with_fields(&["a"]);
    p.fields[0].ends[1].masked = true;
    let mut link = agreed(&p, &json!({ "a": "a" }), &json!({ "a": "a" }));
    assert_eq!(see(&p, &mut link, Side::Target, &json!({ "a": "***" })), Change::Noted);
    assert_eq!(state(&p, &link, 0).pending_target, None);
}

#[test]
fn several_values_are_kept_as_such() {
    let mut p = pipeline();
    add(&mut p, "$.list[*]", "$.a");
    let mut link = agreed(&p, &json!({ "list": ["a"] }), &json!({ "a": "a" }));
    see(&p, &mut link, Side::Source, &json!({ "list": ["a", "b"] }));
    assert_eq!(state(&p, &link, 0).pending_source, Some(crate::record::Cell::Several(2)));
}

#[test]
fn links_are_kept_as_they_are() {
    let p = with_fields(&["a", "b"]);
    let mut link = agreed(&p, &json!({ "a": "a" }), &json!({ "a": "a", "b": null }));
    see(&p, &mut link, Side::Source, &json!({ "a": null, "b": "" }));
    link.fields.insert(crate::config::FieldId(9), FieldState::default());
    let text = serde_json::to_string(&link).unwrap();
    assert_eq!(serde_json::from_str::<Link>(&text).unwrap(), link);
}
