//! Why something was done, or was not: closed lists that people read as sentences.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{config::PipelineName, record::Side};

/// Why a value is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// The record is new on the other side.
    Created,
    /// This side changed, the other did not.
    Changed(Side),
    /// Both changed; the policy says whose value wins.
    ConflictWon(Side),
    /// Both changed; a person said whose value wins.
    Resolved(Side),
    /// No history and they differ; the policy says whose value goes across.
    FirstDifference(Side),
    /// No history and one side has nothing.
    FilledBlank,
    /// The other record was deleted on this side, and `deletes` carries that over.
    Deleted(Side),
    /// A side that is only written (the target of a one-way pipeline or field) was edited, and `drift: put-back`.
    PutBack,
    /// A person took back the run that had overwritten it.
    Reverted,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Created => write!(f, "new record"),
            Self::Changed(side) => write!(f, "changed on the {side}"),
            Self::ConflictWon(side) => write!(f, "changed on both sides; conflicts: {side}-wins"),
            Self::Resolved(side) => write!(f, "changed on both sides; a person chose the {side}"),
            Self::FirstDifference(side) => write!(f, "differs without history; differences: {side}-wins"),
            Self::FilledBlank => write!(f, "blank there; differences: fill-blanks"),
            Self::Deleted(side) => write!(f, "deleted on the {side}; deletes: propagate"),
            Self::Reverted => write!(f, "a person took back what was written"),
            Self::PutBack => write!(f, "edited against the direction; drift: put-back"),
        }
    }
}

/// What kind of trouble put a record or field aside. Stable: shown to people and used by programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ParkCode {
    /// Both sides changed the field to different values.
    Conflict,
    /// The pair differs and has no history.
    Difference,
    /// Several records match, or tiers name different ones.
    Ambiguous,
    /// The one record that matches is linked with another.
    Taken,
    /// A tier with `then: propose` found a candidate; a person decides.
    Proposed,
    /// The value has no counterpart (table, kind, several values).
    Unmappable,
    /// The remote refused the write.
    Refused,
    /// The remote took the write and kept the old value.
    NotTaken,
    /// The remote answered with another value than sent, and nothing declared explains it.
    Reshaped,
    /// It is unknown whether an earlier write was carried out, and there is no way to look.
    Unknown,
    /// The remote answered with an id that is linked already.
    IdTaken,
    /// A check on the remote's figures does not hold.
    Expectation,
    /// It was written to and fro, again and again.
    FlipFlop,
    /// A person took back what was written: the sides differ until one of them changes.
    Reverted,
    /// A person approved an edit of the configuration but for this record: the sides differ until one of them changes.
    LeftOut,
    /// The remote takes it when a record is made, and no change: of such records at all, or of this field.
    Unchangeable,
    /// Deleted on one side and edited on the other: an edit beats a deletion.
    DeletedAndEdited,
    /// Another pipeline links the record and writes the same values of it.
    TwoWriters,
    /// A row of a file cannot be read.
    Unreadable,
}

impl ParkCode {
    /// Whether a person said that it shall not be written, so that only a person's choice or another value ends that.
    #[must_use]
    pub const fn by_a_person(self) -> bool {
        matches!(self, Self::Reverted | Self::LeftOut)
    }

    /// What a person can do about it.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::Conflict => "choose a side with `conflicts resolve`, or make both sides the same",
            Self::Difference => {
                "choose a side with `conflicts resolve`, set `differences:`, or make both sides the same"
            }
            Self::Ambiguous => "link the right one with `links add`, or make the match keys unique",
            Self::Taken => "change the match key of one of them, or remove the wrong link with `links remove`",
            Self::Proposed => "link it with `links add` if it is the same, else change one of them",
            Self::Unmappable => "correct the value, or extend the table or transform",
            Self::Refused => "correct what the remote complains about; it is tried again on any change",
            Self::NotTaken => "the remote does not let this field be changed; make it one-way or leave it out",
            Self::Reshaped => "check the value on the remote; declare its canonical form in the connector",
            Self::Unknown => "look whether the record exists on the remote, then `links add` it or `parked retry`",
            Self::IdTaken => "two records seem to be one on the remote; look at both, then correct the link",
            Self::Reverted | Self::LeftOut => {
                "choose a side with `conflicts resolve`, or edit one of them: then it goes on as always"
            }
            Self::FlipFlop => {
                "find what changes it back on one of the sides (a rule of that system, another pipeline); then \
                 `conflicts resolve`, make the field one-way, or declare how the system reshapes it"
            }
            Self::Expectation => "compare the record's figures on both sides",
            Self::TwoWriters => {
                "make the filters of both pipelines exclude each other, remove the link of the other with `links remove`, or \
                 let the fields say `shared: true`"
            }
            Self::Unreadable => "correct the row; it is read again with the next run",
            Self::Unchangeable => {
                "correct it on the remote by hand, or take the change back; with `write: on-create` the field is left alone"
            }
            Self::DeletedAndEdited => {
                "delete it by hand if it shall go; if it shall stay, nothing is to be done, and `parked ignore` takes it \
                 off the list"
            }
        }
    }
}

impl fmt::Display for ParkCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Conflict => "conflict",
            Self::Difference => "difference",
            Self::Ambiguous => "ambiguous",
            Self::Taken => "taken",
            Self::Proposed => "proposed",
            Self::Unmappable => "unmappable",
            Self::Refused => "refused",
            Self::NotTaken => "not-taken",
            Self::Reshaped => "reshaped",
            Self::Unknown => "unknown-outcome",
            Self::IdTaken => "id-taken",
            Self::Expectation => "expectation",
            Self::TwoWriters => "two-writers",
            Self::FlipFlop => "flip-flop",
            Self::Reverted => "reverted",
            Self::LeftOut => "left-out",
            Self::Unchangeable => "unchangeable",
            Self::DeletedAndEdited => "deleted-and-edited",
            Self::Unreadable => "unreadable",
        })
    }
}

/// Something a decision did not do, and why. Findings are listed; nothing that is not written goes unsaid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// What it is.
    pub kind: FindingKind,
    /// The field, by its name for people; `None` speaks of the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// A sentence for people.
    pub message: String,
}

/// Kinds of findings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// Put aside until something changes or a person decides.
    Parked(ParkCode),
    /// Observed, kept, and neither sent nor overwritten: a cleared value, an edit against the direction, an edit of a
    /// record whose other side is gone.
    Pending,
    /// Waits for a record of this pipeline to be linked.
    Waiting(PipelineName),
    /// The filter does not admit it.
    Rejected,
    /// Left out by rule: before the cut-over, deleted, or not the one to keep.
    Skipped,
}
