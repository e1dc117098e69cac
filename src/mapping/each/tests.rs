use proptest::prelude::*;
use rust_decimal::Decimal;
use serde_json::json;

use super::*;
use crate::{
    config::Transform,
    mapping::tests::{World, field, json_of},
};

/// `$.lines` of a shop's sale to `$.LineItems` of an invoice.
fn lines(removes: bool) -> Field {
    let mut lines = field(&["$.lines"], "$.LineItems", vec![]);
    let path = |text| Path::parse(text).unwrap();
    lines.content = Content::Each(Box::new(Each {
        source_key: path("$.line_no"),
        target_key: path("$.LineItemID"),
        fields: vec![
            field(&["$.title"], "$.Description", vec![Transform::Trim]),
            field(&["$.cents"], "$.UnitAmount", vec![Transform::Divide(Decimal::from(100))]),
        ],
        removes: if removes { Removes::All } else { Removes::None },
        leaves_out: false,
        derived: vec![("LineAmount".to_owned(), vec!["UnitAmount".to_owned()])],
    }));
    lines
}

fn each_of(field: &Field) -> &Each {
    of(field).unwrap()
}

fn cell(text: &str) -> Cell {
    Cell::Value(json_of(text))
}

fn pair(source: &str, target: &str) -> ElementPair {
    ElementPair { source: source.into(), target: (!target.is_empty()).then(|| target.into()) }
}

fn made(field: &Field, source: &Cell, present: Option<&Cell>, pairs: &[ElementPair]) -> Composed {
    compose(field, source, present, None, pairs, &World::default()).unwrap()
}

const SALE: &str = r#"[{"line_no":1,"title":"Tea ","cents":450},{"line_no":2,"title":"Cake","cents":600}]"#;

#[test]
fn elements_are_created_without_a_key_and_learned_from_the_answer() {
    let field = lines(false);
    let composed = made(&field, &cell(SALE), None, &[]);
    let expected = json!([{ "Description": "Tea", "UnitAmount": 4.5 }, { "Description": "Cake", "UnitAmount": 6 }]);
    assert_eq!(composed.array, Cell::Value(expected));
    assert_eq!(composed.order, [Some("1".to_owned()), Some("2".to_owned())]);
    assert!(composed.changed);

    let answer = r#"[{"LineItemID":"a","Description":"Tea","UnitAmount":4.50,"AccountCode":"200"},
                     {"LineItemID":"b","Description":"Cake","UnitAmount":6.00}]"#;
    let pairs = learn(&field, &composed, &cell(answer));
    assert_eq!(pairs, [pair("1", "a"), pair("2", "b")]);
    let again = made(&field, &cell(SALE), Some(&cell(answer)), &pairs);
    assert!(!again.changed);
    assert_eq!(again.array, cell(answer));
}

#[test]
fn what_is_not_ours_is_kept_and_only_changed_values_are_written() {
    let field = lines(false);
    let present = r#"[{"LineItemID":"x","Description":"Discount","UnitAmount":-1},
                      {"LineItemID":"b","Description":"Cake","UnitAmount":6.00,"AccountCode":"200"},
                      {"LineItemID":"a","Description":"Tea","UnitAmount":4.50}]"#;
    let sale = r#"[{"line_no":1,"title":"Tea","cents":450},{"line_no":2,"title":"Cake","cents":650},
                   {"line_no":3,"title":"Jam","cents":100}]"#;
    let composed = made(&field, &cell(sale), Some(&cell(present)), &[pair("1", "a"), pair("2", "b")]);
    let expected = r#"[{"LineItemID":"x","Description":"Discount","UnitAmount":-1},
                       {"LineItemID":"b","Description":"Cake","UnitAmount":6.5,"AccountCode":"200"},
                       {"LineItemID":"a","Description":"Tea","UnitAmount":4.50},
                       {"Description":"Jam","UnitAmount":1}]"#;
    assert_eq!(composed.array, cell(expected));
    let order: Vec<_> = composed.order.iter().map(Option::as_deref).collect();
    assert_eq!(order, [None, Some("2"), Some("1"), Some("3")]);
}

