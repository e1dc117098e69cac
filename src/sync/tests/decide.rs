//! Linked pairs with history: what each kind of edit leads to.

use serde_json::{Value, json};

use super::build::*;
use crate::{
    config::{Blanks, Conflicts, Drift, Fallback, Flow, OnLeave, Pipeline, WriteWhen},
    record::{Cell, Side},
    sync::{Decision, FindingKind, ParkCode, Why, link::FieldPark, observe},
};

/// What a decision says about its only field: `target=b changed on the source`, `parked conflict`, `pending`, …
fn told(decision: &Decision) -> String {
    let mut told: Vec<String> = Vec::new();
    for write in &decision.writes {
        for sent in &write.fields {
            let value = sent.value.value().map_or("absent".to_owned(), |value| value.to_string().replace('"', ""));
            told.push(format!("{}={value} {}", write.side, sent.why));
        }
    }
    for finding in &decision.findings {
        told.push(match &finding.kind {
            FindingKind::Parked(code) => format!("parked {code}"),
            FindingKind::Pending => format!("pending: {}", finding.message),
            other => format!("{other:?}"),
        });
    }
    if decision.unread {
        told.push("unread".to_owned());
    }
    told.join("; ")
}

fn one_field(change: impl FnOnce(&mut Pipeline)) -> Pipeline {
    let mut pipeline = with_fields(&["a"]);
    change(&mut pipeline);
    pipeline
}

/// A pair that agreed on `base`; then the two sides became `source` and `target`.
#[track_caller]
fn check(pipeline: &Pipeline, base: &str, source: Value, target: Value, expected: &str) {
    let record = json!({ "a": base });
    let mut link = agreed(pipeline, &record, &record);
    see(pipeline, &mut link, Side::Source, &record_a(source));
    see(pipeline, &mut link, Side::Target, &record_a(target));
    assert_eq!(told(&decide(pipeline, &link)), expected);
}

#[test]
fn two_way_edits() {
    let p = one_field(|_| {});
    check(&p, "a", json!("a"), json!("a"), "");
    check(&p, "a", json!("b"), json!("a"), "target=b changed on the source");
    check(&p, "a", json!("a"), json!("b"), "source=b changed on the target");
    check(&p, "a", json!("b"), json!("b"), "");
    check(&p, "a", json!("b"), json!("c"), "parked conflict");
    check(&p, "a", Value::Null, json!("a"), "pending: cleared on the source; not sent");
    check(&p, "a", json!("a"), json!(""), "pending: cleared on the target; not sent");
    check(&p, "a", json!(""), json!("b"), "source=b changed on the target");
    check(&p, "a", json!("b"), Value::Null, "target=b changed on the source");
    check(&p, "a", json!(""), Value::Null, "");
    check(&p, "", json!("b"), json!(""), "target=b changed on the source");
}

#[test]
fn cleared_values_that_are_sent() {
    let p = one_field(|p| p.fields[0].blanks = Blanks::Propagate);
    check(&p, "a", json!(""), json!("a"), "target= changed on the source");
    check(&p, "a", json!(""), json!("b"), "parked conflict");
    check(&p, "a", json!(""), Value::Null, "");
}

#[test]
fn conflict_policies() {
    let p = one_field(|p| p.fields[0].conflicts = Conflicts::SourceWins);
    check(&p, "a", json!("b"), json!("c"), "target=b changed on both sides; conflicts: source-wins");
    let p = one_field(|p| p.fields[0].conflicts = Conflicts::TargetWins);
    check(&p, "a", json!("b"), json!("c"), "source=c changed on both sides; conflicts: target-wins");
    let p = one_field(|p| {
        p.fields[0].conflicts = Conflicts::SourceWins;
        p.fields[0].ends[1].read_only = true;
    });
    check(&p, "a", json!("b"), json!("c"), "parked conflict");
}

#[test]
fn one_way_pipelines() {
    let one_way = |drift| one_field(|p| (p.flow, p.drift) = (Flow::ToTarget, drift));
    let p = one_way(Drift::Leave);
    check(&p, "a", json!("b"), json!("a"), "target=b changed on the source");
    check(&p, "a", json!("a"), json!("b"), "");
    check(&p, "a", json!("b"), json!("c"), "target=b changed on the source");
    check(&p, "a", json!(""), json!("c"), "pending: cleared on the source; not sent");
    let p = one_way(Drift::Report);
    check(&p, "a", json!("a"), json!("b"), "pending: edited on the target, against the direction; left as it is");
    let p = one_way(Drift::PutBack);
    check(&p, "a", json!("a"), json!("b"), "target=a edited against the direction; drift: put-back");
    check(&p, "a", json!("a"), json!(""), "target=a edited against the direction; drift: put-back");
    check(&p, "", json!(""), json!("b"), "pending: blank on the source; not sent");
}

