//! Which secrets can be read, and which are missing for whom. None is told.

use futures_util::{StreamExt as _, stream};
use serde::{Deserialize, Serialize};

use crate::config::{Channel, Config, IntegrationName, Secret};

/// How many are read at once.
const AT_ONCE: usize = 16;

/// A secret that the configuration needs, and whether it is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretNow {
    /// What needs it: `connection acme/website`, `notification office`, `reconciled.toml`.
    pub of: String,
    /// The key it is written under.
    pub key: String,
    /// The integrations that cannot do without it.
    pub integrations: Vec<IntegrationName>,
    /// Where it comes from.
    pub place: String,
    /// Why it cannot be read, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
}

/// Reads every secret of a configuration, and says of each whether it is there.
pub(super) async fn check(config: &Config) -> Vec<SecretNow> {
    let looks = asked(config).into_iter().map(|(mut now, secret)| async move {
        now.missing = match secret.reveal().await {
            Ok(text) if secrecy::ExposeSecret::expose_secret(&text).is_empty() => Some("it is empty".to_owned()),
            Ok(_) => None,
            Err(why) => Some(why),
        };
        now
    });
    stream::iter(looks).buffered(AT_ONCE).collect().await
}

/// Every secret, with what needs it.
fn asked(config: &Config) -> Vec<(SecretNow, Secret)> {
    let mut all = Vec::new();
    let mut add = |of: String, key: &str, integrations: &[IntegrationName], secret: &Secret| {
        let integrations = integrations.to_vec();
        let now = SecretNow { of, key: key.to_owned(), integrations, place: secret.place(), missing: None };
        all.push((now, secret.clone()));
    };
    for connection in config.connections.values() {
        let users: Vec<IntegrationName> = config
            .integrations
            .values()
            .filter(|one| one.pipelines.iter().flat_map(|p| &p.ends).any(|end| end.connection.name == connection.name))
            .map(|one| one.name.clone())
            .collect();
        for (key, secret) in connection.secrets() {
            add(format!("connection {}", connection.name), key, &users, secret);
        }
    }
    for notification in config.notifications.values() {
        let of = || format!("notification {}", notification.name);
        match &notification.channel {
            Channel::Webhook { url, secret } => {
                add(of(), "url", &[], url);
                if let Some(secret) = secret {
                    add(of(), "secret", &[], secret);
                }
            }
            Channel::Email(email) => {
                if let Some((_, password)) = &email.login {
                    add(of(), "password", &[], password);
                }
            }
            Channel::Command(_) => {}
        }
    }
    if let Some(key) = &config.settings.tokens_key {
        add("reconciled.toml".to_owned(), "tokens.key", &[], key);
    }
    all
}
