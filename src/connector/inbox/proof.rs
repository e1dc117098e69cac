//! Whether a post may be believed. What is compared is compared in constant time.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use ring::{hmac, rand::SystemRandom};
use secrecy::{ExposeSecret as _, SecretString};

use crate::connector::Signature;

/// Whether two secrets are the same, in a time that tells nothing about where they differ.
pub(super) fn same(ours: &str, theirs: &str) -> bool {
    // Under a key that nobody knows, equal tags mean equal texts.
    let Ok(key) = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()) else { return false };
    let tag = hmac::sign(&key, ours.as_bytes());
    hmac::verify(&key, theirs.as_bytes(), tag.as_ref()).is_ok()
}

/// Whether a body is signed as declared.
///
/// # Errors
///
/// What is wrong, for whoever posts.
pub(super) fn check(
    signature: &Signature,
    key: Option<&SecretString>,
    given: Option<&str>,
    body: &[u8],
) -> Result<(), String> {
    let name = &signature.header;
    let given = given.ok_or_else(|| format!("the post is not signed: it has no header `{name}`"))?;
    let wrong = || {
        format!("the signature in `{name}` does not fit the body; is it made with the same key, of the body as sent?")
    };
    let text = given.trim().strip_prefix(signature.prefix.as_str()).ok_or_else(wrong)?;
    let tag = if signature.base64 { BASE64_STANDARD.decode(text).ok() } else { from_hex(text) };
    let (tag, key) = tag.zip(key).ok_or_else(wrong)?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose_secret().as_bytes());
    hmac::verify(&key, body, &tag).map_err(|_| wrong())
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}
