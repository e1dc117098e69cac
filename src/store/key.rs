//! Keys: a space and a row of texts, ordered as the rows are.

use std::fmt;

/// What a key speaks of. One byte at the front of every key, so that one tree serves all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Space {
    /// About the store itself: format, lineage.
    Meta = b'm',
    /// Per pipeline: approval of the first run, full-read marks, resolutions.
    Pipeline = b'p',
    /// Links: pipeline, source id.
    Link = b'l',
    /// Target id of a link: pipeline, target id -> source id.
    LinkByTarget = b't',
    /// Records that are not linked: pipeline, side, id.
    Seen = b's',
    /// Match keys of records: pipeline, side, tier, key text, id.
    MatchKey = b'k',
    /// Records to look at again: pipeline, side, id.
    Due = b'd',
    /// References: pipeline, referred pipeline, referred id, id of the record that refers.
    Reference = b'r',
    /// What is put aside: pipeline, side, id.
    Parked = b'x',
    /// Remote writes recorded before the call: connection, number.
    Intent = b'i',
    /// Where pulls stand: connection, resource.
    Cursor = b'c',
    /// Finished runs: integration, start (sortable).
    Run = b'u',
    /// Held runs and waiting approvals: integration.
    Held = b'h',
    /// Values overwritten: pipeline, start of the run (sortable), number of the call.
    Before = b'b',
    /// Who waits for a record to be linked: awaited pipeline, awaited id, waiting pipeline, side, id.
    Wait = b'w',
    /// Logins that people consented to, sealed: grant.
    Grant = b'g',
    /// Records that a system told of and that were not looked at yet: connection, resource, arrival (sortable), id.
    News = b'n',
    /// Records that were written lately, of remotes that show old copies for a while: connection, resource, id.
    Settling = b'y',
    /// What was posted to us: connection, resource, and `r` with an id, `s` with a number in the order of coming, or `n`.
    Inbox = b'o',
}

impl Space {
    /// Every space, for export.
    pub const ALL: [Self; 19] = [
        Self::Meta,
        Self::Pipeline,
        Self::Link,
        Self::LinkByTarget,
        Self::Seen,
        Self::MatchKey,
        Self::Due,
        Self::Reference,
        Self::Parked,
        Self::Intent,
        Self::Cursor,
        Self::Run,
        Self::Held,
        Self::Before,
        Self::Wait,
        Self::Grant,
        Self::News,
        Self::Settling,
        Self::Inbox,
    ];

    /// The name in an export, in kebab case. Part of the export's format: never change one.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Pipeline => "pipeline",
            Self::Link => "link",
            Self::LinkByTarget => "link-by-target",
            Self::Seen => "seen",
            Self::MatchKey => "match-key",
            Self::Due => "due",
            Self::Reference => "reference",
            Self::Parked => "parked",
            Self::Intent => "intent",
            Self::Cursor => "cursor",
            Self::Run => "run",
            Self::Held => "held",
            Self::Before => "before",
            Self::Wait => "wait",
            Self::Grant => "grant",
            Self::News => "news",
            Self::Settling => "settling",
            Self::Inbox => "inbox",
        }
    }

    /// The space of a name, `None` if no space has it.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|space| space.name() == name)
    }
}

/// A key. Parts are separated by a zero byte; a zero or one byte inside a part is escaped, so that any text can be a
/// part and the order of keys is the order of the rows of parts.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Vec<u8>);

impl Key {
    /// The key of a row of parts.
    #[must_use]
    pub fn new(space: Space, parts: &[&str]) -> Self {
        let mut bytes = Vec::with_capacity(1 + parts.iter().map(|part| part.len() + 1).sum::<usize>());
        bytes.push(space as u8);
        for part in parts {
            if part.bytes().all(|byte| byte > 1) {
                bytes.extend_from_slice(part.as_bytes());
            } else {
                for byte in part.bytes() {
                    match byte {
                        0 => bytes.extend([1, 1]),
                        1 => bytes.extend([1, 2]),
                        other => bytes.push(other),
                    }
                }
            }
            bytes.push(0);
        }
        Self(bytes)
    }

    /// What the keys begin with whose last part begins with the last of these.
    #[must_use]
    pub fn beginning(space: Space, parts: &[&str]) -> Self {
        let mut key = Self::new(space, parts);
        key.0.pop();
        key
    }

    /// The key of a row of parts, for rows made at run time.
    #[must_use]
    pub fn from_parts(space: Space, parts: &[String]) -> Self {
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        Self::new(space, &parts)
    }

    /// A key from stored bytes.
    #[must_use]
    pub const fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The stored bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The stored bytes, taken.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// The space, `None` if the first byte is not one of ours.
    #[must_use]
    pub fn space(&self) -> Option<Space> {
        let first = *self.0.first()?;
        Space::ALL.into_iter().find(|space| *space as u8 == first)
    }

    /// The parts; damaged bytes show as replacement characters.
    #[must_use]
    pub fn parts(&self) -> Vec<String> {
        let mut parts = Vec::new();
        let mut part = Vec::new();
        let mut bytes = self.0.iter().skip(1).copied();
        while let Some(byte) = bytes.next() {
            match byte {
                0 => parts.push(String::from_utf8_lossy(&std::mem::take(&mut part)).into_owned()),
                1 => part.push(bytes.next().map_or(0, |escaped| escaped.saturating_sub(1))),
                other => part.push(other),
            }
        }
        parts
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let space = self.0.first().map_or('?', |byte| char::from(*byte));
        write!(f, "{space}:{}", self.parts().join("/"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_can_be_a_part_and_comes_back() {
        let parts = ["a/b", "", "\0", "\u{1}x", "ü"];
        assert_eq!(Key::new(Space::Link, &parts).parts(), parts);
    }

    #[test]
    fn every_space_has_a_name_and_a_byte_of_its_own() {
        for space in Space::ALL {
            assert_eq!(Space::from_name(space.name()), Some(space));
            assert_eq!(Key::new(space, &["x"]).space(), Some(space));
        }
        assert_eq!(Space::from_name("links"), None);
        assert_eq!(Key::from_bytes(vec![0]).space(), None);
    }

    #[test]
    fn keys_are_ordered_as_their_parts_and_a_row_is_a_prefix_of_longer_rows_only_at_a_part() {
        let key = |parts: &[&str]| Key::new(Space::Link, parts);
        assert!(key(&["a", "b"]) < key(&["a", "c"]));
        assert!(key(&["a", "z"]) < key(&["ab"]), "`a` sorts before `ab` whatever follows it");
        assert!(!key(&["ab"]).as_bytes().starts_with(key(&["a"]).as_bytes()));
        let beginning = Key::beginning(Space::Link, &["a", "b/"]);
        assert!(key(&["a", "b/c"]).as_bytes().starts_with(beginning.as_bytes()));
        assert!(!key(&["a", "bc"]).as_bytes().starts_with(beginning.as_bytes()));
    }
}
