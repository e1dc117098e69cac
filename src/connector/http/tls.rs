//! TLS for all connections: the system's own certificates, checked by the `ring` provider.

use std::sync::{Arc, OnceLock};

use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt as _;

/// Reading the system's certificates takes 20 ms and some memory, which hundreds of connections should not pay each.
static SYSTEM: OnceLock<ClientConfig> = OnceLock::new();

/// The TLS set-up for https.
///
/// # Errors
///
/// When the system has no certificates to check servers by.
pub(super) fn system() -> Result<ClientConfig, String> {
    if let Some(known) = SYSTEM.get() {
        return Ok(known.clone());
    }
    let builder = versions().map_err(|error| error.to_string())?.with_platform_verifier();
    let builder = builder.map_err(|error| format!("the system's certificates cannot be used: {error}"))?;
    Ok(SYSTEM.get_or_init(|| builder.with_no_client_auth()).clone())
}

/// A set-up that trusts nobody, for plain http, which works on a system without certificates too.
///
/// # Errors
///
/// Never in practice; the provider offers what TLS 1.2 and 1.3 need.
pub(super) fn none() -> Result<ClientConfig, String> {
    let builder = versions().map_err(|error| error.to_string())?;
    Ok(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

fn versions() -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()
}
