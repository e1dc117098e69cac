//! Logging in: the secret is read for each request and never leaves this file but in a header marked as sensitive.

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use crate::{
    config::{Auth, Connection, Secret},
    connector::CallError,
};

/// What a request needs to log in, and what must never be repeated in a message.
pub(super) struct Login {
    header: Option<(HeaderName, HeaderValue)>,
    secrets: Vec<SecretString>,
}

impl Login {
    /// Reads the connection's secret.
    ///
    /// # Errors
    ///
    /// [`CallError::Login`], naming what is missing.
    pub(super) async fn read(connection: &Connection) -> Result<Self, CallError> {
        let fail = |message: String| CallError::Login { connection: connection.name.as_str().to_owned(), message };
        let (name, text, mut secrets) = match &connection.auth {
            Auth::None => return Ok(Self { header: None, secrets: Vec::new() }),
            Auth::Bearer(token) => {
                let token = reveal(token).await.map_err(fail)?;
                let text = SecretString::from(format!("Bearer {}", token.expose_secret()));
                (AUTHORIZATION, text, vec![token])
            }
            Auth::Basic { user, password } => {
                let password = reveal(password).await.map_err(fail)?;
                let pair = SecretString::from(base64(format!("{user}:{}", password.expose_secret()).as_bytes()));
                let text = SecretString::from(format!("Basic {}", pair.expose_secret()));
                // The user may be the key, with an empty password (Cliniko).
                let user = SecretString::from(user.clone());
                (AUTHORIZATION, text, vec![pair, password, user])
            }
            Auth::Header { name, value } => {
                let name = HeaderName::from_bytes(name.as_bytes())
                    .map_err(|_| fail(format!("`{name}` is not a header name")))?;
                let value = reveal(value).await.map_err(fail)?;
                (name, value.clone(), vec![value])
            }
        };
        let mut value = HeaderValue::from_str(text.expose_secret())
            .map_err(|_| fail("the secret holds characters that a header cannot carry, such as a line end".into()))?;
        value.set_sensitive(true);
        secrets.retain(|secret| secret.expose_secret().len() >= 4);
        Ok(Self { header: Some((name, value)), secrets })
    }

    /// Adds the login to a request.
    pub(super) fn apply(&self, headers: &mut HeaderMap) {
        if let Some((name, value)) = &self.header {
            headers.insert(name.clone(), value.clone());
        }
    }

    /// Takes the secret out of a text: a remote may repeat it in its complaint.
    pub(super) fn scrub(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret.expose_secret(), "[secret]"))
    }
}

async fn reveal(secret: &Secret) -> Result<SecretString, String> {
    let text = match secret {
        Secret::Known(text) => text.clone(),
        Secret::Missing { what } => return Err(format!("{what} is not set; set it where reconciled is started")),
        Secret::File(path) => {
            let text = tokio::fs::read_to_string(path)
                .await
                .map_err(|error| format!("the secret file {} cannot be read: {error}", path.display()))?;
            let line = text.strip_suffix('\n').unwrap_or(&text);
            SecretString::from(line.strip_suffix('\r').unwrap_or(line).to_owned())
        }
    };
    Ok(text)
}

/// RFC 4648 base64 with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().chain([0, 0].iter()).take(3).fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte));
        for digit in 0..4 {
            if digit <= chunk.len() {
                let index = bits >> (18 - 6 * digit) & 63;
                text.extend(DIGITS.get(index).map(|digit| char::from(*digit)));
            } else {
                text.push('=');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (plain, coded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("a:\u{ff}?", "YTrDvz8=")]
        {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }
}
