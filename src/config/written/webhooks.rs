//! Webhooks: how a system tells of changes.

use super::{At, Named, words, written};
use crate::record::Path;

words! {
    /// How a delivery shows who sent it.
    SignedByW as "signature" { HmacSha256 = "hmac-sha256", Token = "token", SecretPath = "secret-path", }
}
words! {
    /// How bytes are written as text.
    EncodingW as "encoding" { Base64 = "base64", Hex = "hex", }
}
written! {
    /// How a delivery shows who sent it.
    SignedW as "signed" {
        /// `hmac-sha256` over the body as it was sent; `token`, which is repeated in the body; `secret-path`, at the end of
        /// the address.
        need by: At<SignedByW>,
        /// hmac-sha256: the header that holds it.
        may header: At<String>,
        /// hmac-sha256: how it is written. Default: base64.
        may encoding: At<EncodingW>,
        /// hmac-sha256: what stands before it (`sha256=`).
        may prefix: At<String>,
        /// token: where it is in the body.
        may path: At<Path>,
    }
}
written! {
    /// Which resource an event is about.
    HookResourceW as "resource" {
        /// Where its name is, in the event.
        need path: At<Path>,
        /// The names that are told of, with the resources that they mean: { CONTACT: contacts }.
        need names: Named<At<String>>,
    }
}
written! {
    /// How the system tells of changes. A delivery is a hint to look at records soon; nothing in it is believed.
    WebhooksW as "webhooks" {
        /// How a delivery shows who sent it.
        need signed: SignedW,
        /// Where the parts are that are about one account each. Default: the body is one.
        may parts: At<Path>,
        /// Where the events are in a part. Default: the part is one.
        may events: At<Path>,
        /// Which account it is about: in an event, or else in its part. Without it, every connection is meant.
        may account: At<Path>,
        /// The id of the record in an event; several values are several records.
        need id: At<Path>,
        /// Which resource it is about.
        need resource: HookResourceW,
    }
}
