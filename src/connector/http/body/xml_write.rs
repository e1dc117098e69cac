//! Writing XML: the same form that is read.

use quick_xml::escape::escape;
use serde_json::Value;

use crate::connector::XmlRules;

/// Writes a record as the element `root`.
///
/// # Errors
///
/// When a member has a name that no element can have.
pub(super) fn write(rules: &XmlRules, root: &str, body: &Value) -> Result<String, String> {
    let mut text = String::new();
    element(rules, root, body, &mut text)?;
    Ok(text)
}

fn element(rules: &XmlRules, name: &str, value: &Value, out: &mut String) -> Result<(), String> {
    if !is_name(name) {
        return Err(format!("`{name}` cannot be the name of an XML element"));
    }
    match (value, rules.lists.get(name)) {
        (Value::Array(items), Some(item)) => {
            open(name, out);
            for one in items {
                element(rules, item, one, out)?;
            }
            close(name, out);
            Ok(())
        }
        (Value::Array(items), None) => items.iter().try_for_each(|one| element(rules, name, one, out)),
        (Value::Object(members), _) => {
            out.push('<');
            out.push_str(name);
            for (attribute, value) in members {
                if let Some(attribute) = attribute.strip_prefix('@') {
                    if !is_name(attribute) {
                        return Err(format!("`{attribute}` cannot be the name of an XML attribute"));
                    }
                    out.push(' ');
                    out.push_str(attribute);
                    out.push_str("=\"");
                    out.push_str(&escape(clean(&text_of(value))));
                    out.push('"');
                }
            }
            out.push('>');
            for (inner, value) in members.iter().filter(|(inner, _)| !inner.starts_with('@')) {
                if inner == "#text" {
                    out.push_str(&escape(clean(&text_of(value))));
                } else {
                    element(rules, inner, value, out)?;
                }
            }
            close(name, out);
            Ok(())
        }
        (scalar, _) => {
            open(name, out);
            out.push_str(&escape(clean(&text_of(scalar))));
            close(name, out);
            Ok(())
        }
    }
}

fn open(name: &str, out: &mut String) {
    out.push('<');
    out.push_str(name);
    out.push('>');
}

fn close(name: &str, out: &mut String) {
    out.push_str("</");
    out.push_str(name);
    out.push('>');
}

fn text_of(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Without the control characters that XML 1.0 cannot hold in any form.
fn clean(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || matches!(c, '\t' | '\n' | '\r')).collect()
}

fn is_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|first| first.is_alphabetic() || first == '_')
        && chars.all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::{super::xml, *};

    fn rules() -> XmlRules {
        XmlRules { lists: [("Contacts".to_owned(), "Contact".to_owned())].into(), ..XmlRules::default() }
    }

    #[test]
    fn lists_attributes_and_blanks_are_written_as_they_are_read() {
        let body = json!({ "Name": "Kea & <Sons>", "Fax": null, "Contacts": [{ "Name": "Rua" }], "add": [{ "@uuid": "1" }, { "@uuid": "2" }] });
        let expected = "<Client><Contacts><Contact><Name>Rua</Name></Contact></Contacts><Fax></Fax><Name>Kea &amp; &lt;Sons&gt;</Name><add uuid=\"1\"></add><add uuid=\"2\"></add></Client>";
        assert_eq!(write(&rules(), "Client", &body).as_deref(), Ok(expected));
        assert!(write(&rules(), "Client", &json!({ "a b": 1 })).is_err());
    }

    proptest! {
        #[test]
        fn any_text_comes_back(text in "\\PC{1,20}") {
            let written = write(&rules(), "r", &json!({ "a": text })).unwrap();
            prop_assert_eq!(xml::parse(&rules(), &written).unwrap(), json!({ "a": text }));
        }
    }
}
