//! `docs/reference.md`: every key of the configuration, made from its schema.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use serde_json::Value;

/// A name as people read it: `DebounceMap` is `debounce`.
fn title(name: &str) -> String {
    let bare = if name == "BodyMap" { name } else { name.trim_end_matches("Map") };
    let mut text = String::new();
    for c in bare.chars() {
        if c.is_uppercase() && !text.is_empty() {
            text.push(' ');
        }
        text.extend(c.to_lowercase());
    }
    text
}

fn anchor(name: &str) -> String {
    title(name).replace(' ', "-")
}

/// What may stand there, in words.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap_or_default();
        return format!("[{}](#{})", title(name), anchor(name));
    }
    if let Some(words) = schema["enum"].as_array() {
        let words =
            words.iter().map(|word| format!("`{}`", word.as_str().map_or_else(|| word.to_string(), str::to_owned)));
        return words.collect::<Vec<_>>().join(", ");
    }
    // A variant has the same keys.
    if schema["if"].is_object() {
        return kind(&schema["else"]);
    }
    for several in ["anyOf", "oneOf"] {
        if let Some(all) = schema[several].as_array() {
            let mut kinds: Vec<String> = all.iter().map(kind).collect();
            kinds.dedup();
            return kinds.join(", or ");
        }
    }
    if let Some(word) = schema["const"].as_str() {
        return format!("`{word}`");
    }
    let of = match &schema["type"] {
        Value::Array(all) => all.iter().filter_map(Value::as_str).next().unwrap_or_default(),
        one => one.as_str().unwrap_or_default(),
    };
    match of {
        "array" => format!("a list of {}", kind(&schema["items"])),
        "object" if schema["additionalProperties"].is_object() => {
            format!("names, each with {}", kind(&schema["additionalProperties"]))
        }
        "object" => "a map".to_owned(),
        "boolean" => "`true`, `false`".to_owned(),
        "integer" | "number" => "a number".to_owned(),
        "string" => match schema["examples"][0].as_str() {
            Some(example) => format!("text, as `{example}`"),
            None => "text".to_owned(),
        },
        _ => "anything".to_owned(),
    }
}

fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

fn table(page: &mut String, schema: &Value) {
    let Some(keys) = schema["properties"].as_object().filter(|keys| !keys.is_empty()) else { return };
    let needed: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    page.push_str("| key | holds | |\n| --- | --- | --- |\n");
    for (key, value) in keys {
        let about = cell(value["description"].as_str().unwrap_or_default());
        let must = if needed.contains(&key.as_str()) { "Must be given. " } else { "" };
        let _ = writeln!(page, "| `{key}` | {} | {must}{about} |", cell(&kind(value)));
    }
    page.push('\n');
}

fn page(schema: &Value) -> String {
    let mut page = String::from(
        "# Every key of the configuration\n\nMade from `schemas/config.schema.json` (`reconciled schema` prints it, for editors). \
         What the keys mean together is told in the other pages. A value in a map with one form only may be given alone where \
         both are listed.\n\n## A file\n\n",
    );
    table(&mut page, schema);
    let maps: BTreeMap<String, &Value> =
        schema["$defs"].as_object().unwrap().iter().map(|(name, value)| (name.clone(), value)).collect();
    for (name, value) in maps.into_iter().filter(|(name, _)| !name.ends_with("Variant")) {
        let _ = writeln!(page, "## {}\n", title(&name));
        if let Some(about) = value["description"].as_str() {
            let _ = writeln!(page, "{}\n", cell(about).replace("\\|", "|"));
        }
        if value["properties"].is_object() {
            table(&mut page, value);
        } else {
            let _ = writeln!(page, "Holds {}.\n", kind(value));
        }
    }
    page.trim_end().to_owned() + "\n"
}

#[test]
fn the_reference_is_what_the_schema_says() {
    let now = page(&reconciled::config::config_schema());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference.md");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(path, &now).unwrap();
    } else {
        let text = fs::read_to_string(path).unwrap_or_default();
        assert!(text == now, "docs/reference.md is behind the schema; run this test with UPDATE=1");
    }
}
