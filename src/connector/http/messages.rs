//! The remote's own words, found in an answer and made fit to print.

use serde_json::Value;

use crate::record::Path;

/// Longest message that is passed on.
const LONGEST: usize = 500;

/// Where systems commonly put their words, when a manifest's own paths find nothing.
const COMMON: [&str; 8] = ["message", "Message", "error_description", "error", "errors", "detail", "Detail", "title"];

/// The words at the manifest's paths, all of the first path that finds any.
pub(super) fn at(paths: &[Path], body: &Value) -> Option<String> {
    paths.iter().find_map(|path| {
        let mut words = Vec::new();
        for value in path.read_all(body) {
            collect(value, &mut words, 0);
        }
        join(words)
    })
}

/// The words of an error answer: at the manifest's paths, in Xero's `Elements[].ValidationErrors[].Message`, or
/// where systems commonly put them.
pub(super) fn of(paths: &[Path], body: &Value) -> Option<String> {
    at(paths, body).or_else(|| validation_errors(body)).or_else(|| {
        let mut words = Vec::new();
        COMMON.iter().filter_map(|name| body.get(name)).for_each(|value| collect(value, &mut words, 0));
        join(words)
    })
}

/// The words of one item of a batch that was not written. Only names that no record has for itself are looked at: a
/// contact's `title` is no complaint.
pub(super) fn of_item(paths: &[Path], item: &Value) -> Option<String> {
    at(paths, item).or_else(|| validation_errors(item)).or_else(|| {
        let mut words = Vec::new();
        ["error", "errors", "Errors"]
            .iter()
            .filter_map(|name| item.get(name))
            .for_each(|value| collect(value, &mut words, 0));
        join(words)
    })
}

/// Xero's summary of a refused call (Xero accounting docs, responsecodes).
fn validation_errors(body: &Value) -> Option<String> {
    let mut words = Vec::new();
    let elements = body.get("Elements").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    for element in elements.iter().chain([body]) {
        for error in element.get("ValidationErrors").and_then(Value::as_array).into_iter().flatten() {
            collect(error, &mut words, 0);
        }
    }
    join(words)
}

/// Gathers texts; of objects, only the members that hold words.
fn collect(value: &Value, words: &mut Vec<String>, depth: u8) {
    match value {
        Value::String(text) => words.push(text.clone()),
        Value::Number(number) => words.push(number.to_string()),
        Value::Array(items) if depth < 4 => items.iter().for_each(|item| collect(item, words, depth + 1)),
        Value::Object(members) if depth < 4 => {
            let before = words.len();
            COMMON.iter().filter_map(|name| members.get(*name)).for_each(|item| collect(item, words, depth + 1));
            if words.len() == before {
                // A map of field to complaints (`{"email": ["is taken"]}`).
                for (name, item) in members {
                    let mut inner = Vec::new();
                    collect(item, &mut inner, depth + 1);
                    words.extend(inner.into_iter().map(|word| format!("{name}: {word}")));
                }
            }
        }
        _ => {}
    }
}

fn join(words: Vec<String>) -> Option<String> {
    let mut distinct: Vec<String> = Vec::new();
    for word in words {
        let word = printable(&word);
        if !word.is_empty() && !distinct.contains(&word) {
            distinct.push(word);
        }
    }
    (!distinct.is_empty()).then(|| distinct.join("; "))
}

/// What a text begins with, for an answer that is not JSON.
pub(super) fn beginning(text: &str) -> String {
    let text = printable(text);
    if text.is_empty() { "nothing".to_owned() } else { format!("`{}`", text.chars().take(80).collect::<String>()) }
}

/// Without control characters, which could rewrite a terminal, and without runs of white space.
pub(super) fn printable(text: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    clean.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Cuts a message that is too long. Only after the secret was taken out: a cut could leave the half of it.
pub(super) fn shorten(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or(text)),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(body: &Value, expected: Option<&str>) {
        assert_eq!(of(&[], body).as_deref(), expected, "{body}");
    }

    #[test]
    fn words_are_found_where_systems_put_them() {
        let xero = json!({"Type": "ValidationException", "Message": "A validation exception occurred",
            "Elements": [{"ValidationErrors": [{"Message": "Name is taken"}, {"Message": "Too\nlong"}]}]});
        check(&xero, Some("Name is taken; Too long"));
        check(&json!({"error": {"code": 7, "message": "no"}}), Some("no"));
        check(
            &json!({"errors": {"email": ["is taken"], "name": ["is blank"]}}),
            Some("email: is taken; name: is blank"),
        );
        check(&json!({"errors": [{"message": "a"}, {"message": "a"}, {"message": "b"}]}), Some("a; b"));
        check(&json!({"ok": false}), None);
        check(&json!({"message": "\u{1b}[2J"}), Some("[2J"));
        check(&json!([]), None);
    }
}
