//! Records that are posted to us.
//!
//! A post comes to `/inbox/CONNECTION/RESOURCE/SECRET` of the public listener. Its secret is compared, its signature
//! checked (`proof`), its body taken apart into records whose values are those of their fields (`body`), and these are
//! kept in the store (`shelf`) before the answer says so. A pull reads what was kept, in the order of its coming. A post
//! that cannot be used is answered with the reason, counted, and shown in the parked list of the pipelines.

use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret as _, SecretString};

use self::shelf::{Put, Shelf, There};
use super::{
    Answer, CallError, Connector, InboxTable, Page, PreparedCall, PullCursor, RemoteRecord, Requests, Resource, Unread,
    WriteItem, WriteKind, file::remote,
};
use crate::{
    clock::Clock,
    config::{Auth, Connection},
    record::RecordId,
    store::{Store, StoreError},
};

mod body;
mod proof;
mod shelf;
#[cfg(test)]
mod tests;

/// Records a page.
const PAGE: usize = 500;
/// How long a refusal is shown.
const SHOWN: TimeDelta = TimeDelta::days(7);
/// A secret that can be guessed is none.
const SHORTEST: usize = 16;

/// A post, as the listener got it.
#[derive(Clone, Copy)]
pub struct Post<'a> {
    /// What follows the resource in its address.
    pub secret: &'a str,
    /// The value of a header.
    pub header: &'a (dyn Fn(&str) -> Option<&'a str> + Sync),
    /// The body, exactly as it came.
    pub body: &'a [u8],
}

/// What became of a post that could be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Records that are new, or newer versions.
    pub new: usize,
    /// Records that were kept as they are already, or in a newer version.
    pub known: usize,
}

/// Why a post was not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// As an HTTP status.
    pub status: u16,
    /// The reason, for whoever posts.
    pub reason: String,
}

/// The inbox of one connection. Cheap to clone.
#[derive(Clone)]
pub struct InboxConnector(Arc<Shared>);

struct Shared {
    connection: Arc<Connection>,
    clock: Clock,
    store: RwLock<Arc<dyn Store>>,
}

impl std::fmt::Debug for InboxConnector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("InboxConnector").field(&self.0.connection.name).finish()
    }
}

impl InboxConnector {
    /// The inbox of a connection, kept in this store.
    #[must_use]
    pub fn new(connection: Arc<Connection>, clock: Clock, store: Arc<dyn Store>) -> Self {
        Self(Arc::new(Shared { connection, clock, store: RwLock::new(store) }))
    }

    fn shelf(&self, resource: &str) -> Shelf {
        let store = Arc::clone(&self.0.store.read().unwrap_or_else(PoisonError::into_inner));
        Shelf::new(store, self.0.connection.name.as_str(), resource)
    }

    /// The secret of the address, and the key of signatures.
    async fn secrets(&self) -> Result<(SecretString, Option<SecretString>), CallError> {
        let fail = |message: String| CallError::Login { connection: self.0.connection.name.to_string(), message };
        let Auth::Posted { secret, signed_with } = &self.0.connection.auth else {
            return Err(fail("it has no secret".to_owned()));
        };
        let secret = secret.reveal().await.map_err(fail)?;
        if secret.expose_secret().len() < SHORTEST {
            let text = format!("its secret has fewer than {SHORTEST} characters; `openssl rand -hex 24` makes one");
            return Err(fail(text));
        }
        let key = match signed_with {
            Some(key) => Some(key.reveal().await.map_err(fail)?),
            None => None,
        };
        Ok((secret, key))
    }

    /// Keeps what was posted for a resource. When this says yes, it is durable.
    ///
    /// # Errors
    ///
    /// When nothing of the post was kept. A wrong secret and a resource that is not there are told in the same words.
    pub async fn receive(&self, resource: &str, post: Post<'_>) -> Result<Kept, Refusal> {
        let nothing = || Refusal { status: 404, reason: "there is nothing here".to_owned() };
        let found = self.resource(resource).and_then(|found| Some((found, found.inbox.as_ref()?)));
        let (resource, table) = found.ok_or_else(nothing)?;
        let (secret, key) = self.secrets().await.map_err(|error| {
            tracing::error!(event = "inbox.no_secret", connection = %self.0.connection.name, %error);
            nothing()
        })?;
        if !proof::same(secret.expose_secret(), post.secret) {
            return Err(nothing());
        }
        let rows = self.shelf(&resource.name);
        let later = |error: StoreError| {
            tracing::error!(event = "inbox.not_kept", connection = %self.0.connection.name, %error);
            Refusal { status: 503, reason: "this cannot be kept now; post it again later".to_owned() }
        };
        match read(resource, table, key.as_ref(), post) {
            Ok(records) => self.keep(resource, &rows, records).await.map_err(later),
            Err(refusal) => {
                tracing::warn!(
                    event = "inbox.refused", connection = %self.0.connection.name, resource = %resource.name,
                    status = refusal.status, reason = %refusal.reason
                );
                rows.count_refused(&refusal.reason, self.0.clock.now()).await.map_err(later)?;
                Err(refusal)
            }
        }
    }

    /// Records whose last post is older than the resource keeps posts, oldest first, a page of them and where it goes on.
    ///
    /// # Errors
    ///
    /// When the store fails or a value is damaged.
    pub async fn aged(
        &self,
        resource: &Resource,
        after: Option<&str>,
    ) -> Result<(Vec<RecordId>, Option<String>), StoreError> {
        let Some(before) = self.oldest(resource) else { return Ok((Vec::new(), None)) };
        self.shelf(&resource.name).older_than(before, after, PAGE).await
    }

