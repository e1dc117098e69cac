//! Noticing that a login or a limit changed, without keeping or showing any secret.

use std::{
    collections::{BTreeMap, hash_map::RandomState},
    fs,
    hash::{BuildHasher, Hash, Hasher},
    io::Read as _,
    path::Path,
    sync::Arc,
};

use secrecy::ExposeSecret;

use crate::config::{Auth, Connection, ConnectionName, Secret};

/// Longest secret that is looked at.
const LONGEST: u64 = 64 * 1024;

/// Hashes logins under a key of this process alone: its numbers say nothing to anybody else.
#[derive(Clone, Debug, Default)]
pub(super) struct Logins(Arc<RandomState>);

impl Logins {
    /// The number of each connection: another one means that its login or its limits changed. Reads secret files, so it
    /// blocks.
    pub fn of(&self, connections: &BTreeMap<ConnectionName, Arc<Connection>>) -> BTreeMap<ConnectionName, u64> {
        // A thousand clients share a few connectors, whose limits are told once.
        let mut limits: BTreeMap<usize, String> = BTreeMap::new();
        let mut one = |connection: &Connection| {
            let manifest = &connection.manifest;
            let told = limits.entry(Arc::as_ptr(manifest).addr()).or_insert_with(|| format!("{:?}", manifest.limits));
            self.one(connection, told)
        };
        connections.iter().map(|(name, connection)| (name.clone(), one(connection))).collect()
    }

    fn one(&self, connection: &Connection, limits: &str) -> u64 {
        let mut hasher = self.0.build_hasher();
        match &connection.auth {
            Auth::None => 0_u8.hash(&mut hasher),
            Auth::Bearer(token) => secret(token, &mut hasher),
            Auth::Grant(grant) => {
                (grant.name.as_str(), &grant.client_id, &grant.scopes, grant.flow).hash(&mut hasher);
                format!("{:?} {}", grant.login, grant.redirect).hash(&mut hasher);
                for one in grant.client_secret.iter().chain(&grant.webhook_key) {
                    secret(one, &mut hasher);
                }
            }
            Auth::Basic { user, password } => {
                user.hash(&mut hasher);
                secret(password, &mut hasher);
            }
            Auth::Posted { secret: token, signed_with } => {
                secret(token, &mut hasher);
                if let Some(key) = signed_with {
                    secret(key, &mut hasher);
                }
            }
            Auth::Header { name, value } => {
                name.hash(&mut hasher);
                secret(value, &mut hasher);
            }
        }
        if let Some((name, value)) = &connection.beside {
            name.hash(&mut hasher);
            secret(value, &mut hasher);
        }
        if let Some(key) = &connection.webhook_key {
            secret(key, &mut hasher);
        }
        connection.unlimited.hash(&mut hasher);
        limits.hash(&mut hasher);
        hasher.finish()
    }
}

fn secret(secret: &Secret, hasher: &mut impl Hasher) {
    match secret {
        Secret::Known(text) => text.expose_secret().hash(hasher),
        Secret::File(path) => {
            path.hash(hasher);
            content(path).hash(hasher);
        }
        Secret::Command(command) => {
            // Not asked here: whoever uses it asks it now and then.
            let (words, printed) = command.known();
            (words, printed.map(|text| text.expose_secret().to_owned())).hash(hasher);
        }
        Secret::Missing { what } => what.hash(hasher),
    }
}

/// The content of a secret file; one that cannot be read has none, which using it will say.
fn content(path: &Path) -> Option<Vec<u8>> {
    // A pipe would be waited for.
    if !fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    fs::File::open(path).ok()?.take(LONGEST).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}
