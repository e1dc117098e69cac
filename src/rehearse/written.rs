//! A file of tests as it is written: shape only.

use std::{borrow::Cow, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::config::{
    diagnostic::{Report, error},
    tree::{Node, NodeValue},
    written::{At, Decode, Named, OneOrMany, text_of, words, written},
};

written! {
    /// A file of tests (`*.test.yaml`): what the configuration beside it must do. Nothing is sent to any system.
    TestFileW as "a file of tests" {
        /// Values of environment variables. One that is not given stands for an address made of its name.
        may env: Named<At<String>>,
        /// How systems behave in every test of this file, by resource (`xero/contacts`) or connection (`xero`).
        may systems: Named<SystemW>,
        /// Records that are there at the beginning of every test of this file, by resource.
        may given: Named<RecordsW>,
        /// The tests, by name.
        need tests: Named<TestW>,
    }
}

words! {
    /// What becomes of first runs.
    FirstW as "way to begin" { Approved = "approved", Waiting = "waiting", }
}

written! {
    /// A test: what is there, what happens, and what must come of it.
    TestW as "a test" {
        /// What it shows, for people.
        may about: At<String>,
        /// The integration (an agency's client), or several. Needed where the folder holds more than one.
        may integration: OneOrMany<At<String>>,
        /// When it begins, by the clocks of the integration: `2026-06-01 16:00`. Default: 2026-06-01 09:00.
        may at: At<String>,
        /// `approved`: what is given is synced once, and the first run approved, before the first step; `waiting`: nothing
        /// runs before the first step but what the daemon does by itself. Default: approved.
        may first_run: At<FirstW>,
        /// How systems behave, by resource (`xero/contacts`) or connection (`xero`).
        may systems: Named<SystemW>,
        /// Records that are there at the beginning, by resource.
        may given: Named<RecordsW>,
        /// Pairs that are linked before the first sync, by pipeline: the source record's id, and the target record's.
        may links: Named<Named<At<String>>>,
        /// What happens, in this order.
        may steps: Vec<StepW>,
        /// What must be so at the end.
        may expect: ExpectW,
    }
}

written! {
    /// How a system behaves, beyond what its connector's manifest says.
    SystemW as "the behaviour of a system" {
        /// Values that the system itself puts into each new record which somebody else makes.
        may adds: RecordW,
        /// How many records a page of a listing holds. Default: 100.
        may page: At<u64>,
        /// Of a connection: how far its clock is ahead of the daemon's.
        may ahead: At<Duration>,
        /// Of a resource: what the system changes elsewhere by itself when a record is made or changed.
        may then: OneOrMany<ThenW>,
    }
}

written! {
    /// What a system does by itself: a record that another one names gets values.
    ThenW as "what a system does by itself" {
        /// The resource of the record that changes, of the same connection.
        need change: At<String>,
        /// Where its id is in the record that was made or changed: `$.Contact.ContactID`.
        need of: At<String>,
        /// The values that it gets.
        need values: RecordW,
    }
}

/// One record, or several.
pub(crate) type RecordsW = OneOrMany<RecordW>;

/// Names and values of a record. What they mean, the resource says.
#[derive(Clone)]
pub(crate) struct RecordW(pub Node);

impl std::fmt::Debug for RecordW {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("RecordW").field(&self.0.span).finish()
    }
}

impl Decode for RecordW {
    fn decode(node: &Node, report: &Report) -> Option<Self> {
        if node.map().is_none() {
            report.add(
                error("test::wrong_shape", node.span, format!("a record is wanted here, not {}", node.kind()))
                    .help("write { field: value, … } with the names that the system itself uses"),
            );
            return None;
        }
        Some(Self(node.clone()))
    }
}

impl JsonSchema for RecordW {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Record".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object" })
    }
}

/// A list of records, how many there are, or `none`.
#[derive(Clone, Debug)]
pub(crate) enum AmountOfW<T> {
    /// So many.
    Count(At<u64>),
    /// These, each with its place.
    These(Vec<T>),
}

impl<T: Decode> Decode for AmountOfW<T> {
    fn decode(node: &Node, report: &Report) -> Option<Self> {
        match &node.value {
            NodeValue::Scalar(scalar) if scalar.text == "none" => Some(Self::Count(At { value: 0, span: node.span })),
            NodeValue::Scalar(_) => At::<u64>::decode(node, report).map(Self::Count),
            _ => OneOrMany::decode(node, report).map(|many| Self::These(many.0)),
        }
    }
}

impl<T: JsonSchema> JsonSchema for AmountOfW<T> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        format!("Amount of {}", T::schema_name()).into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let item = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [
            { "type": "integer", "minimum": 0 }, { "const": "none" }, item.clone(), { "type": "array", "items": item },
        ] })
    }
}

