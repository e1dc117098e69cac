use proptest::prelude::*;
use regex::Regex;
use serde_json::json;

use super::*;
use crate::mapping::tests::{World, day, json_of};

fn test(path: &str, operator: Operator) -> Filter {
    Filter::Test(Test { slot: 0, path: path.into(), canon: Canon::default(), operator })
}

fn judge(filter: &Filter, cell: Cell, world: &World) -> Verdict {
    admit(filter, &"7".into(), &Projection { cells: vec![cell] }, world)
}

/// The verdict on one cell, as text: empty if admitted, else the reason and the day.
#[track_caller]
fn check(operator: Operator, cell: &str, expected: &str) {
    let cell = if cell == "absent" { Cell::Absent } else { Cell::Value(json_of(cell)) };
    let got = match judge(&test("$.x", operator), cell.clone(), &World::default()) {
        Verdict::Admitted => String::new(),
        Verdict::Rejected { reason, until: None } => reason,
        Verdict::Rejected { reason, until: Some(day) } => format!("{reason} until {day}"),
        Verdict::Unknown { waits_for } => format!("waits for {waits_for}"),
    };
    assert_eq!(got, expected, "{cell:?}");
}

#[test]
fn operators_admit_and_say_why_not() {
    check(Operator::Equals(json!(true)), "true", "");
    check(Operator::Equals(json!("true")), "true", "");
    check(Operator::Equals(json!(true)), r#""true""#, "");
    check(Operator::Equals(json!(true)), "false", "x is not true");
    check(Operator::Equals(json!(true)), "absent", "x is not true");
    check(Operator::Equals(json!("200")), "200.0", "");
    check(Operator::Equals(json!("090")), r#""090""#, "");
    check(Operator::Equals(json!("090")), r#""90""#, "x is not 090");
    check(Operator::NotEquals(json!("closed")), "absent", "");
    check(Operator::NotEquals(json!("closed")), r#""closed""#, "x is closed");
    check(Operator::In(vec![json!("a"), json!("b")]), r#""b""#, "");
    check(Operator::In(vec![json!("a"), json!("b")]), r#""c""#, "x is not one of a, b");
    check(Operator::Exists(true), "2", "");
    check(Operator::Exists(true), "0", "x is not there");
    check(Operator::Exists(false), "1", "x is there");
    check(Operator::Blank(false), r#"" ""#, "x is blank");
    check(Operator::Blank(true), "null", "");
    check(Operator::Matches(Regex::new("^A").unwrap()), r#""AB""#, "");
    check(Operator::Matches(Regex::new("^A").unwrap()), r#""BA""#, "x does not match ^A");
    check(Operator::Matches(Regex::new("^A").unwrap()), "[]", "x does not match ^A");
    check(Operator::GreaterThan(0.into()), r#""0.01""#, "");
    check(Operator::GreaterThan(0.into()), "0", "x is not greater than 0");
    check(Operator::LessThan(0.into()), r#""n/a""#, "x is not less than 0");
}

#[test]
fn dates_say_when_time_alone_may_change_the_answer() {
    // Today is 10 June 2026.
    let before_today = |days| Operator::OnOrBefore(DateBound::Today(days));
    let after_today = |days| Operator::OnOrAfter(DateBound::Today(days));
    check(before_today(0), r#""2026-06-10""#, "");
    check(before_today(0), r#""2026-06-12""#, "x (2026-06-12) is after 2026-06-10 until 2026-06-12");
    check(before_today(7), r#""2026-06-20""#, "x (2026-06-20) is after 2026-06-17 until 2026-06-13");
    check(after_today(0), r#""2026-06-09""#, "x (2026-06-09) is before 2026-06-10");
    check(after_today(0), r#""2026-06-10""#, "");
    check(
        Operator::OnOrBefore(DateBound::Day(day("2026-06-01"))),
        r#""2026-06-02""#,
        "x (2026-06-02) is after 2026-06-01",
    );
    check(before_today(0), r#""2026-06-10T23:00:00Z""#, "");
    check(before_today(0), r#""soon""#, "x is not a date: soon");
    check(before_today(0), "20260610", "x is not a date");
    check(before_today(0), "null", "x is blank");
    check(before_today(i64::MAX), r#""2026-06-10""#, "x is compared with a day that does not exist");
    check(before_today(i64::MIN), r#""2026-06-10""#, "x is compared with a day that does not exist");
}

#[test]
fn a_date_that_is_written_as_a_midnight_is_that_day_in_every_zone() {
    let world = World { zone: chrono_tz::America::New_York, ..World::default() };
    let admits = |kind, operator| {
        let canon = Canon { kind, ..Canon::default() };
        let test = Filter::Test(Test { slot: 0, path: "$.x".into(), canon, operator });
        judge(&test, "2026-06-01T00:00:00Z".into(), &world) == Verdict::Admitted
    };
    let from_the_first = || Operator::OnOrAfter(DateBound::Day(day("2026-06-01")));
    assert!(admits(Kind::Date, Operator::Equals(json!("2026-06-01"))));
    assert!(admits(Kind::Date, from_the_first()));
    for kind in [Kind::Any, Kind::Datetime] {
        assert!(!admits(kind, from_the_first()), "an instant, which was in May there");
    }
}

#[test]
fn several_values_pass_no_test_but_existence() {
    let verdict = judge(&test("$.p[*].n", Operator::NotEquals(json!(1))), Cell::Several(3), &World::default());
    assert_eq!(verdict, Verdict::Rejected { reason: "p[*].n names 3 values".into(), until: None });
    assert_eq!(judge(&test("$.p", Operator::Exists(true)), Cell::Several(3), &World::default()), Verdict::Admitted);
}

#[test]
fn a_reference_is_unknown_until_its_pipeline_was_read_in_full() {
    let sales = PipelineName::parse("sales").unwrap();
    let referred = Filter::ReferencedBy(sales.clone());
    let judged =
        |filter: &Filter, referenced| judge(filter, json!(true).into(), &World { referenced, ..World::default() });
    assert_eq!(judged(&referred, None), Verdict::Unknown { waits_for: sales.clone() });
    assert_eq!(judged(&referred, Some(vec!["7"])), Verdict::Admitted);
    let reason = "no record of sales refers to it".to_owned();
    assert_eq!(judged(&referred, Some(vec![])), Verdict::Rejected { reason, until: None });

    // What is known decides where it can.
    let no = Filter::Any(vec![]);
    let yes = Filter::All(vec![]);
    let all = |other: &Filter| judged(&Filter::All(vec![referred.clone(), other.clone()]), None);
    let any = |other: &Filter| judged(&Filter::Any(vec![referred.clone(), other.clone()]), None);
    assert!(matches!(all(&no), Verdict::Rejected { .. }));
    assert!(matches!(all(&yes), Verdict::Unknown { .. }));
    assert!(matches!(any(&no), Verdict::Unknown { .. }));
    assert_eq!(any(&yes), Verdict::Admitted);
    assert!(matches!(judged(&Filter::Not(Box::new(referred.clone())), None), Verdict::Unknown { .. }));
    assert_eq!(judged(&Filter::Where(0), None), Verdict::Admitted);
}

/// Filters on dates alone, to compare the announced day with what happens.
fn filters() -> impl Strategy<Value = Filter> {
    let bound = prop_oneof![(-5_i64..5).prop_map(DateBound::Today), (5_u32..15).prop_map(|d| DateBound::Day(june(d)))];
    let leaf = (bound, any::<bool>(), 0_usize..2).prop_map(|(bound, before, slot)| {
        let operator = if before { Operator::OnOrBefore(bound) } else { Operator::OnOrAfter(bound) };
        Filter::Test(Test { slot, path: "$.x".into(), canon: Canon::default(), operator })
    });
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..3).prop_map(Filter::All),
            prop::collection::vec(inner.clone(), 1..3).prop_map(Filter::Any),
            inner.prop_map(|part| Filter::Not(Box::new(part))),
        ]
    })
}

fn june(day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 6, day).unwrap()
}

proptest! {
    #[test]
    fn a_rejected_record_is_not_admitted_before_the_announced_day(
        filter in filters(),
        dates in prop::array::uniform2(1_u32..30),
    ) {
        let cells: Vec<Cell> = dates.iter().map(|date| june(*date).to_string().as_str().into()).collect();
        let on = |today| admit(&filter, &"7".into(), &Projection { cells: cells.clone() }, &World { today, ..World::default() });
        let start = june(10);
        if let Verdict::Rejected { until, .. } = on(start) {
            let mut today = start;
            for _ in 0..60 {
                today = today.succ_opt().unwrap();
                let open = until.is_some_and(|until| today >= until);
                prop_assert!(open || matches!(on(today), Verdict::Rejected { .. }), "admitted on {today}, announced {until:?}");
            }
            prop_assert!(until.is_none_or(|until| until > start), "announced a day that has passed: {until:?}");
        }
    }
}
