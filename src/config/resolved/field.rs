//! Fields: which values correspond, and how one becomes the other.

use std::{collections::BTreeMap, sync::Arc};

use chrono_tz::Tz;
use regex::Regex;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Blanks, Conflicts, Differences};
use crate::{
    config::PipelineName,
    record::{Canon, Path, Side, SlotIndex},
};

/// The stable number of a field: a hash of the paths it joins, so it survives reordering and other edits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FieldId(pub u32);

/// One correspondence between the two sides.
#[derive(Clone, Debug)]
pub struct Field {
    /// Stable number.
    pub id: FieldId,
    /// Hash of the definition (transforms, tables, normalisation). A base agreed under another definition is no base.
    pub definition: u32,
    /// For people: `email -> EmailAddress`.
    pub name: String,
    /// Source end, target end. A constant has no source slots.
    pub ends: [FieldEnd; 2],
    /// Which sides it may be written to.
    pub flow: Flow,
    /// When it is written.
    pub write: WriteWhen,
    /// What a cleared value does.
    pub blanks: Blanks,
    /// What happens when both sides changed it.
    pub conflicts: Conflicts,
    /// What happens when the sides differ without history.
    pub differences: Differences,
    /// How the value of one side becomes that of the other.
    pub content: Content,
}

impl Field {
    /// The end on `side`.
    #[must_use]
    pub const fn end(&self, side: Side) -> &FieldEnd {
        match side {
            Side::Source => &self.ends[0],
            Side::Target => &self.ends[1],
        }
    }

    /// Its reference, or those of the elements of its list.
    #[must_use]
    pub fn references(&self) -> Vec<&Reference> {
        match &self.content {
            Content::Mapped { reference, .. } => reference.iter().collect(),
            Content::Each(each) => each.fields.iter().flat_map(Self::references).collect(),
            Content::Constant(_) => Vec::new(),
        }
    }
}

/// One end of a field.
#[derive(Clone, Debug, Default)]
pub struct FieldEnd {
    /// Slots read. One for most fields; several where `source: [a, b]` is joined; none for a constant.
    pub slots: Vec<SlotIndex>,
    /// The paths behind the slots, for writing.
    pub paths: Vec<Path>,
    /// How values compare on this side.
    pub canon: Canon,
    /// The remote refuses or ignores writes (manifest `read_only`).
    pub read_only: bool,
    /// The remote takes it when a record is made, and no change of it (manifest `create_only`).
    pub create_only: bool,
    /// The remote answers with a mask instead of the value (manifest `masked`): an answer cannot confirm a write.
    pub masked: bool,
    /// Slot of the outermost array the path goes into, whose rest is carried back with a write.
    pub carry: Option<SlotIndex>,
}

/// Which sides a field may be written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Both.
    TwoWay,
    /// The target only.
    ToTarget,
    /// The source only.
    ToSource,
}

impl Flow {
    /// Whether `side` may be written.
    #[must_use]
    pub const fn writes(self, side: Side) -> bool {
        matches!((self, side), (Self::TwoWay, _) | (Self::ToTarget, Side::Target) | (Self::ToSource, Side::Source))
    }
}

/// When a field is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteWhen {
    /// On create and on every change.
    Always,
    /// Only when the record is created.
    OnCreate,
    /// Only where the other side has nothing.
    IfBlank,
}

/// How the value of one side becomes that of the other.
#[derive(Clone, Debug)]
pub enum Content {
    /// Mapped from the source: joined, transformed, looked up, referenced; and back.
    Mapped {
        /// Joins several source values into one text.
        join: Option<Join>,
        /// Source to target, applied in order.
        forward: Vec<Transform>,
        /// Target to source, applied in order; `None` where the field never flows that way.
        backward: Option<Vec<Transform>>,
        /// The value is the id of a record that another pipeline links; on the other side it is the linked id.
        reference: Option<Reference>,
    },
    /// A constant for the target.
    Constant(Value),
    /// A list mapped element by element.
    Each(Box<Each>),
}

/// What the id in a field belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The pipeline that links the record.
    pub pipeline: PipelineName,
    /// Whether that pipeline faces the other way: its target is where the source of this one is.
    pub turned: bool,
}

impl Reference {
    /// To a pipeline that faces the same way.
    #[must_use]
    pub const fn to(pipeline: PipelineName) -> Self {
        Self { pipeline, turned: false }
    }

