//! The browser of somebody who consents: looks at pages, and never follows by itself.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use reqwest::{
    Client, Method, Response,
    header::{COOKIE, LOCATION, SET_COOKIE},
};
use url::Url;

/// A browser that keeps its cookies, of whatever path.
pub struct Browser {
    client: Client,
    cookies: Mutex<BTreeMap<String, String>>,
}

impl Browser {
    pub fn new() -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let tls = tls.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
        let builder = Client::builder().redirect(reqwest::redirect::Policy::none());
        Self { client: builder.tls_backend_preconfigured(tls).no_proxy().build().unwrap(), cookies: Mutex::default() }
    }

    async fn send(&self, method: Method, url: &Url) -> Response {
        let cookies =
            self.cookies.lock().unwrap().iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>();
        let request = self.client.request(method, url.clone()).header(COOKIE, cookies.join("; "));
        let answer = request.send().await.unwrap();
        for cookie in answer.headers().get_all(SET_COOKIE) {
            let (name, rest) = cookie.to_str().unwrap().split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            // One that is taken back was of another path.
            if !value.is_empty() {
                self.cookies.lock().unwrap().insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    /// Where an answer leads.
    pub async fn led_to(&self, method: Method, url: &Url) -> Url {
        let answer = self.send(method, url).await;
        let status = answer.status();
        let place = answer.headers().get(LOCATION).unwrap_or_else(|| panic!("{url} answered {status}"));
        url.join(place.to_str().unwrap()).unwrap()
    }
}

/// Asks, and gives the status and the body.
pub async fn ask(method: Method, url: &Url) -> (u16, String) {
    let answer = Browser::new().send(method, url).await;
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// Where an answer leads.
pub async fn led_to(method: Method, url: &Url) -> Url {
    Browser::new().led_to(method, url).await
}

/// Consents, and gives what is in the address that this leads back to.
pub async fn consent(url: &Url) -> Vec<(String, String)> {
    led_to(Method::GET, url).await.query_pairs().into_owned().collect()
}
