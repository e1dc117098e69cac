//! The breaker of loops: a value that goes to and fro between two systems, or round a ring of pipelines, comes to rest.
//!
//! Two systems that reshape what they are given, each in its own way and after they have answered, make each other's
//! edits for ever: trimmed here, padded there, trimmed again. Every write by itself is right. What tells them from
//! people is that a write brings back, again and again in a short time, what was there before: `v`, `w`, `v`.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::record::{Cell, Side};

/// Flips within the window after which a field is put aside.
const FLIPS: u8 = 3;
/// Writes of one field within the window after which it is put aside, whatever they wrote: a value may grow with each
/// round instead of coming back.
const WRITES: u8 = 30;
/// The window in seconds: an hour, from the first write after a window without one.
const WINDOW: i64 = 3_600;

/// The writes of one field of one link in the present window. Stored as a row, and only of fields that were updated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Row", into = "Row")]
pub struct Motion {
    /// When the window began, in seconds since 1970.
    since: i64,
    /// Per side, a hash of the value last written there.
    wrote: [u32; 2],
    /// Per side, a hash of the value that the last write there replaced.
    replaced: [u32; 2],
    writes: u8,
    /// Writes that brought a value back.
    flips: u8,
}

type Row = (i64, [u32; 2], [u32; 2], u8, u8);

impl From<Row> for Motion {
    fn from((since, wrote, replaced, writes, flips): Row) -> Self {
        Self { since, wrote, replaced, writes, flips }
    }
}

impl From<Motion> for Row {
    fn from(motion: Motion) -> Self {
        let Motion { since, wrote, replaced, writes, flips } = motion;
        (since, wrote, replaced, writes, flips)
    }
}

/// A value that is written over another.
#[derive(Clone, Copy)]
pub(super) struct Stroke<'a> {
    pub side: Side,
    pub before: &'a Cell,
    pub value: &'a Cell,
    pub now: DateTime<Utc>,
}

impl Motion {
    /// The motion after one more write.
    pub(super) fn after(last: Option<Self>, stroke: Stroke<'_>) -> Self {
        let (value, before) = (hash(stroke.value), hash(stroke.before));
        let now = stroke.now.timestamp();
        let last = last.filter(|last| last.is_present(stroke.now));
        let last = last.unwrap_or(Self { since: now, wrote: [0; 2], replaced: [0; 2], writes: 0, flips: 0 });
        let back = last.writes > 0 && (last.wrote[stroke.side.index()] == value || last.replaced.contains(&value));
        let mut next = last;
        next.wrote[stroke.side.index()] = value;
        next.replaced[stroke.side.index()] = before;
        next.writes = last.writes.saturating_add(1);
        next.flips = last.flips.saturating_add(u8::from(back));
        next
    }

    /// Whether one more write would be one too many.
    pub(super) fn trips(last: Option<Self>, stroke: Stroke<'_>) -> bool {
        let Some(last) = last.filter(|last| last.is_present(stroke.now)) else { return false };
        let next = Self::after(Some(last), stroke);
        (next.flips > last.flips && next.flips >= FLIPS) || next.writes >= WRITES
    }

    /// Whether its window is still open. A clock that went back closes it: then it counts anew.
    pub(super) fn is_present(&self, now: DateTime<Utc>) -> bool {
        (0..WINDOW).contains(&now.timestamp().saturating_sub(self.since))
    }
}

/// Never 0, which stands for "nothing yet".
fn hash(cell: &Cell) -> u32 {
    let text = cell.value().map(serde_json::Value::to_string).unwrap_or_default();
    u32::try_from(xxh3_64(text.as_bytes()) & u64::from(u32::MAX)).unwrap_or(1).max(1)
}
