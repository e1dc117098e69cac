//! One record per element: what a parent is made into.
//!
//! An element is seen as `{ "parent": …, "item": … }`, so that paths reach both. Its id is the parent's id and what
//! tells it from its siblings, each with `/` and `%` written as `%2F` and `%25`, joined by `/`: two elements never
//! have the same id by accident, and the parent can be read off any of them.
//!
//! Positions tell nothing apart: who inserts a line would rename all that follow. So an element that has no id, or
//! shares it with a sibling, is nobody: it is a [`Fault`], and the others go on.

use std::collections::HashMap;

use chrono::{Days, Months, NaiveDate};
use serde_json::{Value, json};

use crate::{
    config::{Count, Dates, EachElement, Elements, Interval},
    record::{Canon, Cell, Kind, Path, RecordId},
};

/// Most dates of one parent; a slip in a number must not make a century of invoices.
const MOST_DATES: u32 = 1_200;

/// One element.
#[derive(Clone, Debug, PartialEq)]
pub struct Element<T> {
    /// Its id.
    pub id: RecordId,
    /// What tells it from its siblings, for people.
    pub name: String,
    /// What was read of it.
    pub read: T,
}

/// Elements, or a parent, of which no record can be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// A sentence.
    pub message: String,
}

/// What a parent is made into.
#[derive(Clone, Debug, PartialEq)]
pub struct Expanded<T> {
    /// The elements that are records.
    pub elements: Vec<Element<T>>,
    /// Ids that several elements share: they are there, but nobody knows which is which.
    pub shared: Vec<RecordId>,
    /// What is wrong.
    pub faults: Vec<Fault>,
    /// The elements could not be told at all: nothing follows from one that is not among them.
    pub unknown: bool,
}

/// The elements of a record with this id and body. Each is read while it stands beside its parent, which exists once
/// however many elements it has.
#[must_use]
pub fn expand<T>(elements: &Elements, id: &RecordId, body: &Value, read: impl Fn(&Value) -> T) -> Expanded<T> {
    let mut found = Expanded { elements: Vec::new(), shared: Vec::new(), faults: Vec::new(), unknown: false };
    let items = match items(&elements.each, body) {
        Ok(items) => items,
        Err(message) => {
            found.unknown = true;
            found.faults.push(Fault { message });
            return found;
        }
    };
    let mut seen = json!({ "parent": body });
    let mut places: HashMap<RecordId, Vec<usize>> = HashMap::new();
    for (at, item) in items.into_iter().enumerate() {
        if let Value::Object(members) = &mut seen {
            members.insert("item".to_owned(), item);
        }
        let parts: Option<Vec<String>> = elements.id.iter().map(|path| part(path, &seen)).collect();
        let Some(parts) = parts else {
            let paths: Vec<&str> = elements.id.iter().map(Path::as_str).collect();
            let message = format!("element {} has no id at {}", at + 1, paths.join(", "));
            found.faults.push(Fault { message });
            continue;
        };
        let id = element_id(id, &parts);
        places.entry(id.clone()).or_default().push(at + 1);
        let name = match seen.pointer("/item/date").and_then(Value::as_str) {
            Some(date) if matches!(elements.each, EachElement::Dates(_)) => date.to_owned(),
            _ => parts.join(" "),
        };
        found.elements.push(Element { id, name, read: read(&seen) });
    }
    let mut shared: Vec<(Vec<usize>, RecordId)> =
        places.into_iter().filter(|(_, at)| at.len() > 1).map(|(id, at)| (at, id)).collect();
    shared.sort();
    for (at, id) in shared {
        let at: Vec<String> = at.iter().map(ToString::to_string).collect();
        let name = found.elements.iter().find(|element| element.id == id).map(|element| element.name.clone());
        let name = name.unwrap_or_default();
        found.faults.push(Fault { message: format!("elements {} have the same id, {name}", at.join(" and ")) });
        found.elements.retain(|element| element.id != id);
        found.shared.push(id);
    }
    found
}

/// The id of an element.
#[must_use]
pub fn element_id(parent: &RecordId, parts: &[String]) -> RecordId {
    let mut text = prefix(parent);
    let parts: Vec<String> = parts.iter().map(|part| escaped(part)).collect();
    text.push_str(&parts.join("/"));
    RecordId::from(text)
}

