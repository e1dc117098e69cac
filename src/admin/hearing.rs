//! What the head of a request says, and which of it is believed.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, Method, Uri, header};
use url::Url;

/// The name of the cookie that holds the secret of a session.
const COOKIE: &str = "reconciled";

/// A header as text.
pub(super) fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The secret of the session, if the browser brings one.
pub(super) fn cookie(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|text| text.split(';')).find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == COOKIE).then_some(value)
    })
}

/// Gives the browser a secret to keep, or (`None`) has it forget the one it has. Scripts cannot read it, other sites cannot
/// have it sent.
pub(super) fn set_cookie(secret: Option<&str>, base: &str, secure: bool) -> String {
    let path = if base.is_empty() { "/" } else { base };
    let secure = if secure { "; Secure" } else { "" };
    match secret {
        Some(secret) => format!("{COOKIE}={secret}; Path={path}; HttpOnly; SameSite=Strict{secure}"),
        None => format!("{COOKIE}=; Path={path}; HttpOnly; SameSite=Strict; Max-Age=0{secure}"),
    }
}

/// The token of a program.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = text(headers, "authorization")?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Where a request comes from. Behind a proxy, which then is on this machine or says so itself, it is the last address that
/// the proxy heard of: whatever stands before that anybody can write.
pub(super) fn address(headers: &HeaderMap, peer: SocketAddr, proxied: bool) -> IpAddr {
    let told = || {
        let mut all = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
        all.next_back()?.rsplit(',').next()?.trim().parse().ok()
    };
    if proxied && peer.ip().is_loopback() { told().unwrap_or(peer.ip()) } else { peer.ip() }
}

/// Whether a request may be meant for this console: by an address, as `localhost`, or by the name it has. A page of
/// another site can have its own name lead here (DNS rebinding), and would then be taken for the console's own.
pub(super) fn is_own_host(headers: &HeaderMap, uri: &Uri, url: Option<&Url>) -> bool {
    let Some(host) = text(headers, "host").or(uri.authority().map(axum::http::uri::Authority::as_str)) else {
        return false;
    };
    let name = host.strip_prefix('[').and_then(|rest| rest.split(']').next());
    let name = name.unwrap_or_else(|| host.rsplit_once(':').map_or(host, |(name, _)| name));
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok()
        || url.and_then(Url::host_str).is_some_and(|own| name.eq_ignore_ascii_case(own.trim_matches(['[', ']'])))
}

/// Whether a request that may change something was made by the console's own pages, as far as the browser says. Programs
/// that are no browsers say nothing.
pub(super) fn is_own_origin(method: &Method, headers: &HeaderMap, url: Option<&Url>) -> bool {
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return true;
    }
    let site = text(headers, "sec-fetch-site").is_none_or(|site| matches!(site, "same-origin" | "none"));
    let origin = text(headers, "origin").is_none_or(|origin| {
        let host = Url::parse(origin).ok().map(|origin| origin.origin());
        let outside = url.map(Url::origin);
        let here =
            text(headers, "host").and_then(|host| Url::parse(&format!("http://{host}")).ok()).map(|url| url.origin());
        host.is_some() && (host == outside || host == here)
    });
    site && origin
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(all: &[(&'static str, &str)]) -> HeaderMap {
        all.iter().map(|(name, value)| (name.parse::<header::HeaderName>().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_cookie_among_others_is_found() {
        assert_eq!(cookie(&headers(&[("cookie", "a=b; reconciled=xyz; c=d")])), Some("xyz"));
        assert_eq!(cookie(&headers(&[("cookie", "notreconciled=xyz")])), None);
        assert!(set_cookie(Some("x"), "/r", true).contains("Path=/r; HttpOnly; SameSite=Strict; Secure"));
        assert!(set_cookie(None, "", false).contains("Path=/; ") && set_cookie(None, "", false).contains("Max-Age=0"));
    }

    #[test]
    fn only_what_a_proxy_says_last_is_believed() {
        let peer: SocketAddr = "127.0.0.1:5000".parse().unwrap();
        let told = headers(&[("x-forwarded-for", "1.1.1.1, 2.2.2.2")]);
        assert_eq!(address(&told, peer, true).to_string(), "2.2.2.2");
        assert_eq!(address(&told, peer, false), peer.ip());
        assert_eq!(address(&told, "9.9.9.9:1".parse().unwrap(), true).to_string(), "9.9.9.9");
    }

    #[track_caller]
    fn check_host(host: &str, expected: bool) {
        let url = Url::parse("https://office.example/reconciled").unwrap();
        assert_eq!(is_own_host(&headers(&[("host", host)]), &Uri::from_static("/"), Some(&url)), expected, "{host}");
    }

    #[test]
    fn a_name_that_somebody_else_chose_is_not_ours() {
        for host in ["localhost:8080", "127.0.0.1:8080", "[::1]:8080", "office.example", "Office.Example:443"] {
            check_host(host, true);
        }
        for host in ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "localhost.evil.example", ""] {
            check_host(host, false);
        }
    }

    #[test]
    fn another_site_cannot_have_anything_done() {
        let url = Url::parse("https://office.example/reconciled").unwrap();
        let check = |all: &[(&'static str, &str)]| is_own_origin(&Method::POST, &headers(all), Some(&url));
        assert!(check(&[("host", "127.0.0.1:8080")]), "a program");
        assert!(check(&[
            ("host", "127.0.0.1:8080"),
            ("origin", "http://127.0.0.1:8080"),
            ("sec-fetch-site", "same-origin")
        ]));
        assert!(check(&[("host", "127.0.0.1:8080"), ("origin", "https://office.example")]));
        assert!(!check(&[("host", "127.0.0.1:8080"), ("origin", "https://evil.example")]));
        assert!(!check(&[("host", "127.0.0.1:8080"), ("origin", "null")]));
        assert!(!check(&[("host", "127.0.0.1:8080"), ("sec-fetch-site", "cross-site")]));
        assert!(!check(&[("host", "127.0.0.1:8080"), ("origin", "http://127.0.0.1:9999")]), "another port");
        assert!(is_own_origin(&Method::GET, &headers(&[("origin", "https://evil.example")]), None));
    }
}