    /// The side of the referred pipeline that is where `side` of the field's own pipeline is.
    #[must_use]
    pub const fn side(&self, side: Side) -> Side {
        if self.turned { side.other() } else { side }
    }
}

/// Joins several source values.
#[derive(Clone, Debug)]
pub struct Join {
    /// Between the values that are not blank.
    pub separator: String,
    /// Appended (with `{id}` replaced by the source id) when the target already has a record of this value.
    pub unique_suffix: Option<String>,
    /// The values are numbers and are multiplied instead.
    pub product: bool,
}

/// A list mapped element by element. `Field::ends` of the outer field point at the arrays.
#[derive(Clone, Debug)]
pub struct Each {
    /// Key of an element on the source, relative to the element.
    pub source_key: Path,
    /// Key of an element on the target, made by the remote and learned from the answer by position.
    pub target_key: Path,
    /// Fields of an element. Their `paths` are relative to the element, and their `slots` are unused.
    pub fields: Vec<Field>,
    /// Which elements of the target that the source does not have are removed.
    pub removes: Removes,
    /// An element that refers to a record which is not linked yet is left out until it is; else the whole list waits.
    pub leaves_out: bool,
    /// Values of a target's element that the remote works out, each with those it is worked out from: left out of an
    /// element of which one of them changes.
    pub derived: Vec<(String, Vec<String>)>,
}

/// Which elements of a target's list are removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Removes {
    /// None.
    #[default]
    None,
    /// Every one that the source does not have.
    All,
    /// Those that came from the source, when it no longer has them.
    Ours,
}

/// One step of a mapping. A closed list: each is invertible, normalising (the other way is identity) or lossy.
#[derive(Clone, Debug)]
pub enum Transform {
    /// Normalising: no white space around.
    Trim,
    /// Normalising: lower case.
    Lowercase,
    /// Normalising: upper case.
    Uppercase,
    /// Normalising: runs of white space become one space.
    CollapseSpaces,
    /// Normalising: only digits and a leading plus.
    Phone,
    /// Invertible: divides by a number that is not zero.
    Divide(Decimal),
    /// Invertible: multiplies by a number that is not zero.
    Multiply(Decimal),
    /// Lossy: rounds to this many places, half away from zero.
    Round(u32),
    /// Invertible: puts text in front.
    Prefix(String),
    /// Invertible: puts text behind.
    Suffix(String),
    /// Invertible: takes this text off the front; a value without it has no counterpart. The way back of `Prefix`.
    StripPrefix(String),
    /// Invertible: takes this text off the end; a value without it has no counterpart. The way back of `Suffix`.
    StripSuffix(String),
    /// Lossy: an instant becomes the calendar date in this zone.
    Date(Tz),
    /// Lossy: every match of the expression is replaced.
    Replace {
        /// What to look for.
        pattern: Regex,
        /// What to put there (`$1` refers to a group).
        with: String,
    },
    /// Lossy: the part at `index` (from 0) between separators.
    Split {
        /// The separator.
        on: String,
        /// Which part.
        index: usize,
    },
    /// Lossy: at most this many characters.
    Truncate(usize),
    /// Lossy: a value for blank.
    Default(Value),
    /// Invertible: number to text and back.
    Text,
    /// Invertible: text to number and back.
    Number,
    /// Invertible: true and false as these words.
    Words {
        /// The word for true.
        yes: String,
        /// The word for false.
        no: String,
    },
    /// Invertible if the table is one-to-one, else through its `reverse:` rows.
    Lookup(Lookup),
}

/// A value found in a table.
#[derive(Clone, Debug)]
pub struct Lookup {
    /// The table.
    pub table: Arc<Table>,
    /// Whether this step goes from values back to keys.
    pub reversed: bool,
    /// What to do with a key that is not in it.
    pub unknown: UnknownKey,
}

/// A lookup table; keys and values are text as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Key to value.
    pub rows: BTreeMap<String, String>,
    /// Value to key: the inverse of `rows` where that is one-to-one, else the `reverse:` rows.
    pub reverse: BTreeMap<String, String>,
}

/// What to do with a key that is not in a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnknownKey {
    /// Park the field and say which key.
    Park,
    /// Pass the key through unchanged.
    Keep,
    /// Use this value.
    Value(String),
}

/// A check on a figure that each system works out by itself.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// Slot on the source.
    pub source: SlotIndex,
    /// Slot on the target.
    pub target: SlotIndex,
    /// For people: `total = Total`.
    pub name: String,
    /// Allowed difference.
    pub within: Decimal,
}