/// A list, or the word `none` (no item) or `any` (whatever there is).
#[derive(Clone, Debug)]
pub(crate) enum SomeW<T> {
    /// Whatever there is.
    Any,
    /// Exactly these.
    These(Vec<T>),
}

impl<T: Decode> Decode for SomeW<T> {
    fn decode(node: &Node, report: &Report) -> Option<Self> {
        match node.scalar().map(|scalar| scalar.text.as_str()) {
            Some("none") => Some(Self::These(Vec::new())),
            Some("any") => Some(Self::Any),
            _ => OneOrMany::decode(node, report).map(|many| Self::These(many.0)),
        }
    }
}

impl<T: JsonSchema> JsonSchema for SomeW<T> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        format!("Some {}", T::schema_name()).into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let item = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [{ "enum": ["none", "any"] }, item.clone(), { "type": "array", "items": item }] })
    }
}

/// Writes by resource, or none at all.
#[derive(Clone, Debug)]
pub(crate) struct WritesW(pub Named<AmountOfW<WriteW>>);

impl Decode for WritesW {
    fn decode(node: &Node, report: &Report) -> Option<Self> {
        if node.scalar().is_some_and(|scalar| scalar.text == "none") {
            return Some(Self(Named::default()));
        }
        Named::decode(node, report).map(Self)
    }
}

impl JsonSchema for WritesW {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Writes".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let named = generator.subschema_for::<Named<AmountOfW<WriteW>>>();
        json_schema!({ "anyOf": [{ "const": "none" }, named] })
    }
}

written! {
    /// A write that was sent. Of its values only those given are compared.
    WriteW as "a write" {
        /// Values of the record that is made.
        may create: RecordW,
        /// The id of the record that is changed.
        may update: At<String>,
        /// The id of the record that is deleted.
        may delete: At<String>,
        /// Of an update: values that are sent.
        may values: RecordW,
    }
}

written! {
    /// Something that is put aside for a person. What is not given is not compared.
    ParkedW as "something parked" {
        /// The pipeline.
        may pipeline: At<String>,
        /// The record: its id, or its name for people.
        may record: At<String>,
        /// The field, where only a field is parked.
        may field: At<String>,
        /// The code, as `conflict` or `refused`.
        may code: At<String>,
        /// A part of what it says.
        may says: At<String>,
    }
}

written! {
    /// What must be so.
    ExpectW as "an expectation" {
        /// All records of a resource, in any order; of each, only the values given are compared. Or how many.
        may records: Named<AmountOfW<RecordW>>,
        /// Records that a resource holds beside others.
        may includes: Named<RecordsW>,
        /// Every write that was sent since the last `writes` before this, or since the first step.
        may writes: WritesW,
        /// What is parked. Default at the end of a test: nothing.
        may parked: SomeW<ParkedW>,
        /// Pipelines that wait for a person's approval.
        may held: SomeW<At<String>>,
        /// When the runs since the last `runs` before this, or since the first step, began: `16:04` or `16:04:30`.
        may runs: SomeW<At<String>>,
    }
}

words! {
    /// What goes wrong with calls.
    MishapW as "trouble" {
        Down = "down", NoAnswer = "no-answer", LostAnswer = "lost-answer", Refused = "refused", Limit = "limit",
        Login = "login",
    }
}
words! {
    /// Which calls.
    DuringW as "kind of call" { Reads = "reads", Writes = "writes", }
}

written! {
    /// Calls that go wrong from now on.
    TroubleW as "trouble" {
        /// The connection or the resource.
        need on: At<String>,
        /// down (not reached), no-answer (not carried out, and nobody says so), lost-answer (carried out, and nobody says
        /// so), refused (each record, with what it `says`), limit (too many calls), login (not let in).
        need what: At<MishapW>,
        /// How many calls. Default: one for no-answer and lost-answer, else every call until `works_again`.
        may calls: At<u64>,
        /// For how long, in place of `calls`.
        may lasts: At<Duration>,
        /// Only reads, or only writes. Default: writes for no-answer, lost-answer and refused; else both.
        may during: At<DuringW>,
        /// Only writes of records that hold these values.
        may of: RecordW,
        /// What the system says.
        may says: At<String>,
    }
}

words! {
    /// When a daemon dies.
    MomentW as "moment" { Before = "before", After = "after", }
}

written! {
    /// The daemon dies at the next write, and a new one starts.
    CrashW as "a crash" {
        /// At a write to this connection or resource.
        need at_write_to: At<String>,
        /// Before the write is carried out, or after it and before its answer is there. Default: after.
        may moment: At<MomentW>,
    }
}

