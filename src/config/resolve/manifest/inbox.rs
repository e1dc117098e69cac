//! Collections that are posted to us.

use std::time::Duration;

use super::{native, require::require};
use crate::{
    config::{
        diagnostic::{Report, error},
        written::{InboxW, ResourceW, SignatureFormW, WithoutIdW},
    },
    connector::{InboxTable, Resource, Signature},
};

/// Bytes a post may have unless something else is said.
const USUAL: u32 = 256 << 10;
/// What is posted today may be posted again tomorrow.
const SHORTEST: Duration = Duration::from_hours(24);
/// Most bytes that can be said.
const MOST: u32 = 1 << 20;

/// What a resource has that is posted to us.
pub(super) fn resource(made: Resource, written: &ResourceW, inbox: &InboxW, report: &Report) -> Option<Resource> {
    let help = ": what was posted is kept, and read from there";
    if !native::has_no_calls(written, inbox.span, "that is posted to us", help, report)
        || !native::one_name(&made, written, inbox.span, "write id: $.number", report)
    {
        return None;
    }
    let max_body = inbox.max_body.as_ref().map_or(USUAL, |max| max.value);
    if let Some(max) = inbox.max_body.as_ref().filter(|max| max.value == 0 || max.value > MOST) {
        report.add(
            error("config::bad_value", max.span, format!("a post has from 1 to {MOST} bytes"))
                .help("leave it out: 262144 bytes are some hundred lines"),
        );
        return None;
    }
    if let Some(keep) = inbox.keep.as_ref().filter(|keep| keep.value < SHORTEST) {
        report.add(
            error("config::bad_value", keep.span, "a post is kept for a day at least")
                .help("write keep: 400d, or leave it out: posts are kept for good then"),
        );
        return None;
    }
    let whole = native::whole()?;
    let signature = inbox.signature.as_ref().and_then(|signature| {
        Some(Signature {
            header: signature.header.as_ref()?.value.clone(),
            base64: signature.form.as_ref().is_some_and(|form| form.value == SignatureFormW::Base64),
            prefix: signature.prefix.as_ref().map(|prefix| prefix.value.clone()).unwrap_or_default(),
        })
    });
    Some(Resource {
        list: Some(native::list(&made.name, &whole, Some(Duration::ZERO))),
        get: Some(native::get(&made.name, &whole)),
        inbox: Some(InboxTable {
            max_body: usize::try_from(max_body).unwrap_or_default(),
            id_by_content: inbox.without_id.as_ref().is_some_and(|what| what.value == WithoutIdW::ByContent),
            require: require(&made, inbox.require.as_ref(), report),
            keep: inbox.keep.as_ref().map(|keep| keep.value),
            signature,
        }),
        ..made
    })
}
