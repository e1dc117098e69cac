//! Integrations and pipelines.

use std::{borrow::Cow, time::Duration};

use chrono::NaiveDate;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{
    AmountW, At, CronLine, Decode, FieldW, FiltersW, FromText, Later, Named, OneOrMany, TransformW, text_of, words,
    written,
};
use crate::{
    config::{
        diagnostic::{Report, error},
        tree::{Node, NodeValue},
    },
    record::Path,
};

written! {
    /// Pipelines that are switched on and off together, with one batch window and one schedule.
    IntegrationW as "an integration" {
        /// Whether anything starts by itself. Default: true.
        may automatic: At<bool>,
        /// `automatic` plans and writes; `observe` plans and writes nothing. Default: automatic.
        may apply: At<ApplyW>,
        /// The time zone of schedules and of `today`. Default: UTC.
        may timezone: At<chrono_tz::Tz>,
        /// How long to gather changes before a run.
        may debounce: DebounceW,
        /// When to look.
        may schedule: ScheduleW,
        /// How the first run of its pipelines goes, unless they say otherwise.
        may first_run: FirstRunW,
        /// Its pipelines.
        may pipelines: Named<PipelineW>,
        /// A template. Not in this version.
        may template: Later,
        /// Values for a template. Not in this version.
        may with: Later,
        /// Changes to a template. Not in this version.
        may overrides: Later,
    }
}

written! {
    /// Keeps the records of two resources the same. At the top level it also takes the keys of an integration.
    PipelineW as "a pipeline" {
        /// `connection/resource`.
        need source: ResourceRefW,
        /// `connection/resource`.
        need target: ResourceRefW,
        /// Which way: two-way, source-to-target or target-to-source.
        need direction: At<DirectionW>,
        /// How records that are not linked find each other.
        may is_match ["match"]: OneOrMany<TierW>,
        /// Of several source records with the same value only one enters.
        may unique: UniqueW,
        /// Which records may enter.
        may filters: FiltersW,
        /// What corresponds.
        need fields: Vec<FieldW>,
        /// What happens when both sides changed a field. Default: park.
        may conflicts: ConflictsW,
        /// What happens to deletions. Default: ignore.
        may deletes: DeletesW,
        /// Which sides records may be created on. Default: both for two-way, else the target.
        may creates: At<CreatesW>,
        /// What happens to a link whose record leaves its filter. Default: keep.
        may on_leave: At<OnLeaveW>,
        /// What happens to edits of the target of a one-way pipeline. Default: leave.
        may drift: At<DriftW>,
        /// What a cleared value does. Default: keep.
        may blanks: At<BlanksW>,
        /// How the first run goes.
        may first_run: FirstRunW,
        /// Limits on damage.
        may guards: GuardsW,
        /// Checks on the remote's own figures after a write.
        may expect: OneOrMany<ExpectW>,
        /// Pipelines that must come first.
        may needs: OneOrMany<At<String>>,
        /// Source records dated before this day are ignored.
        may cut_over: CutOverW,
        /// When this pipeline exists at all (templates). Not in this version.
        may when: Later,
        /// Top level only: whether anything starts by itself. Default: true.
        may automatic: At<bool>,
        /// Top level only: `automatic` or `observe`. Default: automatic.
        may apply: At<ApplyW>,
        /// Top level only: the time zone of schedules and of `today`. Default: UTC.
        may timezone: At<chrono_tz::Tz>,
        /// Top level only: how long to gather changes before a run.
        may debounce: DebounceW,
        /// Top level only: when to look.
        may schedule: ScheduleW,
    }
}

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

/// `connection/resource`.
#[derive(Clone, Debug)]
pub(crate) struct ResourceRefW {
    /// As written.
    pub name: At<String>,
}

impl Decode for ResourceRefW {
    fn decode(node: &Node, report: &Report) -> Option<Self> {
        if let NodeValue::Map(map) = &node.value {
            for (key, value) in &map.entries {
                match key.text.as_str() {
                    "resource" => {}
                    "each" | "id" => report.add(
                        error(
                            "config::not_in_this_version",
                            key.span,
                            "a source of one record per element is not in this version",
                        )
                        .label("not in this version")
                        .help("give the resource alone: source: connection/resource"),
                    ),
                    _ => super::unknown_key(key, value, map, &["resource", "each", "id"], "a source", report),
                }
            }
            let Some(name) = map.get("resource") else {
                super::missing_key(node.span, "resource", "a source", "write connection/resource", report);
                return None;
            };
            return At::decode(name, report).map(|name| Self { name });
        }
        At::decode(node, report).map(|name| Self { name })
    }
}

