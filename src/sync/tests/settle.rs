//! What the remote made of a write.

use serde_json::{Value, json};

use super::build::*;
use crate::{
    config::{Expectation, Flow, Pipeline},
    record::{Cell, Side, Slot},
    sync::{
        Born, Finding, FindingKind, FreshDecision, Link, ParkCode, decide_new, park_refused, settle_create,
        settle_update,
    },
};

fn codes(findings: &[Finding]) -> Vec<ParkCode> {
    let code = |finding: &Finding| match finding.kind {
        FindingKind::Parked(code) => Some(code),
        _ => None,
    };
    findings.iter().filter_map(code).collect()
}

/// Both had `a`, the source was edited to `b`.
fn edited(p: &Pipeline) -> Link {
    let record = json!({ "a": "a", "other": "o" });
    let mut link = agreed(p, &record, &record);
    see(p, &mut link, Side::Source, &json!({ "a": "b", "other": "o" }));
    link
}

/// `answer` for the write of `b`: what is agreed then, what is pending on the target, and what was parked.
#[track_caller]
fn check(
    change: impl FnOnce(&mut Pipeline),
    answer: Option<&str>,
    base: [&str; 2],
    pending: Option<&str>,
    code: &[ParkCode],
) {
    let mut p = with_fields(&["a", "other"]);
    change(&mut p);
    let answer = answer.map(|value| json!({ "a": value, "other": "o" }));
    let settled = settle(&p, &edited(&p), answer.as_ref());
    let state = state(&p, &settled.link, 0);
    assert_eq!(state.base, Some(base.map(Cell::from)));
    assert_eq!(state.pending_target, pending.map(Cell::from));
    assert_eq!(codes(&settled.findings), code);
    assert!(!settled.again, "nothing is left to write");
    assert!(decide(&p, &settled.link).writes.is_empty(), "no ping-pong");
}

#[test]
fn sent_and_answered_are_compared() {
    check(|_| {}, Some("b"), ["b", "b"], None, &[]);
    check(|_| {}, None, ["b", "b"], None, &[]);
    check(|_| {}, Some("a"), ["a", "a"], None, &[ParkCode::NotTaken]);
    check(|_| {}, Some("B"), ["a", "a"], Some("B"), &[ParkCode::Reshaped]);
    check(|p| p.fields[0].ends[1].canon.ignore_case = true, Some("B"), ["b", "B"], None, &[]);
    check(|p| p.fields[0].ends[1].masked = true, Some("***"), ["b", "b"], None, &[]);
}

#[test]
fn a_value_that_moved_on_while_the_write_was_under_way_stays_pending() {
    let p = with_fields(&["a"]);
    let links = Links::default();
    for (now, expected) in [("c", Some("c")), ("a", Some("a")), ("b", None)] {
        let mut link = edited(&p);
        let write = decide(&p, &link).writes.remove(0);
        see(&p, &mut link, Side::Source, &json!({ "a": now }));
        for answer in [Some(json!({ "a": "b" })), None] {
            let answer = answer.map(|record| reading(&p, Side::Target, "t1", &record));
            let settled = settle_update(&context(&p, &links), &link, &write, answer.as_ref());
            let state = state(&p, &settled.link, 0);
            assert_eq!(state.base, Some(["b".into(), "b".into()]));
            assert_eq!(state.pending_source, expected.map(Cell::from), "source is {now}");
            assert_eq!(settled.again, expected.is_some());
        }
    }
}

#[test]
fn without_an_answer_a_newer_reading_stands() {
    let p = with_fields(&["a"]);
    let links = Links::default();
    let mut link = edited(&p);
    let write = decide(&p, &link).writes.remove(0);
    see(&p, &mut link, Side::Target, &json!({ "a": "typed" }));
    let settled = settle_update(&context(&p, &links), &link, &write, None);
    assert_eq!(state(&p, &settled.link, 0).pending_target, Some("typed".into()));
    assert!(settled.again);
}

