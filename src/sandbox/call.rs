//! One request as a practice system sees it, and its answer.

use axum::http::{HeaderMap, Method};
use bytes::Bytes;
use url::form_urlencoded;

/// A request, fully read.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// The path as sent, still percent-encoded.
    pub(crate) path: String,
    /// The query as sent, without the `?`.
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Requests in flight at this server, this one included.
    pub(crate) in_flight: usize,
}

impl Call {
    /// A header as text; `None` when absent or not text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The path's segments, decoded.
    pub(crate) fn segments(&self) -> Vec<String> {
        self.path.split('/').filter(|segment| !segment.is_empty()).map(decode).collect()
    }

    /// The query's parameters in order, decoded.
    pub(crate) fn parameters(&self) -> Vec<(String, String)> {
        form_urlencoded::parse(self.query.as_bytes()).into_owned().collect()
    }

    /// What makes two requests "the same" to an idempotency store: method, target and body.
    pub(crate) fn fingerprint(&self) -> u128 {
        let mut text = Vec::with_capacity(self.body.len() + self.path.len() + self.query.len() + 16);
        for part in [self.method.as_str(), &self.path, &self.query] {
            text.extend_from_slice(part.as_bytes());
            text.push(0);
        }
        text.extend_from_slice(&self.body);
        xxhash_rust::xxh3::xxh3_128(&text)
    }
}

/// Decodes one path segment; `+` is itself there, unlike in a query.
fn decode(segment: &str) -> String {
    let query = format!("x={}", segment.replace('+', "%2B").replace('&', "%26"));
    form_urlencoded::parse(query.as_bytes()).next().map_or_else(String::new, |(_, value)| value.into_owned())
}

/// What a practice system answers.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) content_type: &'static str,
    pub(crate) body: Bytes,
    /// Records in the answer, for the log.
    pub(crate) items: usize,
}

impl Answer {
    /// A JSON answer.
    pub(crate) fn json(status: u16, body: impl Into<Bytes>, items: usize) -> Self {
        Self { status, headers: Vec::new(), content_type: "application/json; charset=utf-8", body: body.into(), items }
    }

    /// An answer without a body.
    pub(crate) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), content_type: "text/plain", body: Bytes::new(), items: 0 }
    }

    /// Adds a header.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_segment_is_decoded_but_keeps_its_plus() {
        assert_eq!(decode("INV%2D7+a%20b"), "INV-7+a b");
        assert_eq!(decode("a&b=c"), "a&b=c");
    }
}
