//! Passwords and tokens: only their hashes are written anywhere.

use argon2::{
    Argon2,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};
use ring::{
    digest::{SHA256, digest},
    rand::{SecureRandom as _, SystemRandom},
};

/// Bytes of a random secret: nobody guesses it.
const BYTES: usize = 32;

/// Why nothing random could be had.
#[derive(Debug, thiserror::Error)]
#[error("the system gives no random numbers")]
pub struct NoRandomness;

/// A random secret as text, in hexadecimal.
pub(super) fn random() -> Result<String, NoRandomness> {
    let mut bytes = [0; BYTES];
    SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(hex(&bytes))
}

/// The argon2id hash of a password, for `[admin.users]`.
///
/// # Errors
///
/// When the system gives no random numbers for its salt.
pub fn hash_password(password: &str) -> Result<String, NoRandomness> {
    let mut salt = [0; 16];
    SystemRandom::new().fill(&mut salt).map_err(|_| NoRandomness)?;
    let hash = Argon2::default().hash_password_with_salt(password.as_bytes(), &salt);
    // Nothing else about a password of any length can fail.
    hash.map(|hash| hash.to_string()).map_err(|_| NoRandomness)
}

/// A new token, and what stands for it in `[admin.tokens]`.
///
/// # Errors
///
/// When the system gives no random numbers.
pub fn new_token() -> Result<(String, String), NoRandomness> {
    let token = format!("rec_{}", random()?);
    let hash = token_hash(&token);
    Ok((token, hash))
}

/// What stands for a token. It is random itself, so that nobody finds it by trying, however fast a hash is.
pub(super) fn token_hash(token: &str) -> String {
    format!("sha256:{}", hex(digest(&SHA256, token.as_bytes()).as_ref()))
}

/// Whether this is the password; takes as long whether or not it is, and a while on purpose.
pub(super) fn is_password(password: &str, hash: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_by_its_hash_alone() {
        let hash = hash_password("correct horse").unwrap();
        assert!(hash.starts_with("$argon2id$") && !hash.contains("horse"), "{hash}");
        assert!(is_password("correct horse", &hash));
        assert!(!is_password("correct horses", &hash));
        assert!(!is_password("correct horse", "not a hash"));
        assert_ne!(hash, hash_password("correct horse").unwrap(), "two people with one password have two hashes");
    }

    #[test]
    fn a_token_is_known_by_its_hash_alone() {
        let (token, hash) = new_token().unwrap();
        assert_eq!(token_hash(&token), hash);
        assert_ne!(token_hash(&format!("{token}0")), hash);
        assert_eq!(token_hash("abc"), "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
