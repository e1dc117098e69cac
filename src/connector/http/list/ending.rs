//! Whether there is another page, and which.

use serde_json::Value;

use super::{
    super::{HttpConnector, address, extract, transport::Reply},
    request::{PageRequest, cursor_of, written},
};
use crate::{
    connector::{List, PageEnd, PageSize, Paging, Place, Resource, SinceFormat},
    record::Path,
};

/// An answered page, less its records.
pub(super) struct Answered<'a> {
    pub(super) connector: &'a HttpConnector,
    pub(super) resource: &'a Resource,
    pub(super) request: &'a PageRequest,
    pub(super) reply: &'a Reply,
    pub(super) body: &'a Value,
    /// How many records it held.
    pub(super) count: usize,
    /// The last of them, as the wire has it.
    pub(super) last: Option<&'a Value>,
}

impl Answered<'_> {
    /// The page after this one.
    ///
    /// # Errors
    ///
    /// When the answer does not say what the manifest promises, or leads in a circle or to another host: what follows
    /// is not known then, and the listing must not be taken as complete.
    pub(super) fn next(&self, list: &List, page: Option<&str>) -> Result<Option<String>, String> {
        let next = match &list.paging {
            Paging::None => None,
            Paging::Number { first, size, end, then, .. } => {
                if let Some(then) = then
                    && (page.and_then(cursor_of).is_some() || self.request.number >= then.after)
                {
                    self.cursor(&then.next, Some(end), size.as_ref())?.map(|cursor| format!("\u{2}{cursor}"))
                } else {
                    let before = self.request.number.saturating_sub(*first);
                    let read = size.as_ref().map_or(u64::MAX, |size| before.saturating_mul(size.value.into()));
                    let over = self.is_last(end, size.as_ref(), read)?;
                    (!over).then(|| (self.request.number + 1).to_string())
                }
            }
            Paging::Offset { first, size, end, .. } => {
                let over = self.is_last(end, size.as_ref(), self.request.number.saturating_sub(*first))?;
                if !over && self.count == 0 {
                    return Err("it says that there is more, and holds no record".to_owned());
                }
                (!over).then(|| (self.request.number + self.count as u64).to_string())
            }
            Paging::Cursor { next, end, size, .. } => self.cursor(next, end.as_ref(), size.as_ref())?,
            Paging::Link { next, .. } => self.link(next)?,
            Paging::Keyset { size, end, .. } => {
                let over = self.is_last(end, size.as_ref(), u64::MAX)?;
                let format = list.changed_since.as_ref().map_or(SinceFormat::Rfc3339, |changed| changed.format);
                if over { None } else { self.key(format)? }
            }
        };
        if next.is_some() && next.as_deref() == page {
            return Err("the next page is said to be this very page".to_owned());
        }
        Ok(next)
    }

    /// Whether the listing ends here. `read` is how many records were listed before, as far as that is known.
    fn is_last(&self, end: &PageEnd, size: Option<&PageSize>, read: u64) -> Result<bool, String> {
        match end {
            PageEnd::ShortPage => Ok(self.count == 0 || size.is_some_and(|size| self.count < size.value as usize)),
            PageEnd::EmptyPage => Ok(self.count == 0),
            PageEnd::PageCount(place) => Ok(self.request.number >= self.number(place)?),
            PageEnd::Total(place) => match self.number(place) {
                Ok(total) => {
                    let over = read.saturating_add(self.count as u64) >= total;
                    if self.count == 0 && !over {
                        return Err(format!("it says that there are {total} records, and holds none after {read}"));
                    }
                    Ok(over)
                }
                // With no record there may be nothing else in it.
                Err(_) if self.count == 0 => Ok(true),
                Err(missing) => Err(missing),
            },
            PageEnd::Flag { path, values, last } => match path.find(self.body) {
                Some(value) => Ok(values.contains(value) == *last),
                None if self.count == 0 => Ok(true),
                None => Err(self.connector.no_records(self.body, path.as_str())),
            },
        }
    }

    /// The cursor of the next page. A full page without one is the last; one that says that there is more is not.
    fn cursor(&self, next: &Path, end: Option<&PageEnd>, size: Option<&PageSize>) -> Result<Option<String>, String> {
        if let Some(end) = end
            && self.is_last(end, size, u64::MAX)?
        {
            return Ok(None);
        }
        let cursor = self.token(next)?;
        if cursor.is_none() && matches!(end, Some(PageEnd::Flag { .. })) {
            return Err(format!("it says that there is more, and not where: `{}` holds nothing", next.as_str()));
        }
        Ok(cursor)
    }

    fn number(&self, place: &Place) -> Result<u64, String> {
        match place {
            Place::Body(path) => {
                let number = path.find(self.body).and_then(whole_number);
                number.ok_or_else(|| self.connector.no_records(self.body, path.as_str()))
            }
            Place::Header(name) => {
                let number = self.reply.header(name).and_then(|text| text.trim().parse().ok());
                number.ok_or_else(|| format!("it has no number in the header `{name}`"))
            }
        }
    }

    /// A cursor: text or a number.
    fn token(&self, path: &Path) -> Result<Option<String>, String> {
        match path.read(self.body).value() {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok((!text.is_empty()).then(|| text.clone())),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(_) => Err(format!("`{}` is neither text nor a number", path.as_str())),
        }
    }

    /// The address of the next page, as a target below the base URL.
    fn link(&self, place: &Place) -> Result<Option<String>, String> {
        let text = match place {
            Place::Body(path) => self.token(path)?,
            Place::Header(name) => self.reply.headers_of(name).find_map(next_of),
        };
        let Some(text) = text else { return Ok(None) };
        let connection = &self.connector.shared.connection;
        let here = address::below(&connection.base_url, &self.request.target)?;
        let next = here.join(&text).map_err(|error| format!("the address of the next page cannot be used: {error}"))?;
        if next == here {
            return Err("the next page is said to be this very page".to_owned());
        }
        address::target_of(&connection.base_url, &next).map(Some).ok_or_else(|| {
            format!(
                "the next page is said to be at {}, which is not below the connection's base URL; it is not asked for",
                next.origin().ascii_serialization()
            )
        })
    }

    /// Stamp and id of the last record.
    fn key(&self, format: SinceFormat) -> Result<Option<String>, String> {
        let last = self.last.ok_or("it says that there is more, and holds no record")?;
        let codec = self.connector.codec(self.resource);
        let record = extract::record(self.resource, &codec, last.clone())
            .map_err(|message| format!("the last record {message}"))?;
        let stamp = record.updated_at.ok_or("its last record has no stamp, after which the next page begins")?;
        Ok(Some(format!("{}\u{2}{}", written(stamp, format), record.id)))
    }
}

