//! A small client for the practice systems' own tests.

use reqwest::header::HeaderMap;
use serde_json::Value;

/// Sends requests with the same headers to one system.
pub(crate) struct Client {
    url: String,
    headers: Vec<(String, String)>,
    http: reqwest::Client,
}

/// An answer; `body` is null when it was not JSON.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    pub(crate) body: Value,
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Client {
    pub(crate) fn new(url: String, headers: &[(&str, &str)]) -> Self {
        // The client wants a TLS provider even for plain HTTP; a second installation changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { url, headers, http: reqwest::Client::builder().no_proxy().build().unwrap() }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) async fn get(&self, target: &str) -> Got {
        self.send("GET", target, &[], Value::Null).await
    }

    pub(crate) async fn send(&self, method: &str, target: &str, headers: &[(&str, &str)], body: Value) -> Got {
        self.try_send(method, target, headers, body).await.unwrap()
    }

    pub(crate) async fn try_send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: Value,
    ) -> Result<Got, reqwest::Error> {
        let mut request = self.http.request(method.parse().unwrap(), format!("{}{target}", self.url));
        for (name, value) in self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())) {
            if !headers.iter().any(|(own, _)| *own == name) {
                request = request.header(name, value);
            }
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !body.is_null() {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await?;
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Ok(Got { status, headers, text, body })
    }
}
