//! Which deletions are carried over, and which are not.

use serde_json::{Value, json};

use super::build::*;
use crate::{
    config::{Deletes, Flow, OnLeave, Pipeline},
    record::{Cell, Side},
    sync::{Born, Decision, FindingKind, Link, ParkCode, Why, keep_undeleted, observe, settle_delete},
};

/// Both had `a` and `b`, and what is deleted on the source is deleted on the target.
fn carrying() -> (Pipeline, Link) {
    let mut p = with_fields(&["a", "b"]);
    p.deletes.to_target = true;
    let record = json!({ "a": "1", "b": "2" });
    let link = Link { born: Born::OnSource, ..agreed(&p, &record, &record) };
    (p, link)
}

fn gone(p: &Pipeline, link: &mut Link, side: Side) {
    let mut seen = reading(p, side, link.id(side).as_str(), &json!({}));
    seen.gone = true;
    observe(p, link, side, &seen, false);
}

fn back(p: &Pipeline, link: &mut Link, side: Side) {
    see(p, link, side, &json!({ "a": "1", "b": "2" }));
}

/// What is decided, in short.
fn told(decision: &Decision) -> String {
    let writes = decision.writes.iter().map(|write| {
        assert!(write.delete, "nothing else is written");
        format!("delete {}", write.side)
    });
    let findings = decision.findings.iter().map(|finding| match finding.kind {
        FindingKind::Parked(code) => format!("parked {code}"),
        FindingKind::Skipped => "skipped".to_owned(),
        FindingKind::Pending => "pending".to_owned(),
        _ => "?".to_owned(),
    });
    let unread = decision.unread.then(|| "unread".to_owned());
    writes.chain(findings).chain(unread).collect::<Vec<_>>().join(", ")
}

/// What is decided after the source's record was deleted.
#[track_caller]
fn check(expected: &str, change: impl FnOnce(&mut Pipeline, &mut Link)) {
    let (mut p, mut link) = carrying();
    gone(&p, &mut link, Side::Source);
    change(&mut p, &mut link);
    let decision = decide(&p, &link);
    assert_eq!(told(&decision), expected, "{decision:?}");
}

#[test]
fn a_deletion_is_carried_to_a_record_that_nobody_edited() {
    check("delete target", |_, _| {});
    check("", |p, _| p.deletes = Deletes::default());
    check("", |p, _| (p.deletes.to_target, p.deletes.to_source) = (false, true));
    check("", |p, _| p.flow = Flow::ToSource);
    check("", |p, link| gone(p, link, Side::Target));
    check("delete target", |p, _| p.flow = Flow::ToTarget);
}

#[test]
fn an_edit_beats_a_deletion() {
    let edited = "parked deleted-and-edited";
    check(edited, |p, link| {
        see(p, link, Side::Target, &json!({ "a": "1", "b": "3" }));
    });
    check(edited, |p, link| {
        see(p, link, Side::Target, &json!({ "a": "1" }));
    });
    check(edited, |p, link| {
        p.flow = Flow::ToTarget;
        see(p, link, Side::Target, &json!({ "a": "1", "b": "against the direction" }));
    });
    check("delete target", |p, link| {
        see(p, link, Side::Target, &json!({ "a": "1", "b": "3" }));
        see(p, link, Side::Target, &json!({ "a": "1", "b": "2" }));
    });
}

#[test]
fn what_was_never_agreed_counts_as_an_edit() {
    let (p, _) = carrying();
    for (target, expected) in [
        (json!({ "a": "1", "b": "other" }), "parked deleted-and-edited"),
        (json!({ "a": "1" }), "delete target"),
        (json!({ "a": "1", "b": "2" }), "delete target"),
    ] {
        let mut link = agreed(&p, &json!({ "a": "1", "b": "2" }), &target);
        gone(&p, &mut link, Side::Source);
        assert_eq!(told(&decide(&p, &link)), expected, "{target}");
    }
    let (mut p, mut link) = carrying();
    add(&mut p, "$.new", "$.new");
    gone(&p, &mut link, Side::Source);
    assert_eq!(told(&decide(&p, &link)), "unread", "a field that nobody has read is read first");
}