#[test]
fn one_way_fields_and_ends_that_cannot_be_written() {
    let p = one_field(|p| p.fields[0].flow = Flow::ToSource);
    check(&p, "a", json!("b"), json!("a"), "");
    check(&p, "a", json!("b"), json!("c"), "source=c changed on the target");
    let p = one_field(|p| (p.flow, p.fields[0].flow) = (Flow::ToTarget, Flow::ToSource));
    check(&p, "a", json!("a"), json!("c"), "pending: edited on the target; this field cannot be written on the source");
    let p = one_field(|p| (p.drift, p.fields[0].ends[1].read_only) = (Drift::PutBack, true));
    check(&p, "a", json!("b"), json!("a"), "pending: edited on the source; this field cannot be written on the target");
    check(&p, "a", json!("a"), json!("b"), "source=b changed on the target");
    let p = one_field(|p| p.fields[0].ends[1].masked = true);
    check(&p, "a", json!("b"), json!("***"), "target=b changed on the source");
}

#[test]
fn what_is_taken_with_a_new_record_alone_is_never_changed() {
    let p = one_field(|p| p.fields[0].ends[1].create_only = true);
    check(&p, "a", json!("b"), json!("a"), "parked unchangeable");
    check(&p, "a", json!("b"), json!("b"), "");
    check(&p, "a", json!("a"), json!("b"), "source=b changed on the target");
    let p = one_field(|p| {
        p.fields[0].conflicts = Conflicts::SourceWins;
        p.fields[0].ends[1].create_only = true;
    });
    check(&p, "a", json!("b"), json!("c"), "parked unchangeable");
}

#[test]
fn when_a_field_is_written() {
    let p = one_field(|p| p.fields[0].write = WriteWhen::OnCreate);
    check(&p, "a", json!("b"), json!("a"), "");
    check(&p, "a", json!("b"), json!("b"), "");
    let p = one_field(|p| p.fields[0].write = WriteWhen::IfBlank);
    check(&p, "a", json!("b"), json!("a"), "");
    check(&p, "a", json!("b"), json!(""), "target=b changed on the source");
    check(&p, "", json!("b"), json!(""), "target=b changed on the source");
    check(&p, "a", json!("b"), json!("c"), "");
}

#[test]
fn constants_are_put_back_only_under_that_policy() {
    let mut p = pipeline();
    constant(&mut p, json!("X"), "$.a");
    check(&p, "X", Value::Null, json!("Y"), "");
    p.drift = Drift::PutBack;
    check(&p, "X", Value::Null, json!("Y"), "target=X edited against the direction; drift: put-back");
    p.fields[0].write = WriteWhen::OnCreate;
    check(&p, "X", Value::Null, json!("Y"), "");
    p.fields[0].write = WriteWhen::Always;
    check(&p, "Z", Value::Null, json!("Y"), "");
}

#[test]
fn several_values_park_the_field_and_no_other() {
    let mut p = pipeline();
    add(&mut p, "$.list[*].x", "$.x");
    add(&mut p, "$.b", "$.b");
    let mut link = agreed(&p, &json!({ "list": [{ "x": "a" }], "b": "1" }), &json!({ "x": "a", "b": "1" }));
    see(&p, &mut link, Side::Source, &json!({ "list": [{ "x": "a" }, { "x": "c" }], "b": "2" }));
    let decision = decide(&p, &link);
    assert_eq!(told(&decision), "target=2 changed on the source; parked unmappable");
    assert!(decision.findings[0].message.contains("2 values"), "{}", decision.findings[0].message);
}

#[test]
fn newest_wins_only_beyond_doubt() {
    let skew = std::time::Duration::from_mins(1);
    let told_by = |source: Option<i64>, target: Option<i64>, otherwise| {
        let p = one_field(|p| p.fields[0].conflicts = Conflicts::NewestWins { skew, otherwise });
        let mut link = agreed(&p, &json!({ "a": "a" }), &json!({ "a": "a" }));
        for (side, id, value, minutes) in [(Side::Source, "s1", "b", source), (Side::Target, "t1", "c", target)] {
            let mut seen = reading(&p, side, id, &json!({ "a": value }));
            seen.edited_at = minutes.map(at);
            observe(&p, &mut link, side, &seen, false);
        }
        told(&decide(&p, &link))
    };
    assert_eq!(told_by(Some(2), Some(0), Fallback::Park), "target=b changed on both sides; conflicts: source-wins");
    assert_eq!(told_by(Some(0), Some(2), Fallback::Park), "source=c changed on both sides; conflicts: target-wins");
    assert_eq!(told_by(Some(1), Some(0), Fallback::Park), "parked conflict", "within the skew");
    assert_eq!(told_by(None, Some(0), Fallback::Park), "parked conflict", "no stamp");
    assert_eq!(told_by(Some(900), Some(0), Fallback::Park), "parked conflict", "a stamp in the future");
    let source_wins = "target=b changed on both sides; conflicts: source-wins";
    assert_eq!(told_by(None, Some(0), Fallback::SourceWins), source_wins);
}

