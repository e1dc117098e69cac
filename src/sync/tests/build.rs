//! Pipelines, readings and links in few words.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::Value;

use crate::{
    config::{
        Amount, Auth, Blanks, Conflicts, Connection, ConnectionName, Content, Creates, Deletes, Differences, Drift,
        Each, End, Field, FieldEnd, FieldId, Filter, FirstRun, Flow, Guards, IntegrationName, KeyPair, OnLeave,
        Operator, Pipeline, PipelineName, Test, Then, Tier, WriteWhen,
    },
    connector::{AnswerKind, Bodies, FieldTable, LabelTemplate, Manifest, Resource, ThrottleWait, Throttled, Write},
    mapping::Lookups,
    record::{Canon, Path, ProjectionSpec, RecordId, Side, Slot},
    sync::{Born, Context, Decision, FieldState, Fresh, Link, Observation, Settled, decide_link, link_matched},
};

/// Links of other pipelines, and who is referred to.
#[derive(Default)]
pub struct Links {
    pub linked: BTreeMap<(PipelineName, Side, RecordId), RecordId>,
    pub referenced: BTreeMap<PipelineName, BTreeSet<RecordId>>,
}

impl Lookups for Links {
    fn linked(&self, pipeline: &PipelineName, side: Side, id: &RecordId) -> Option<RecordId> {
        self.linked.get(&(pipeline.clone(), side, id.clone())).cloned()
    }

    fn referenced(&self, pipeline: &PipelineName, id: &RecordId) -> Option<bool> {
        self.referenced.get(pipeline).map(|ids| ids.contains(id))
    }

    fn today(&self) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 6, 1).unwrap()
    }
}

pub fn path(text: &str) -> Path {
    Path::parse(text).unwrap()
}

pub fn pipeline_name(text: &str) -> PipelineName {
    PipelineName::parse(text).unwrap()
}

/// 10:00 on 1 June 2026, plus minutes.
pub fn at(minutes: i64) -> DateTime<Utc> {
    "2026-06-01T10:00:00Z".parse::<DateTime<Utc>>().unwrap() + chrono::TimeDelta::minutes(minutes)
}

fn end(name: &str) -> End {
    let manifest = Manifest {
        name: name.to_owned(),
        version: 1,
        settings: BTreeMap::new(),
        base_url: None,
        headers: Vec::new(),
        query: Vec::new(),
        bodies: Bodies::default(),
        auth: Vec::new(),
        refused_when: Vec::new(),
        retry_when: Vec::new(),
        limits: Vec::new(),
        throttled: Throttled { status: 429, when: None, wait: ThrottleWait::RetryAfter, remaining: Vec::new() },
        in_doubt: Duration::from_mins(1),
        lag: Duration::ZERO,
        timeout: Duration::from_mins(1),
        error_messages: Vec::new(),
        webhooks: None,
        resources: BTreeMap::new(),
    };
    let resource = Resource {
        name: "contacts".to_owned(),
        id: path("$.id"),
        updated_at: None,
        version: None,
        label: LabelTemplate::default(),
        web_url: None,
        fields: FieldTable::default(),
        list: None,
        get: None,
        create: None,
        update: Some(update()),
        delete: None,
        gone_when: None,
        merged_into: None,
        also: Vec::new(),
        file: None,
        inbox: None,
        sql: None,
    };
    let connection = Connection {
        name: ConnectionName::parse(name).unwrap(),
        manifest: Arc::new(manifest),
        pinned: false,
        base_url: "http://127.0.0.1/".parse().unwrap(),
        tenant: None,
        settings: BTreeMap::new(),
        auth: Auth::None,
        beside: None,
        webhook_key: None,
        moved_from: None,
        unlimited: true,
    };
    End {
        connection: Arc::new(connection),
        resource: Arc::new(resource),
        spec: ProjectionSpec::default(),
        filter: Filter::All(Vec::new()),
        elements: None,
        spec_hash: 1,
    }
}

