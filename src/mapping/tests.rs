//! Fields and lookups for the tests of this room, and the tests of single values.

use std::{collections::BTreeMap, sync::Arc};

use chrono_tz::Tz;
use proptest::prelude::*;
use regex::Regex;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::*;
use crate::{
    config::{
        Blanks, Conflicts, Content, CutOver, Differences, Each, Field, FieldEnd, FieldId, Flow, Join, KeyPair, Lookup,
        Reference, Removes, Table, Then, Tier, Transform, UnknownKey, WriteWhen,
    },
    record::{Canon, Cell, Kind, Path, Projection, RecordId, Side},
};

/// Links of one pipeline, `contacts`, and a fixed day.
pub(super) struct World {
    pub(super) links: Vec<(&'static str, &'static str)>,
    pub(super) referenced: Option<Vec<&'static str>>,
    pub(super) today: NaiveDate,
    pub(super) zone: Tz,
}

impl Default for World {
    fn default() -> Self {
        Self { links: vec![], referenced: None, today: day("2026-06-10"), zone: Tz::UTC }
    }
}

impl Lookups for World {
    fn linked(&self, pipeline: &PipelineName, side: Side, id: &RecordId) -> Option<RecordId> {
        assert_eq!(pipeline.as_str(), "contacts");
        self.links.iter().find_map(|(source, target)| match side {
            Side::Source => (*source == id.as_str()).then(|| (*target).into()),
            Side::Target => (*target == id.as_str()).then(|| (*source).into()),
        })
    }

    fn referenced(&self, _: &PipelineName, id: &RecordId) -> Option<bool> {
        self.referenced.as_ref().map(|ids| ids.contains(&id.as_str()))
    }

    fn today(&self) -> NaiveDate {
        self.today
    }

    fn day(&self, instant: DateTime<Utc>) -> NaiveDate {
        instant.with_timezone(&self.zone).date_naive()
    }
}

pub(super) fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

pub(super) fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn end(paths: &[&str]) -> FieldEnd {
    FieldEnd {
        slots: (0..paths.len()).collect(),
        paths: paths.iter().map(|path| Path::parse(path).unwrap()).collect(),
        ..FieldEnd::default()
    }
}

/// A field with these steps; the way back is their inverse.
pub(super) fn field(source: &[&str], target: &str, forward: Vec<Transform>) -> Field {
    let backward = invert(&forward);
    Field {
        id: FieldId(1),
        definition: 1,
        name: format!("{} -> {target}", source.join(", ")),
        ends: [end(source), end(&[target])],
        flow: Flow::TwoWay,
        write: WriteWhen::Always,
        blanks: Blanks::Keep,
        conflicts: Conflicts::Park,
        differences: Differences::FillBlanks,
        content: Content::Mapped { join: None, forward, backward, reference: None },
    }
}

fn table() -> Arc<Table> {
    let rows: BTreeMap<String, String> =
        [("goods", "200"), ("freight", "260")].map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    let reverse = rows.iter().map(|(key, value)| (value.clone(), key.clone())).collect();
    Arc::new(Table { name: "accounts".into(), rows, reverse })
}

fn lookup(unknown: UnknownKey) -> Transform {
    Transform::Lookup(Lookup { table: table(), reversed: false, unknown })
}

#[test]
fn numbers_are_multiplied_and_nothing_comes_of_a_missing_one() {
    let mut field = field(&["$.a", "$.b"], "$.c", vec![Transform::Divide(decimal("100"))]);
    if let Content::Mapped { join, .. } = &mut field.content {
        *join = Some(Join { separator: String::new(), unique_suffix: None, product: true });
    }
    let product = |parts: Value| {
        translate(&field, Side::Source, &Cell::Value(parts), &World::default()).map_err(|error| error.to_string())
    };
    assert_eq!(product(json!([3, 1250])), Ok(Cell::from(json!(37.5))));
    assert_eq!(product(json!(["1.5", 300])), Ok(Cell::from(json!(4.5))));
    assert_eq!(product(json!([3, null])), Ok(Cell::Absent));
    assert!(product(json!([3, "many"])).is_err());
}

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

/// Checks a step forward, given and expected as JSON (`absent` for nothing).
#[track_caller]
fn step(transform: Transform, from: &str, expected: &str) {
    let cell = |text: &str| if text == "absent" { Cell::Absent } else { Cell::Value(json_of(text)) };
    let field = field(&["$.a"], "$.b", vec![transform]);
    let got = translate(&field, Side::Source, &cell(from), &World::default());
    assert_eq!(got, Ok(cell(expected)), "{from}");
}