#[test]
fn a_person_chooses() {
    let p = one_field(|_| {});
    let mut link = agreed(&p, &json!({ "a": "a" }), &json!({ "a": "a" }));
    see(&p, &mut link, Side::Source, &json!({ "a": "b" }));
    see(&p, &mut link, Side::Target, &json!({ "a": "" }));
    let id = p.fields[0].id;
    link.fields.get_mut(&id).unwrap().winner = Some(Side::Target);
    assert_eq!(told(&decide(&p, &link)), "source= changed on both sides; a person chose the target");
    see(&p, &mut link, Side::Source, &json!({ "a": "d" }));
    assert_eq!(link.fields[&id].winner, None, "the losing side has a value that the person has not seen");
    assert_eq!(told(&decide(&p, &link)), "target=d changed on the source");
}

#[test]
fn a_park_stands_until_a_value_or_the_configuration_changes() {
    let mut p = one_field(|_| {});
    let mut link = agreed(&p, &json!({ "a": "a" }), &json!({ "a": "a" }));
    see(&p, &mut link, Side::Source, &json!({ "a": "b" }));
    let seen = [Cell::from("b"), Cell::from("a")];
    let park = FieldPark { code: ParkCode::Refused, message: "no".to_owned(), seen, config: p.hash };
    link.fields.get_mut(&p.fields[0].id).unwrap().parked = Some(park);
    assert_eq!(told(&decide(&p, &link)), "parked refused");
    let mut edited = link.clone();
    see(&p, &mut edited, Side::Source, &json!({ "a": "c" }));
    assert_eq!(told(&decide(&p, &edited)), "target=c changed on the source");
    let mut equal = link.clone();
    see(&p, &mut equal, Side::Target, &json!({ "a": "b" }));
    assert_eq!(told(&decide(&p, &equal)), "");
    let mut back = link.clone();
    see(&p, &mut back, Side::Source, &json!({ "a": "a" }));
    let decision = decide(&p, &back);
    assert_eq!((told(&decision).as_str(), state(&p, &decision.link.unwrap(), 0).parked.is_some()), ("", false));
    p.hash += 1;
    assert_eq!(told(&decide(&p, &link)), "target=b changed on the source");
}

#[test]
fn nothing_is_written_while_one_is_gone_or_paused() {
    let mut p = with_fields(&["a", "b"]);
    let mut link = agreed(&p, &json!({ "a": "a", "b": "b" }), &json!({ "a": "a", "b": "b" }));
    let mut gone = reading(&p, Side::Target, "t1", &json!({}));
    gone.gone = true;
    observe(&p, &mut link, Side::Target, &gone, false);
    assert_eq!(told(&decide(&p, &link)), "");
    see(&p, &mut link, Side::Source, &json!({ "a": "new", "b": "b" }));
    let expected = "pending: edited on the source; its counterpart on the target is gone and is not created anew";
    assert_eq!(told(&decide(&p, &link)), expected);
    see(&p, &mut link, Side::Target, &json!({ "a": "a", "b": "b" }));
    assert_eq!(told(&decide(&p, &link)), "target=new changed on the source", "it came back");
    p.on_leave = OnLeave::Pause;
    link.marks[0].paused = true;
    assert_eq!(told(&decide(&p, &link)), "pending: kept until the record on the source passes its filter again");
}

#[test]
fn one_write_per_side_in_the_order_of_fields() {
    let p = with_fields(&["c", "a", "b", "d"]);
    let record = json!({ "a": "1", "b": "1", "c": "1", "d": "1" });
    let mut link = agreed(&p, &record, &record);
    see(&p, &mut link, Side::Source, &json!({ "a": "2", "b": "1", "c": "2", "d": "1" }));
    see(&p, &mut link, Side::Target, &json!({ "a": "1", "b": "3", "c": "1", "d": "1" }));
    link.marks[1].version = Some("v9".to_owned());
    let writes = decide(&p, &link).writes;
    let order: Vec<_> = writes.iter().map(|write| (write.side, write.fields.len())).collect();
    assert_eq!(order, [(Side::Source, 1), (Side::Target, 2)]);
    assert_eq!(writes[1].fields[0].field, p.fields[0].id);
    assert_eq!((writes[1].version.as_deref(), writes[1].id.as_ref().unwrap().as_str()), (Some("v9"), "t1"));
    let sent = &writes[1].fields[0];
    assert_eq!((&sent.before, &sent.from, &sent.why), (&"1".into(), &"2".into(), &Why::Changed(Side::Source)));
}
