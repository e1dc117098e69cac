//! What the connectors of one process share: a thousand connections to a few systems are made of the same parts.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use url::Url;

use super::{decode::Codec, transport};
use crate::connector::Manifest;

/// The conversions of every resource of a manifest.
pub(super) type Codecs = BTreeMap<String, Arc<Codec>>;

/// Clients and compiled tables that connectors share. A client keeps no login and no cookie, only connections that are
/// open to a host.
#[derive(Debug, Default)]
pub struct Commons {
    /// By whether they speak TLS.
    clients: Mutex<BTreeMap<bool, reqwest::Client>>,
    /// As long as somebody uses the manifest.
    codecs: Mutex<Vec<(Weak<Manifest>, Arc<Codecs>)>>,
}

impl Commons {
    /// The client for an address.
    ///
    /// # Errors
    ///
    /// When the system's certificates cannot be read.
    pub(super) fn client(&self, base: &Url) -> Result<reqwest::Client, String> {
        let mut clients = lock(&self.clients);
        let tls = base.scheme() == "https";
        if let Some(known) = clients.get(&tls) {
            return Ok(known.clone());
        }
        let made = transport::client(base)?;
        clients.insert(tls, made.clone());
        Ok(made)
    }

    /// The conversions of a manifest.
    pub(super) fn codecs(&self, manifest: &Arc<Manifest>) -> Arc<Codecs> {
        let mut known = lock(&self.codecs);
        let same = |(other, _): &&(Weak<Manifest>, _)| other.as_ptr() == Arc::as_ptr(manifest);
        if let Some((_, codecs)) = known.iter().find(same) {
            return Arc::clone(codecs);
        }
        // A weak pointer keeps the address from being used again, so these are of manifests that are gone.
        known.retain(|(other, _)| other.strong_count() > 0);
        let bodies = &manifest.bodies;
        let made = manifest
            .resources
            .iter()
            .map(|(name, resource)| (name.clone(), Arc::new(Codec::new(&resource.fields, bodies.read, bodies.write))));
        let made = Arc::new(made.collect::<Codecs>());
        known.push((Arc::downgrade(manifest), Arc::clone(&made)));
        made
    }
}

// Nothing in here is left half done by a panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{ProcessEnv, Snapshot, load_snapshot};

    /// A manifest of its own: those of the program are kept as long as it runs.
    fn built_in(name: &str) -> Arc<Manifest> {
        let nothing = Snapshot::of_texts(Path::new("/nowhere"), BTreeMap::new());
        Arc::new(Manifest::clone(&load_snapshot(&nothing, &ProcessEnv, &BTreeMap::new()).connectors[name]))
    }

    #[test]
    fn connections_of_one_manifest_share_its_tables_and_a_new_manifest_gets_its_own() {
        let commons = Commons::default();
        let one = built_in("xero");
        let first = commons.codecs(&one);
        assert!(Arc::ptr_eq(&first, &commons.codecs(&Arc::clone(&one))));
        let other = Arc::new(Manifest::clone(&one));
        assert!(!Arc::ptr_eq(&first, &commons.codecs(&other)));
        drop((one, other));
        commons.codecs(&built_in("website"));
        assert_eq!(lock(&commons.codecs).len(), 1, "what nobody uses any more is dropped");
    }
}
