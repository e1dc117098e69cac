//! Policies of pipelines and fields.

use std::{borrow::Cow, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{AmountW, At, Decode, text_of, words, written};
use crate::config::{
    diagnostic::{Report, error},
    tree::{Node, NodeValue},
};

words! {
    /// Which way a pipeline or field flows.
    DirectionW as "direction" { TwoWay = "two-way", ToTarget = "source-to-target", ToSource = "target-to-source", }
}
words! {
    /// Whether runs write.
    ApplyW as "way to apply" { Automatic = "automatic", Observe = "observe", }
}
words! {
    /// Which sides records may be created on.
    CreatesW as "choice for creates" { Both = "both", ToTarget = "to-target", ToSource = "to-source", None = "none", }
}
words! {
    /// What happens to a link whose record leaves its filter.
    OnLeaveW as "choice for on_leave" { Keep = "keep", Pause = "pause", Release = "release", }
}
words! {
    /// What happens to edits of the target of a one-way pipeline.
    DriftW as "choice for drift" { Leave = "leave", Report = "report", PutBack = "put-back", }
}
words! {
    /// What a cleared value does.
    BlanksW as "choice for blanks" { Keep = "keep", Propagate = "propagate", }
}
words! {
    /// What happens when linked records differ without history.
    DifferencesW as "choice for differences" {
        FillBlanks = "fill-blanks", Park = "park", SourceWins = "source-wins", TargetWins = "target-wins",
    }
}
words! {
    /// What a side can do in a conflict.
    WinnerW as "choice for conflicts" { Park = "park", SourceWins = "source-wins", TargetWins = "target-wins", }
}
words! {
    /// Whether the first run waits for a person.
    FirstApplyW as "choice for first_run.apply" { Approve = "approve", Automatic = "automatic", }
}
words! {
    /// What one candidate means.
    ThenW as "choice for then" { Link = "link", Propose = "propose", }
}
words! {
    /// Which of several records enters.
    KeepW as "choice for keep" { LinkedThenFirst = "linked-then-first", }
}
words! {
    /// What happens to the others.
    RestW as "choice for rest" { Skip = "skip", }
}
words! {
    /// What a deletion does.
    DeleteW as "choice for deletes" { Ignore = "ignore", Propagate = "propagate", }
}
words! {
    /// Which deletions.
    OnlyW as "choice for only" { BornOnSource = "born-on-source", BornOnTarget = "born-on-target", }
}

/// What happens when both sides changed a field.
#[derive(Clone, Debug)]
pub(crate) enum ConflictsW {
    /// A plain rule.
    Plain(At<WinnerW>),
    /// The later edit.
    Newest(Box<NewestW>),
}

written! {
    /// The later edit wins.
    NewestW as "newest-wins" {
        /// Stamps closer than this decide nothing. Default: 5s.
        may skew: At<Duration>,
        /// What happens then. Default: park.
        may otherwise: At<WinnerW>,
    }
}

const CONFLICT_FORMS: &str = "write `conflicts: park` (or `source-wins`, `target-wins`), or `conflicts: { newest-wins: { skew: 5s, otherwise: park } }`";

impl Decode for ConflictsW {
    fn decode(node: &Node, report: &Report) -> Option<Self> {
        let refuse = |finding: crate::config::diagnostic::Finding| {
            report.add(finding.help(CONFLICT_FORMS));
            None
        };
        if let NodeValue::Map(map) = &node.value {
            if let [(key, value)] = map.entries.as_slice()
                && key.text == "newest-wins"
            {
                let newest = Box::<NewestW>::decode(value, report)?;
                return Some(Self::Newest(Box::new(NewestW { span: key.span, ..*newest })));
            }
            let span = map.entries.first().map_or(node.span, |(key, _)| key.span);
            return refuse(error("config::bad_value", span, "this is no rule for conflicts"));
        }
        let scalar = text_of(node, "a rule for conflicts", report)?;
        if scalar.text == "newest-wins" {
            return Some(Self::Newest(Box::new(NewestW { span: node.span, ..NewestW::default() })));
        }
        match WinnerW::of(&scalar.text) {
            Some(value) => Some(Self::Plain(At { value, span: node.span })),
            None => {
                refuse(error("config::bad_word", node.span, format!("`{}` is no rule for conflicts", scalar.shown())))
            }
        }
    }
}

impl JsonSchema for ConflictsW {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Conflicts".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let newest = crate::config::written::described(
            generator.subschema_for::<NewestW>(),
            "The later edit wins, by the systems' own stamps.".to_owned(),
        );
        json_schema!({ "anyOf": [
            { "enum": ["park", "source-wins", "target-wins", "newest-wins"] },
            { "type": "object", "properties": { "newest-wins": newest }, "required": ["newest-wins"], "additionalProperties": false },
        ] })
    }
}