/// What the ids of all elements of a parent begin with, and no other id.
#[must_use]
pub fn prefix(parent: &RecordId) -> String {
    format!("{}/", escaped(parent.as_str()))
}

/// The parent of the element with this id; `None` for what is no id of an element.
#[must_use]
pub fn parent_of(id: &RecordId) -> Option<RecordId> {
    let (parent, _) = id.as_str().split_once('/')?;
    Some(RecordId::from(parent.replace("%2F", "/").replace("%25", "%")))
}

fn escaped(part: &str) -> String {
    part.replace('%', "%25").replace('/', "%2F")
}

fn part(path: &Path, seen: &Value) -> Option<String> {
    match path.read(seen) {
        Cell::Several(_) => None,
        cell => Canon { kind: Kind::Id, ..Canon::default() }.key(&cell),
    }
}

fn items(each: &EachElement, body: &Value) -> Result<Vec<Value>, String> {
    match each {
        EachElement::List(path) => Ok(path.read_all(body).into_iter().cloned().collect()),
        EachElement::Dates(dates) => {
            let numbered = dates_of(dates, body)?.into_iter().zip(1_u32..);
            Ok(numbered.map(|(date, index)| json!({ "date": date.to_string(), "index": index })).collect())
        }
    }
}

/// The dates of a parent; none where the first is blank.
fn dates_of(dates: &Dates, body: &Value) -> Result<Vec<NaiveDate>, String> {
    let first = dates.first.read(body);
    if first.is_blank() {
        return Ok(Vec::new());
    }
    let text = first.value().and_then(Value::as_str).unwrap_or_default();
    let first = NaiveDate::parse_from_str(text, "%Y-%m-%d")
        .map_err(|_| format!("{} holds no date: {}", dates.first.as_str(), shown(&first)))?;
    let count = match &dates.count {
        Count::Number(number) => *number,
        Count::Path(path) => {
            let cell = path.read(body);
            let number = cell.value().and_then(|value| match value {
                Value::Number(number) => number.as_str().parse().ok(),
                Value::String(text) => text.trim().parse().ok(),
                _ => None,
            });
            number
                .ok_or_else(|| format!("{} does not say how many dates there are: {}", path.as_str(), shown(&cell)))?
        }
    };
    if count > MOST_DATES {
        return Err(format!("{count} dates are too many; {MOST_DATES} are allowed"));
    }
    // Each is counted from the first, so that a month without a 31st does not move those that follow.
    (0..count)
        .map(|n| date(dates, first, n).ok_or_else(|| format!("date {} lies beyond the calendar", n + 1)))
        .collect()
}

fn date(dates: &Dates, first: NaiveDate, n: u32) -> Option<NaiveDate> {
    use chrono::Datelike as _;
    match dates.every {
        Interval::Days(days) => first.checked_add_days(Days::new(u64::from(days) * u64::from(n))),
        Interval::Months(months) => {
            let date = first.checked_add_months(Months::new(months.checked_mul(n)?))?;
            let is_short = date.day() < first.day();
            if is_short && !dates.last_day { date.succ_opt() } else { Some(date) }
        }
    }
}

