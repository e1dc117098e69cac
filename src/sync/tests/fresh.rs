//! Records without a link.

use serde_json::{Value, json};

use super::build::*;
use crate::{
    config::{Content, Creates, CutOver, Filter, Flow, Keep, Pipeline, Reference, Then, Unique},
    record::{Canon, Kind, Side, Slot},
    sync::{Candidate, FreshDecision, TierHits, decide_new, needs_hits, unique_key, unique_rank},
};

fn candidate(id: &str) -> Candidate {
    Candidate {
        id: id.into(),
        label: id.to_uppercase(),
        linked_with: None,
        admitted: true,
        kept_apart: false,
        gone: None,
    }
}

fn linked(id: &str, with: &str) -> Candidate {
    Candidate { linked_with: Some(with.into()), ..candidate(id) }
}

fn bare(id: &str) -> Candidate {
    Candidate { admitted: false, ..candidate(id) }
}

fn hit(tier: usize, candidates: &[Candidate], rivals: &[Candidate]) -> TierHits {
    TierHits { tier, candidates: candidates.to_vec(), rivals: rivals.to_vec() }
}

/// Two tiers, the second only proposes.
fn tiers() -> Pipeline {
    let mut p = with_fields(&["email", "name"]);
    tier(&mut p, "$.email", "$.email", Then::Link);
    tier(&mut p, "$.name", "$.name", Then::Propose);
    p
}

fn told(decision: &FreshDecision) -> String {
    match decision {
        FreshDecision::Link { with } => format!("link {with}"),
        FreshDecision::Succeed { with } => format!("succeed {with}"),
        FreshDecision::Create(write) => {
            let values = write.fields.iter().filter_map(|sent| sent.value.value());
            let values: Vec<_> = values.map(|value| value.to_string().replace('"', "")).collect();
            format!("create on {}: {}", write.side, values.join(", "))
        }
        FreshDecision::Leave { finding, .. } => format!("{:?}: {}", finding.kind, finding.message),
    }
}

#[track_caller]
fn check_on(p: &Pipeline, side: Side, record: &Value, hits: &[TierHits], expected: &str) {
    let links = Links::default();
    let (context, record) = (context(p, &links), fresh(p, side, "r1", record));
    let decision = decide_new(&context, side, &record, hits);
    if !needs_hits(&context, side, &record) {
        assert_eq!(decision, decide_new(&context, side, &record, &[]), "said to be the same without hits");
    }
    let told = told(&decision);
    assert!(told.starts_with(expected), "{told}\nexpected: {expected}");
}

#[track_caller]
fn check(p: &Pipeline, hits: &[TierHits], expected: &str) {
    check_on(p, Side::Source, &json!({ "email": "e", "name": "n" }), hits, expected);
}

#[test]
fn candidates() {
    let p = tiers();
    check(&p, &[], "create on target: e, n");
    check(&p, &[hit(0, &[], &[])], "create on target: e, n");
    check(&p, &[hit(0, &[candidate("c1")], &[])], "link c1");
    check(&p, &[hit(0, &[candidate("c1")], &[]), hit(1, &[candidate("c1")], &[])], "link c1");
    check(&p, &[hit(0, &[candidate("c1")], &[]), hit(1, &[], &[])], "link c1");
    check(&p, &[hit(1, &[candidate("c1")], &[])], "Parked(Proposed): may be the same as C1");
    let two = "Parked(Ambiguous): matches several records: C1, C2";
    check(&p, &[hit(0, &[candidate("c1"), candidate("c2")], &[])], two);
    check(&p, &[hit(0, &[candidate("c1")], &[]), hit(1, &[candidate("c2")], &[])], two);
    let taken = "Parked(Taken): matches C1, which is linked with R2 already";
    check(&p, &[hit(0, &[linked("c1", "r2")], &[linked("r2", "c1")])], taken);
    let taken = "Parked(Taken): matches C1, which is linked with r2 already";
    check(&p, &[hit(0, &[linked("c1", "r2")], &[])], taken);
}

#[test]
fn rivals() {
    let p = tiers();
    let both = "Parked(Ambiguous): matches C1, and so does R2";
    check(&p, &[hit(0, &[candidate("c1")], &[candidate("r2")])], both);
    check(&p, &[hit(0, &[], &[linked("r2", "c9")])], "Parked(Taken): R2 has the same key and is linked already");
    check(&p, &[hit(0, &[], &[candidate("r2")])], "Parked(Ambiguous): shares its key with R2");
    check(&p, &[hit(0, &[], &[bare("r2")])], "create on target: e, n");
}

