//! What wraps every answer of Xero: the envelope, errors, and XML for those who do not ask for JSON.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::text::stamp;
use crate::sandbox::call::Answer;

/// The place of an answer in a paged list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paging {
    pub(crate) page: usize,
    pub(crate) size: usize,
    pub(crate) total: usize,
}

/// A good answer: the plural array in its envelope.
pub(crate) fn envelope(id: Uuid, now: DateTime<Utc>, paging: Option<Paging>, name: &str, items: Vec<Value>) -> Answer {
    let count = items.len();
    let mut body = Map::new();
    body.insert("Id".to_owned(), id.to_string().into());
    body.insert("Status".to_owned(), "OK".into());
    body.insert("ProviderName".to_owned(), "reconciled".into());
    body.insert("DateTimeUTC".to_owned(), stamp(now));
    if let Some(Paging { page, size, total }) = paging {
        let pages = total.div_ceil(size);
        let paging = json!({ "page": page, "pageSize": size, "pageCount": pages, "itemCount": total });
        body.insert("pagination".to_owned(), paging);
    }
    body.insert(name.to_owned(), Value::Array(items));
    Answer::json(200, wire(&Value::Object(body)), count)
}

/// JSON text with the slashes of dates escaped, as .NET writes them (Xero docs, requests-and-responses).
pub(crate) fn wire(value: &Value) -> String {
    let text = value.to_string();
    let mut escaped = String::with_capacity(text.len() + text.len() / 64);
    let mut rest = text.as_str();
    while let Some(start) = rest.find("\"/Date(") {
        let (before, date) = rest.split_at(start);
        escaped.push_str(before);
        if let Some(end) = date.find(")/\"") {
            let (inside, after) = date.split_at(end);
            escaped.push_str("\"\\/");
            escaped.push_str(inside.get(2..).unwrap_or_default());
            escaped.push_str(")\\/\"");
            rest = after.get(3..).unwrap_or_default();
        } else {
            escaped.push_str(date);
            rest = "";
        }
    }
    escaped.push_str(rest);
    escaped
}

/// 400 because elements broke rules; nothing was saved (Xero accounting docs, responsecodes).
pub(crate) fn validation(elements: &[Value]) -> Answer {
    let body = json!({
        "ErrorNumber": 10,
        "Type": "ValidationException",
        "Message": "A validation exception occurred",
        "Elements": elements,
    });
    Answer::json(400, wire(&body), 0)
}

/// 400 because the request itself could not be read.
pub(crate) fn malformed(number: u32, kind: &str, message: &str) -> Answer {
    Answer::json(400, json!({ "ErrorNumber": number, "Type": kind, "Message": message }).to_string(), 0)
}

/// An error of the gateway in front of the API: tokens, tenants, keys, outages.
pub(crate) fn problem(status: u16, title: Option<&str>, detail: &str) -> Answer {
    let title = title.unwrap_or(match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        503 => "Service Unavailable",
        _ => "An error occurred",
    });
    let body = json!({
        "Type": null,
        "Title": title,
        "Status": status,
        "Detail": detail,
        "Instance": Uuid::nil().to_string(),
        "Extensions": {},
    });
    Answer::json(status, body.to_string(), 0)
}

/// 404; its body is not documented, an old page shows a bare line.
pub(crate) fn not_found() -> Answer {
    let mut answer = Answer::empty(404);
    answer.body = "The resource you're looking for cannot be found".into();
    answer.content_type = "text/html; charset=utf-8";
    answer
}

/// The same answer for a client that did not ask for JSON.
pub(crate) fn as_xml(answer: &Answer) -> Answer {
    let body = match serde_json::from_slice::<Value>(&answer.body) {
        Ok(value) if answer.status == 200 => {
            let mut text = String::from("<Response xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">");
            element(&value, "Response", &mut text);
            text.push_str("</Response>");
            text
        }
        Ok(value) => {
            let mut text = String::from("<ApiException>");
            element(&value, "ApiException", &mut text);
            text.push_str("</ApiException>");
            text
        }
        Err(_) => return answer.clone(),
    };
    Answer { body: body.into(), content_type: "text/xml; charset=utf-8", ..answer.clone() }
}

fn element(value: &Value, name: &str, text: &mut String) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                text.extend(["<", name, ">"]);
                element(value, name, text);
                text.extend(["</", name, ">"]);
            }
        }
        Value::Array(items) => {
            let single = name.strip_suffix('s').unwrap_or(name);
            for item in items {
                text.extend(["<", single, ">"]);
                element(item, single, text);
                text.extend(["</", single, ">"]);
            }
        }
        Value::String(value) => text.push_str(&value.replace('&', "&amp;").replace('<', "&lt;")),
        Value::Null => {}
        other => text.push_str(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_slashes_of_dates_are_escaped() {
        let value = json!({"a": "/Date(1+0000)/", "b": "x/y", "c": ["/Date(2)/", "/Date(3"], "d": "http://h/p"});
        let text = wire(&value);
        assert_eq!(text, r#"{"a":"\/Date(1+0000)\/","b":"x/y","c":["\/Date(2)\/","/Date(3"],"d":"http://h/p"}"#);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }
}