fn update() -> Write {
    Write {
        method: "PATCH".to_owned(),
        path: "/contacts/{id}".to_owned(),
        only: true,
        replaces: false,
        id_in_body: None,
        batch: None,
        body: None,
        wrap: None,
        constants: Vec::new(),
        id_header: None,
        read_back: false,
        answer: AnswerKind::Body,
        record: path("$"),
        idempotency: None,
        version: None,
        duplicate: None,
        deletion: None,
        member: None,
        firsts: Vec::new(),
    }
}

/// A two-way pipeline without fields, all else by default.
pub fn pipeline() -> Pipeline {
    Pipeline {
        name: pipeline_name("contacts"),
        integration: IntegrationName::parse("acme").unwrap(),
        ends: [end("website"), end("xero")],
        flow: Flow::TwoWay,
        tiers: Vec::new(),
        moved_from: None,
        unique: None,
        fields: Vec::new(),
        expect: Vec::new(),
        creates: Creates { to_target: true, to_source: true },
        deletes: Deletes::default(),
        on_leave: OnLeave::Keep,
        drift: Drift::Leave,
        first_run: FirstRun { approve: false },
        guards: Guards {
            deletes: Amount::Count(0),
            creates: None,
            blanked: Amount::Count(10),
            touched: Amount::Percent { percent: 30, at_least: 20 },
            config_edit: Amount::Count(20),
            keys: Amount::Percent { percent: 10, at_least: 20 },
        },
        cut_over: None,
        needs: Vec::new(),
        referenced_by: Vec::new(),
        awaited_by: Vec::new(),
        co_writers: Vec::new(),
        known: Vec::new(),
        hash: 7,
    }
}

/// A two-way pipeline of fields with the same name on both sides.
pub fn with_fields(names: &[&str]) -> Pipeline {
    let mut pipeline = pipeline();
    for name in names {
        let path = format!("$.{name}");
        add(&mut pipeline, &path, &path);
    }
    pipeline
}

pub const fn plain() -> Content {
    Content::Mapped { join: None, forward: Vec::new(), backward: Some(Vec::new()), reference: None }
}

fn field_end(spec: &mut ProjectionSpec, text: &str) -> FieldEnd {
    let path = path(text);
    let carry = path.carried_array().map(|array| spec.slot(Slot::Value(array)));
    let slots = vec![spec.slot(Slot::Value(path.clone()))];
    FieldEnd {
        slots,
        paths: vec![path],
        canon: Canon::default(),
        read_only: false,
        create_only: false,
        masked: false,
        carry,
    }
}

/// Adds a field and gives it for changes.
pub fn add<'p>(pipeline: &'p mut Pipeline, source: &str, target: &str) -> &'p mut Field {
    let name = format!("{source} -> {target}").replace("$.", "");
    let ends = [field_end(&mut pipeline.ends[0].spec, source), field_end(&mut pipeline.ends[1].spec, target)];
    pipeline.fields.push(Field {
        id: FieldId(crc32fast::hash(name.as_bytes())),
        definition: 1,
        name,
        ends,
        flow: Flow::TwoWay,
        write: WriteWhen::Always,
        blanks: Blanks::Keep,
        conflicts: Conflicts::Park,
        differences: Differences::FillBlanks,
        content: plain(),
    });
    pipeline.fields.last_mut().unwrap()
}

/// Adds a constant for the target.
pub fn constant<'p>(pipeline: &'p mut Pipeline, value: Value, target: &str) -> &'p mut Field {
    let field = add(pipeline, "$.unused", target);
    field.ends[0] = FieldEnd::default();
    field.flow = Flow::ToTarget;
    field.content = Content::Constant(value);
    field
}

/// Adds a list of lines from `$.lines` to `$.LineItems`: `title` is `Description`, `price` is `UnitAmount`, `no` belongs
/// to `LineItemID`.
pub fn lines(pipeline: &mut Pipeline) -> &mut Field {
    let mut inner = self::pipeline();
    add(&mut inner, "$.title", "$.Description");
    add(&mut inner, "$.price", "$.UnitAmount");
    inner.fields.iter_mut().for_each(|field| field.flow = Flow::ToTarget);
    let field = add(pipeline, "$.lines", "$.LineItems");
    field.flow = Flow::ToTarget;
    field.content = Content::Each(Box::new(Each {
        source_key: path("$.no"),
        target_key: path("$.LineItemID"),
        fields: inner.fields,
        removes: crate::config::Removes::None,
        leaves_out: false,
        derived: Vec::new(),
    }));
    field
}

