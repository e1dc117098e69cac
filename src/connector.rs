//! What a system can do, and doing it.
//!
//! A [`Manifest`] describes one kind of system in YAML; `http` speaks HTTP as a manifest says. The engine sees only
//! the [`Connector`] trait: pages of records, single records, and writes that are *prepared* (exact bytes, recorded
//! durably as an intent) before they are *sent*.

mod api;
mod manifest;

pub use api::{
    Answer, CallError, Connector, ItemAnswer, Page, PreparedCall, PullCursor, RemoteRecord, Requests, WriteItem, WriteKind,
};
pub use manifest::*;
