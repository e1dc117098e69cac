//! A write that the remote refused.

use super::{FieldPark, Link, ParkCode, RecordWrite, answer::seen};

/// The link after the remote refused an update, in its own words: every field of the write is put aside until one of
/// its values changes, the configuration changes (`config` is the pipeline's hash), or a person decides. What other
/// fields hold is not touched; no base moves.
#[must_use]
pub fn park_refused(link: &Link, write: &RecordWrite, message: &str, config: u64) -> Link {
    let mut link = link.clone();
    for sent in &write.fields {
        if let Some(state) = link.fields.get_mut(&sent.field) {
            let seen = seen(write.side, sent.from.clone(), sent.before.clone());
            state.parked = Some(FieldPark { code: ParkCode::Refused, message: message.to_owned(), seen, config });
            state.winner = None;
        }
    }
    link.revision += 1;
    link
}
