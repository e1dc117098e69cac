//! What a visitor asks, and what is answered.

use std::net::IpAddr;

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::Response,
};
use bytes::Bytes;

/// A request at a door.
#[derive(Clone, Debug)]
pub struct Visit {
    /// Its method.
    pub method: Method,
    /// What follows the door's name and a slash, still percent-encoded. It may hold a secret: never log it.
    pub rest: String,
    /// What follows the question mark, still encoded; empty if there is none. It may hold a secret, too.
    pub query: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its whole body, exactly as sent.
    pub body: Bytes,
    /// Who is connected: the proxy, where there is one.
    pub from: IpAddr,
}

impl Visit {
    /// A header as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The first value of a query parameter, decoded.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<String> {
        let mut pairs = url::form_urlencoded::parse(self.query.as_bytes());
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }
}

/// An answer to a visitor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Status.
    pub status: u16,
    /// Type of the body.
    pub content_type: &'static str,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
}

impl Reply {
    /// A status alone.
    #[must_use]
    pub const fn empty(status: u16) -> Self {
        Self { status, content_type: "", headers: Vec::new(), body: String::new() }
    }

    /// A sentence.
    #[must_use]
    pub fn text(status: u16, text: impl Into<String>) -> Self {
        let body = format!("{}\n", text.into());
        Self { body, content_type: "text/plain; charset=utf-8", ..Self::empty(status) }
    }

    /// A page for a person.
    #[must_use]
    pub fn html(status: u16, page: impl Into<String>) -> Self {
        Self { body: page.into(), content_type: "text/html; charset=utf-8", ..Self::empty(status) }
    }

    /// Sends a browser on to another place.
    #[must_use]
    pub fn see_other(place: &url::Url) -> Self {
        Self { headers: vec![("location", place.as_str().to_owned())], ..Self::empty(303) }
    }

    /// With a further header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// As HTTP says it. Nothing of it is kept by browsers or proxies, and no page may load or be loaded by anything.
    pub(super) fn response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let fixed = [
            (header::CACHE_CONTROL, "no-store"),
            (header::REFERRER_POLICY, "no-referrer"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::CONTENT_TYPE, self.content_type),
            (
                header::CONTENT_SECURITY_POLICY,
                "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
            ),
        ];
        let headers = response.headers_mut();
        for (name, value) in fixed.into_iter().filter(|(_, value)| !value.is_empty()) {
            headers.insert(name, HeaderValue::from_static(value));
        }
        for (name, value) in self.headers {
            // A value that no header can carry is left out rather than sent otherwise.
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        response
    }
}