/// Adds a tier over one pair of paths.
pub fn tier(pipeline: &mut Pipeline, source: &str, target: &str, then: Then) {
    let slots =
        [pipeline.ends[0].spec.slot(Slot::Value(path(source))), pipeline.ends[1].spec.slot(Slot::Value(path(target)))];
    let key = KeyPair {
        slots,
        canons: [Canon::default(), Canon::default()],
        normalize: Vec::new(),
        names: [source.to_owned(), target.to_owned()],
    };
    pipeline.tiers.push(Tier { keys: vec![key], then });
}

/// Admits only records of `side` where `text` equals `value`.
pub fn only(pipeline: &mut Pipeline, side: Side, text: &str, value: Value) {
    let end = &mut pipeline.ends[side.index()];
    let slot = end.spec.slot(Slot::Value(path(text)));
    let condition = Test { slot, path: text.to_owned(), canon: Canon::default(), operator: Operator::Equals(value) };
    end.filter = Filter::Test(condition);
}

/// A record with this value of `a`.
pub fn record_a(value: Value) -> Value {
    Value::Object([("a".to_owned(), value)].into_iter().collect())
}

/// A reading of one record.
pub fn reading(pipeline: &Pipeline, side: Side, id: &str, record: &Value) -> Observation {
    Observation {
        id: id.into(),
        projection: pipeline.end(side).spec.read(record),
        label: format!("{side} {id}"),
        version: None,
        edited_at: None,
        gone: false,
        merged: None,
    }
}

pub fn fresh(pipeline: &Pipeline, side: Side, id: &str, record: &Value) -> Fresh {
    Fresh { admitted: true, ..Fresh::new(reading(pipeline, side, id, record), 1) }
}

pub fn context<'a>(pipeline: &'a Pipeline, links: &'a Links) -> Context<'a> {
    Context { pipeline, lookups: links, now: at(60) }
}

/// A link of `s1` and `t1` whose records are as given and did not agree on anything yet.
pub fn matched(pipeline: &Pipeline, source: &Value, target: &Value) -> Link {
    let links = Links::default();
    link_matched(
        &context(pipeline, &links),
        &reading(pipeline, Side::Source, "s1", source),
        &reading(pipeline, Side::Target, "t1", target),
        Born::Matched,
    )
}

/// A link whose records agreed on everything that is the same in both.
pub fn agreed(pipeline: &Pipeline, source: &Value, target: &Value) -> Link {
    let link = matched(pipeline, source, target);
    decide(pipeline, &link).link.unwrap_or(link)
}

pub fn decide(pipeline: &Pipeline, link: &Link) -> Decision {
    let links = Links::default();
    let context = context(pipeline, &links);
    let decision = decide_link(&context, link);
    assert_eq!(decision, decide_link(&context, link), "deciding is deterministic");
    if let Some(moved) = &decision.link {
        let again = decide_link(&context, moved);
        assert_eq!(again.writes, decision.writes, "deciding again writes the same");
        assert_eq!(again.link, None, "deciding again moves nothing");
    }
    decision
}

/// Lays a reading of a record beside the link.
pub fn see(pipeline: &Pipeline, link: &mut Link, side: Side, record: &Value) -> crate::sync::Change {
    let id = link.id(side).clone();
    super::super::observe(pipeline, link, side, &reading(pipeline, side, id.as_str(), record), false)
}

/// Settles the only write of a decision with the given answer.
pub fn settle(pipeline: &Pipeline, link: &Link, answer: Option<&Value>) -> Settled {
    let links = Links::default();
    let decision = decide(pipeline, link);
    let moved = decision.link.unwrap_or_else(|| link.clone());
    let write = &decision.writes[0];
    let answer = answer.map(|record| reading(pipeline, write.side, moved.id(write.side).as_str(), record));
    crate::sync::settle_update(&context(pipeline, &links), &moved, write, answer.as_ref())
}

/// The state of the field at this position of the pipeline.
pub fn state<'l>(pipeline: &Pipeline, link: &'l Link, position: usize) -> &'l FieldState {
    &link.fields[&pipeline.fields[position].id]
}
