//! Bodies: from bytes to JSON values and back, whatever the remote writes.
//!
//! Everything behind this room sees JSON. XML's root element is the answer itself; forms and CSV know only text. A
//! list of many megabytes is not turned into values at once: it is [`split`] into the places of its records, which are
//! read a page at a time.

use std::{borrow::Cow, ops::Range};

use bytes::Bytes;
use encoding_rs::Encoding;
use serde_json::Value;

use crate::{
    connector::{Bodies, BodyKind},
    record::Path,
};

mod csv;
mod form;
mod json;
mod xml;
mod xml_write;

/// A list without its records, and where those are; `None` where they cannot be told apart so.
type Found = Option<(Value, Vec<Range<usize>>)>;

/// A large list whose records were not read yet.
pub(super) struct Parts {
    body: Bytes,
    records: Vec<Range<usize>>,
    bodies: Bodies,
}

impl Parts {
    /// How many records there are.
    pub(super) const fn len(&self) -> usize {
        self.records.len()
    }

    /// Reads some of the records.
    ///
    /// # Errors
    ///
    /// When one of them is not what the whole seemed to be.
    pub(super) fn read(&self, from: usize, most: usize) -> Result<Vec<Value>, String> {
        let ranges = self.records.iter().skip(from).take(most);
        let parts = ranges.map(|range| self.body.get(range.clone()).unwrap_or_default());
        parts.map(|part| parse(&self.bodies, part)).collect()
    }
}

/// Bytes to a value.
///
/// # Errors
///
/// What is wrong with them, and where.
pub(super) fn parse(bodies: &Bodies, bytes: &[u8]) -> Result<Value, String> {
    match bodies.read {
        BodyKind::Json | BodyKind::Form => serde_json::from_slice(bytes).map_err(|error| error.to_string()),
        BodyKind::Xml => xml::parse(&bodies.xml, utf8(bytes)?),
        BodyKind::Csv => csv::parse(bytes),
    }
}

/// The whole without its records, which stay unread. `None` where the records cannot be told apart so.
///
/// # Errors
///
/// What is wrong with the bytes: all of them are looked at.
pub(super) fn split(bodies: &Bodies, bytes: &Bytes, records: &Path) -> Result<Option<(Value, Parts)>, String> {
    let found = match (bodies.read, records.names().as_slice()) {
        (BodyKind::Json, names) => json::split(bytes, names)?,
        (BodyKind::Xml, names) if !names.is_empty() => xml::split(&bodies.xml, utf8(bytes)?, names)?,
        _ => None,
    };
    let parts = |records| Parts { body: bytes.clone(), records, bodies: bodies.clone() };
    Ok(found.map(|(whole, records)| (whole, parts(records))))
}

/// A value to the text of a body. `root` names the root element of XML.
///
/// # Errors
///
/// When this kind of body cannot say it.
pub(super) fn write(kind: BodyKind, bodies: &Bodies, root: Option<&str>, body: &Value) -> Result<String, String> {
    match kind {
        BodyKind::Json | BodyKind::Csv => Ok(body.to_string()),
        BodyKind::Form => form::write(body),
        BodyKind::Xml => {
            xml_write::write(&bodies.xml, root.ok_or("an XML body needs `wrap`, the name of its root element")?, body)
        }
    }
}

/// The content type of requests of this kind.
pub(super) const fn content_type(kind: BodyKind) -> &'static str {
    match kind {
        BodyKind::Json | BodyKind::Csv => "application/json",
        BodyKind::Form => "application/x-www-form-urlencoded",
        BodyKind::Xml => "application/xml",
    }
}

/// What to accept.
pub(super) const fn accept(kind: BodyKind) -> &'static str {
    match kind {
        BodyKind::Json | BodyKind::Form => "application/json",
        BodyKind::Xml => "application/xml",
        BodyKind::Csv => "text/csv",
    }
}

/// A name for messages.
pub(super) const fn name(kind: BodyKind) -> &'static str {
    match kind {
        BodyKind::Json | BodyKind::Form => "JSON",
        BodyKind::Xml => "XML",
        BodyKind::Csv => "CSV",
    }
}

/// A body in UTF-8, without its mark. The mark counts most, then the content type; XML may name its character set
/// itself; JSON is UTF-8 whatever else is said (RFC 8259).
pub(super) fn decoded(kind: BodyKind, content_type: Option<&str>, body: &Bytes) -> Result<Bytes, String> {
    if let Some((encoding, length)) = Encoding::for_bom(body) {
        let rest = body.slice(length..);
        return if encoding == encoding_rs::UTF_8 { Ok(rest) } else { convert(encoding, &rest) };
    }
    if matches!(kind, BodyKind::Json | BodyKind::Form) {
        return Ok(body.clone());
    }
    let said = content_type.and_then(|text| text.split_once("charset=")).map(|(_, charset)| charset);
    let label = said.or_else(|| declared(body)).map_or("utf-8", |label| label.split(';').next().unwrap_or(label));
    let label = label.trim().trim_matches(['"', '\'']);
    match Encoding::for_label(label.as_bytes()) {
        Some(encoding) if encoding == encoding_rs::UTF_8 => Ok(body.clone()),
        Some(encoding) => convert(encoding, body),
        None => Err(format!("its character set `{}` is not known", super::messages::printable(label))),
    }
}

/// The character set of an XML declaration.
fn declared(body: &[u8]) -> Option<&str> {
    let head = body.get(..body.len().min(100))?;
    let head = std::str::from_utf8(head.split(|byte| *byte == b'>').next()?).ok()?;
    let rest = head.strip_prefix("<?xml")?.split_once("encoding=")?.1;
    let quote = rest.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    rest.get(1..)?.split(quote).next()
}

fn convert(encoding: &'static Encoding, body: &[u8]) -> Result<Bytes, String> {
    let (text, broken) = encoding.decode_without_bom_handling(body);
    if broken {
        return Err(format!("it holds bytes that are no {} text", encoding.name()));
    }
    Ok(match text {
        Cow::Borrowed(text) => Bytes::copy_from_slice(text.as_bytes()),
        Cow::Owned(text) => Bytes::from(text),
    })
}

fn utf8(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|error| format!("it is not UTF-8: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_other_character_sets_is_read_as_it_was_meant() {
        let read = |kind, content_type, body: &[u8]| {
            decoded(kind, content_type, &Bytes::copy_from_slice(body))
                .map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
        };
        assert_eq!(read(BodyKind::Csv, Some("text/csv; charset=ISO-8859-1"), b"caf\xe9").as_deref(), Ok("café"));
        let xml = b"<?xml version='1.0' encoding='windows-1252'?><a>\x80</a>";
        assert!(read(BodyKind::Xml, Some("text/xml"), xml).unwrap().contains('€'));
        assert_eq!(read(BodyKind::Json, Some("text/plain; charset=latin1"), "é".as_bytes()).as_deref(), Ok("é"));
        assert_eq!(read(BodyKind::Json, None, b"\xff\xfe{\0}\0").as_deref(), Ok("{}"));
        assert_eq!(read(BodyKind::Json, None, b"\xef\xbb\xbf{}").as_deref(), Ok("{}"));
        assert!(read(BodyKind::Xml, Some("text/xml; charset=klingon"), b"<a/>").is_err());
    }
}
