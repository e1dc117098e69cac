//! One value between the text of a file and the decoded form.

use chrono::{DateTime, NaiveDate, NaiveDateTime, SecondsFormat, TimeZone as _, Utc};
use serde_json::{Number, Value};

use crate::{
    connector::{FieldType, FileFormat, FileTable, Holds, WireFormat},
    record::Kind,
};

/// Text without any habits of its own: a decimal point, ISO dates, RFC 3339.
static PLAIN: FileTable = FileTable {
    path: String::new(),
    format: FileFormat::Csv { delimiter: b',' },
    encoding: encoding_rs::UTF_8,
    decimal_comma: false,
    date_format: None,
    datetime_format: None,
    columns: Vec::new(),
    head: true,
    group: None,
    holds: Holds::Snapshot,
    steady: std::time::Duration::ZERO,
    marker: None,
    done: None,
    results: None,
    require: Vec::new(),
    write: false,
};

/// What a plain text stands for in a field. A blank one stands for nothing, but where text is wanted.
///
/// # Errors
///
/// Why it is none of its kind.
pub(in crate::connector) fn read_text(field: &FieldType, text: String) -> Result<Value, String> {
    read(&PLAIN, Some(field), Value::String(text))
}

/// What a value of a file stands for. A blank one stands for nothing, but where text is wanted.
///
/// # Errors
///
/// Why it is none of its kind.
pub(super) fn read(table: &FileTable, field: Option<&FieldType>, value: Value) -> Result<Value, String> {
    let kind = field.map_or(Kind::Any, FieldType::kind);
    let Value::String(text) = value else { return Ok(value) };
    let trimmed = text.trim();
    let wrong = |what: &str| Err(format!("`{}` is no {what}", shown(trimmed)));
    match kind {
        Kind::Any | Kind::Text => Ok(Value::String(text)),
        Kind::Id => Ok(Value::String(trimmed.to_owned())),
        _ if trimmed.is_empty() => Ok(Value::Null),
        Kind::Decimal => decimal(table, trimmed).map_or_else(|| wrong("decimal"), |number| Ok(Value::Number(number))),
        Kind::Integer => match decimal(table, trimmed).filter(|number| number.as_str().parse::<i128>().is_ok()) {
            Some(number) => Ok(Value::Number(number)),
            None => wrong("whole number"),
        },
        Kind::Boolean => match trimmed.to_ascii_lowercase().as_str() {
            "true" | "yes" | "1" => Ok(Value::Bool(true)),
            "false" | "no" | "0" => Ok(Value::Bool(false)),
            _ => wrong("boolean; true and false, yes and no, 1 and 0 are"),
        },
        Kind::Date => match date(table, field, trimmed) {
            Some(day) => Ok(Value::String(day.to_string())),
            None => wrong(&format!("date as `{}`", table.date_format.as_deref().unwrap_or("%Y-%m-%d"))),
        },
        Kind::Datetime => match instant(table, trimmed) {
            Some(instant) => Ok(Value::String(instant.to_rfc3339_opts(SecondsFormat::AutoSi, true))),
            None => wrong("time in the form that is declared"),
        },
        Kind::Object | Kind::List => serde_json::from_str(trimmed).or_else(|_| wrong("JSON")),
    }
}

/// The JSON that stands for a value: what has a form of its own in files is text in that form.
///
/// # Errors
///
/// Why there is none.
pub(super) fn write_json(table: &FileTable, field: Option<&FieldType>, value: &Value) -> Result<Value, String> {
    match field.map(FieldType::kind) {
        Some(Kind::Date | Kind::Datetime) if value.is_string() => write(table, field, value).map(Value::String),
        _ => Ok(value.clone()),
    }
}

/// The text that stands for a value in a CSV file.
///
/// # Errors
///
/// Why there is none.
pub(super) fn write(table: &FileTable, field: Option<&FieldType>, value: &Value) -> Result<String, String> {
    let kind = field.map_or(Kind::Any, FieldType::kind);
    match (value, kind) {
        (Value::Null, _) => Ok(String::new()),
        (Value::Number(number), _) => Ok(comma(table, number.as_str())),
        (Value::String(text), Kind::Decimal) => Ok(comma(table, text)),
        (Value::Bool(yes), _) if field.is_some_and(|field| field.format == WireFormat::YesNo) => {
            Ok(if *yes { "Yes" } else { "No" }.to_owned())
        }
        (Value::Bool(yes), _) => Ok(yes.to_string()),
        (Value::String(text), Kind::Date) => Ok(match NaiveDate::parse_from_str(text, "%Y-%m-%d") {
            Ok(day) => day.format(date_form(table, field)).to_string(),
            Err(_) => text.clone(),
        }),
        (Value::String(text), Kind::Datetime) => {
            Ok(match (&table.datetime_format, DateTime::parse_from_rfc3339(text)) {
                (Some((form, zone)), Ok(instant)) => instant.with_timezone(zone).format(form).to_string(),
                _ => text.clone(),
            })
        }
        (Value::String(text), _) => Ok(text.clone()),
        (Value::Array(_) | Value::Object(_), Kind::Object | Kind::List) => Ok(value.to_string()),
        (Value::Array(_) | Value::Object(_), _) => Err("a CSV file has no place for lists and objects".to_owned()),
    }
}