const INVOICE: &str = r#"[{"LineItemID":"a","Description":"Tea","UnitAmount":4.50},{"LineItemID":"b","Description":"Cake","UnitAmount":6.00}]"#;

/// `SALE` became `INVOICE`; then the sale was edited (`source`), and the invoice (`present`). Checks what is written,
/// and what counts as agreed once it was.
#[track_caller]
fn check_since(source: &str, present: &str, written: &str, agreed: &str) {
    let (field, pairs) = (lines(false), [pair("1", "a"), pair("2", "b")]);
    let base = [cell(SALE), cell(INVOICE)];
    let (source, present) = (cell(source), cell(present));
    let composed = compose(&field, &source, Some(&present), Some(&base), &pairs, &World::default()).unwrap();
    assert_eq!(composed.array, cell(written));
    assert_eq!(composed.changed, composed.array != present);
    // The remote gives a new element its key.
    let answer = cell(&written.replace(r#"{"Description":"Jam""#, r#"{"LineItemID":"c","Description":"Jam""#));
    let pairs = learn(&field, &composed, &answer);
    assert_eq!(rebase(&field, &base, &source, &answer, &pairs), cell(agreed));
    let again = compose(&field, &source, Some(&answer), Some(&base), &pairs, &World::default()).unwrap();
    assert!(!again.changed, "nothing is left of it");
}

#[test]
fn only_what_changed_on_the_source_since_is_brought_across() {
    let drifted = INVOICE.replace("Cake", "Cake, sliced");
    // Nothing changed on the source: an edit of the target stays, and stays an edit.
    check_since(SALE, &drifted, &drifted, INVOICE);
    // What the field's own normalising takes away is no change.
    check_since(&SALE.replace("Tea ", "Tea"), &drifted, &drifted, INVOICE);
    // Another element.
    let fifty = |text: &str| text.replace("4.50", "5.5");
    check_since(&SALE.replace("450", "550"), &drifted, &fifty(&drifted), &fifty(INVOICE));
    // Another value of the same element.
    let seven = |text: &str| text.replace("6.00", "7");
    check_since(&SALE.replace("600", "700"), &drifted, &seven(&drifted), &seven(INVOICE));
    // The same value.
    let scone = INVOICE.replace("Cake", "Scone");
    check_since(&SALE.replace("Cake", "Scone"), &drifted, &scone, &scone);
    // The same value, to what the target has already.
    check_since(&SALE.replace("Cake", "Cake, sliced"), &drifted, &drifted, &drifted);
    // A value that the target lost.
    let lost = INVOICE.replace(r#""Description":"Cake","#, "");
    check_since(&SALE.replace("450", "550"), &lost, &fifty(&lost), &fifty(INVOICE));
    // Nothing was agreed of a new element.
    let jam = |text: &str, jam: &str| format!("{},{jam}]", text.trim_end_matches(']'));
    let (new, sent) = (r#"{"line_no":3,"title":"Jam","cents":100}"#, r#"{"Description":"Jam","UnitAmount":1}"#);
    let made = r#"{"LineItemID":"c","Description":"Jam","UnitAmount":1}"#;
    check_since(&jam(SALE, new), &drifted, &jam(&drifted, sent), &jam(INVOICE, made));
    // An element without a source is kept.
    check_since(r#"[{"line_no":1,"title":"Tea","cents":550}]"#, &drifted, &fifty(&drifted), &fifty(&drifted));
}

#[test]
fn an_element_that_one_list_of_the_base_lacks_is_brought_across_whole() {
    let (field, pairs) = (lines(false), [pair("1", "a"), pair("2", "b")]);
    let drifted = cell(&INVOICE.replace("Cake", "Cake, sliced").replace("Tea", "Chai"));
    let base = [cell(SALE), cell(r#"[{"LineItemID":"a","Description":"Tea","UnitAmount":4.50}]"#)];
    let composed = compose(&field, &cell(SALE), Some(&drifted), Some(&base), &pairs, &World::default()).unwrap();
    assert_eq!(composed.array, cell(&INVOICE.replace("Tea", "Chai")));
}

#[test]
fn elements_without_a_source_go_only_if_the_field_removes() {
    let present = r#"[{"LineItemID":"x","Description":"Discount"},{"LineItemID":"a","Description":"Tea"}]"#;
    let kept = made(&lines(false), &cell("[]"), Some(&cell(present)), &[pair("1", "a")]);
    assert_eq!((kept.array, kept.changed), (cell(present), false));
    let removed = made(&lines(true), &cell("[]"), Some(&cell(present)), &[pair("1", "a")]);
    assert_eq!((removed.array, removed.changed), (cell("[]"), true));
}

#[test]
fn an_element_that_the_target_lost_is_made_again_without_its_old_key() {
    let composed = made(&lines(false), &cell(SALE), Some(&cell("[]")), &[pair("1", "a"), pair("2", "b")]);
    assert_eq!(composed.array.value().unwrap().as_array().unwrap().len(), 2);
    assert!(!composed.array.value().unwrap().to_string().contains("LineItemID"));
    // Not read at all: the known keys keep the remote from making a second one.
    let blind = made(&lines(false), &cell(SALE), None, &[pair("1", "a")]);
    assert_eq!(blind.array.value().unwrap()[0]["LineItemID"], "a");
}

#[test]
fn an_answer_in_another_order_is_read_by_keys_and_values() {
    let field = lines(false);
    let sale = r#"[{"line_no":1,"title":"Tea","cents":450},{"line_no":2,"title":"Cake","cents":600},
                   {"line_no":3,"title":"Jam","cents":100}]"#;
    let present = r#"[{"LineItemID":"a","Description":"Tea","UnitAmount":4.50}]"#;
    let composed = made(&field, &cell(sale), Some(&cell(present)), &[pair("1", "a")]);
    let shuffled = r#"[{"LineItemID":"c","Description":"Jam","UnitAmount":1.00},
                       {"LineItemID":"a","Description":"Tea","UnitAmount":4.50}]"#;
    assert_eq!(learn(&field, &composed, &cell(shuffled)), [pair("1", "a"), pair("2", ""), pair("3", "c")]);
    assert_eq!(learn(&field, &composed, &Cell::Absent), [pair("1", "a"), pair("2", ""), pair("3", "")]);
}

#[test]
fn an_element_sent_without_an_answer_is_never_sent_twice() {
    let field = lines(false);
    let unknown = [pair("1", ""), pair("2", "")];
    let present = r#"[{"LineItemID":"b","Description":"Cake","UnitAmount":6},
                      {"LineItemID":"a","Description":"Tea","UnitAmount":4.5}]"#;
    let found = made(&field, &cell(SALE), Some(&cell(present)), &unknown);
    assert!(!found.changed);
    assert_eq!(learn(&field, &found, &cell(present)), [pair("2", "b"), pair("1", "a")]);
    // Edited meanwhile: nobody can tell which of the two it is, so a person is asked.
    let edited = present.replace("4.5", "4.6");
    let error = compose(&field, &cell(SALE), Some(&cell(&edited)), None, &unknown, &World::default()).unwrap_err();
    assert!(error.to_string().contains("`1` is not the key"), "{error}");
    // Nothing there: it never arrived.
    assert!(made(&field, &cell(SALE), Some(&cell("[]")), &unknown).changed);
}

#[test]
fn lists_that_meet_for_the_first_time_pair_by_their_values() {
    let field = lines(false);
    let present =
        r#"[{"LineItemID":"b","Description":"Cake","UnitAmount":6.00},{"LineItemID":"x","Description":"Discount"}]"#;
    let pairs = adopt(&field, &cell(SALE), &cell(present), &[], &World::default()).unwrap();
    assert_eq!(pairs, [pair("2", "b")]);
}

#[test]
fn a_list_that_cannot_be_told_apart_is_refused() {
    let refused =
        |text: &str| compose(&lines(false), &cell(text), None, None, &[], &World::default()).unwrap_err().to_string();
    assert!(refused(r#"[{"line_no":1},{"line_no":1}]"#).contains("only one element"));
    assert!(refused(r#"[{"title":"Tea"}]"#).contains("an element with a key"));
    assert!(refused(r#""Tea""#).contains("`Tea` is not a list"));
    assert!(refused(r#"[{"line_no":1,"cents":"free"}]"#).contains("`free` is not a number"));
}

#[test]
fn foreign_elements_and_unmapped_properties_are_no_difference() {
    let field = lines(false);
    let pairs = [pair("1", "a"), pair("2", "b")];
    let view = |text: &str| restrict(&field, Side::Target, &cell(text), &pairs);
    let base =
        view(r#"[{"LineItemID":"a","Description":"Tea","UnitAmount":4.50},{"LineItemID":"b","Description":"Cake"}]"#);
    let same_as_base = |text: &str| super::super::same(&field, Side::Target, &base, &view(text));
    assert!(same_as_base(
        r#"[{"LineItemID":"b","Description":"Cake ","AccountCode":"200"},{"LineItemID":"x","Description":"Discount"},
            {"LineItemID":"a","Description":"Tea","UnitAmount":4.5}]"#
    ));
    assert!(!same_as_base(
        r#"[{"LineItemID":"a","Description":"Tea","UnitAmount":4.51},{"LineItemID":"b","Description":"Cake"}]"#
    ));
    assert!(!same_as_base(r#"[{"LineItemID":"a","Description":"Tea","UnitAmount":4.50}]"#));
    assert_eq!(view("[]"), Cell::Absent);
    assert_eq!(view(r#"[{"LineItemID":"x"}]"#), Cell::Absent);

    let strict = lines(true);
    let with_foreign = restrict(&strict, Side::Target, &cell(r#"[{"LineItemID":"x"}]"#), &pairs);
    assert_ne!(with_foreign, Cell::Absent);
    let source = |text: &str| restrict(&field, Side::Source, &cell(text), &[]);
    assert!(same(each_of(&field), Side::Source, &source(SALE), &source(&SALE.replace("Tea ", "Tea"))));
    assert!(!same(each_of(&field), Side::Source, &source(SALE), &source(&SALE.replace("450", "451"))));
}

proptest! {
    #[test]
    fn a_composed_list_once_answered_is_stable_and_foreign_elements_survive(
        source in prop::collection::btree_map(0_u8..6, ("[ab]{1,2}", 0_i32..3), 0..5),
        present in prop::collection::btree_map(0_u8..6, ("[ab]{1,2}", 0_i32..3), 0..5),
        pairs in prop::collection::btree_map(0_u8..6, 0_u8..6, 0..4),
        removes in any::<bool>(),
    ) {
        let field = lines(removes);
        let mut targets = std::collections::BTreeSet::new();
        let pairs: Vec<_> = pairs
            .into_iter()
            .filter(|(_, target)| targets.insert(*target))
            .map(|(source, target)| pair(&source.to_string(), &format!("t{target}")))
            .collect();
        let source: Value = source.iter().map(|(key, (title, cents))| json!({ "line_no": key, "title": title, "cents": cents })).collect();
        let present: Value = present
            .iter()
            .map(|(key, (title, units))| json!({ "LineItemID": format!("t{key}"), "Description": title, "UnitAmount": units, "Own": key }))
            .collect();
        let (source, present) = (Cell::Value(source), Cell::Value(present));
        let composed = made(&field, &source, Some(&present), &pairs);

        // The remote gives new elements their keys.
        let mut answer = composed.array.value().unwrap().clone();
        for (position, element) in answer.as_array_mut().unwrap().iter_mut().enumerate() {
            let members = element.as_object_mut().unwrap();
            members.entry("LineItemID").or_insert_with(|| format!("new{position}").into());
        }
        let answer = Cell::Value(answer);
        let learned = learn(&field, &composed, &answer);
        let again = made(&field, &source, Some(&answer), &learned);
        prop_assert!(!again.changed, "{:?}", again);
        if !removes {
            for element in present.value().unwrap().as_array().unwrap() {
                let kept = answer.value().unwrap().as_array().unwrap().iter().find(|kept| kept["LineItemID"] == element["LineItemID"]);
                prop_assert_eq!(&kept.unwrap()["Own"], &element["Own"]);
            }
        }
        let rows = answer.value().unwrap().as_array().unwrap().len();
        prop_assert!(rows >= source.value().unwrap().as_array().unwrap().len());
    }
}

#[test]
fn what_the_remote_works_out_goes_back_unless_it_would_no_longer_fit() {
    let field = lines(false);
    let now = r#"[{"LineItemID":"a","Description":"Tea","UnitAmount":4.50,"LineAmount":4.50},
                  {"LineItemID":"b","Description":"Cake","UnitAmount":6,"LineAmount":6}]"#;
    let source = r#"[{"line_no":1,"title":"Tea","cents":500},{"line_no":2,"title":"Carrot cake","cents":600}]"#;
    let composed = made(&field, &cell(source), Some(&cell(now)), &[pair("1", "a"), pair("2", "b")]);
    let expected = json!([
        { "LineItemID": "a", "Description": "Tea", "UnitAmount": 5 },
        { "LineItemID": "b", "Description": "Carrot cake", "UnitAmount": 6, "LineAmount": 6 },
    ]);
    assert_eq!(composed.array, Cell::Value(expected));
}

/// `$.contact_ids` of a group, plain ids, to `$.Clients` of one; each refers to a contact.
fn members(removes: Removes) -> Field {
    let mut members = field(&["$.contact_ids"], "$.Clients", vec![]);
    let path = |text| Path::parse(text).unwrap();
    let mut id = field(&["$"], "$.UUID", vec![]);
    if let Content::Mapped { reference, .. } = &mut id.content {
        *reference = Some(crate::config::Reference::to(crate::config::PipelineName::parse("contacts").unwrap()));
    }
    members.content = Content::Each(Box::new(Each {
        source_key: path("$"),
        target_key: path("$.UUID"),
        fields: vec![id],
        removes,
        leaves_out: true,
        derived: Vec::new(),
    }));
    members
}

#[test]
fn elements_that_wait_are_left_out_and_come_in_when_they_need_not_wait_any_more() {
    let field = members(Removes::None);
    let source = cell(r#"["c1","c2","c3"]"#);
    let mut world = World { links: vec![("c2", "t2")], ..World::default() };
    let composed = compose(&field, &source, None, None, &[], &world).unwrap();
    assert_eq!((composed.array, composed.order), (cell(r#"[{"UUID":"t2"}]"#), vec![Some("c2".to_owned())]));
    let waits: Vec<String> = left_out(&field, &source, &world).into_iter().map(|(_, id)| id.to_string()).collect();
    assert_eq!(waits, ["c1", "c3"]);
    let there = cell(r#"[{"UUID":"t2","Name":"Two"}]"#);
    let pairs = [pair("c2", "t2")];
    assert!(!arrives(&field, &source, &pairs, &world));
    assert!(!compose(&field, &source, Some(&there), None, &pairs, &world).unwrap().changed);
    world.links.push(("c3", "t3"));
    assert!(arrives(&field, &source, &pairs, &world));
    let composed = compose(&field, &source, Some(&there), None, &pairs, &world).unwrap();
    assert_eq!(composed.array, cell(r#"[{"UUID":"t2","Name":"Two"},{"UUID":"t3"}]"#));
    assert_eq!(first(&field, &source, &world).unwrap(), Some([cell(r#"["c2"]"#), cell(r#"[{"UUID":"t2"}]"#)]));
    assert_eq!(first(&field, &cell(r#"["c1"]"#), &world).unwrap(), None);
    // Without the choice, one that waits holds up the list.
    let Content::Each(each) = &field.content else { unreachable!() };
    let each = Each { leaves_out: false, ..(**each).clone() };
    let waiting = Field { content: Content::Each(Box::new(each)), ..field.clone() };
    assert!(matches!(compose(&waiting, &source, None, None, &[], &world), Err(MapError::Waiting { .. })));
    assert_eq!(left_out(&waiting, &source, &world), []);
}

#[test]
fn an_element_whose_key_is_mapped_is_known_by_it_and_ours_alone_are_removed() {
    let world = World { links: vec![("c1", "t1"), ("c2", "t2")], ..World::default() };
    let there = cell(r#"[{"UUID":"t9","Name":"Somebody's"},{"UUID":"t1","Name":"One"}]"#);
    let composed = compose(&members(Removes::Ours), &cell(r#"["c1"]"#), Some(&there), None, &[], &world).unwrap();
    assert!(!composed.changed, "it is there, whoever put it there");
    assert_eq!(composed.order, [None, Some("c1".to_owned())]);
    let pairs = [pair("c1", "t1"), pair("c2", "t2")];
    let without = |removes| {
        let composed = compose(&members(removes), &cell("[]"), Some(&there), None, &pairs, &world).unwrap();
        (composed.array, composed.changed)
    };
    assert_eq!(without(Removes::None), (there.clone(), false));
    assert_eq!(without(Removes::Ours), (cell(r#"[{"UUID":"t9","Name":"Somebody's"}]"#), true));
    assert_eq!(without(Removes::All), (cell("[]"), true));
}

#[test]
fn a_list_was_taken_if_every_element_of_it_is_there_by_its_key() {
    let field = members(Removes::Ours);
    let sent = cell(r#"[{"UUID":"t1"},{"UUID":"t2"}]"#);
    assert!(holds(&field, &sent, &cell(r#"[{"UUID":"t2","Name":"b"},{"UUID":"t1"}]"#)));
    assert!(!holds(&field, &sent, &cell(r#"[{"UUID":"t1"}]"#)));
    assert!(
        !holds(&field, &sent, &cell(r#"[{"UUID":"t1"},{"UUID":"t2"},{"UUID":"t3"}]"#)),
        "one that was to go is there"
    );
    let lines = lines(false);
    let sent = cell(r#"[{"LineItemID":"a","Description":"Tea"},{"Description":"Cake"}]"#);
    assert!(holds(&lines, &sent, &cell("[]")), "what the remote gives its key cannot be told");
    let sent = cell(r#"[{"LineItemID":"a","Description":"Tea"}]"#);
    assert!(!holds(&lines, &sent, &cell(r#"[{"LineItemID":"a","Description":"Milk"}]"#)));
}

#[test]
fn elements_of_the_target_may_be_plain_values() {
    let mut field = members(Removes::Ours);
    let Content::Each(each) = &mut field.content else { unreachable!() };
    let whole = || Path::parse("$").unwrap();
    each.source_key = Path::parse("$.UUID").unwrap();
    each.target_key = whole();
    each.fields[0].ends[0].paths = vec![each.source_key.clone()];
    each.fields[0].ends[1].paths = vec![whole()];
    let world = World { links: vec![("c1", "t1"), ("c2", "t2")], ..World::default() };
    let source = cell(r#"[{"UUID":"c1","Name":"One"},{"UUID":"c2"},{"UUID":"c9"}]"#);
    let composed = compose(&field, &source, None, None, &[], &world).unwrap();
    assert_eq!(composed.array, cell(r#"["t1","t2"]"#), "who is not linked is left out");
    let there = cell(r#"["own","t2","t1"]"#);
    let pairs = learn(&field, &composed, &there);
    assert_eq!(pairs, [pair("c1", "t1"), pair("c2", "t2")]);
    assert!(!compose(&field, &source, Some(&there), None, &pairs, &world).unwrap().changed);
    let left = compose(&field, &cell(r#"[{"UUID":"c2"}]"#), Some(&there), None, &pairs, &world).unwrap();
    assert_eq!((left.array, left.changed), (cell(r#"["own","t2"]"#), true));
    let anew = compose(&field, &source, None, None, &pairs, &world).unwrap();
    assert_eq!(anew.array, cell(r#"["t1","t2"]"#), "a record that is made anew");
}