impl JsonSchema for ResourceRefW {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "ResourceRef".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[a-z0-9-]+/.+$", "examples": ["website/contacts"] })
    }
}

written! {
    /// A way for unlinked records to find each other: one pair of values, or several that must `all` agree.
    TierW as "a match tier" {
        /// Path on the source.
        may source: At<Path>,
        /// Path on the target.
        may target: At<Path>,
        /// Applied to both before comparing.
        may normalize: OneOrMany<TransformW>,
        /// Several pairs that must all agree.
        may all: Vec<PairW>,
        /// What a single candidate means: link it, or propose it to a person. Default: link.
        may then: At<ThenW>,
    }
}

written! {
    /// A pair of values.
    PairW as "a match pair" {
        /// Path on the source.
        need source: At<Path>,
        /// Path on the target.
        need target: At<Path>,
        /// Applied to both before comparing.
        may normalize: OneOrMany<TransformW>,
    }
}

written! {
    /// Of several source records with the same value only one enters.
    UniqueW as "unique" {
        /// The value.
        need by: At<Path>,
        /// Which one: `linked-then-first`.
        may keep: At<KeepW>,
        /// Order among those not linked; then by id.
        may order: OneOrMany<At<Path>>,
        /// What happens to the others: `skip`.
        may rest: At<RestW>,
    }
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
        match &node.value {
            NodeValue::Map(map) => match map.entries.as_slice() {
                [(key, value)] if key.text == "newest-wins" => {
                    Box::<NewestW>::decode(value, report).map(|mut newest| {
                        newest.span = key.span;
                        Self::Newest(newest)
                    })
                }
                _ => {
                    let span = map.entries.first().map_or(node.span, |(key, _)| key.span);
                    report.add(error("config::bad_value", span, "this is no rule for conflicts").help(CONFLICT_FORMS));
                    None
                }
            },
            _ => {
                let scalar = text_of(node, "a rule for conflicts", report)?;
                if scalar.text == "newest-wins" {
                    return Some(Self::Newest(Box::new(NewestW { span: node.span, ..NewestW::default() })));
                }
                let Some(value) = WinnerW::of(&scalar.text) else {
                    report.add(
                        error("config::bad_word", node.span, format!("`{}` is no rule for conflicts", scalar.shown()))
                            .help(CONFLICT_FORMS),
                    );
                    return None;
                };
                Some(Self::Plain(At { value, span: node.span }))
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
        let newest = generator.subschema_for::<NewestW>();
        json_schema!({ "anyOf": [
            { "enum": ["park", "source-wins", "target-wins", "newest-wins"] },
            { "type": "object", "properties": { "newest-wins": newest }, "required": ["newest-wins"], "additionalProperties": false },
        ] })
    }
}

/// What happens to deletions: one word, or a map per direction.
#[derive(Clone, Debug)]
pub(crate) struct DeletesW {
    /// Where a deletion is to be carried over.
    pub propagate: Option<crate::config::source::Span>,
}

written! {
    /// What deletions do, per direction.
    DeletesMapW as "deletes" {
        /// On the source, carried to the target.
        may to_target ["to-target"]: At<DeleteW>,
        /// On the target, carried to the source.
        may to_source ["to-source"]: At<DeleteW>,
        /// Which records.
        may only: At<OnlyW>,
    }
}

const DELETE_FORMS: &str =
    "write `deletes: ignore`, or per direction `deletes: { to-target: ignore, to-source: ignore }`";

impl Decode for DeletesW {
    fn decode(node: &Node, report: &Report) -> Option<Self> {
        let propagating =
            |at: &Option<At<DeleteW>>| at.as_ref().filter(|at| at.value == DeleteW::Propagate).map(|at| at.span);
        if matches!(&node.value, NodeValue::Map(_)) {
            let map = DeletesMapW::decode(node, report)?;
            return Some(Self { propagate: propagating(&map.to_target).or_else(|| propagating(&map.to_source)) });
        }
        let scalar = text_of(node, "a rule for deletions", report)?;
        match DeleteW::of(&scalar.text) {
            Some(DeleteW::Ignore) => Some(Self { propagate: None }),
            Some(DeleteW::Propagate) => Some(Self { propagate: Some(node.span) }),
            None => {
                report.add(
                    error("config::bad_word", node.span, format!("`{}` is no rule for deletions", scalar.shown()))
                        .help(DELETE_FORMS),
                );
                None
            }
        }
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
        json_schema!({ "anyOf": [{ "enum": ["ignore"] }, map] })
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
        /// Linked records that an edit of the configuration may change. Not in this version.
        may config_edit: Later,
    }
}

written! {
    /// A check on the remote's own figures after a write.
    ExpectW as "expect" {
        /// Path on the source.
        need source: At<Path>,
        /// Path on the target.
        need target: At<Path>,
        /// Allowed difference. Default: 0.
        may within: At<rust_decimal::Decimal>,
    }
}

/// Short (`2m`) or long form of something with a duration.
macro_rules! short_or_long {
    ($(#[doc = $doc:literal])* $name:ident, $long:ident, $field:ident: $type:ty, $wanted:literal, $forms:literal) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug)]
        pub(crate) struct $name(pub $long);

        impl Decode for $name {
            fn decode(node: &Node, report: &Report) -> Option<Self> {
                if matches!(&node.value, NodeValue::Map(_)) {
                    return $long::decode(node, report).map(Self);
                }
                let scalar = text_of(node, $wanted, report)?;
                match <$type>::from_text(&scalar.text, scalar.plain) {
                    Ok(value) => Some(Self($long {
                        span: node.span,
                        $field: Some(At { value, span: node.span }),
                        ..$long::default()
                    })),
                    Err((why, _)) => {
                        let why = if why.is_empty() { String::new() } else { format!(": {why}") };
                        report.add(
                            error(<$type>::CODE, node.span, format!("`{}` is not {}{why}", scalar.shown(), $wanted))
                                .help($forms),
                        );
                        None
                    }
                }
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                let (short, long) = (generator.subschema_for::<At<$type>>(), generator.subschema_for::<$long>());
                json_schema!({ "anyOf": [short, long] })
            }
        }
    };
}

written! {
    /// The batch window.
    DebounceMapW as "debounce" {
        /// Quiet time that closes it.
        need wait: At<Duration>,
        /// Longest time it stays open. Default: as `wait`.
        may max_wait: At<Duration>,
    }
}
short_or_long! {
    /// The batch window.
    DebounceW, DebounceMapW, wait: Duration, "a batch window",
    "write `debounce: 2m`, or `debounce: { wait: 2m, max_wait: 10m }`"
}

written! {
    /// Where a record's date is, and the day before which records are ignored.
    CutOverMapW as "cut_over" {
        /// The date of a source record.
        need path: At<Path>,
        /// The first day that counts.
        need from: At<NaiveDate>,
    }
}
short_or_long! {
    /// From which day on source records count.
    CutOverW, CutOverMapW, from: NaiveDate, "a date",
    "write `cut_over: 2026-07-01`, or `cut_over: { path: $.sold_at, from: 2026-07-01 }`"
}

written! {
    /// When to look.
    ScheduleW as "schedule" {
        /// Poll interval per connection.
        may poll: Named<At<Duration>>,
        /// Runs besides those that changes start.
        may sync: SyncW,
        /// Every so often everything is read and compared. Default: 24h.
        may full_read: FullReadW,
    }
}

written! {
    /// Runs besides those that changes start.
    SyncW as "sync" {
        /// So long after the end of the last run.
        may after_idle: At<Duration>,
        /// At these times of the integration's time zone: crontab(5) lines.
        may cron: OneOrMany<At<CronLine>>,
        /// Spreads the start over this time. Not in this version.
        may spread: Later,
    }
}

/// `24h` or `never`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Every(pub Option<Duration>);

impl FromText for Every {
    const CODE: &'static str = "config::bad_duration";
    const WANTED: &'static str = "a duration or `never`";
    const HELP: &'static str = "write a number and a unit as 24h, or `never`";
    fn from_text(text: &str, plain: bool) -> Result<Self, (String, usize)> {
        if text == "never" { Ok(Self(None)) } else { Duration::from_text(text, plain).map(|every| Self(Some(every))) }
    }
    fn schema() -> Schema {
        json_schema!({ "type": "string", "examples": ["24h", "never"] })
    }
}

written! {
    /// Every so often everything is read and compared.
    FullReadMapW as "full_read" {
        /// How often, or `never`.
        need every: At<Every>,
    }
}
short_or_long! {
    /// Every so often everything is read and compared.
    FullReadW, FullReadMapW, every: Every, "a duration or `never`",
    "write `full_read: 24h`, `full_read: { every: 24h }` or `full_read: never`"
}
