//! Forms: `a=1&b[c]=2&d[0]=3`.

use serde_json::Value;
use url::form_urlencoded::Serializer;

/// Writes an object; members of members are named in brackets, elements of arrays by their places.
///
/// # Errors
///
/// When the body is no object.
pub(super) fn write(body: &Value) -> Result<String, String> {
    let Value::Object(members) = body else { return Err("a form holds names and values, not a list".to_owned()) };
    let mut form = Serializer::new(String::new());
    for (name, value) in members {
        put(&mut form, name, value);
    }
    Ok(form.finish())
}

fn put(form: &mut Serializer<'_, String>, name: &str, value: &Value) {
    match value {
        Value::Null => drop(form.append_pair(name, "")),
        Value::String(text) => drop(form.append_pair(name, text)),
        Value::Bool(_) | Value::Number(_) => drop(form.append_pair(name, &value.to_string())),
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                put(form, &format!("{name}[{place}]"), item);
            }
        }
        Value::Object(members) => {
            for (inner, item) in members {
                put(form, &format!("{name}[{inner}]"), item);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_of_members_are_named_in_brackets() {
        let body = json!({ "a": "x & y", "b": { "c": 1.10, "d": null }, "e": [true, { "f": "é" }] });
        let expected = "a=x+%26+y&b%5Bc%5D=1.1&b%5Bd%5D=&e%5B0%5D=true&e%5B1%5D%5Bf%5D=%C3%A9";
        assert_eq!(write(&body).as_deref(), Ok(expected));
        assert!(write(&json!([])).is_err());
    }
}
