//! The stories that first designs get wrong.

use serde_json::{Value, json};

use super::build::*;
use crate::{
    config::{Conflicts, Content, Drift, Fallback, Flow, Pipeline, Reference, Then},
    mapping::match_key,
    record::Side,
    sync::{
        Candidate, Decision, FindingKind, FreshDecision, Link, ParkCode, Settled, TierHits, Why, body, decide_new,
        observe, settle_create, settle_update,
    },
};

fn parked(decision: &Decision) -> Vec<ParkCode> {
    let code = |kind: &FindingKind| if let FindingKind::Parked(code) = kind { Some(*code) } else { None };
    decision.findings.iter().filter_map(|finding| code(&finding.kind)).collect()
}

/// The values written, by side.
fn written(decision: &Decision) -> Vec<(Side, Value)> {
    let values = decision.writes.iter().flat_map(|write| write.fields.iter().map(|sent| (write.side, sent)));
    values.map(|(side, sent)| (side, sent.value.value().cloned().unwrap_or_default())).collect()
}

/// Both had `a` = `b` = "1"; the source's `a` was edited to "2".
fn edited(p: &Pipeline) -> Link {
    let record = json!({ "a": "1", "b": "1" });
    let mut link = agreed(p, &record, &record);
    see(p, &mut link, Side::Source, &json!({ "a": "2", "b": "1" }));
    link
}

#[test]
fn a_users_edit_inside_our_writes_answer_goes_across() {
    let p = with_fields(&["a", "b"]);
    let settled = settle(&p, &edited(&p), Some(&json!({ "a": "2", "b": "typed meanwhile" })));
    assert!(settled.again);
    assert_eq!(written(&decide(&p, &settled.link)), [(Side::Source, json!("typed meanwhile"))]);
}

#[test]
fn a_users_edit_of_the_very_field_inside_our_writes_answer_is_listed() {
    let p = with_fields(&["a", "b"]);
    let settled = settle(&p, &edited(&p), Some(&json!({ "a": "3", "b": "1" })));
    let decision = decide(&p, &settled.link);
    assert_eq!((written(&decision), parked(&decision)), (vec![], vec![ParkCode::Reshaped]));
    assert_eq!(state(&p, &settled.link, 0).pending_target, Some("3".into()));
}

#[test]
fn a_remote_that_ignores_a_field_is_asked_once() {
    let p = with_fields(&["a", "b"]);
    let mut link = settle(&p, &edited(&p), Some(&json!({ "a": "1", "b": "1" }))).link;
    for _ in 0..3 {
        see(&p, &mut link, Side::Source, &json!({ "a": "2", "b": "1" }));
        see(&p, &mut link, Side::Target, &json!({ "a": "1", "b": "1" }));
        let decision = decide(&p, &link);
        assert_eq!((written(&decision), parked(&decision)), (vec![], vec![ParkCode::NotTaken]));
    }
    see(&p, &mut link, Side::Source, &json!({ "a": "3", "b": "1" }));
    assert_eq!(written(&decide(&p, &link)), [(Side::Target, json!("3"))], "another value is worth another try");
}

#[test]
fn a_remote_that_ignores_a_field_and_answers_nothing_is_found_out_by_the_next_reading() {
    let p = with_fields(&["a", "b"]);
    let mut link = settle(&p, &edited(&p), None).link;
    assert!(decide(&p, &link).writes.is_empty());
    see(&p, &mut link, Side::Target, &json!({ "a": "1", "b": "1" }));
    let decision = decide(&p, &link);
    assert_eq!((written(&decision), parked(&decision)), (vec![], vec![ParkCode::NotTaken]));
    assert_eq!(state(&p, &link, 0).base, Some(["1".into(), "1".into()]));
    see(&p, &mut link, Side::Target, &json!({ "a": "2", "b": "1" }));
    let decision = decide(&p, &link);
    assert_eq!((written(&decision), parked(&decision)), (vec![], vec![]), "it was only late");
}

