//! Sealing what is secret before it reaches the disk: ChaCha20-Poly1305 under a key that is not in the store.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use ring::{
    aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    rand::{SecureRandom as _, SystemRandom},
};
use secrecy::ExposeSecret as _;
use thiserror::Error;

use crate::config::Secret;

/// The form of a sealed value.
const FORM: u8 = 1;

/// Why nothing can be sealed or opened.
#[derive(Debug, Error)]
pub enum VaultError {
    /// There is no key.
    #[error(
        "there is no key to keep tokens under; make one with `openssl rand -base64 32 > token.key` beside \
         reconciled.toml, readable by the daemon alone, and say there: [tokens] key = \"${{file:token.key}}\""
    )]
    NoKey,
    /// The key cannot be read, or is none.
    #[error("the key of `[tokens]` cannot be used: {0}; `openssl rand -base64 32` makes one")]
    BadKey(String),
    /// What is kept was sealed with another key, or is damaged.
    #[error("the tokens were kept under another key: give `[tokens]` the former one, or connect again")]
    OtherKey,
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    NoRandom,
}

/// Seals and opens. The key is read at each use, so that it is in memory no longer than that.
#[derive(Clone, Debug)]
pub struct Vault(Option<Secret>);

impl Vault {
    /// A vault of this key: 32 bytes in base64.
    #[must_use]
    pub const fn new(key: Option<Secret>) -> Self {
        Self(key)
    }

    async fn key(&self) -> Result<LessSafeKey, VaultError> {
        let secret = self.0.as_ref().ok_or(VaultError::NoKey)?;
        let text = secret.reveal().await.map_err(VaultError::BadKey)?;
        let bytes = BASE64_STANDARD.decode(text.expose_secret().trim());
        let bytes = bytes.map_err(|_| VaultError::BadKey("it is not base64".to_owned()))?;
        let key = UnboundKey::new(&CHACHA20_POLY1305, &bytes);
        let wrong = |_| VaultError::BadKey(format!("it has {} bytes, not 32", bytes.len()));
        key.map(LessSafeKey::new).map_err(wrong)
    }

    /// Whether something could be sealed.
    ///
    /// # Errors
    ///
    /// Why not.
    pub async fn check(&self) -> Result<(), VaultError> {
        self.key().await.map(drop)
    }

    /// Seals `plain` for this name: under another name it does not open.
    ///
    /// # Errors
    ///
    /// When there is no key.
    pub async fn seal(&self, name: &str, mut plain: Vec<u8>) -> Result<Vec<u8>, VaultError> {
        let key = self.key().await?;
        let mut nonce = [0_u8; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(|_| VaultError::NoRandom)?;
        let sealed =
            key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(name.as_bytes()), &mut plain);
        sealed.map_err(|_| VaultError::BadKey("it seals nothing".to_owned()))?;
        let mut bytes = vec![FORM];
        bytes.extend(nonce);
        bytes.extend(plain);
        Ok(bytes)
    }

    /// Opens what was sealed for this name.
    ///
    /// # Errors
    ///
    /// When the key is another one, or the value is damaged.
    pub async fn open(&self, name: &str, sealed: &[u8]) -> Result<Vec<u8>, VaultError> {
        let key = self.key().await?;
        let rest = sealed.strip_prefix(&[FORM]).ok_or(VaultError::OtherKey)?;
        let (nonce, rest) = rest.split_first_chunk::<NONCE_LEN>().ok_or(VaultError::OtherKey)?;
        let mut bytes = rest.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let plain = key.open_in_place(nonce, Aad::from(name.as_bytes()), &mut bytes);
        plain.map(|plain| plain.to_vec()).map_err(|_| VaultError::OtherKey)
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;

    fn vault(key: &str) -> Vault {
        Vault::new(Some(Secret::Known(SecretString::from(key.to_owned()))))
    }

    #[tokio::test]
    async fn what_is_sealed_opens_under_its_name_and_its_key_alone() {
        let key = BASE64_STANDARD.encode([7; 32]);
        let sealed = vault(&key).seal("office", b"canary".to_vec()).await.unwrap();
        assert!(!sealed.windows(6).any(|part| part == b"canary"));
        assert_eq!(vault(&format!("{key}\n")).open("office", &sealed).await.unwrap(), b"canary");
        let other = vault(&BASE64_STANDARD.encode([8; 32]));
        assert!(matches!(other.open("office", &sealed).await, Err(VaultError::OtherKey)));
        assert!(matches!(vault(&key).open("home", &sealed).await, Err(VaultError::OtherKey)));
        for cut in 0..sealed.len() {
            assert!(vault(&key).open("office", &sealed[..cut]).await.is_err(), "{cut}");
        }
    }

    #[tokio::test]
    async fn without_a_usable_key_nothing_is_sealed_and_it_is_said_how_to_make_one() {
        for vault in [Vault::new(None), vault("short"), vault(&BASE64_STANDARD.encode([7; 16]))] {
            let error = vault.seal("office", Vec::new()).await.unwrap_err().to_string();
            assert!(error.contains("openssl rand -base64 32"), "{error}");
        }
    }
}
