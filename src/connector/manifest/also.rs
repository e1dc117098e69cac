//! Members of a record that have calls of their own.

use std::sync::Arc;

use super::{GetOne, Resource, Write};
use crate::record::Path;

/// A member of a record that calls of its own read or write.
#[derive(Clone, Debug)]
pub struct Also {
    /// Its name in the record.
    pub member: String,
    /// The call that reads it, with `{id}`, and where the value is in the answer; `None` where the record has it.
    pub get: Option<GetOne>,
    /// The call that writes it to a record that is there; `None` where nothing does.
    pub update: Option<Box<Write>>,
    /// Where a new record takes the first element of it.
    pub first: Option<First>,
}

/// What a call that writes one member of a record sends.
#[derive(Clone, Debug)]
pub struct OwnWrite {
    /// The member.
    pub member: String,
    /// It sends the elements of the list that come and go.
    pub changes: Option<ListChanges>,
    /// The body is the member itself.
    pub alone: bool,
}

/// A list that is written by the elements that come and go.
#[derive(Clone, Debug)]
pub struct ListChanges {
    /// What tells elements apart.
    pub key: Path,
    /// Where the keys of those that come are listed.
    pub add: Path,
    /// Where those are listed that go.
    pub remove: Option<Path>,
    /// Where the key is in an item of these lists.
    pub at: Path,
}

/// A list of which a new record takes the first element, by its key in another member.
#[derive(Clone, Debug)]
pub struct First {
    /// The list.
    pub member: String,
    /// The key of an element.
    pub key: Path,
    /// The member that takes it.
    pub to: String,
}

impl Write {
    /// Whether it is made of the record as it is right before ([`super::super::WriteItem::now`]).
    #[must_use]
    pub fn needs_the_record(&self) -> bool {
        self.replaces || self.member.as_ref().is_some_and(|member| member.changes.is_some())
    }
}

impl Resource {
    /// The member with a writing call of its own that a path leads into.
    #[must_use]
    pub fn own_call(&self, path: &Path) -> Option<&Also> {
        let name = path.names().first().copied()?;
        self.also.iter().find(|also| also.update.is_some() && also.member == name)
    }

    /// Whether a record has members that calls of their own read.
    #[must_use]
    pub fn reads_more(&self) -> bool {
        self.also.iter().any(|also| also.get.is_some())
    }

    /// The resource as it is for writing that one member: its `update` is the call of its own.
    #[must_use]
    pub fn for_member(&self, also: &Also) -> Arc<Self> {
        Arc::new(Self { update: also.update.as_deref().cloned(), ..self.clone() })
    }
}