#[test]
fn two_unanswered_writes_that_were_not_taken_leave_the_first_base() {
    let p = with_fields(&["a", "other"]);
    let mut link = settle(&p, &edited(&p), None).link;
    see(&p, &mut link, Side::Source, &json!({ "a": "c", "other": "o" }));
    let mut link = settle(&p, &link, None).link;
    see(&p, &mut link, Side::Target, &json!({ "a": "a", "other": "o" }));
    let state = state(&p, &link, 0);
    assert_eq!(state.base, Some(["a".into(), "a".into()]));
    assert_eq!((&state.pending_source, &state.pending_target), (&Some("c".into()), &None));
    assert_eq!(codes(&decide(&p, &link).findings), [ParkCode::NotTaken]);
}

#[test]
fn a_refused_update_waits_for_a_change() {
    let p = with_fields(&["a", "other"]);
    let link = edited(&p);
    let decision = decide(&p, &link);
    let mut refused = park_refused(&link, &decision.writes[0], "A Contact with this name exists", p.hash);
    assert_eq!(refused.revision, link.revision + 1);
    let after = decide(&p, &refused);
    assert_eq!((after.writes.len(), codes(&after.findings)), (0, vec![ParkCode::Refused]));
    assert_eq!(after.findings[0].message, "A Contact with this name exists");
    see(&p, &mut refused, Side::Source, &json!({ "a": "c", "other": "p" }));
    let after = decide(&p, &refused);
    assert_eq!((after.writes[0].fields.len(), after.findings.len()), (2, 0));
}

/// Creates the counterpart of a source record; the remote answers so.
fn created(p: &Pipeline, record: &Value, answer: Option<&Value>) -> crate::sync::Settled {
    let links = Links::default();
    let fresh = fresh(p, Side::Source, "s1", record);
    let FreshDecision::Create(write) = decide_new(&context(p, &links), Side::Source, &fresh, &[]) else {
        panic!("not created")
    };
    let answer = answer.map(|record| reading(p, Side::Target, "t1", record));
    settle_create(&context(p, &links), &fresh.observation, &write, &"t1".into(), answer.as_ref())
}

#[test]
fn a_create_leaves_a_link_that_agrees() {
    let mut p = with_fields(&["a", "b"]);
    constant(&mut p, json!("X"), "$.type");
    let settled = created(&p, &json!({ "a": "1" }), Some(&json!({ "a": "1", "type": "X" })));
    let link = &settled.link;
    assert_eq!((link.source.as_str(), link.target.as_str(), link.born), ("s1", "t1", Born::OnSource));
    assert_eq!(link.label, "source s1");
    assert!(!settled.again && settled.findings.is_empty());
    for position in 0..3 {
        assert!(state(&p, link, position).base.is_some(), "field {position}");
    }
    assert_eq!(decide(&p, link).link, None);
}

#[test]
fn a_create_without_an_answer_believes_what_was_sent() {
    let mut p = with_fields(&["a", "b"]);
    let settled = created(&p, &json!({ "a": "1" }), None);
    assert_eq!(state(&p, &settled.link, 0).base, Some(["1".into(), "1".into()]));
    assert!(decide(&p, &settled.link).unread, "the other field of the new record is unknown");
    p.flow = Flow::ToTarget;
    let settled = created(&p, &json!({ "a": "1" }), None);
    assert!(!decide(&p, &settled.link).unread, "a blank that is not sent needs no reading");
}

#[test]
fn a_new_id_is_written_back() {
    let mut p = with_fields(&["a"]);
    add(&mut p, "$.xero_id", "$.id").flow = Flow::ToSource;
    let settled = created(&p, &json!({ "a": "1" }), Some(&json!({ "a": "1", "id": "t1" })));
    assert!(settled.again);
    let writes = decide(&p, &settled.link).writes;
    assert_eq!((writes.len(), writes[0].side, &writes[0].fields[0].value), (1, Side::Source, &"t1".into()));
}

/// A site that has first and last name, and books that have one name beside them.
fn names() -> Pipeline {
    let mut p = with_fields(&["first", "last"]);
    add(&mut p, "$.first", "$.name").flow = Flow::ToTarget;
    p
}