#[test]
fn a_remote_that_masks_a_field_is_believed() {
    let mut p = with_fields(&["a", "b"]);
    p.fields[0].ends[1].masked = true;
    let settled = settle(&p, &edited(&p), Some(&json!({ "a": "***", "b": "1" })));
    assert!(settled.findings.is_empty() && !settled.again);
    let mut link = settled.link;
    see(&p, &mut link, Side::Target, &json!({ "a": "****", "b": "1" }));
    assert!(decide(&p, &link).writes.is_empty(), "the mask is no edit");
    see(&p, &mut link, Side::Source, &json!({ "a": "3", "b": "1" }));
    assert_eq!(written(&decide(&p, &link)), [(Side::Target, json!("3"))]);
}

#[test]
fn a_parked_field_that_is_edited_again_is_looked_at_again() {
    let p = with_fields(&["a"]);
    let mut link = agreed(&p, &json!({ "a": "1" }), &json!({ "a": "1" }));
    see(&p, &mut link, Side::Source, &json!({ "a": "2" }));
    see(&p, &mut link, Side::Target, &json!({ "a": "3" }));
    let decision = decide(&p, &link);
    assert_eq!(parked(&decision), [ParkCode::Conflict]);
    let mut link = decision.link.unwrap();
    see(&p, &mut link, Side::Source, &json!({ "a": "4" }));
    assert_eq!(parked(&decide(&p, &link)), [ParkCode::Conflict], "still a conflict, of other values");
    see(&p, &mut link, Side::Target, &json!({ "a": "1" }));
    assert_eq!(written(&decide(&p, &link)), [(Side::Target, json!("4"))], "the target took its edit back");
}

#[test]
fn an_edit_observed_while_held_is_written_later_with_its_newest_value() {
    let p = with_fields(&["a"]);
    let mut link = agreed(&p, &json!({ "a": "1" }), &json!({ "a": "1" }));
    for value in ["2", "3", "4"] {
        see(&p, &mut link, Side::Source, &json!({ "a": value }));
    }
    let kept: Link = serde_json::from_str(&serde_json::to_string(&link).unwrap()).unwrap();
    assert_eq!(written(&decide(&p, &kept)), [(Side::Target, json!("4"))], "although no feed tells it again");
}

#[test]
fn the_survivor_of_a_deletion_is_not_created_anew() {
    let p = with_fields(&["a"]);
    let mut link = agreed(&p, &json!({ "a": "1" }), &json!({ "a": "1" }));
    let mut gone = reading(&p, Side::Target, "t1", &json!({}));
    gone.gone = true;
    observe(&p, &mut link, Side::Target, &gone, false);
    see(&p, &mut link, Side::Source, &json!({ "a": "2" }));
    let decision = decide(&p, &link);
    assert!(decision.writes.is_empty() && decision.link.is_none());
    assert_eq!(decision.findings[0].kind, FindingKind::Pending);
    assert_eq!(state(&p, &link, 0).base, Some(["1".into(), "1".into()]));
}

#[test]
fn other_phones_are_carried_as_they_are_now() {
    let mut p = pipeline();
    add(&mut p, "$.mobile", "$.Phones[?(@.PhoneType=='MOBILE')].PhoneNumber");
    let phones = |mobile: &str, fax: &str| {
        json!({ "Phones": [
            { "PhoneType": "FAX", "PhoneNumber": fax },
            { "PhoneType": "MOBILE", "PhoneNumber": mobile, "PhoneAreaCode": "21" },
        ] })
    };
    let mut link = agreed(&p, &json!({ "mobile": "1" }), &phones("1", "7"));
    see(&p, &mut link, Side::Target, &phones("1", "8"));
    see(&p, &mut link, Side::Source, &json!({ "mobile": "2" }));
    let decision = decide(&p, &link);
    let sent = body(&p, &decision.writes[0], Some(link.mark(Side::Target))).unwrap();
    assert_eq!(sent, phones("2", "8"));
}

