//! One request and its answer: the only place that speaks to the network.

use std::{
    error::Error as _,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use chrono::{DateTime, Utc};
use reqwest::{
    Client, Method, RequestBuilder, Response,
    header::{ACCEPT, CONTENT_LENGTH, DATE, HeaderMap, HeaderName, HeaderValue, LOCATION},
};
use url::Url;

use super::{HttpConnector, address, body, login::Login, messages, resolve, tls};
use crate::{
    config::{Auth, Connection},
    connector::{CallError, Permit, Purpose},
};

/// Time to reach the server.
const CONNECT: Duration = Duration::from_secs(10);

/// Idle connections are closed before common servers close them from their side (Node: 5 s): a request that meets a
/// closing connection has an unknown outcome, which costs more than a new connection.
const IDLE: Duration = Duration::from_secs(4);

/// A request to make.
pub(super) struct Outgoing<'a> {
    pub method: Method,
    /// Path and query below the base URL.
    pub target: &'a str,
    pub headers: &'a [(String, String)],
    pub body: Option<&'a str>,
    /// Latest time on the monotonic clock to wait for the limits.
    pub deadline: Duration,
}

/// An answer, whatever its status.
pub(super) struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// From sending to the end of the headers, in real time.
    pub took: Duration,
    login: Login,
}

/// An answer but for its body.
struct Head {
    status: u16,
    headers: HeaderMap,
    took: Duration,
}

/// Why there is no answer.
pub(super) enum Fault {
    /// Certainly nothing was sent.
    NotSent(String),
    /// Something was sent, and no whole answer came back.
    Lost(String),
    /// The answer is larger than is ever read.
    TooLarge(String),
    /// Not even tried.
    Call(CallError),
}

/// The client of a connection.
pub(crate) fn client(base: &Url) -> Result<Client, String> {
    let tls = if base.scheme() == "https" { tls::system()? } else { tls::none()? };
    let builder = Client::builder()
        .tls_backend_preconfigured(tls)
        .user_agent(concat!("reconciled/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .pool_idle_timeout(IDLE)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .no_proxy()
        .dns_resolver(std::sync::Arc::new(resolve::Careful))
        .http1_only();
    builder.build().map_err(words)
}

impl HttpConnector {
    /// Makes one request, once, when the limits let it. Where the remote does not take a token that was granted, or a
    /// secret that a command printed a while ago, and so did nothing, it is made again with a new one.
    pub(super) async fn once(&self, out: &Outgoing<'_>) -> Result<Reply, Fault> {
        let reply = self.try_once(out).await?;
        if reply.status == 401 && self.shared.connection.was_refused().await {
            return self.try_once(out).await;
        }
        let (401, Auth::Grant(grant), Some(keeper), Some(session)) =
            (reply.status, &self.shared.connection.auth, &self.grants, &reply.login.session)
        else {
            return Ok(reply);
        };
        keeper.refused(grant, &session.token).await;
        self.try_once(out).await
    }

    async fn try_once(&self, out: &Outgoing<'_>) -> Result<Reply, Fault> {
        let connection = &self.shared.connection;
        let login = Login::read(connection, self.grants.as_ref()).await.map_err(Fault::Call)?;
        // A login that names no accounts leaves it to the connection, as a token does.
        let found = login.session.as_ref().and_then(|session| session.account.as_deref());
        let account = found.or(connection.tenant.as_deref());
        let nameless = || Fault::NotSent("the login does not say which account is meant".to_owned());
        let target = address::with_account(out.target, account).ok_or_else(nameless)?;
        let host = login.session.as_ref().and_then(|session| session.host.as_ref());
        let base = host.and_then(|host| address::at_host(&connection.base_url, host));
        let url = address::below(base.as_ref().unwrap_or(&connection.base_url), &target).map_err(Fault::NotSent)?;
        let mut headers = static_headers(connection, account).map_err(Fault::NotSent)?;
        for (name, value) in out.headers {
            add(&mut headers, name, value).map_err(Fault::NotSent)?;
        }
        headers.entry(ACCEPT).or_insert(HeaderValue::from_static(body::accept(connection.manifest.bodies.read)));
        login.apply(&mut headers);
        let mut request =
            self.shared.client.request(out.method.clone(), url).headers(headers).timeout(connection.manifest.timeout);
        if let Some(body) = out.body {
            request = request.body(body.to_owned());
        }

        let purpose = if out.method == Method::GET { Purpose::Read } else { Purpose::Write };
        let permit = self.limits.acquire(purpose, out.deadline).await.map_err(Fault::Call)?;
        self.shared.count(out.method != Method::GET);
        let started = Instant::now();
        let at = format!("`{} {}`", out.method, address::path_only(out.target));
        let answered = self.exchange(request, permit, &at).await;
        let status = answered.as_ref().ok().map(|(head, _)| head.status);
        self.shared.traffic.note(status, started.elapsed());
        let (Head { status, headers, took }, body) = answered?;
        Ok(Reply { status, headers, body, took, login })
    }

    /// Sends a request, and reads its answer to the end.
    async fn exchange(&self, request: RequestBuilder, permit: Permit, at: &str) -> Result<(Head, Bytes), Fault> {
        let started = Instant::now();
        let response = match request.send().await {
            Ok(response) => response,
            // A connection that was never made carried nothing; a builder error is found before connecting.
            Err(error) if error.is_connect() || error.is_builder() => {
                permit.unused();
                let words = not_connected(error, &self.shared.connection.base_url);
                return Err(Fault::NotSent(format!("{at}: {words}")));
            }
            Err(error) => return Err(Fault::Lost(format!("{at}: {}", words(error)))),
        };
        let took = started.elapsed();
        self.learn(response.headers());
        let head = Head { status: response.status().as_u16(), headers: response.headers().clone(), took };
        let body = self.body(response, at).await?;
        drop(permit);
        Ok((head, body))
    }

    /// Reads a body, up to the most that is ever read; compressed bodies count unpacked.
    async fn body(&self, mut response: Response, at: &str) -> Result<Bytes, Fault> {
        let limit = self.max_body;
        let too_large = || Fault::TooLarge(format!("{at}: the answer is larger than {} MiB", limit.div_ceil(1 << 20)));
        let announced = response.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let announced: usize = announced.unwrap_or(0);
        if announced > limit {
            return Err(too_large());
        }
        let mut body = BytesMut::with_capacity(announced.min(1 << 20));
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() > limit => return Err(too_large()),
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => return Ok(body.freeze()),
                Err(error) => return Err(Fault::Lost(format!("{at}: the answer broke off: {}", words(error)))),
            }
        }
    }

    fn learn(&self, headers: &HeaderMap) {
        let known = &self.shared.connection.manifest.throttled.remaining;
        for (position, (name, per)) in known.iter().enumerate() {
            let left = headers.get(name.as_str()).and_then(|value| value.to_str().ok()?.trim().parse::<i64>().ok());
            if let Some(left) = left {
                let nth = known.iter().take(position).filter(|(_, other)| other == per).count();
                self.limits.learn(*per, nth, u32::try_from(left.max(0)).unwrap_or(u32::MAX));
            }
        }
    }
}