fn whole_number(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// The `rel="next"` of a `Link` header (RFC 8288), or the whole of any other.
fn next_of(header: &str) -> Option<String> {
    if !header.trim_start().starts_with('<') {
        return Some(header.trim().to_owned()).filter(|text| !text.is_empty());
    }
    let mut rest = header;
    while let Some((address, after)) = rest.split_once('<').and_then(|(_, rest)| rest.split_once('>')) {
        let end = after.find('<').unwrap_or(after.len());
        let (parameters, more) = after.split_at_checked(end)?;
        let next = parameters.split([';', ',']).any(|parameter| {
            let value = parameter.trim().strip_prefix("rel=").map(|value| value.trim_matches('"'));
            value.is_some_and(|value| value.split_whitespace().any(|word| word.eq_ignore_ascii_case("next")))
        });
        if next {
            return Some(address.to_owned());
        }
        rest = more;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_link_of_a_header_is_found() {
        let find = |header: &str| next_of(header);
        assert_eq!(
            find("</a?page=1>; rel=\"first\", </a?page=3,4>; rel=\"next last\"").as_deref(),
            Some("/a?page=3,4")
        );
        assert_eq!(find("</a>; rel=prev"), None);
        assert_eq!(find("https://a.example/2").as_deref(), Some("https://a.example/2"));
        assert_eq!(find(""), None);
    }
}