#[test]
fn filters_admit_and_matching_looks_at_everything() {
    let mut p = tiers();
    only(&mut p, Side::Source, "$.customer", json!(true));
    check(&p, &[], "Rejected: customer is not true");
    check(&p, &[hit(0, &[], &[candidate("r2")])], "Rejected: ");
    check(&p, &[hit(0, &[candidate("c1")], &[])], "link c1");
    check(&p, &[hit(0, &[bare("c1")], &[])], "Rejected: customer is not true");
    p.flow = Flow::ToTarget;
    check(&p, &[hit(0, &[candidate("c1")], &[])], "Rejected: customer is not true");
    let customer = json!({ "email": "e", "customer": true });
    check_on(&p, Side::Source, &customer, &[hit(0, &[bare("c1")], &[])], "link c1");
    check_on(&p, Side::Target, &customer, &[hit(0, &[candidate("c1")], &[])], "link c1");
    check_on(&p, Side::Target, &customer, &[hit(0, &[bare("c1")], &[])], "Rejected: it matches C1");
    check_on(&p, Side::Target, &customer, &[], "Skipped: matches nothing, and nothing is created on the source");
}

#[test]
fn hits_are_looked_for_only_where_they_count() {
    let mut p = tiers();
    only(&mut p, Side::Source, "$.customer", json!(true));
    let needed = |p: &Pipeline, side: Side, record: &Value| {
        let links = Links::default();
        needs_hits(&context(p, &links), side, &fresh(p, side, "r1", record))
    };
    let (customer, other) = (json!({ "email": "e", "customer": true }), json!({ "email": "e" }));
    assert!(needed(&p, Side::Source, &other), "a two-way match may invite it");
    p.flow = Flow::ToTarget;
    assert!(needed(&p, Side::Source, &customer));
    assert!(!needed(&p, Side::Source, &other));
    assert!(needed(&p, Side::Target, &other), "it may be the counterpart of what enters");
    p.ends[0].filter = Filter::ReferencedBy(pipeline_name("sales"));
    assert!(needed(&p, Side::Source, &other), "not known yet");
}

#[test]
fn a_filter_that_is_not_known_yet_waits() {
    let mut p = tiers();
    p.ends[0].filter = Filter::ReferencedBy(pipeline_name("sales"));
    let record = fresh(&p, Side::Source, "r1", &json!({ "email": "e" }));
    let mut links = Links::default();
    let waits = decide_new(&context(&p, &links), Side::Source, &record, &[]);
    assert!(told(&waits).starts_with("Waiting(PipelineName(\"sales\"))"), "{}", told(&waits));
    let matched = decide_new(&context(&p, &links), Side::Source, &record, &[hit(0, &[candidate("c1")], &[])]);
    assert_eq!(told(&matched), "link c1");
    links.referenced.insert(pipeline_name("sales"), ["r1".into()].into());
    assert_eq!(told(&decide_new(&context(&p, &links), Side::Source, &record, &[])), "create on target: e");
}

#[test]
fn out_of_scope() {
    let mut p = tiers();
    let slot = p.ends[0].spec.slot(Slot::Value(path("$.date")));
    p.cut_over = Some(CutOver { slot, kind: Kind::Any, from: "2026-07-01".parse().unwrap() });
    let dated = |date: &str| json!({ "email": "e", "date": date });
    let hits = [hit(0, &[candidate("c1")], &[])];
    check_on(&p, Side::Source, &dated("2026-06-30T23:00:00Z"), &hits, "Skipped: dated 2026-06-30, before the cut-over");
    check_on(&p, Side::Source, &dated("2026-07-01"), &hits, "link c1");
    check_on(&p, Side::Source, &dated("soon"), &hits, "Parked(Unmappable): has no date");
    check_on(&p, Side::Source, &dated("2026-07-é1"), &hits, "Parked(Unmappable): has no date");
    check_on(&p, Side::Target, &json!({}), &hits, "link c1");
    let mut gone = fresh(&p, Side::Source, "r1", &dated("2026-07-01"));
    gone.observation.gone = true;
    let links = Links::default();
    assert_eq!(told(&decide_new(&context(&p, &links), Side::Source, &gone, &hits)), "Skipped: deleted on the source");
}

#[test]
fn what_is_created() {
    let mut p = with_fields(&["a", "b"]);
    constant(&mut p, json!("X"), "$.type");
    add(&mut p, "$.back", "$.id").flow = Flow::ToSource;
    add(&mut p, "$.c", "$.c").ends[1].read_only = true;
    check_on(&p, Side::Source, &json!({ "a": "1", "b": " ", "back": "x", "c": "c" }), &[], "create on target: 1, X");
    check_on(
        &p,
        Side::Target,
        &json!({ "a": "1", "id": "t", "type": "Y", "c": "c" }),
        &[],
        "create on source: 1, t, c",
    );
    check_on(&p, Side::Target, &json!({}), &[], "Skipped: has no value that could be written on the source");
    p.creates = Creates { to_target: true, to_source: false };
    check_on(&p, Side::Target, &json!({ "a": "1" }), &[], "Skipped: matches nothing, and nothing is created");
}