impl Reply {
    /// Whether the status says that it went well.
    pub(super) const fn ok(&self) -> bool {
        self.status >= 200 && self.status < 300
    }

    /// The instant of the server's clock at or before which it began to answer: its `Date`, which is cut to whole
    /// seconds, less the time that the answer took.
    pub(super) fn server_time(&self) -> Option<DateTime<Utc>> {
        let date = DateTime::parse_from_rfc2822(self.headers.get(DATE)?.to_str().ok()?).ok()?;
        let took = chrono::TimeDelta::milliseconds(i64::try_from(self.took.as_millis()).ok()? + 1);
        date.to_utc().checked_sub_signed(took)
    }

    /// A header as text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Every value of a header that comes several times, as text.
    pub(super) fn headers_of(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers.get_all(name).iter().filter_map(|value| value.to_str().ok())
    }

    /// Where a redirect leads, without what may be secret in it.
    pub(super) fn location(&self) -> String {
        let location = self.headers.get(LOCATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let text = match Url::parse(location) {
            Ok(url) => format!("{}{}", url.origin().ascii_serialization(), url.path()),
            Err(_) => address::path_only(location).to_owned(),
        };
        self.scrub(&messages::printable(&text))
    }

    /// Makes a text fit to print: without the secret, and not too long.
    pub(super) fn scrub(&self, text: &str) -> String {
        messages::shorten(&self.login.scrub(text))
    }

    /// What the body begins with.
    pub(super) fn beginning(&self) -> String {
        let head = self.body.get(..4096).unwrap_or(&self.body);
        messages::beginning(&self.login.scrub(&String::from_utf8_lossy(head)))
    }

    /// The body as text, as far as a pattern is looked for in it.
    pub(super) fn text(&self) -> String {
        let head = self.body.get(..64 << 10).unwrap_or(&self.body);
        String::from_utf8_lossy(head).into_owned()
    }

    /// Why the body cannot be read as what it should be, for people.
    pub(super) fn not_readable(&self, wanted: &str, error: &str) -> String {
        let kind = self.header("content-type").unwrap_or("no content type");
        self.scrub(&format!(
            "the body is not {wanted} ({error}; {}; it begins with {})",
            messages::printable(kind),
            self.beginning()
        ))
    }
}

/// The manifest's headers, those left out whose value the connection does not give.
fn static_headers(connection: &Connection, account: Option<&str>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in &connection.manifest.headers {
        if let Some(value) = address::fill_as(value, connection, account) {
            add(&mut headers, name, &value)?;
        }
    }
    Ok(headers)
}

fn add(headers: &mut HeaderMap, name: &str, value: &str) -> Result<(), String> {
    let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("`{name}` is not a header name"))?;
    let value = HeaderValue::from_str(value)
        .map_err(|_| format!("the value of `{name}` holds characters no header can carry"))?;
    headers.insert(key, value);
    Ok(())
}

/// Why there was no connection: where to, and the first cause of all, which is what a person can act on.
fn not_connected(error: reqwest::Error, base: &Url) -> String {
    if !error.is_connect() {
        return words(error);
    }
    let mut cause: &dyn std::error::Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    format!("no connection to {}: {cause}", base.origin().ascii_serialization())
}

/// An error and its causes, without the URL, which may hold what nobody should read.
fn words(error: reqwest::Error) -> String {
    if error.is_timeout() && !error.is_connect() {
        return "no answer in time".to_owned();
    }
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text
}
