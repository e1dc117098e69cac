//! What a system can do, and doing it.
//!
//! A [`Manifest`] describes one kind of system in YAML; [`HttpConnector`] speaks HTTP as a manifest says,
//! [`FileConnector`] reads and writes files, [`SqlConnector`] tables of databases, and an [`InboxConnector`] keeps what is
//! posted to us. The engine
//! sees only the [`Connector`] trait: pages of records, single records, and writes that are *prepared* (exact bytes,
//! recorded durably as an intent) before they are *sent*. The limits of remote accounts are kept in one
//! [`LimitRegistry`], whoever uses them.

mod api;
mod file;
mod http;
mod inbox;
mod limits;
mod manifest;
mod sql;
mod traffic;
mod way;

pub use api::{
    Answer, Budget, CallError, Connector, ItemAnswer, Outcome, Page, PreparedCall, PullCursor, RemoteRecord, Requests,
    Standing, Unread, WriteItem, WriteKind,
};
pub use file::{FileConnector, FileError};
pub(crate) use http::extract::{id_of, label};
pub(crate) use http::http_client;
pub use http::{Commons, HttpConnector, HttpError};
pub use inbox::{InboxConnector, Kept, Post, Refusal};
pub use limits::{LONGEST_WAIT, LimitRegistry, Limits, Permit, Priority, Purpose};
pub use manifest::*;
pub use sql::{SqlConnector, SqlError};
pub use traffic::{AnswerClass, REQUEST_SECONDS, Traffic};
pub(crate) use way::Way;
