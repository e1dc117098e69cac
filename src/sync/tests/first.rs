//! Pairs without history: the first run, and fields that were added or changed later.

use serde_json::{Value, json};

use super::build::*;
use crate::{
    config::{Blanks, Content, Differences, Flow, Pipeline, Transform, WriteWhen},
    record::{Cell, Side},
    sync::{Change, FindingKind, ParkCode, Why},
};

#[track_caller]
fn check(pipeline: &Pipeline, source: Value, target: Value, expected: Option<(Side, &str, Why)>, parked: bool) {
    let decision = decide(pipeline, &matched(pipeline, &record_a(source), &record_a(target)));
    let sent = decision.writes.first().map(|write| (write.side, write.fields[0].clone()));
    assert_eq!(
        sent.map(|(side, sent)| (side, sent.value, sent.why)),
        expected.map(|(side, text, why)| (side, Cell::from(text), why))
    );
    let kinds: Vec<_> = decision.findings.iter().map(|finding| &finding.kind).collect();
    let difference = FindingKind::Parked(ParkCode::Difference);
    assert_eq!(kinds, if parked { vec![&difference] } else { vec![] });
}

fn rule(differences: Differences, flow: Flow) -> Pipeline {
    let mut pipeline = with_fields(&["a"]);
    pipeline.flow = flow;
    pipeline.fields[0].differences = differences;
    pipeline
}

#[test]
fn fill_blanks() {
    let p = rule(Differences::FillBlanks, Flow::TwoWay);
    check(&p, json!("x"), json!("x"), None, false);
    check(&p, Value::Null, json!(""), None, false);
    check(&p, json!("x"), json!(""), Some((Side::Target, "x", Why::FilledBlank)), false);
    check(&p, Value::Null, json!("x"), Some((Side::Source, "x", Why::FilledBlank)), false);
    check(&p, json!("x"), json!("y"), None, true);
    let p = rule(Differences::FillBlanks, Flow::ToTarget);
    check(&p, json!("x"), json!(""), Some((Side::Target, "x", Why::FilledBlank)), false);
    check(&p, json!(""), json!("x"), None, true);
    check(&p, json!("y"), json!("x"), None, true);
}

#[test]
fn fields_that_fill_blanks_only_never_differ() {
    for differences in [Differences::FillBlanks, Differences::Park, Differences::SourceWins] {
        let mut p = rule(differences, Flow::TwoWay);
        p.fields[0].write = WriteWhen::IfBlank;
        check(&p, json!("x"), json!("y"), None, false);
    }
}

#[test]
fn parked_unless_equal() {
    let p = rule(Differences::Park, Flow::TwoWay);
    check(&p, json!("x"), json!("x"), None, false);
    check(&p, json!("x"), json!(""), None, true);
}

#[test]
fn one_side_wins() {
    let p = rule(Differences::SourceWins, Flow::TwoWay);
    let won = |side: Side| Why::FirstDifference(side);
    check(&p, json!("x"), json!("y"), Some((Side::Target, "x", won(Side::Source))), false);
    check(&p, json!(""), json!("y"), Some((Side::Source, "y", Why::FilledBlank)), false);
    let p = rule(Differences::TargetWins, Flow::TwoWay);
    check(&p, json!("x"), json!("y"), Some((Side::Source, "y", won(Side::Target))), false);
    let p = rule(Differences::TargetWins, Flow::ToTarget);
    check(&p, json!("x"), json!("y"), None, true);
    let p = rule(Differences::SourceWins, Flow::ToTarget);
    check(&p, json!("x"), json!("y"), Some((Side::Target, "x", won(Side::Source))), false);
    check(&p, json!(""), json!("y"), None, true);
    let mut p = rule(Differences::SourceWins, Flow::TwoWay);
    p.fields[0].blanks = Blanks::Propagate;
    check(&p, json!(""), json!("y"), Some((Side::Target, "", won(Side::Source))), false);
}

#[test]
fn a_value_for_blank_is_sent_where_both_are_blank() {
    let mut p = rule(Differences::FillBlanks, Flow::ToTarget);
    let forward = vec![Transform::Default(json!("n/a"))];
    p.fields[0].content = Content::Mapped { join: None, forward, backward: None, reference: None };
    check(&p, json!(""), json!(""), Some((Side::Target, "n/a", Why::FilledBlank)), false);
}

#[test]
fn a_mask_is_never_sent_across() {
    let mut p = rule(Differences::TargetWins, Flow::TwoWay);
    p.fields[0].ends[1].masked = true;
    check(&p, json!(""), json!("***"), None, true);
    check(&p, json!("x"), json!("***"), None, true);
}

#[test]
fn a_side_never_seen_must_be_read() {
    let mut p = with_fields(&["a"]);
    let link = agreed(&p, &json!({ "a": "1" }), &json!({ "a": "1" }));
    add(&mut p, "$.b", "$.b").differences = Differences::SourceWins;
    assert!(decide(&p, &link).unread);
    let mut link = link;
    see(&p, &mut link, Side::Source, &json!({ "a": "2", "b": "x" }));
    let decision = decide(&p, &link);
    assert!(decision.unread);
    assert_eq!(decision.writes[0].fields.len(), 1, "the other field is not held up");
    see(&p, &mut link, Side::Target, &json!({ "a": "1", "b": "y" }));
    let decision = decide(&p, &link);
    assert!(!decision.unread);
    assert_eq!(decision.writes[0].fields.len(), 2);
}

#[test]
fn a_changed_definition_has_no_history_but_keeps_its_values() {
    let mut p = with_fields(&["a"]);
    let record = json!({ "a": "1" });
    let mut link = agreed(&p, &record, &json!({ "a": "1" }));
    see(&p, &mut link, Side::Source, &json!({ "a": "2" }));
    p.fields[0].definition = 2;
    assert_eq!(decide(&p, &link).findings[0].kind, FindingKind::Parked(ParkCode::Difference));
    assert_eq!(see(&p, &mut link, Side::Source, &json!({ "a": "2" })), Change::Moved, "the same reading as before");
    let state = state(&p, &link, 0);
    assert_eq!(state.base, None);
    assert_eq!((state.present(Side::Source), state.present(Side::Target)), (Some(&"2".into()), Some(&"1".into())));
}