#[test]
fn an_incomplete_record_is_not_created() {
    let mut p = with_fields(&["a"]);
    add(&mut p, "$.list[*]", "$.b");
    let record = json!({ "a": "1", "list": ["x", "y"] });
    check_on(&p, Side::Source, &record, &[], "Parked(Unmappable): list[*] -> b: `$.list[*]` names 2 values");
    let reference = Some(Reference::to(pipeline_name("people")));
    p.fields[1].content = Content::Mapped { join: None, forward: Vec::new(), backward: None, reference };
    let record = fresh(&p, Side::Source, "r1", &json!({ "a": "1", "list": ["p7"] }));
    let mut links = Links::default();
    match decide_new(&context(&p, &links), Side::Source, &record, &[]) {
        FreshDecision::Leave { finding, waits_for, .. } => {
            assert_eq!(finding.message, "waiting for people: p7");
            assert_eq!(waits_for, [(pipeline_name("people"), "p7".into())]);
        }
        other => panic!("{other:?}"),
    }
    links.linked.insert((pipeline_name("people"), Side::Source, "p7".into()), "x7".into());
    assert_eq!(told(&decide_new(&context(&p, &links), Side::Source, &record, &[])), "create on target: 1, x7");
}

#[test]
fn of_several_with_the_same_value_one_enters() {
    let mut p = tiers();
    let by = p.ends[0].spec.slot(Slot::Value(path("$.email")));
    let order = vec![p.ends[0].spec.slot(Slot::Value(path("$.rank")))];
    let canon = Canon { ignore_case: true, ..Canon::default() };
    p.unique = Some(Unique { by, canon, keep: Keep::LinkedThenFirst, order });
    check(&p, &[hit(0, &[candidate("c1")], &[candidate("r0")])], "Skipped: R0 has the same value and is the one");
    check(&p, &[hit(0, &[candidate("c1")], &[])], "link c1");
    let target = json!({ "email": "e" });
    check_on(&p, Side::Target, &target, &[hit(0, &[candidate("c1")], &[candidate("r0")])], "Parked(Ambiguous)");
    let rank = |id: &str, rank: Value| {
        unique_rank(&p, Side::Source, &fresh(&p, Side::Source, id, &json!({ "email": "E", "rank": rank })))
    };
    let mut ranks = [rank("e", Value::Null), rank("d", json!("x")), rank("c", json!(10)), rank("b", json!("9"))];
    ranks.sort();
    assert_eq!(ranks, [rank("b", json!("9")), rank("c", json!(10)), rank("d", json!("x")), rank("e", Value::Null)]);
    assert!(rank("a", json!(1)) < rank("b", json!(1)));
    let key = |record: Value| unique_key(&p, Side::Source, &p.ends[0].spec.read(&record));
    assert_eq!(key(json!({ "email": "A@x" })), key(json!({ "email": "a@X" })));
    assert_eq!(key(json!({ "email": " " })), None);
}

#[test]
fn a_new_record_takes_the_place_of_the_one_of_its_key_that_is_gone() {
    let p = tiers();
    let record = json!({ "email": "a@b.example", "name": "A" });
    let gone = |candidate: Candidate, side| Candidate { gone: Some(side), ..candidate };
    // A new source finds the target, whose own source is gone.
    let freed = gone(linked("t1", "s1"), Side::Source);
    check_on(&p, Side::Source, &record, &[hit(0, std::slice::from_ref(&freed), &[])], "succeed t1");
    // A new target finds its predecessor.
    let predecessor = gone(linked("t0", "s1"), Side::Target);
    check_on(&p, Side::Target, &record, &[hit(0, &[], std::slice::from_ref(&predecessor))], "succeed s1");
    // Not while the other one is there, nor where two of them could be meant, nor where it is only proposed.
    check_on(&p, Side::Source, &record, &[hit(0, &[linked("t1", "s1")], &[])], "Parked(Taken)");
    check_on(&p, Side::Source, &record, &[hit(0, std::slice::from_ref(&freed), &[candidate("s2")])], "Parked(Taken)");
    let other = gone(linked("t9", "s9"), Side::Target);
    check_on(&p, Side::Target, &record, &[hit(0, &[], &[predecessor, other])], "Parked(Taken)");
    check_on(&p, Side::Source, &record, &[hit(1, &[freed], &[])], "create on target");
    // The target is what is gone: its source is there, and keeps its place.
    check_on(&p, Side::Source, &record, &[hit(0, &[gone(linked("t1", "s1"), Side::Target)], &[])], "Parked(Taken)");
}