#[test]
fn our_own_writes_stamp_is_no_edit() {
    let mut p = with_fields(&["a", "b"]);
    let skew = std::time::Duration::from_mins(1);
    for field in &mut p.fields {
        field.conflicts = Conflicts::NewestWins { skew, otherwise: Fallback::Park };
    }
    let lay = |link: &mut Link, side: Side, record: &Value, minutes: i64| {
        let mut seen = reading(&p, side, link.id(side).as_str(), record);
        seen.edited_at = Some(at(minutes));
        observe(&p, link, side, &seen, false);
    };
    let record = json!({ "a": "1", "b": "1" });
    let mut link = agreed(&p, &record, &record);
    lay(&mut link, Side::Target, &json!({ "a": "1", "b": "2" }), 1);
    // The source's own edit of a was at 5. At 20 we write b to the source, which stamps it so, as every later reading
    // tells. The target's edit of a at 10 is the newer one.
    lay(&mut link, Side::Source, &json!({ "a": "2", "b": "1" }), 5);
    let links = Links::default();
    let mut write = decide(&p, &link).writes.remove(0);
    write.fields.retain(|sent| sent.field == p.fields[1].id);
    let mut answer = reading(&p, Side::Source, "s1", &json!({ "a": "2", "b": "2" }));
    answer.edited_at = Some(at(20));
    let mut link = settle_update(&context(&p, &links), &link, &write, Some(&answer)).link;
    lay(&mut link, Side::Source, &json!({ "a": "2", "b": "2" }), 20);
    assert_eq!(link.marks[0].edited_at, Some(at(5)));
    lay(&mut link, Side::Target, &json!({ "a": "3", "b": "2" }), 10);
    assert_eq!(written(&decide(&p, &link)), [(Side::Source, json!("3"))]);
}

#[test]
fn the_stamp_of_a_write_that_was_not_answered_is_no_edit() {
    let p = with_fields(&["a", "b"]);
    let mut link = settle(&p, &edited(&p), None).link;
    let mut seen = reading(&p, Side::Target, "t1", &json!({ "a": "2", "b": "typed before, told with our stamp" }));
    seen.edited_at = Some(at(20));
    observe(&p, &mut link, Side::Target, &seen, false);
    assert_eq!(link.marks[1].edited_at, None);
    assert_eq!(written(&decide(&p, &link)).len(), 1);
}

#[test]
fn an_array_written_without_an_answer_is_read_before_it_is_written_again() {
    let mut p = pipeline();
    add(&mut p, "$.mobile", "$.Phones[?(@.T=='MOBILE')].N");
    add(&mut p, "$.fax", "$.Phones[?(@.T=='FAX')].N");
    let phones =
        |mobile: &str, fax: &str| json!({ "Phones": [{ "T": "MOBILE", "N": mobile }, { "T": "FAX", "N": fax }] });
    let mut link = agreed(&p, &json!({ "mobile": "1", "fax": "1" }), &phones("1", "1"));
    see(&p, &mut link, Side::Source, &json!({ "mobile": "2", "fax": "1" }));
    let mut link = settle(&p, &link, None).link;
    see(&p, &mut link, Side::Source, &json!({ "mobile": "2", "fax": "3" }));
    let decision = decide(&p, &link);
    assert!(decision.unread && decision.writes.is_empty(), "the array as it was known would bring the old mobile back");
    see(&p, &mut link, Side::Target, &phones("2", "1"));
    let decision = decide(&p, &link);
    let sent = body(&p, &decision.writes[0], Some(link.mark(Side::Target))).unwrap();
    assert_eq!(sent, phones("2", "3"));
}

fn hit(candidates: &[(&str, bool)], rivals: &[(&str, bool)]) -> Vec<TierHits> {
    let make = |found: &[(&str, bool)]| {
        let one = |(id, admitted): &(&str, bool)| Candidate {
            id: (*id).into(),
            label: (*id).to_owned(),
            linked_with: None,
            admitted: *admitted,
            kept_apart: false,
            gone: None,
        };
        found.iter().map(one).collect()
    };
    vec![TierHits { tier: 0, candidates: make(candidates), rivals: make(rivals) }]
}

