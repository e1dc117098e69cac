//! Logging in: the secret is read for each request and never leaves this file but in a header marked as sensitive.

use std::sync::Arc;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use crate::{
    config::{Auth, Connection},
    connector::CallError,
    grant::{GrantError, Keeper, Session},
};

/// What a request needs to log in, and what must never be repeated in a message.
pub(super) struct Login {
    headers: Vec<(HeaderName, HeaderValue)>,
    secrets: Vec<SecretString>,
    /// Where it is by a grant.
    pub session: Option<Session>,
}

impl Login {
    /// Reads the connection's secret.
    ///
    /// # Errors
    ///
    /// [`CallError::Login`], naming what is missing.
    pub(super) async fn read(connection: &Connection, keeper: Option<&Arc<Keeper>>) -> Result<Self, CallError> {
        let fail = |message: String| CallError::Login { connection: connection.name.as_str().to_owned(), message };
        let mut session = None;
        let (name, text, mut secrets) = match &connection.auth {
            Auth::None => return Ok(Self { headers: Vec::new(), secrets: Vec::new(), session: None }),
            // No HTTP connector is made for an inbox.
            Auth::Bearer(token) | Auth::Posted { secret: token, .. } => {
                let token = token.reveal().await.map_err(fail)?;
                let text = SecretString::from(format!("Bearer {}", token.expose_secret()));
                (AUTHORIZATION, text, vec![token])
            }
            Auth::Basic { user, password } => {
                let password = password.reveal().await.map_err(fail)?;
                let pair = SecretString::from(BASE64_STANDARD.encode(format!("{user}:{}", password.expose_secret())));
                let text = SecretString::from(format!("Basic {}", pair.expose_secret()));
                // The user may be the key, with an empty password (Cliniko).
                let user = SecretString::from(user.clone());
                (AUTHORIZATION, text, vec![pair, password, user])
            }
            Auth::Grant(grant) => {
                let keeper = keeper.ok_or_else(|| fail("nobody keeps grants here".to_owned()))?;
                let given = keeper.session(grant, connection).await.map_err(|error| match error {
                    GrantError::Person(_) | GrantError::Vault(_) => fail(error.to_string()),
                    GrantError::Passes(_) | GrantError::Store(_) => CallError::NotDone(error.to_string()),
                })?;
                let token = given.token.clone();
                let text = SecretString::from(format!("{} {}", given.scheme, token.expose_secret()));
                session = Some(given);
                (AUTHORIZATION, text, vec![token])
            }
            Auth::Header { name, value } => {
                let name = HeaderName::from_bytes(name.as_bytes())
                    .map_err(|_| fail(format!("`{name}` is not a header name")))?;
                let value = value.reveal().await.map_err(fail)?;
                (name, value.clone(), vec![value])
            }
        };
        let sensitive = |text: &SecretString| {
            let value = HeaderValue::from_str(text.expose_secret());
            let mut value = value.map_err(|_| {
                fail("the secret holds characters that a header cannot carry, such as a line end".into())
            })?;
            value.set_sensitive(true);
            Ok::<_, CallError>(value)
        };
        let mut headers = vec![(name, sensitive(&text)?)];
        if let Some((name, value)) = &connection.beside {
            let name =
                HeaderName::from_bytes(name.as_bytes()).map_err(|_| fail(format!("`{name}` is not a header name")))?;
            let value = value.reveal().await.map_err(fail)?;
            headers.push((name, sensitive(&value)?));
            secrets.push(value);
        }
        secrets.retain(|secret| secret.expose_secret().len() >= 4);
        Ok(Self { headers, secrets, session })
    }

    /// Adds the login to a request.
    pub(super) fn apply(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.headers {
            headers.insert(name.clone(), value.clone());
        }
    }

    /// Takes the secret out of a text: a remote may repeat it in its complaint.
    pub(super) fn scrub(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret.expose_secret(), "[secret]"))
    }
}