written! {
    /// An edit of the configuration, taken over by a daemon that starts with it.
    ConfigEditW as "an edit of the configuration" {
        /// The file, below the configuration folder.
        need file: At<String>,
        /// A text in it, which is there once.
        need replace: At<String>,
        /// What stands there from now on.
        need with: At<String>,
    }
}

words! {
    /// A side.
    WinnerW as "side" { Source = "source", Target = "target", }
}

written! {
    /// A person chooses the side whose value wins.
    ResolveW as "a decision" {
        /// The pipeline.
        need pipeline: At<String>,
        /// The record's id on either side.
        need record: At<String>,
        /// Only this field.
        may field: At<String>,
        /// source or target.
        need winner: At<WinnerW>,
    }
}

written! {
    /// What happens: one of these.
    StepMapW as "a step" {
        /// People make records, by resource.
        may create: Named<RecordsW>,
        /// People change records, by resource and id (`website/contacts/c1`): the values that change.
        may edit: Named<RecordW>,
        /// People delete records, by resource and id.
        may delete: OneOrMany<At<String>>,
        /// Time passes, and the daemon does what its schedule says.
        may advance: At<Duration>,
        /// Time passes until the clocks show this: `16:04`, or `2026-06-02 06:00`.
        may until: At<String>,
        /// A run by hand: `all`, `full`, or pipelines.
        may sync: OneOrMany<At<String>>,
        /// The system calls to say that something changed (a webhook): the connection, or several.
        may hook: OneOrMany<At<String>>,
        /// Calls go wrong from now on.
        may trouble: TroubleW,
        /// The trouble with this connection ends, or with `all`.
        may works_again: At<String>,
        /// The daemon dies: `now`, or at the next write.
        may crash: CrashFormW,
        /// The configuration is edited.
        may config: ConfigEditW,
        /// A person approves what is held: a pipeline, or the integration.
        may approve: At<String>,
        /// A person rejects what is held.
        may reject: At<String>,
        /// A person chooses a side of a conflict.
        may resolve: ResolveW,
        /// A person has everything that is parked in a pipeline looked at again.
        may retry: At<String>,
        /// What must be so by now.
        may expect: ExpectW,
    }
}

/// `now`, or at the next write.
#[derive(Clone, Debug)]
pub(crate) enum CrashFormW {
    /// At once.
    Now,
    /// At the next write.
    At(Box<CrashW>),
}

impl Decode for CrashFormW {
    fn decode(node: &Node, report: &Report) -> Option<Self> {
        if node.map().is_some() {
            return CrashW::decode(node, report).map(|crash| Self::At(Box::new(crash)));
        }
        let text = text_of(node, "a crash", report)?;
        if text.text == "now" {
            return Some(Self::Now);
        }
        report.add(
            error("test::bad_value", node.span, format!("`{}` is no crash", text.text))
                .help("write crash: now, or crash: { at_write_to: xero/contacts, moment: after }"),
        );
        None
    }
}

impl JsonSchema for CrashFormW {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Crash form".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let long = generator.subschema_for::<CrashW>();
        json_schema!({ "anyOf": [{ "const": "now" }, long] })
    }
}

/// A step: a map with one key, or the bare word `sync` or `crash`.
#[derive(Clone, Debug)]
pub(crate) enum StepW {
    /// A word.
    Word(At<String>),
    /// A map.
    Map(Box<StepMapW>),
}

/// The steps that a bare word stands for.
pub(crate) const STEP_WORDS: [&str; 2] = ["sync", "crash"];

impl Decode for StepW {
    fn decode(node: &Node, report: &Report) -> Option<Self> {
        let Some(scalar) = node.scalar() else {
            let step = StepMapW::decode(node, report)?;
            let one = step.given().len() == 1 || !step.broken.is_empty();
            if !one {
                let found = step.given().len();
                report.add(
                    error(
                        "test::one_step",
                        node.span,
                        format!("a step is one thing that happens; this one has {found}"),
                    )
                    .help("write each as a step of its own, beginning with `- `"),
                );
                return None;
            }
            return Some(Self::Map(Box::new(step)));
        };
        if !STEP_WORDS.contains(&scalar.text.as_str()) {
            report.add(
                error("test::unknown_step", node.span, format!("`{}` is no step", scalar.text))
                    .label("not known")
                    .maybe_help(crate::config::nearest::suggest(
                        &scalar.text,
                        STEP_WORDS.iter().copied().chain(StepMapW::KEYS.iter().copied()).collect::<Vec<_>>(),
                    )),
            );
            return None;
        }
        Some(Self::Word(At { value: scalar.text.clone(), span: node.span }))
    }
}

impl JsonSchema for StepW {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Step form".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let map = generator.subschema_for::<StepMapW>();
        json_schema!({ "anyOf": [{ "enum": STEP_WORDS }, map] })
    }
}