fn contacts() -> Pipeline {
    let mut p = with_fields(&["email", "name"]);
    tier(&mut p, "$.email", "$.email", Then::Link);
    only(&mut p, Side::Target, "$.IsCustomer", json!(true));
    p
}

#[test]
fn a_bare_contact_is_matched_and_not_duplicated() {
    let p = contacts();
    let links = Links::default();
    let jane = fresh(&p, Side::Source, "s1", &json!({ "email": "jane@x" }));
    // The counterpart exists, but is no customer: it may not come in by itself.
    let decision = decide_new(&context(&p, &links), Side::Source, &jane, &hit(&[("t1", false)], &[]));
    assert_eq!(decision, FreshDecision::Link { with: "t1".into() });
    let bare = fresh(&p, Side::Target, "t1", &json!({ "email": "jane@x", "IsCustomer": false }));
    let decision = decide_new(&context(&p, &links), Side::Target, &bare, &hit(&[("s1", true)], &[]));
    assert_eq!(decision, FreshDecision::Link { with: "s1".into() });
    assert!(matches!(
        decide_new(&context(&p, &links), Side::Target, &bare, &[]),
        FreshDecision::Leave { finding, .. } if finding.kind == FindingKind::Rejected
    ));
}

#[test]
fn namesakes_are_for_a_person() {
    let p = contacts();
    let links = Links::default();
    let record = fresh(&p, Side::Source, "s1", &json!({ "email": "info@x" }));
    for hits in [
        hit(&[("t1", true), ("t2", true)], &[]),
        hit(&[("t1", true)], &[("s2", true)]),
        hit(&[("t1", true)], &[("s2", false)]),
        hit(&[], &[("s2", true)]),
    ] {
        match decide_new(&context(&p, &links), Side::Source, &record, &hits) {
            FreshDecision::Leave { finding, candidates, .. } => {
                assert_eq!(finding.kind, FindingKind::Parked(ParkCode::Ambiguous), "{hits:?}");
                assert!(!candidates.is_empty(), "a person sees which");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn blank_emails_never_match() {
    let p = contacts();
    for email in [json!(""), json!("  "), Value::Null] {
        for side in Side::BOTH {
            let record = reading(&p, side, "r", &json!({ "email": email, "name": "Jane" }));
            assert_eq!(match_key(&p.tiers[0], side, &record.projection), None);
        }
    }
}

#[test]
fn a_sale_waits_for_its_contact() {
    let mut p = with_fields(&["number"]);
    p.flow = Flow::ToTarget;
    let contacts = pipeline_name("contacts");
    let reference = Some(Reference::to(contacts.clone()));
    add(&mut p, "$.contact", "$.ContactID").content =
        Content::Mapped { join: None, forward: Vec::new(), backward: None, reference };
    let mut links = Links::default();
    let sale = fresh(&p, Side::Source, "s1", &json!({ "number": "7", "contact": "c1" }));
    let waits = decide_new(&context(&p, &links), Side::Source, &sale, &[]);
    assert!(matches!(waits, FreshDecision::Leave { waits_for, .. } if waits_for == [(contacts.clone(), "c1".into())]));
    // A linked sale waits with that field only.
    let mut link = agreed(&p, &json!({ "number": "7" }), &json!({ "number": "7" }));
    see(&p, &mut link, Side::Source, &json!({ "number": "8", "contact": "c1" }));
    let decision = decide(&p, &link);
    assert_eq!(decision.waits_for, [(contacts.clone(), "c1".into())]);
    assert_eq!(written(&decision), [(Side::Target, json!("8"))]);
    links.linked.insert((contacts, Side::Source, "c1".into()), "x1".into());
    let decision = crate::sync::decide_link(&context(&p, &links), &link);
    assert_eq!(written(&decision), [(Side::Target, json!("8")), (Side::Target, json!("x1"))]);
}

fn invoice(p: &mut Pipeline) {
    p.flow = Flow::ToTarget;
    lines(p);
}

fn source_lines(lines: &[(u32, &str)]) -> Value {
    let lines: Vec<_> = lines.iter().map(|(no, title)| json!({ "no": no, "title": title })).collect();
    json!({ "lines": lines })
}

fn target_lines(lines: &[(&str, &str)]) -> Value {
    let lines: Vec<_> = lines.iter().map(|(id, text)| json!({ "LineItemID": id, "Description": text })).collect();
    json!({ "LineItems": lines })
}

/// An invoice that we created with two lines.
fn created(p: &Pipeline) -> Settled {
    let links = Links::default();
    let sale = fresh(p, Side::Source, "s1", &source_lines(&[(1, "Hat"), (2, "Coat")]));
    let FreshDecision::Create(write) = decide_new(&context(p, &links), Side::Source, &sale, &[]) else { panic!() };
    assert_eq!(
        body(p, &write, None).unwrap(),
        json!({ "LineItems": [{ "Description": "Hat" }, { "Description": "Coat" }] })
    );
    let answer = reading(p, Side::Target, "t1", &target_lines(&[("A", "Hat"), ("B", "Coat")]));
    settle_create(&context(p, &links), &sale.observation, &write, &"t1".into(), Some(&answer))
}

#[test]
fn a_line_added_by_the_accountant_stays_and_is_no_edit() {
    let mut p = pipeline();
    invoice(&mut p);
    p.drift = Drift::Report;
    let settled = created(&p);
    assert!(settled.findings.is_empty() && !settled.again);
    let mut link = settled.link;
    see(&p, &mut link, Side::Target, &target_lines(&[("A", "Hat"), ("X", "Freight"), ("B", "Coat")]));
    let decision = decide(&p, &link);
    assert_eq!((written(&decision), decision.findings.len()), (vec![], 0));
    see(&p, &mut link, Side::Source, &source_lines(&[(1, "Red hat"), (2, "Coat"), (3, "Scarf")]));
    let decision = decide(&p, &link);
    let sent = body(&p, &decision.writes[0], Some(link.mark(Side::Target))).unwrap();
    let mut expected = target_lines(&[("A", "Red hat"), ("X", "Freight"), ("B", "Coat")]);
    expected["LineItems"].as_array_mut().unwrap().push(json!({ "Description": "Scarf" }));
    assert_eq!(sent, expected);
    let answer = target_lines(&[("A", "Red hat"), ("X", "Freight"), ("B", "Coat"), ("C", "Scarf")]);
    let settled = settle(&p, &link, Some(&answer));
    assert!(settled.findings.is_empty() && !settled.again, "{:?}", settled.findings);
    let mut link = settled.link;
    assert_eq!(decide(&p, &link).link, None);
    see(&p, &mut link, Side::Target, &target_lines(&[("A", "Red hat"), ("B", "Coat"), ("C", "SCARF")]));
    assert_eq!(decide(&p, &link).findings.len(), 1, "an edit of our line is one");
}

#[test]
fn lists_that_match_are_not_doubled() {
    let mut p = pipeline();
    invoice(&mut p);
    let link = matched(&p, &source_lines(&[(1, "Hat")]), &target_lines(&[("A", "Hat"), ("X", "Freight")]));
    let decision = decide(&p, &link);
    assert_eq!((written(&decision), parked(&decision)), (vec![], vec![]), "found by their values");
    let link = matched(&p, &source_lines(&[(1, "Hat")]), &target_lines(&[("A", "Bonnet")]));
    let decision = decide(&p, &link);
    assert_eq!((written(&decision), parked(&decision)), (vec![], vec![ParkCode::Difference]));
}

#[test]
fn a_line_that_the_remote_reshapes_is_listed() {
    let mut p = pipeline();
    invoice(&mut p);
    let mut link = created(&p).link;
    see(&p, &mut link, Side::Source, &source_lines(&[(1, "Hat"), (2, "Long coat")]));
    let settled = settle(&p, &link, Some(&target_lines(&[("A", "Hat"), ("B", "Long")])));
    let decision = decide(&p, &settled.link);
    assert_eq!((written(&decision), parked(&decision)), (vec![], vec![ParkCode::Reshaped]));
    let settled = settle(&p, &link, Some(&target_lines(&[("A", "Hat"), ("B", "Coat")])));
    assert_eq!(parked(&decide(&p, &settled.link)), [ParkCode::NotTaken]);
}

#[test]
fn lines_sent_without_an_answer_are_not_sent_twice() {
    let mut p = pipeline();
    invoice(&mut p);
    let mut link = created(&p).link;
    see(&p, &mut link, Side::Source, &source_lines(&[(1, "Hat"), (2, "Coat"), (3, "Scarf")]));
    let mut link = settle(&p, &link, None).link;
    assert!(decide(&p, &link).writes.is_empty());
    see(&p, &mut link, Side::Target, &target_lines(&[("A", "Hat"), ("B", "Coat"), ("C", "Scarf")]));
    assert!(decide(&p, &link).writes.is_empty());
    see(&p, &mut link, Side::Source, &source_lines(&[(1, "Red hat"), (2, "Coat"), (3, "Scarf")]));
    let decision = decide(&p, &link);
    let sent = body(&p, &decision.writes[0], Some(link.mark(Side::Target))).unwrap();
    assert_eq!(sent, target_lines(&[("A", "Red hat"), ("B", "Coat"), ("C", "Scarf")]));
}

/// Title and price of the sale's two lines.
type Lines = [(&'static str, u32); 2];

fn priced_sale(lines: Lines) -> Value {
    let line = |(at, (title, price)): (usize, (&str, u32))| json!({ "no": at + 1, "title": title, "price": price });
    let lines: Vec<_> = lines.into_iter().enumerate().map(line).collect();
    json!({ "lines": lines })
}

fn priced_invoice(lines: Lines) -> Value {
    let line = |(id, (text, price))| json!({ "LineItemID": id, "Description": text, "UnitAmount": price });
    let lines: Vec<_> = ["A", "B"].into_iter().zip(lines).map(line).collect();
    json!({ "LineItems": lines })
}

/// An invoice that we created, on which the accountant changed the description of the second line.
fn described(p: &mut Pipeline, drift: Drift) -> Link {
    invoice(p);
    p.drift = drift;
    let links = Links::default();
    let sold = [("Hat", 10), ("Coat", 20)];
    let sale = fresh(p, Side::Source, "s1", &priced_sale(sold));
    let FreshDecision::Create(write) = decide_new(&context(p, &links), Side::Source, &sale, &[]) else { panic!() };
    let answer = reading(p, Side::Target, "t1", &priced_invoice(sold));
    let mut link = settle_create(&context(p, &links), &sale.observation, &write, &"t1".into(), Some(&answer)).link;
    see(p, &mut link, Side::Target, &priced_invoice([("Hat", 10), ("Warm coat", 20)]));
    link
}

/// The shop's sale is now `sale`: the invoice is written as `invoice`, over `before`, and answered so or not at all.
#[track_caller]
fn check_lines(p: &Pipeline, link: &Link, sale: Lines, before: Lines, invoice: Lines, answers: bool) -> Settled {
    let mut link = link.clone();
    see(p, &mut link, Side::Source, &priced_sale(sale));
    let decision = decide(p, &link);
    let [write] = decision.writes.as_slice() else { panic!("one write: {decision:?}") };
    assert_eq!(body(p, write, Some(link.mark(Side::Target))).unwrap(), priced_invoice(invoice));
    assert_eq!(write.fields[0].before.value(), priced_invoice(before).get("LineItems"));
    let answer = priced_invoice(invoice);
    let mut settled = settle(p, &link, answers.then_some(&answer));
    see(p, &mut settled.link, Side::Source, &priced_sale(sale));
    see(p, &mut settled.link, Side::Target, &answer);
    settled
}

#[test]
fn a_value_that_the_accountant_typed_stays_until_the_shop_edits_that_very_value() {
    for answers in [true, false] {
        let mut p = pipeline();
        let mut link = described(&mut p, Drift::Leave);
        let steps: [[Lines; 3]; 3] = [
            [[("Hat", 11), ("Coat", 20)], [("Hat", 10), ("Warm coat", 20)], [("Hat", 11), ("Warm coat", 20)]],
            [[("Hat", 11), ("Coat", 22)], [("Hat", 11), ("Warm coat", 20)], [("Hat", 11), ("Warm coat", 22)]],
            [[("Hat", 11), ("Cape", 22)], [("Hat", 11), ("Warm coat", 22)], [("Hat", 11), ("Cape", 22)]],
        ];
        for [sale, before, invoice] in steps {
            link = check_lines(&p, &link, sale, before, invoice, answers).link;
            let decision = decide(&p, &link);
            assert_eq!((decision.writes.len(), decision.findings.len()), (0, 0), "{decision:?}");
        }
        let base = state(&p, &link, 0).base.as_ref().unwrap();
        assert_eq!(base[1].value(), priced_invoice([("Hat", 11), ("Cape", 22)]).get("LineItems"));
    }
}

#[test]
fn a_value_that_was_not_sent_is_still_an_edit_of_the_target() {
    let (sale, before): (Lines, Lines) = ([("Hat", 11), ("Coat", 20)], [("Hat", 10), ("Warm coat", 20)]);
    let kept = [("Hat", 11), ("Warm coat", 20)];
    for answers in [true, false] {
        let mut p = pipeline();
        let link = described(&mut p, Drift::Report);
        let settled = check_lines(&p, &link, sale, before, kept, answers);
        let decision = decide(&p, &settled.link);
        assert!(decision.writes.is_empty() && decision.findings[0].kind == FindingKind::Pending, "{decision:?}");

        let mut p = pipeline();
        let mut link = described(&mut p, Drift::PutBack);
        let decision = decide(&p, &link);
        assert_eq!(decision.writes[0].fields[0].why, Why::PutBack, "alone, it goes back at once");
        let settled = check_lines(&p, &link, sale, before, kept, answers);
        assert_eq!(settled.again, answers);
        link = settled.link;
        let decision = decide(&p, &link);
        assert_eq!(decision.writes[0].fields[0].why, Why::PutBack);
        let settled = settle(&p, &link, Some(&priced_invoice(sale)));
        assert_eq!(decide(&p, &settled.link), Decision::default());
    }
}

#[test]
fn lines_that_meet_in_one_value_agree_on_it_and_differ_in_the_other() {
    for (drift, writes, findings) in [(Drift::Leave, 0, 0), (Drift::Report, 0, 1), (Drift::PutBack, 1, 0)] {
        let mut p = pipeline();
        let mut link = described(&mut p, drift);
        let (sale, invoice): (Lines, Lines) = ([("Hat", 11), ("Coat", 20)], [("Hat", 11), ("Warm coat", 20)]);
        see(&p, &mut link, Side::Source, &priced_sale(sale));
        see(&p, &mut link, Side::Target, &priced_invoice(invoice));
        let decision = decide(&p, &link);
        assert_eq!((decision.writes.len(), decision.findings.len()), (writes, findings), "{decision:?}");
        let base = decision.link.unwrap().fields[&p.fields[0].id].base.clone().unwrap();
        let agreed = [&priced_sale(sale)["lines"], &priced_invoice(sale)["LineItems"]];
        assert_eq!(base.each_ref().map(|cell| cell.value().unwrap()), agreed);
    }
}
