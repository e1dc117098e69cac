use proptest::prelude::*;
use serde_json::json;

use super::*;

fn canon(text: &str) -> Canon {
    serde_json::from_str(text).unwrap()
}

fn cell(text: &str) -> Cell {
    if text == "absent" { Cell::Absent } else { Cell::Value(serde_json::from_str(text).unwrap()) }
}

#[track_caller]
fn check(canon_text: &str, a: &str, b: &str, same: bool) {
    let (canon, a, b) = (canon(canon_text), cell(a), cell(b));
    assert_eq!(canon.same(&a, &b), same, "{canon_text}: {a:?} and {b:?}, keys {:?} {:?}", canon.key(&a), canon.key(&b));
    assert_eq!(canon.same(&b, &a), same, "{canon_text}: not symmetric");
}

#[test]
fn undeclared_values_compare_as_json_with_numbers_by_value() {
    check("{}", "1.0", "1.00", true);
    check("{}", "1", "1e0", true);
    check("{}", "0.1", "0.10000000000000000000000000000000001", false);
    check("{}", "9007199254740993", "9007199254740992", false);
    check("{}", "1", r#""1""#, false);
    check("{}", "true", r#""true""#, false);
    check("{}", r#"{"a":[1.0,{"b":2}],"c":"x"}"#, r#"{"c":"x","a":[1,{"b":2.00}]}"#, true);
    check("{}", r#"{"a":null,"b":1}"#, r#"{"b":1,"c":""}"#, true);
    check("{}", "[1,2]", "[2,1]", false);
    check("{}", "[1,2]", "[12]", false);
    check("{}", r#""a""#, r#""A ""#, false);
}

#[test]
fn blanks_are_one_unless_declared_distinct() {
    let blanks = ["absent", "null", r#""""#, "[]"];
    for a in blanks {
        for b in blanks {
            check("{}", a, b, true);
            check(r#"{"blanks_distinct":true}"#, a, b, a == b);
        }
        check("{}", a, "0", false);
        check("{}", a, "false", false);
        check(r#"{"kind":"boolean"}"#, a, "false", false);
    }
    check(r#"{"blanks_distinct":true,"trim":true}"#, r#""""#, r#"" ""#, true);
    check(r#"{"blanks_distinct":true}"#, r#""""#, r#"" ""#, false);
    check(r#"{"blanks_distinct":true}"#, r#"{"a":null}"#, "{}", false);
    assert_eq!(Canon::default().key(&Cell::from("  ")), None);
}

#[test]
fn text_compares_under_its_flags() {
    check(r#"{"kind":"text"}"#, "200", r#""200""#, true);
    check(r#"{"kind":"text"}"#, "200.0", r#""200""#, false);
    check(r#"{"kind":"text"}"#, r#""0012""#, "12", false);
    check(r#"{"kind":"text"}"#, r#""[1]""#, "[1]", false);
    check(r#"{"kind":"text","trim":true}"#, r#"" a""#, r#""a\n""#, true);
    check(r#"{"kind":"text","collapse_spaces":true}"#, r#""a \t b""#, r#""a b""#, true);
    check(r#"{"kind":"text","collapse_spaces":true}"#, r#"" a""#, r#""a""#, false);
    check(r#"{"kind":"text","ignore_case":true}"#, r#""É""#, r#""é""#, true);
    check(r#"{"kind":"text","max":3}"#, r#""abcd""#, r#""abc""#, true);
    check(r#"{"kind":"text","max":3,"trim":true}"#, r#""ab cd""#, r#""ab""#, true);
    check(r#"{"kind":"text","max":3}"#, r#""abd""#, r#""abc""#, false);
    check(r#"{"kind":"text","phone":true}"#, r#""+64 (21) 1-2""#, r#""+642112""#, true);
    check(r#"{"kind":"text","phone":true}"#, r#""n/a""#, r#""none""#, false);
    check(r#"{"kind":"id","trim":true,"ignore_case":true}"#, r#""a""#, r#""A""#, false);
    check(r#"{"kind":"id"}"#, r#""12""#, "12", true);
}

#[test]
fn numbers_booleans_dates_and_instants_compare_as_such() {
    check(r#"{"kind":"decimal"}"#, "1.10", r#""1.1""#, true);
    check(r#"{"kind":"decimal","places":2}"#, "1.005", "1.01", true);
    check(r#"{"kind":"decimal"}"#, "1.005", "1.01", false);
    check(r#"{"kind":"decimal"}"#, "1e400", "1e401", false);
    check(r#"{"kind":"decimal"}"#, r#""n/a""#, r#""N/A""#, false);
    check(r#"{"kind":"integer"}"#, "12", r#"" 12 ""#, true);
    check(r#"{"kind":"boolean"}"#, "true", r#""True""#, true);
    check(r#"{"kind":"boolean"}"#, "true", "1", false);
    check(r#"{"kind":"date"}"#, r#""2026-06-01""#, r#""2026-06-01T00:00:00Z""#, true);
    check(r#"{"kind":"date"}"#, r#""2026-06-01""#, r#""2026-06-01T09:00:00Z""#, false);
    check(r#"{"kind":"datetime"}"#, r#""2026-06-01T12:00:00+12:00""#, r#""2026-06-01T00:00:00.000Z""#, true);
    check(r#"{"kind":"datetime"}"#, r#""2026-06-01T00:00:00.4Z""#, r#""2026-06-01T00:00:00Z""#, false);
    check(
        r#"{"kind":"datetime","precision_ms":1000}"#,
        r#""2026-06-01T00:00:00.4Z""#,
        r#""2026-06-01T00:00:00Z""#,
        true,
    );
    check(
        r#"{"kind":"datetime","precision_ms":1000}"#,
        r#""1969-12-31T23:59:59.4Z""#,
        r#""1970-01-01T00:00:00Z""#,
        false,
    );
}

#[test]
fn keys_are_plain_for_values_of_the_declared_kind() {
    let key = |canon_text: &str, value: Value| canon(canon_text).key(&value.into());
    assert_eq!(key(r#"{"kind":"text","ignore_case":true}"#, json!("A@b")).as_deref(), Some("a@b"));
    assert_eq!(key(r#"{"kind":"decimal"}"#, json!("1.50")).as_deref(), Some("1.5"));
    assert_eq!(
        key(r#"{"kind":"datetime"}"#, json!("2026-06-01T12:00:00+12:00")).as_deref(),
        Some("2026-06-01T00:00:00Z")
    );
}

#[test]
fn a_union_has_the_equivalences_of_both() {
    let union = canon(r#"{"kind":"text","trim":true,"max":50}"#).union(&canon(r#"{"ignore_case":true,"max":30}"#));
    assert_eq!(union, canon(r#"{"kind":"text","trim":true,"ignore_case":true,"max":30}"#));
    let number = canon(r#"{"kind":"integer"}"#).union(&canon(r#"{"kind":"text"}"#));
    assert!(number.same(&cell("12"), &cell(r#""12""#)));
}

fn kinds() -> impl Strategy<Value = Canon> {
    let kind = prop::sample::select(vec![
        Kind::Any,
        Kind::Text,
        Kind::Decimal,
        Kind::Integer,
        Kind::Boolean,
        Kind::Date,
        Kind::Datetime,
        Kind::Id,
        Kind::Object,
        Kind::List,
    ]);
    let flags = prop::array::uniform5(any::<bool>());
    let limits = (prop::option::of(0_u32..3), prop::option::of(1_u32..2_000), prop::option::of(1_usize..4));
    (kind, flags, limits).prop_map(|(kind, flags, (places, precision_ms, max))| {
        let [blanks_distinct, trim, collapse_spaces, ignore_case, phone] = flags;
        Canon { kind, blanks_distinct, trim, collapse_spaces, ignore_case, phone, places, precision_ms, max }
    })
}

/// Values that are easily confused with each other.
fn cells() -> impl Strategy<Value = Cell> {
    let texts = prop::sample::select(vec![
        "absent",
        "null",
        r#""""#,
        r#"" ""#,
        "[]",
        "{}",
        "1",
        "1.0",
        "1.004",
        "1.00",
        r#""1""#,
        r#""1.0""#,
        r#""01""#,
        "true",
        r#""true""#,
        r#""TRUE""#,
        "false",
        r#""a b""#,
        r#""A  B ""#,
        r#""\u0000n1""#,
        r#""\u0000t1""#,
        r#""2026-06-01""#,
        r#""2026-06-01T00:00:00Z""#,
        r#""2026-06-01T12:00:00+12:00""#,
        "[1]",
        "[1.0]",
        r#"["1"]"#,
        r#""[1]""#,
        r#"{"a":1}"#,
        r#"{"a":1,"b":null}"#,
        "[[],null]",
        r#""+64 1""#,
        r#""641""#,
        "1e400",
        "10e399",
    ]);
    prop_oneof![
        8 => texts.prop_map(cell),
        1 => (2_usize..4).prop_map(Cell::Several),
        1 => ".{0,4}".prop_map(|text| Cell::from(text.as_str())),
    ]
}

proptest! {
    #[test]
    fn cells_are_the_same_exactly_if_their_keys_are(canon in kinds(), a in cells(), b in cells(), c in cells()) {
        prop_assert!(canon.same(&a, &a));
        prop_assert_eq!(canon.same(&a, &b), canon.same(&b, &a));
        if canon.same(&a, &b) && canon.same(&b, &c) {
            prop_assert!(canon.same(&a, &c));
        }
        let (left, right) = (canon.key(&a), canon.key(&b));
        prop_assert_eq!(left.is_none(), canon.is_blank(&a));
        if left.is_some() || right.is_some() {
            prop_assert_eq!(canon.same(&a, &b), left == right, "{:?} {:?}", a, b);
        }
    }

    #[test]
    fn a_union_holds_what_either_holds_for_values_of_one_kind(a in kinds(), b in kinds(), x in cells(), y in cells()) {
        let b = Canon { kind: a.kind, max: None, places: None, ..b };
        let a = Canon { max: None, places: None, precision_ms: None, ..a };
        // A coarser second grid need not contain a finer one, so only one side has a precision here.
        if a.same(&x, &y) && !x.is_blank() {
            prop_assert!(a.union(&b).same(&x, &y), "{:?}", a.union(&b));
        }
    }
}
