//! A collection that is posted to us.

use std::time::Duration;

use super::Require;

/// What a post must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxTable {
    /// Largest body, in bytes.
    pub max_body: usize,
    /// Whether a record without an id gets one that is made of its content; else it is refused.
    pub id_by_content: bool,
    /// What values must be.
    pub require: Vec<Require>,
    /// How long posts are kept that are settled; `None` keeps them for good.
    pub keep: Option<Duration>,
    /// How posts are signed; `None` if they are not.
    pub signature: Option<Signature>,
}

/// An HMAC-SHA256 over the body as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The header that holds it.
    pub header: String,
    /// Base64 instead of hexadecimal digits.
    pub base64: bool,
    /// What stands before it.
    pub prefix: String,
}
