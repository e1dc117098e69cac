//! Pipelines.

use std::borrow::Cow;

use chrono::NaiveDate;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{
    AnyNode, ApplyW, At, BlackoutW, BlanksW, ConflictsW, CreatesW, DebounceW, DeletesW, DirectionW, DriftW, FieldW,
    FiltersW, FirstRunW, FromText, GuardsW, KeepW, OnLeaveW, OneOrMany, ResourceRefW, RestW, ScheduleW, ThenW,
    TransformW, short_or_long, written,
};
use crate::{
    config::{
        diagnostic::{Report, error},
        tree::{Node, NodeValue},
    },
    record::Path,
};

written! {
    /// Keeps the records of two resources the same. At the top level it also takes the keys of an integration.
    PipelineW as "a pipeline" {
        /// `connection/resource`; or { resource, each, id }: one record per element of a list, or per date.
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
        /// Checks on figures that each system works out by itself (totals), after every write and whenever one changes.
        may expect: OneOrMany<ExpectW>,
        /// Pipelines that must come first.
        may needs: OneOrMany<At<String>>,
        /// The name it had before (`acme/contacts`): what is remembered of it moves along.
        may moved_from: At<String>,
        /// Source records dated before this day are ignored.
        may cut_over: CutOverW,
        /// Whether there is this pipeline: `"${params.payments}"` in a template, `"${env:PAYMENTS:-false}"` elsewhere, or `{ not: … }`.
        may when: AnyNode,
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
        /// Top level only: when nothing is written to any system; reads and plans go on.
        may blackouts: OneOrMany<BlackoutW>,
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

written! {
    /// A check on a figure that each system works out by itself: a record of which it does not hold is put aside.
    ExpectW as "expect" {
        /// Path on the source.
        need source: At<Path>,
        /// Path on the target.
        need target: At<Path>,
        /// Allowed difference. Default: 0.
        may within: At<rust_decimal::Decimal>,
    }
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