fn shown(cell: &Cell) -> String {
    match cell {
        Cell::Absent => "nothing".to_owned(),
        Cell::Several(count) => format!("{count} values"),
        Cell::Value(value) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(text: &str) -> Path {
        Path::parse(text).unwrap()
    }

    fn people() -> Elements {
        Elements { each: EachElement::List(path("$.people[*]")), id: vec![path("$.item.no")] }
    }

    fn ids(found: &Expanded<Value>) -> Vec<&str> {
        found.elements.iter().map(|element| element.id.as_str()).collect()
    }

    #[track_caller]
    fn dates(every: Interval, last_day: bool, first: &str, count: &Value) -> Result<Vec<String>, String> {
        let dates = Dates { first: path("$.first"), every, count: Count::Path(path("$.n")), last_day };
        let elements = Elements { each: EachElement::Dates(dates), id: vec![path("$.item.index")] };
        let found = expand(&elements, &RecordId::from("7"), &json!({ "first": first, "n": count }), |_| ());
        match found.faults.first() {
            Some(fault) => Err(fault.message.clone()),
            None => Ok(found.elements.into_iter().map(|element| format!("{} {}", element.id, element.name)).collect()),
        }
    }

    #[test]
    fn an_element_is_seen_with_its_parent_and_is_named_by_both() {
        let body = json!({ "name": "Acme", "people": [{ "no": 1, "n": "Jane" }, { "no": "a/b%", "n": "Joe" }] });
        let found = expand(&people(), &RecordId::from("c/1"), &body, Value::clone);
        assert_eq!(ids(&found), ["c%2F1/1", "c%2F1/a%2Fb%25"]);
        assert_eq!(found.elements[1].name, "a/b%");
        assert_eq!(path("$.item.n").read(&found.elements[0].read), Cell::from("Jane"));
        assert_eq!(path("$.parent.name").read(&found.elements[0].read), Cell::from("Acme"));
        assert!(found.faults.is_empty() && !found.unknown);
        let none = expand(&people(), &RecordId::from("1"), &json!({}), Value::clone);
        assert!(none.elements.is_empty() && none.faults.is_empty() && !none.unknown, "no list, no elements");
    }

    #[test]
    fn who_has_no_id_or_shares_it_is_named_and_the_others_go_on() {
        let people = json!([{ "no": 1 }, { "no": "" }, { "no": 2 }, {}, { "no": 1 }, { "no": 3 }]);
        let found = expand(&self::people(), &RecordId::from("c"), &json!({ "people": people }), Value::clone);
        assert_eq!(ids(&found), ["c/2", "c/3"]);
        assert_eq!(found.shared, [RecordId::from("c/1")]);
        let faults: Vec<&str> = found.faults.iter().map(|fault| fault.message.as_str()).collect();
        let expected = [
            "element 2 has no id at $.item.no",
            "element 4 has no id at $.item.no",
            "elements 1 and 5 have the same id, 1",
        ];
        assert_eq!(faults, expected);
    }

    #[test]
    fn months_are_counted_from_the_first_date() {
        let found = dates(Interval::Months(1), true, "2024-01-31", &json!(4)).unwrap();
        assert_eq!(found, ["7/1 2024-01-31", "7/2 2024-02-29", "7/3 2024-03-31", "7/4 2024-04-30"]);
        let found = dates(Interval::Months(1), false, "2023-01-30", &json!("3")).unwrap();
        assert_eq!(found, ["7/1 2023-01-30", "7/2 2023-03-01", "7/3 2023-03-30"]);
        let found = dates(Interval::Months(12), true, "2024-02-29", &json!(2)).unwrap();
        assert_eq!(found, ["7/1 2024-02-29", "7/2 2025-02-28"]);
        let found = dates(Interval::Days(14), true, "2024-12-25", &json!(2)).unwrap();
        assert_eq!(found, ["7/1 2024-12-25", "7/2 2025-01-08"]);
    }

    #[test]
    fn dates_that_cannot_be_told_say_why() {
        assert_eq!(dates(Interval::Days(1), true, "", &json!(3)), Ok(Vec::new()), "not begun yet");
        let wrong = |first: &str, count: Value| dates(Interval::Months(1), true, first, &count).unwrap_err();
        assert_eq!(wrong("June", json!(3)), "$.first holds no date: \"June\"");
        assert_eq!(wrong("2026-06-01", json!("")), "$.n does not say how many dates there are: \"\"");
        assert_eq!(wrong("2026-06-01", json!(-1)), "$.n does not say how many dates there are: -1");
        assert_eq!(wrong("2026-06-01", json!(1201)), "1201 dates are too many; 1200 are allowed");
        assert!(dates(Interval::Months(4_000_000_000), true, "2026-06-01", &json!(3)).is_err());
        assert!(dates(Interval::Days(4_000_000_000), true, "2026-06-01", &json!(300)).is_err());
    }

    proptest! {
        #[test]
        fn different_parts_never_give_one_id_and_the_parent_is_read_off(
            a in "[/%25F a]{0,6}", b in "[/%25F a]{0,6}", c in "[/%25F a]{0,6}", d in "[/%25F a]{0,6}",
        ) {
            let made = |parent: &str, part: &String| element_id(&RecordId::from(parent), std::slice::from_ref(part));
            let (one, other) = (made(&a, &b), made(&c, &d));
            prop_assert_eq!((&a, &b) == (&c, &d), one == other);
            prop_assert_eq!(one.as_str().starts_with(&prefix(&RecordId::from(&*c))), a == c);
            prop_assert_eq!(parent_of(&one), Some(RecordId::from(a)));
        }
    }
}