    /// Removes what was posted of these records, unless it was posted again meanwhile. That they were there is remembered: the same
    /// post is no new record, nor is an older one. Not durable before the next flush, and no harm is done by doing it again.
    ///
    /// # Errors
    ///
    /// When the store fails or a value is damaged.
    pub async fn remove(&self, resource: &Resource, ids: &[RecordId]) -> Result<(), StoreError> {
        let Some(before) = self.oldest(resource) else { return Ok(()) };
        let stamp = |body: &serde_json::Value| remote(resource, body.clone())?.updated_at;
        self.shelf(&resource.name).remove(ids, before, stamp).await
    }

    /// What came before this may be removed.
    fn oldest(&self, resource: &Resource) -> Option<DateTime<Utc>> {
        let keep = TimeDelta::from_std(resource.inbox.as_ref()?.keep?).ok()?;
        self.0.clock.now().checked_sub_signed(keep)
    }

    async fn keep(&self, resource: &Resource, rows: &Shelf, records: Vec<RemoteRecord>) -> Result<Kept, StoreError> {
        let mut kept = Kept::default();
        for record in records {
            let older = |there: &serde_json::Value| {
                let stamp = |body| remote(resource, body)?.updated_at;
                record.updated_at.zip(stamp(there.clone())).is_some_and(|(new, there)| new < there)
            };
            match rows.put(&record, older, self.0.clock.now()).await? {
                Put::New => kept.new += 1,
                Put::Known => kept.known += 1,
            }
        }
        // Also for what is known: whoever posted it first may have been told nothing, because it was not durable.
        rows.flush().await?;
        Ok(kept)
    }
}

/// The records of a post.
fn read(
    resource: &Resource,
    table: &InboxTable,
    key: Option<&SecretString>,
    post: Post<'_>,
) -> Result<Vec<RemoteRecord>, Refusal> {
    if post.body.len() > table.max_body {
        let reason = format!("a post may have at most {} bytes, and this one has {}", table.max_body, post.body.len());
        return Err(Refusal { status: 413, reason });
    }
    if let Some(signature) = &table.signature {
        let given = (post.header)(&signature.header);
        proof::check(signature, key, given, post.body).map_err(|reason| Refusal { status: 401, reason })?;
    }
    let kind = (post.header)("content-type");
    let bodies = body::bodies(kind, post.body).map_err(|reason| Refusal { status: 400, reason })?;
    let several = bodies.len() > 1;
    let record = |(at, body)| {
        body::record(resource, table, body).map_err(|reason| {
            let which = if several { format!("record {}: ", at + 1) } else { String::new() };
            Refusal { status: 422, reason: format!("{which}{reason}") }
        })
    };
    bodies.into_iter().enumerate().map(record).collect()
}

fn failed(error: &StoreError) -> CallError {
    CallError::NotDone(error.to_string())
}

#[async_trait]
impl Connector for InboxConnector {
    fn resource(&self, name: &str) -> Option<&Resource> {
        self.0.connection.manifest.resources.get(name).map(AsRef::as_ref)
    }

    async fn pull(&self, resource: &Resource, cursor: &PullCursor) -> Result<Page, CallError> {
        self.secrets().await?;
        let rows = self.shelf(&resource.name);
        let mut page = Page { partial: true, ..Page::default() };
        let after = if let Some(token) = &cursor.page {
            Some(token.clone())
        } else {
            let (now, refused) = rows.begin(self.0.clock.now()).await.map_err(|error| failed(&error))?;
            page.server_time = Some(now);
            let shown = refused.filter(|refused| self.0.clock.now() - refused.at < SHOWN);
            page.unread.extend(shown.map(|refused| unread(&resource.name, &refused)));
            cursor.since.map(shelf::before)
        };
        let (bodies, next) = rows.list(after.as_deref(), PAGE).await.map_err(|error| failed(&error))?;
        page.records = bodies.into_iter().filter_map(|body| remote(resource, body)).collect();
        page.next = next;
        Ok(page)
    }

    async fn get(&self, resource: &Resource, id: &RecordId) -> Result<Option<RemoteRecord>, CallError> {
        match self.shelf(&resource.name).get(id).await.map_err(|error| failed(&error))? {
            There::Body(body) => Ok(remote(resource, body)),
            There::Nothing => Ok(None),
            // It is not gone: nobody has it any more.
            There::Removed => {
                let text = format!("the post of {id} is old and was removed (`keep` of `{}`)", resource.name);
                Err(CallError::Removed(format!("{text}; have it posted again with a change")))
            }
        }
    }

    fn prepare(&self, resource: &Resource, _: WriteKind, _: &[WriteItem], _: &str) -> Result<PreparedCall, CallError> {
        Err(CallError::NotDone(format!("`{}` is only posted to us", resource.name)))
    }

    async fn send(&self, resource: &Resource, _: &PreparedCall) -> Result<Answer, CallError> {
        Err(CallError::NotDone(format!("`{}` is only posted to us", resource.name)))
    }

    fn inbox(&self) -> Option<&InboxConnector> {
        Some(self)
    }

    fn use_store(&self, store: &Arc<dyn Store>) {
        *self.0.store.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(store);
    }

    fn requests(&self) -> Requests {
        // It is asked of nobody.
        Requests::default()
    }
}

/// What was refused, for the parked list.
fn unread(resource: &str, refused: &shelf::Refused) -> Unread {
    let posts = if refused.count == 1 { "1 post was".to_owned() } else { format!("{} posts were", refused.count) };
    let at: DateTime<Utc> = refused.at;
    let reason = format!("{posts} refused, the last on {}: {}", at.format("%-d %B %Y at %H:%M UTC"), refused.reason);
    Unread { place: format!("posts to {resource}"), reason }
}
