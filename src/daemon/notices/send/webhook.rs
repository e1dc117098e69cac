//! A POST of JSON, signed where there is a secret.

use std::{fmt::Write as _, time::Duration};

use chrono::Utc;
use reqwest::header::CONTENT_TYPE;
use secrecy::ExposeSecret as _;
use url::Url;

use crate::{config::Secret, connector::http_client, daemon::notices::Message};

/// How long one attempt may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// How much of an answer is repeated in a complaint, in characters.
const SHOWN: usize = 200;

pub(super) async fn send(url: &Secret, secret: Option<&Secret>, message: &Message) -> Result<(), String> {
    let url = url.reveal().await?;
    let url = Url::parse(url.expose_secret()).map_err(|_| "the address is no http or https address".to_owned())?;
    // The rest of the address may be a secret.
    let host = url.host_str().unwrap_or_default().to_owned();
    let body = message.to_json();
    // The receiver's clock decides what is too old, so this is the time of the sending.
    let at = Utc::now().timestamp().to_string();
    let mut request = http_client(&url)?
        .post(url)
        .timeout(PATIENCE)
        .header(CONTENT_TYPE, "application/json")
        .header("Reconciled-Id", &message.id)
        .header("Reconciled-Event", &message.event)
        .header("Reconciled-Timestamp", &at);
    if let Some(secret) = secret {
        request = request.header("Reconciled-Signature", sign(secret.reveal().await?.expose_secret(), &at, &body));
    }
    let answer = request.body(body).send().await.map_err(|error| words(&host, &error.without_url()))?;
    if answer.status().is_success() {
        return Ok(());
    }
    let status = answer.status();
    let text: String = answer.text().await.unwrap_or_default().chars().take(SHOWN).collect();
    Err(format!("{host} answered {status}: {}", text.replace('\n', " ").trim()))
}

/// `v1=` and the HMAC-SHA256 of the time, a dot and the body, in hexadecimal digits.
fn sign(secret: &str, at: &str, body: &str) -> String {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
    let tag = ring::hmac::sign(&key, format!("{at}.{body}").as_bytes());
    let mut text = String::from("v1=");
    for byte in tag.as_ref() {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn words(host: &str, error: &reqwest::Error) -> String {
    let mut text = format!("{host} cannot be reached: {error}");
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        let _ = write!(text, ": {next}");
        cause = next.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_what_others_compute() {
        // printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac key
        assert_eq!(
            sign("key", "1700000000", "{\"a\":1}"),
            "v1=a438e398bfafc57e4396bb7fc2304422f0f768e965d073ca313cb52e22e6ad03"
        );
    }
}