/// What happens to deletions: one word, or a map per direction.
#[derive(Clone, Debug)]
pub(crate) enum DeletesW {
    /// The same everywhere the pipeline writes.
    Plain(At<DeleteW>),
    /// Per direction.
    PerDirection(Box<DeletesMapW>),
}

written! {
    /// What deletions do, per direction.
    DeletesMapW as "deletes" {
        /// On the source, carried to the target. Default: ignore.
        may to_target ["to-target"]: At<DeleteW>,
        /// On the target, carried to the source. Default: ignore.
        may to_source ["to-source"]: At<DeleteW>,
        /// Only of pairs whose first record was on this side, the other made of it.
        may only: At<OnlyW>,
    }
}

/// Both forms of `deletes`.
pub(crate) const DELETE_FORMS: &str = "write `deletes: ignore` (or `propagate`), or per direction `deletes: { to-target: propagate, to-source: ignore, only: born-on-source }`";

/// Whether the long form holds a key or a word that it does not know; both forms are shown then.
fn has_stray_words(map: &crate::config::tree::Map, report: &Report) -> bool {
    let mut stray = false;
    for (key, value) in &map.entries {
        let word = value.scalar().map_or("", |scalar| scalar.text.as_str());
        let known = match key.text.as_str() {
            "to-target" | "to-source" => DeleteW::of(word).is_some(),
            "only" => OnlyW::of(word).is_some(),
            name => {
                let message = format!("`{name}` is no key of deletes");
                report.add(error("config::unknown_key", key.span, message).help(DELETE_FORMS));
                stray = true;
                continue;
            }
        };
        if !known {
            let message = format!("`{word}` is no rule for deletions");
            report.add(error("config::bad_word", value.span, message).help(DELETE_FORMS));
            stray = true;
        }
    }
    stray
}

impl Decode for DeletesW {
    fn decode(node: &Node, report: &Report) -> Option<Self> {
        if let NodeValue::Map(map) = &node.value {
            if has_stray_words(map, report) {
                return None;
            }
            return Box::<DeletesMapW>::decode(node, report).map(Self::PerDirection);
        }
        let Some(scalar) = node.scalar() else {
            report.add(
                error("config::wrong_shape", node.span, format!("{} is no rule for deletions", node.kind()))
                    .help(DELETE_FORMS),
            );
            return None;
        };
        let Some(value) = DeleteW::of(&scalar.text) else {
            let message = format!("`{}` is no rule for deletions", scalar.shown());
            report.add(error("config::bad_word", node.span, message).help(DELETE_FORMS));
            return None;
        };
        Some(Self::Plain(At { value, span: node.span }))
    }
}

impl JsonSchema for DeletesW {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Deletes".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let map = generator.subschema_for::<DeletesMapW>();
        json_schema!({ "anyOf": [{ "enum": ["ignore", "propagate"] }, map] })
    }
}

written! {
    /// How the first run goes.
    FirstRunW as "first_run" {
        /// `approve` waits for a person; `automatic` goes by itself. Default: approve.
        may apply: At<FirstApplyW>,
        /// What happens to linked records that differ and have no history. Default: fill-blanks.
        may differences: At<DifferencesW>,
    }
}

written! {
    /// Limits on damage: a number, a percentage of the linked records, or `unlimited`.
    GuardsW as "guards" {
        /// Deletions. Default: 0.
        may deletes: At<AmountW>,
        /// Creations. Default: unlimited.
        may creates: At<AmountW>,
        /// Fields blanked. Default: 10.
        may blanked: At<AmountW>,
        /// Linked records written. Default: 30%, at least 20.
        may touched: At<AmountW>,
        /// Values overwritten by which records are matched, or refer to others. Default: 10%, at least 20.
        may key_changes ["keys"]: At<AmountW>,
        /// Records that an edit of the configuration may change before a person has to approve it. Default: 20.
        may config_edit: At<AmountW>,
    }
}