/// Creates the site's record of one of the books; the site answers so.
fn born_on_target(p: &Pipeline, record: &Value, answer: Option<&Value>) -> crate::sync::Settled {
    let links = Links::default();
    let fresh = fresh(p, Side::Target, "t1", record);
    let FreshDecision::Create(write) = decide_new(&context(p, &links), Side::Target, &fresh, &[]) else {
        panic!("not created")
    };
    let answer = answer.map(|record| reading(p, Side::Source, "s1", record));
    settle_create(&context(p, &links), &fresh.observation, &write, &"s1".into(), answer.as_ref())
}

#[test]
fn a_field_that_flows_the_other_way_is_what_it_is_at_birth() {
    let p = names();
    let company = json!({ "first": "Jane", "name": "Acme Ltd" });
    for answer in [Some(json!({ "first": "Jane" })), None] {
        let settled = born_on_target(&p, &company, answer.as_ref());
        let mut link = settled.link;
        assert_eq!(codes(&settled.findings), [], "no difference without history");
        assert_eq!(state(&p, &link, 2).base, Some(["Jane".into(), "Acme Ltd".into()]));
        assert!(state(&p, &link, 2).uneven);
        see(&p, &mut link, Side::Source, &json!({ "first": "Jane" }));
        see(&p, &mut link, Side::Target, &json!({ "first": "Jane", "name": "Acme Group" }));
        let decision = decide(&p, &link);
        assert!(decision.writes.is_empty() && decision.findings.is_empty(), "{decision:?}");
        see(&p, &mut link, Side::Source, &json!({ "first": "Janet" }));
        let writes = decide(&p, &link).writes;
        let name = writes[0].fields.iter().find(|sent| sent.field == p.fields[2].id).unwrap();
        assert_eq!((&name.value, &name.before), (&"Janet".into(), &"Acme Group".into()));
        let link = settle(&p, &link, Some(&json!({ "first": "Janet", "name": "Janet" }))).link;
        assert!(!state(&p, &link, 2).uneven, "now they agree");
    }
}

#[test]
fn what_the_remote_made_up_at_birth_has_no_history() {
    let mut p = names();
    p.fields[2].flow = Flow::ToTarget;
    let made_up = json!({ "first": "Jane", "last": null });
    let settled = born_on_target(&p, &json!({ "last": "Doe", "name": "Acme Ltd" }), Some(&made_up));
    assert!(codes(&settled.findings).contains(&ParkCode::Difference), "{:?}", settled.findings);
    let unread = born_on_target(&p, &json!({ "last": "Doe", "name": "Acme Ltd" }), None).link;
    assert_eq!(state(&p, &unread, 2).base, None, "nothing was given of it, and nothing was read");
}

#[test]
fn figures_are_checked() {
    let mut p = with_fields(&["a", "total"]);
    p.fields[1].flow = Flow::ToSource;
    p.fields[1].write = crate::config::WriteWhen::OnCreate;
    let slots = [Side::Source, Side::Target].map(|side| p.ends[side.index()].spec.slot(Slot::Value(path("$.total"))));
    let within = "0.01".parse().unwrap();
    p.expect.push(Expectation { source: slots[0], target: slots[1], name: "total = total".to_owned(), within });
    let findings = |source: Value, target: Value| {
        codes(&created(&p, &json!({ "a": "1", "total": source }), Some(&json!({ "a": "1", "total": target }))).findings)
    };
    assert_eq!(findings(json!("120.00"), json!(120.01)), []);
    assert_eq!(findings(json!("120.00"), json!(119.9)), [ParkCode::Expectation]);
    assert_eq!(findings(json!(""), json!(119.9)), [], "a figure that is missing is not judged");
    let mut link = created(&p, &json!({ "a": "1", "total": 5 }), Some(&json!({ "a": "1", "total": 5 }))).link;
    see(&p, &mut link, Side::Source, &json!({ "a": "2", "total": 5 }));
    let settled = settle(&p, &link, Some(&json!({ "a": "2", "total": 6 })));
    assert_eq!(codes(&settled.findings), [ParkCode::Expectation], "the source's figure is remembered");
    let again = decide(&p, &settled.link);
    assert_eq!(codes(&again.findings), [ParkCode::Expectation], "it is told as long as it is so");
}
