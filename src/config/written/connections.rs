//! Connections and tables.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{At, Decode, Named, SecretText, written};
use crate::config::{
    diagnostic::Report,
    tree::{Node, NodeValue},
};

written! {
    /// One account on one system.
    ConnectionW as "a connection" {
        /// The kind of system, with a version to pin it: `xero` or `xero@1`.
        need connector: At<String>,
        /// Where the system is; the connector's own address unless given.
        may base_url: At<String>,
        /// How to log in: { token }, { user, password } or { header }.
        may auth: AuthW,
        /// Which account, where one login covers several (Xero: the tenant id).
        may tenant: At<String>,
        /// What the connector asks for besides.
        may settings: Named<At<String>>,
        /// Ignore the connector's limits (for practice systems).
        may unlimited: At<bool>,
        /// The grant that it logs in by, instead of `auth`.
        may grant: At<String>,
        /// The key of the system's webhooks, where they are signed for this connection alone.
        may webhook_key: SecretText,
        /// The name it had before: what was posted to it, what it told and where its reading stands move along.
        may moved_from: At<String>,
    }
}

written! {
    /// A login. Give `token`, or `user` and `password`, or `header`.
    AuthW as "auth" {
        /// A bearer token.
        may token: SecretText,
        /// A user name.
        may user: At<String>,
        /// Its password or key.
        may password: SecretText,
        /// An inbox: the key that posts are signed with; `token` is the secret of its address.
        may signed_with: SecretText,
        /// A key sent in a header: the key (the connector knows the header), or { name, value }.
        may header: HeaderAuthW,
    }
}

written! {
    /// A header with its name.
    HeaderPairW as "header" {
        /// The header.
        need name: At<String>,
        /// Its secret value.
        need value: SecretText,
    }
}

/// A key in a header.
#[derive(Clone, Debug)]
pub(crate) enum HeaderAuthW {
    /// Only the key.
    Value(SecretText),
    /// With the header's name.
    Pair(Box<HeaderPairW>),
}

impl Decode for HeaderAuthW {
    fn decode(node: &Node, report: &Report) -> Option<Self> {
        match &node.value {
            NodeValue::Map(_) => Box::<HeaderPairW>::decode(node, report).map(Self::Pair),
            _ => SecretText::decode(node, report).map(Self::Value),
        }
    }
}

impl JsonSchema for HeaderAuthW {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "HeaderAuth".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (value, pair) = (generator.subschema_for::<SecretText>(), generator.subschema_for::<HeaderPairW>());
        json_schema!({ "anyOf": [value, pair] })
    }
}

written! {
    /// A lookup table. Keys and values are text as written.
    TableW as "a table" {
        /// Key to value.
        need rows: Named<At<String>>,
        /// Value to key, where `rows` is not one-to-one and the table is used backwards.
        may reverse: Named<At<String>>,
    }
}
