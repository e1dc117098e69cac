//! CSV: a head line with names, and one record a line.

use serde_json::{Map, Value};

/// Reads all lines: an array of objects of text. Every line must have as many values as the head line.
///
/// # Errors
///
/// Which line is wrong.
pub(super) fn parse(bytes: &[u8]) -> Result<Value, String> {
    let mut reader = csv::ReaderBuilder::new().flexible(false).from_reader(bytes);
    let names: Vec<String> =
        reader.headers().map_err(|error| error.to_string())?.iter().map(|name| name.trim().to_owned()).collect();
    let mut records = Vec::new();
    for line in reader.records() {
        let line = line.map_err(|error| error.to_string())?;
        let members = names.iter().zip(&line).map(|(name, text)| (name.clone(), Value::String(text.to_owned())));
        records.push(Value::Object(members.collect::<Map<_, _>>()));
    }
    Ok(Value::Array(records))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lines_become_records_and_a_short_line_is_a_mistake() {
        let read = parse(b"id,name\n1,\"Rua, \"\"Kea\"\"\"\n2,\n").unwrap();
        assert_eq!(read, json!([{ "id": "1", "name": "Rua, \"Kea\"" }, { "id": "2", "name": "" }]));
        assert!(parse(b"id,name\n1\n").unwrap_err().contains("line: 2"));
    }
}
