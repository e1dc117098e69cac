//! Collections that are posted to us.

use std::time::Duration;

use super::{At, Named, words, written};

words! {
    /// What becomes of a body that has no id.
    WithoutIdW as "what to do without an id" { Refuse = "refuse", ByContent = "by-content", }
}
words! {
    /// How a signature is written.
    SignatureFormW as "form of a signature" { Hex = "hex", Base64 = "base64", }
}
words! {
    /// What a value of a post must be.
    RequireW as "what is required" { Present = "present", AboveZero = "above-zero", }
}
written! {
    /// HMAC-SHA256 over the body as it came. Its key is the connection's `signed_with`.
    SignatureW as "signature" {
        /// The header that holds it.
        need header: At<String>,
        /// hex or base64. Default: hex.
        may form: At<SignatureFormW>,
        /// What stands before it, as `sha256=`.
        may prefix: At<String>,
    }
}
written! {
    /// A collection that is posted to the connection's secret address.
    InboxW as "inbox" {
        /// Largest body, in bytes. Default: 262144, at most 1048576.
        may max_body: At<u32>,
        /// refuse, or by-content: the same body twice is one record then. Default: refuse.
        may without_id: At<WithoutIdW>,
        /// What the values of a post must be, by name: present or above-zero. `lines.price` means that of each line.
        may require: Named<At<RequireW>>,
        /// How long a post is kept once nothing more is to be done with it, as 400d. Default: for good.
        may keep: At<Duration>,
        /// Posts must be signed.
        may signature: SignatureW,
    }
}
