//! How a system tells of changes, as its manifest says.

use std::collections::BTreeMap;

use super::entries;
use crate::{
    config::{
        diagnostic::{Report, error},
        nearest::suggest,
        written::{EncodingW, SignedByW, SignedW, WebhooksW},
    },
    connector::{Manifest, Signed, Webhooks},
};

/// Resolves the webhooks of a manifest whose resources are known.
pub(super) fn webhooks(written: &WebhooksW, manifest: &Manifest, report: &Report) -> Option<Webhooks> {
    let signed = signed(written.signed.as_ref()?, report);
    let resource = written.resource.as_ref()?;
    let mut names = BTreeMap::new();
    for entry in entries(resource.names.as_ref()) {
        let meant = &entry.value;
        if !manifest.resources.contains_key(&meant.value) {
            report.add(
                error("config::unknown_resource", meant.span, format!("there is no resource `{}`", meant.value))
                    .maybe_help(suggest(&meant.value, manifest.resources.keys().map(String::as_str))),
            );
        }
        names.insert(entry.name.value.clone(), meant.value.clone());
    }
    Some(Webhooks {
        signed: signed?,
        parts: written.parts.as_ref().map(|path| path.value.clone()),
        events: written.events.as_ref().map(|path| path.value.clone()),
        account: written.account.as_ref().map(|path| path.value.clone()),
        id: written.id.as_ref()?.value.clone(),
        resource: resource.path.as_ref()?.value.clone(),
        names,
    })
}

fn signed(written: &SignedW, report: &Report) -> Option<Signed> {
    let missing = |what: &str, help: &str| {
        let text = format!("this kind of signature needs `{what}`");
        report.add(error("config::missing_key", written.span, text).help(help));
        None
    };
    match written.by.as_ref()?.value {
        SignedByW::HmacSha256 => match &written.header {
            Some(header) => Some(Signed::Hmac {
                header: header.value.to_lowercase(),
                hex: written.encoding.as_ref().is_some_and(|encoding| encoding.value == EncodingW::Hex),
                prefix: written.prefix.as_ref().map(|prefix| prefix.value.clone()).unwrap_or_default(),
            }),
            None => missing("header", "write { by: hmac-sha256, header: x-signature }"),
        },
        SignedByW::Token => match &written.path {
            Some(path) => Some(Signed::Token(path.value.clone())),
            None => missing("path", "write { by: token, path: $.token }"),
        },
        SignedByW::SecretPath => Some(Signed::SecretPath),
    }
}