#[track_caller]
fn fails(transform: Transform, from: &str, message: &str) {
    let field = field(&["$.a"], "$.b", vec![transform]);
    let error = translate(&field, Side::Source, &json_of(from).into(), &World::default()).unwrap_err();
    assert!(error.to_string().contains(message), "{from}: {error}");
}

#[test]
fn each_step_does_what_it_says() {
    step(Transform::Trim, r#"" a ""#, r#""a""#);
    step(Transform::Trim, "12", "12");
    step(Transform::Lowercase, r#""ÀB""#, r#""àb""#);
    step(Transform::Uppercase, r#""àß""#, r#""ÀSS""#);
    step(Transform::CollapseSpaces, r#""a \n b""#, r#""a b""#);
    step(Transform::Phone, r#""+64 (21) 12""#, r#""+642112""#);
    step(Transform::Divide(100.into()), "1050", "10.5");
    step(Transform::Divide(100.into()), r#""1234567890123456789012""#, "12345678901234567890.12");
    step(Transform::Multiply(decimal("1.15")), "10.10", "11.615");
    step(Transform::Round(2), "1.005", "1.01");
    step(Transform::Round(2), "-1.005", "-1.01");
    step(Transform::Round(2), "1.50", "1.50");
    step(Transform::Prefix("C-".into()), "7", r#""C-7""#);
    step(Transform::StripPrefix("C-".into()), r#""C-7""#, r#""7""#);
    step(Transform::Suffix("!".into()), r#""a""#, r#""a!""#);
    step(Transform::StripSuffix("!".into()), r#""a!""#, r#""a""#);
    let auckland = || Transform::Date(Tz::Pacific__Auckland);
    step(auckland(), r#""2026-06-01T11:59:00Z""#, r#""2026-06-01""#);
    step(auckland(), r#""2026-06-01T12:00:00Z""#, r#""2026-06-02""#);
    step(auckland(), r#""2026-06-01""#, r#""2026-06-01""#);
    let pattern = Regex::new("(a)-(b)").unwrap();
    step(Transform::Replace { pattern, with: "$2-$1".into() }, r#""a-b""#, r#""b-a""#);
    step(Transform::Split { on: ", ".into(), index: 1 }, r#""Doe, Jane""#, r#""Jane""#);
    step(Transform::Split { on: ", ".into(), index: 1 }, r#""Doe""#, "absent");
    step(Transform::Truncate(2), r#""añb""#, r#""añ""#);
    step(Transform::Text, "1.10", r#""1.10""#);
    step(Transform::Number, r#"" 1.10""#, "1.10");
    step(Transform::Number, r#""+007""#, "7");
    let yes_no = || Transform::Words { yes: "Y".into(), no: "N".into() };
    step(yes_no(), "true", r#""Y""#);
    step(yes_no(), r#""false""#, r#""N""#);
    step(yes_no(), r#""y""#, "true");
    step(lookup(UnknownKey::Park), r#""goods""#, r#""200""#);
    step(lookup(UnknownKey::Keep), r#""other""#, r#""other""#);
    step(lookup(UnknownKey::Value("999".into())), r#""other""#, r#""999""#);
}

#[test]
fn blank_stays_blank_unless_there_is_a_default() {
    for blank in ["absent", "null", r#""""#, r#""  ""#, "[]"] {
        step(Transform::Divide(100.into()), blank, blank);
        step(Transform::Prefix("C-".into()), blank, blank);
        step(lookup(UnknownKey::Park), blank, blank);
        step(Transform::Default(json!("NZ")), blank, r#""NZ""#);
    }
    step(Transform::Default(json!("NZ")), r#""AU""#, r#""AU""#);
    step(Transform::Default(json!("NZ")), "0", "0");
    step(Transform::Default(json!("NZ")), "false", "false");
}

#[test]
fn a_value_that_does_not_fit_is_named() {
    fails(Transform::Divide(100.into()), r#""ten""#, "`ten` is not a number");
    fails(Transform::Multiply(Decimal::MAX), "10", "calculated");
    fails(Transform::Divide(0.into()), "10", "calculated");
    fails(Transform::Number, r#""1_000""#, "`1_000` is not a number");
    fails(Transform::Round(2), "[1]", "`[1]` is not a number");
    fails(Transform::Date(Tz::UTC), r#""2026-06-01T09:00:00""#, "an instant with its zone");
    fails(Transform::StripPrefix("C-".into()), r#""7""#, "prefix");
    fails(Transform::Text, r#"{"a":1}"#, "is not text");
    fails(lookup(UnknownKey::Park), r#""other""#, "table `accounts` has no row for `other`");
    fails(Transform::Divide(100.into()), &format!("\"{}\"", "é".repeat(99)), &format!("`{}…`", "é".repeat(60)));
}

#[test]
fn lossy_steps_have_no_way_back() {
    let lossy = [
        Transform::Round(2),
        Transform::Date(Tz::UTC),
        Transform::Truncate(3),
        Transform::Default(json!(1)),
        Transform::Split { on: ",".into(), index: 0 },
    ];
    for transform in lossy {
        let field = field(&["$.a"], "$.b", vec![Transform::Trim, transform]);
        assert_eq!(translate(&field, Side::Target, &"x".into(), &World::default()), Err(MapError::OneWay));
    }
    let mut many = (*table()).clone();
    many.rows.insert("parts".into(), "201".into());
    let one_way = Lookup { table: Arc::new(many), reversed: false, unknown: UnknownKey::Park };
    assert!(invert(&[Transform::Lookup(one_way)]).is_none());
    let back = invert(&[lookup(UnknownKey::Value("999".into()))]).unwrap();
    assert!(matches!(&back[..], [Transform::Lookup(Lookup { reversed: true, unknown: UnknownKey::Park, .. })]));
}

fn joined_name(max: Option<usize>) -> Field {
    let mut field = field(&["$.first", "$.last"], "$.Name", vec![Transform::Trim]);
    field.ends[1].canon.max = max;
    if let Content::Mapped { join, .. } = &mut field.content {
        *join = Some(Join { separator: " ".into(), unique_suffix: Some(" ({id})".into()), product: false });
    }
    field
}

#[test]
fn a_join_skips_blanks_and_has_no_way_back() {
    let field = joined_name(None);
    let name = |cells: [Cell; 2]| {
        let cell = field_cell(&field, Side::Source, &Projection { cells: cells.into() }).unwrap();
        translate(&field, Side::Source, &cell, &World::default()).unwrap()
    };
    assert_eq!(name(["Jane".into(), "Doe".into()]), "Jane Doe".into());
    assert_eq!(name([Cell::Absent, "Doe".into()]), "Doe".into());
    assert_eq!(name(["Jane".into(), "  ".into()]), "Jane".into());
    assert_eq!(name([Value::Null.into(), Cell::Absent]), Cell::Absent);
    assert_eq!(translate(&field, Side::Target, &"Jane Doe".into(), &World::default()), Err(MapError::OneWay));
    let mut trimmed = joined_name(None);
    trimmed.ends[0].canon.trim = true;
    let parts = |first: &str| Cell::Value(json!([first, null]));
    assert!(same(&trimmed, Side::Source, &parts("Jane "), &parts("Jane")));
    assert!(!same(&trimmed, Side::Source, &parts("Jane"), &parts("Joan")));
    let several = Projection { cells: vec!["Jane".into(), Cell::Several(2)] };
    let error = field_cell(&field, Side::Source, &several).unwrap_err();
    assert_eq!(error, MapError::Several { path: "$.last".into(), count: 2 });
}

#[test]
fn a_unique_suffix_survives_the_maximum_length() {
    let id = RecordId::from("17");
    let suffixed = |max| with_unique_suffix(&joined_name(max), &"Jane Doe".into(), &id);
    assert_eq!(suffixed(None), "Jane Doe (17)".into());
    assert_eq!(suffixed(Some(9)), "Jane (17)".into());
    assert_eq!(with_unique_suffix(&field(&["$.a"], "$.b", vec![]), &"x".into(), &id), "x".into());
}

#[test]
fn a_side_of_whole_numbers_gets_no_part_of_one() {
    let mut field = field(&["$.years"], "$.Years", vec![]);
    field.ends[1].canon.kind = Kind::Integer;
    let across = |value: Value| translate(&field, Side::Source, &value.into(), &World::default());
    for (value, expected) in [(json!(3), json!(3)), (json!(3.0), json!(3)), (json!("-7.00"), json!(-7))] {
        assert_eq!(across(value), Ok(expected.into()));
    }
    assert_eq!(across(json!("soon")), Ok("soon".into()), "for the remote to judge");
    assert_eq!(across(json!(3.5)).unwrap_err().to_string(), "`3.5` is not a whole number");
    assert_eq!(across(json!("0.5")).unwrap_err().to_string(), "`0.5` is not a whole number");
}

#[test]
fn a_reference_becomes_the_linked_id_or_waits() {
    let mut field = field(&["$.contact_id"], "$.Contact.ContactID", vec![]);
    field.ends[0].canon.kind = Kind::Integer;
    if let Content::Mapped { reference, .. } = &mut field.content {
        *reference = Some(Reference::to(PipelineName::parse("contacts").unwrap()));
    }
    let world = World { links: vec![("7", "uuid-7")], ..World::default() };
    assert_eq!(translate(&field, Side::Source, &json!(7).into(), &world), Ok("uuid-7".into()));
    assert_eq!(translate(&field, Side::Target, &"uuid-7".into(), &world), Ok(json!(7).into()));
    assert_eq!(translate(&field, Side::Source, &Cell::Absent, &world), Ok(Cell::Absent));
    let waiting = translate(&field, Side::Source, &"8".into(), &world).unwrap_err();
    assert_eq!(waiting.to_string(), "waiting for contacts: 8");
    // A pipeline that goes the other way has the source's records on its target.
    if let Content::Mapped { reference: Some(reference), .. } = &mut field.content {
        reference.turned = true;
    }
    field.ends[0].canon.kind = Kind::Text;
    assert_eq!(translate(&field, Side::Source, &"uuid-7".into(), &world), Ok("7".into()));
    assert_eq!(translate(&field, Side::Target, &"7".into(), &world), Ok("uuid-7".into()));
}

/// A reference that is joined of two values, with steps behind.
fn by_parts() -> Field {
    let mut field =
        field(&["$.kind", "$.no"], "$.ContactID", vec![Transform::Lowercase, Transform::Prefix("c".into())]);
    if let Content::Mapped { join, reference, .. } = &mut field.content {
        *join = Some(Join { separator: "-".into(), unique_suffix: None, product: false });
        *reference = Some(Reference::to(PipelineName::parse("contacts").unwrap()));
    }
    field
}

#[test]
fn a_field_refers_to_the_record_that_is_looked_up_for_it() {
    let mut field = by_parts();
    let names = |field: &Field, side, cell: Value| -> Vec<String> {
        referred_in(field, side, &cell.into()).into_iter().map(|(_, id)| id.to_string()).collect()
    };
    assert_eq!(names(&field, Side::Source, json!(["A", 7])), ["ca-7"]);
    let waiting = translate(&field, Side::Source, &json!(["A", 7]).into(), &World::default()).unwrap_err();
    assert_eq!(waiting.to_string(), "waiting for contacts: ca-7");
    assert_eq!(names(&field, Side::Source, json!([null, null])), [""; 0]);
    assert_eq!(names(&field, Side::Source, json!([["A"], 7])), [""; 0], "nothing comes of it");
    assert_eq!(names(&field, Side::Target, json!("X")), ["X"], "before the steps that lead back");
    let projection = Projection { cells: vec!["A".into(), json!(7).into()] };
    assert_eq!(referred(&field, Side::Source, &projection).len(), 1);

    let path = |text| Path::parse(text).unwrap();
    field.content = Content::Each(Box::new(Each {
        source_key: path("$.id"),
        target_key: path("$.id"),
        fields: vec![by_parts()],
        removes: Removes::None,
        leaves_out: false,
        derived: Vec::new(),
    }));
    let lines = || json!([{ "kind": "A", "no": 1 }, { "no": 2 }, {}, "odd"]);
    assert_eq!(names(&field, Side::Source, lines()), ["ca-1", "c2"]);
    assert_eq!(names(&field, Side::Target, lines()), [""; 0]);
}

#[test]
fn the_cut_over_takes_an_instant_as_the_day_it_is_in_the_zone() {
    let world = World { zone: Tz::Pacific__Auckland, ..World::default() };
    let on = |kind, text: &str| {
        let cut_over = CutOver { slot: 0, kind, from: day("2026-07-01") };
        cut_over_day(&cut_over, &Projection { cells: vec![text.into()] }, &world)
    };
    for kind in [Kind::Any, Kind::Text, Kind::Datetime] {
        assert_eq!(on(kind, "2026-06-30T20:00:00Z"), Some(day("2026-07-01")));
        assert_eq!(on(kind, "2026-06-30T11:00:00Z"), Some(day("2026-06-30")));
        assert_eq!(on(kind, "2026-06-30T20:00:00"), Some(day("2026-06-30")), "it names no zone");
        assert_eq!(on(kind, "2026-06-30"), Some(day("2026-06-30")));
        assert_eq!(on(kind, "soon"), None);
    }
    assert_eq!(on(Kind::Date, "2026-06-30T00:00:00-05:00"), Some(day("2026-06-30")), "a date is a date everywhere");
}

#[test]
fn a_constant_goes_to_the_target_only() {
    let mut field = field(&[], "$.Type", vec![]);
    field.content = Content::Constant(json!("ACCREC"));
    let cell = field_cell(&field, Side::Source, &Projection::default()).unwrap();
    assert_eq!(translate(&field, Side::Source, &cell, &World::default()), Ok("ACCREC".into()));
    assert_eq!(translate(&field, Side::Target, &cell, &World::default()), Err(MapError::OneWay));
}

#[test]
fn normalising_steps_do_not_count_at_their_own_end() {
    let at_source = field(&["$.a"], "$.b", vec![Transform::Trim, Transform::Lowercase, Transform::Prefix("C".into())]);
    assert!(same(&at_source, Side::Source, &" Jane".into(), &"jane".into()));
    assert!(!same(&at_source, Side::Target, &"CJane".into(), &"Cjane".into()));
    let at_target = field(&["$.a"], "$.b", vec![Transform::Prefix("C".into()), Transform::Lowercase]);
    assert!(!same(&at_target, Side::Source, &"Jane".into(), &"jane".into()));
    assert!(same(&at_target, Side::Target, &"CJane".into(), &"cjane".into()));
}

#[test]
fn a_write_into_an_array_carries_the_rest_of_it() {
    let phone = |kind: &str| field(&["$.p"], &format!("$.Phones[?(@.PhoneType=='{kind}')].PhoneNumber"), vec![]);
    let carried = Cell::Value(json!([
        { "PhoneType": "DEFAULT", "PhoneNumber": "1", "Area": "9" },
        { "PhoneType": "FAX", "PhoneNumber": "2" },
    ]));
    let mut body = json!({ "Name": "Jane" });
    put(&phone("MOBILE"), Side::Target, &"021".into(), Some(&carried), &mut body).unwrap();
    put(&phone("DEFAULT"), Side::Target, &"3".into(), Some(&carried), &mut body).unwrap();
    let expected = json!({ "Name": "Jane", "Phones": [
        { "PhoneType": "DEFAULT", "PhoneNumber": "3", "Area": "9" },
        { "PhoneType": "FAX", "PhoneNumber": "2" },
        { "PhoneType": "MOBILE", "PhoneNumber": "021" },
    ] });
    assert_eq!(body, expected);
    let error = put(&joined_name(None), Side::Source, &"x".into(), None, &mut body).unwrap_err();
    assert!(error.to_string().contains("no one path on the source"), "{error}");
}

fn tier(canons: &[Canon; 2], keys: usize) -> Tier {
    let pair = |slot| KeyPair {
        slots: [slot, slot],
        canons: canons.clone(),
        normalize: vec![Transform::Trim],
        names: ["$.a".into(), "$.b".into()],
    };
    Tier { keys: (0..keys).map(pair).collect(), then: Then::Link }
}

#[test]
fn match_keys_of_both_sides_meet_where_either_side_sees_no_difference() {
    let folding = Canon { ignore_case: true, ..Canon::default() };
    let tier = tier(&[Canon::default(), folding], 1);
    let key = |side, text: &str| match_key(&tier, side, &Projection { cells: vec![text.into()] });
    assert_eq!(key(Side::Source, " Jane@X ").as_deref(), Some("jane@x"));
    assert_eq!(key(Side::Source, "Jane@X"), key(Side::Target, "jane@x"));
    assert_eq!(key(Side::Source, "  "), None);
    let number = match_key(&tier, Side::Source, &Projection { cells: vec![json!(1042).into()] });
    assert_eq!(number, key(Side::Target, "1042"));
}

proptest! {
    #[test]
    fn different_rows_of_values_have_different_match_keys(
        a in prop::array::uniform2("[0-9:a]{0,4}"),
        b in prop::array::uniform2("[0-9:a]{0,4}"),
    ) {
        let tier = tier(&[Canon::default(), Canon::default()], 2);
        let key = |row: &[String; 2]| {
            match_key(&tier, Side::Source, &Projection { cells: row.iter().map(|text| text.as_str().into()).collect() })
        };
        if let (Some(left), Some(right)) = (key(&a), key(&b)) {
            prop_assert_eq!(a == b, left == right);
        }
    }

    #[test]
    fn what_goes_there_comes_back(
        numeric in prop::collection::vec(arithmetic(), 0..4),
        as_text in prop::option::of(Just(Transform::Text)),
        textual in prop::collection::vec(around(), 0..4),
        cents in any::<i32>(),
    ) {
        let forward = numeric.into_iter().chain(as_text).chain(textual).collect();
        let mut field = field(&["$.a"], "$.b", forward);
        field.ends[0].canon.kind = Kind::Decimal;
        let start = Cell::Value(json_of(&Decimal::new(cents.into(), 2).to_string()));
        let there = translate(&field, Side::Source, &start, &World::default()).unwrap();
        let back = translate(&field, Side::Target, &there, &World::default()).unwrap();
        prop_assert!(same(&field, Side::Source, &start, &back), "{:?} became {:?}, then {:?}", start, there, back);
    }

    #[test]
    fn normalising_twice_is_normalising_once(steps in prop::collection::vec(normalising(), 1..4), text in "\\PC{0,12}|[ +0-9aBß\\t]{0,12}") {
        let once = normalize(&steps, &text.as_str().into());
        let twice = normalize(&steps, &once);
        prop_assert_eq!(once, twice);
    }

    #[test]
    fn no_value_makes_a_mapping_panic(steps in prop::collection::vec(any_step(), 0..4), value in any_json(), back in any::<bool>()) {
        let field = field(&["$.a"], "$.b[?@.k=='v'].c", steps);
        let side = if back { Side::Target } else { Side::Source };
        let cell = Cell::Value(value);
        if let Ok(there) = translate(&field, side, &cell, &World::default()) {
            let _ = put(&field, Side::Target, &there, Some(&cell), &mut json!({}));
            let _ = same(&field, side, &cell, &there);
        }
    }

    #[test]
    fn decimal_text_is_kept_through_json(units in any::<i64>(), scale in 0_u32..18) {
        let text = Decimal::new(units, scale).to_string();
        let value = json_of(&text);
        prop_assert_eq!(value.to_string(), text.clone());
        let field = field(&["$.a"], "$.b", vec![Transform::Text]);
        let there = translate(&field, Side::Source, &Cell::Value(value.clone()), &World::default()).unwrap();
        prop_assert_eq!(there.as_str(), Some(text.as_str()));
        prop_assert_eq!(translate(&field, Side::Target, &there, &World::default()), Ok(Cell::Value(value)));
    }
}

fn arithmetic() -> impl Strategy<Value = Transform> {
    prop::sample::select(vec![
        Transform::Divide(100.into()),
        Transform::Divide(decimal("-0.5")),
        Transform::Multiply(decimal("1.25")),
        Transform::Multiply(10.into()),
    ])
}

fn around() -> impl Strategy<Value = Transform> {
    prop::sample::select(vec![
        Transform::Prefix("C-".into()),
        Transform::Suffix(" !".into()),
        Transform::Trim,
        Transform::CollapseSpaces,
        lookup(UnknownKey::Keep),
    ])
}

fn normalising() -> impl Strategy<Value = Transform> {
    prop::sample::select(vec![
        Transform::Trim,
        Transform::Lowercase,
        Transform::Uppercase,
        Transform::CollapseSpaces,
        Transform::Phone,
    ])
}

fn any_step() -> impl Strategy<Value = Transform> {
    let other = prop::sample::select(vec![
        Transform::Round(2),
        Transform::Round(40),
        Transform::Number,
        Transform::Text,
        Transform::Multiply(Decimal::MAX),
        Transform::Divide(Decimal::ZERO),
        Transform::StripPrefix("C-".into()),
        Transform::Date(Tz::Pacific__Apia),
        Transform::Replace { pattern: Regex::new(".").unwrap(), with: "$9".into() },
        Transform::Split { on: String::new(), index: 1 },
        Transform::Truncate(0),
        Transform::Default(json!({})),
        Transform::Words { yes: String::new(), no: "N".into() },
        lookup(UnknownKey::Park),
    ]);
    prop_oneof![other, arithmetic(), around(), normalising()]
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        prop::sample::select(vec!["1e999999999", "-0.0", "1e-30", "79228162514264337593543950336", "null", "true"])
            .prop_map(json_of),
        prop::sample::select(vec!["2026-06-01T00:00:00Z", "-262143-01-01T00:00:00Z", "1E5", ".5", "-", "C-1"])
            .prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::Array),
            prop::collection::btree_map("[ak]", inner, 0..3).prop_map(|members| members.into_iter().collect()),
        ]
    })
}