#[test]
fn a_line_that_the_accountant_added_is_an_edit() {
    let mut p = with_fields(&["a"]);
    lines(&mut p);
    p.deletes.to_target = true;
    let source = json!({ "a": "1", "lines": [{ "no": 1, "title": "x", "price": 1 }] });
    let ours = json!({ "LineItemID": "l1", "Description": "x", "UnitAmount": 1 });
    let mut link = agreed(&p, &source, &json!({ "a": "1", "LineItems": [ours] }));
    gone(&p, &mut link, Side::Source);
    assert_eq!(told(&decide(&p, &link)), "delete target");
    let more = json!({ "a": "1", "LineItems": [ours, { "LineItemID": "l2", "Description": "by hand" }] });
    see(&p, &mut link, Side::Target, &more);
    assert_eq!(told(&decide(&p, &link)), "parked deleted-and-edited");
}

#[test]
fn only_what_was_born_there() {
    for (born, only, expected) in [
        (Born::OnSource, Side::Source, "delete target"),
        (Born::OnTarget, Side::Source, "skipped"),
        (Born::OnTarget, Side::Target, "delete target"),
        (Born::Matched, Side::Source, "skipped"),
        (Born::ByHand, Side::Target, "skipped"),
    ] {
        check(expected, |p, link| (p.deletes.only, link.born) = (Some(only), born));
    }
}

#[test]
fn a_merge_is_no_deletion_and_neither_is_a_pause() {
    check("skipped", |_, link| link.marks[0].merged = Some("s2".into()));
    check("skipped", |p, link| (p.on_leave, link.marks[1].paused) = (OnLeave::Pause, true));
    check("delete target", |_, link| link.marks[1].paused = true);
}

#[test]
fn what_is_lost_is_the_before_image() {
    let (p, mut link) = carrying();
    gone(&p, &mut link, Side::Source);
    let decision = decide(&p, &link);
    let [write] = decision.writes.as_slice() else { panic!("{decision:?}") };
    assert_eq!((write.id.as_ref().map(crate::record::RecordId::as_str), write.fields.len()), (Some("t1"), 2));
    assert_eq!((&write.fields[1].before, &write.fields[1].value), (&"2".into(), &Cell::Absent));
    assert_eq!(write.fields[1].why, Why::Deleted(Side::Source));
    let mut damage = crate::sync::Damage::default();
    damage.add(&p, write);
    assert_eq!((damage.deletes, damage.touched, damage.blanked), (1, 0, 0), "a deletion is counted as one");
    let text = serde_json::to_string(write).unwrap();
    assert_eq!(serde_json::from_str::<crate::sync::RecordWrite>(&text).unwrap(), *write, "an intent keeps it");
}

#[test]
fn what_was_deleted_on_both_sides_is_never_deleted_again() {
    let (mut p, mut link) = carrying();
    p.deletes.to_source = true;
    gone(&p, &mut link, Side::Source);
    let link = settle_delete(&link, Side::Target);
    assert_eq!(told(&decide(&p, &link)), "", "both are gone, and nothing is left to say");
    for side in Side::BOTH {
        let mut link = link.clone();
        back(&p, &mut link, side);
        assert_eq!(told(&decide(&p, &link)), "skipped", "somebody brought it back on the {side}");
        back(&p, &mut link, side.other());
        assert_eq!(told(&decide(&p, &link)), "", "both are there, as they were");
        assert_eq!(link.deleted, None);
        gone(&p, &mut link, Side::Source);
        assert_eq!(told(&decide(&p, &link)), "delete target", "deleted anew");
    }
}

#[test]
fn what_people_deleted_on_both_sides_and_brought_back_on_one_stays() {
    check("skipped", |p, link| {
        gone(p, link, Side::Target);
        back(p, link, Side::Target);
    });
}

#[test]
fn a_refused_deletion_waits_for_a_change() {
    let refused = |p: &Pipeline, link: &mut Link| *link = keep_undeleted(link, Side::Target, "it has payments", p.hash);
    check("parked refused", |p, link| refused(p, link));
    check("delete target", |p, link| {
        refused(p, link);
        p.hash += 1;
    });
    let (p, mut link) = carrying();
    gone(&p, &mut link, Side::Source);
    refused(&p, &mut link);
    let decision = decide(&p, &link);
    assert_eq!(decision.findings[0].message, "deleted on the source, and not on the target: it has payments");
    assert_eq!(decision.findings[0].kind, FindingKind::Parked(ParkCode::Refused));
    let _: Value = serde_json::to_value(&link).unwrap();
}