/// A number with its digits kept. Marks between thousands are taken only where they stand right.
fn decimal(table: &FileTable, text: &str) -> Option<Number> {
    let plain = if table.decimal_comma { grouped(text)?.replace(',', ".") } else { text.to_owned() };
    let digits = plain.strip_prefix('-').unwrap_or(&plain);
    let (whole, places) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !all_digits(whole) || !all_digits(places) {
        return None;
    }
    let zeros = whole.len() - whole.trim_start_matches('0').len();
    let kept = whole.get(zeros.min(whole.len() - 1)..)?;
    let sign = if plain.starts_with('-') { "-" } else { "" };
    let rest = digits.get(whole.len()..)?;
    serde_json::from_str(&format!("{sign}{kept}{rest}")).ok()
}

/// `1.234,50` without the points; `None` where they do not part thousands.
fn grouped(text: &str) -> Option<String> {
    let (whole, places) = text.split_once(',').map_or((text, None), |(whole, places)| (whole, Some(places)));
    if places.is_some_and(|places| places.contains('.')) {
        return None;
    }
    let mut groups = whole.split('.');
    let first = groups.next()?.trim_start_matches('-');
    if whole.contains('.') && (first.is_empty() || first.len() > 3 || !groups.all(|group| group.len() == 3)) {
        return None;
    }
    Some(text.replace('.', ""))
}

fn comma(table: &FileTable, number: &str) -> String {
    if table.decimal_comma { number.replace('.', ",") } else { number.to_owned() }
}

fn date(table: &FileTable, field: Option<&FieldType>, text: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(text, date_form(table, field)).ok()
}

fn date_form<'t>(table: &'t FileTable, field: Option<&FieldType>) -> &'t str {
    let compact = field.is_some_and(|field| field.format == WireFormat::CompactDate);
    table.date_format.as_deref().unwrap_or(if compact { "%Y%m%d" } else { "%Y-%m-%d" })
}

/// A wall time that the clocks skipped is none; of a doubled one, the first counts.
fn instant(table: &FileTable, text: &str) -> Option<DateTime<Utc>> {
    match &table.datetime_format {
        Some((form, zone)) => {
            let local = NaiveDateTime::parse_from_str(text, form).ok()?;
            zone.from_local_datetime(&local).earliest().map(|instant| instant.to_utc())
        }
        None => DateTime::parse_from_rfc3339(text).ok().map(|instant| instant.to_utc()),
    }
}

/// The beginning of a value, for messages.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(40).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::record::Canon;

    fn table(decimal_comma: bool) -> FileTable {
        FileTable {
            path: "x.csv".to_owned(),
            format: FileFormat::Csv { delimiter: b',' },
            encoding: encoding_rs::UTF_8,
            decimal_comma,
            date_format: Some("%d.%m.%Y".to_owned()),
            datetime_format: Some(("%d.%m.%Y %H:%M".to_owned(), chrono_tz::Europe::Berlin)),
            columns: vec![],
            head: true,
            group: None,
            holds: Holds::Snapshot,
            steady: std::time::Duration::ZERO,
            marker: None,
            done: None,
            results: None,
            require: vec![],
            write: true,
        }
    }

    fn of(kind: Kind) -> FieldType {
        FieldType { canon: Canon { kind, ..Canon::default() }, ..FieldType::default() }
    }

    #[track_caller]
    fn both(comma: bool, kind: Kind, text: &str, value: &Value) {
        let (table, field) = (table(comma), of(kind));
        let read = read(&table, Some(&field), Value::String(text.to_owned())).unwrap();
        assert_eq!(read, *value, "{text}");
        assert_eq!(write(&table, Some(&field), &read).unwrap(), text);
    }

    #[track_caller]
    fn refused(comma: bool, kind: Kind, text: &str) {
        assert!(read(&table(comma), Some(&of(kind)), Value::String(text.to_owned())).is_err(), "{text}");
    }

    fn number(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn values_go_to_text_and_back() {
        both(false, Kind::Decimal, "1234.50", &number("1234.50"));
        both(true, Kind::Decimal, "1234,50", &number("1234.50"));
        both(true, Kind::Decimal, "-0,5", &number("-0.5"));
        both(false, Kind::Integer, "12345678901234567890", &number("12345678901234567890"));
        both(false, Kind::Date, "31.12.2026", &json!("2026-12-31"));
        both(false, Kind::Datetime, "01.07.2026 12:00", &json!("2026-07-01T10:00:00Z"));
        both(false, Kind::Boolean, "true", &json!(true));
        both(false, Kind::Text, " 1.0 ", &json!(" 1.0 "));
        both(false, Kind::Decimal, "", &Value::Null);
    }

    #[test]
    fn thousands_are_understood_only_where_they_stand_right() {
        let read = |text: &str| read(&table(true), Some(&of(Kind::Decimal)), json!(text));
        assert_eq!(read("1.234.567,89").unwrap(), number("1234567.89"));
        assert_eq!(read("007").unwrap(), number("7"));
        for text in ["1.23,4", "1,2,3", "1234.567", ".5", "1,2.3", "1e5", "--1", "1,"] {
            refused(true, Kind::Decimal, text);
        }
    }

    #[test]
    fn what_is_none_of_its_kind_is_refused() {
        refused(false, Kind::Decimal, "1,234.50");
        refused(false, Kind::Decimal, "1.");
        refused(false, Kind::Integer, "1.5");
        refused(false, Kind::Date, "2026-12-31");
        refused(false, Kind::Date, "31.02.2026");
        refused(false, Kind::Boolean, "maybe");
        refused(false, Kind::Datetime, "soon");
        assert!(write(&table(false), None, &json!([1])).is_err());
    }
}
