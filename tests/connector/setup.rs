//! Manifests and connections built by hand, and time that passes while a call waits.

use std::{collections::BTreeMap, pin::pin, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use reconciled::{
    clock::Clock,
    config::{Auth, Connection, ConnectionName, Secret},
    connector::{
        AnswerKind, Batch, Bodies, ChangedSince, Correlate, FieldTable, FieldType, GetOne, GoneWhen, HttpConnector,
        Idempotency, ItemOk, KeyPlace, LabelPart, LabelTemplate, Limit, LimitRegistry, List, Manifest, PageEnd,
        PageSize, Paging, Resource, SinceFormat, SincePlace, ThrottleWait, Throttled, VersionHeader, VersionPlace,
        WireFormat, Write, WriteItem, WriteKind,
    },
    record::{Canon, Kind, Path, RecordId},
};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::server::Server;

/// The secret that must never be seen.
pub const CANARY: &str = "canary-7f3a-secret";

pub fn path(text: &str) -> Path {
    Path::parse(text).unwrap()
}

/// A resource of which a test needs to change little.
pub fn customers() -> Resource {
    let field = |kind: Kind, format: WireFormat| FieldType {
        canon: Canon { kind, ..Canon::default() },
        format,
        ..FieldType::default()
    };
    let fields = [
        ("updated".to_owned(), field(Kind::Datetime, WireFormat::MsDate)),
        ("due".to_owned(), field(Kind::Date, WireFormat::MsDate)),
        ("total".to_owned(), field(Kind::Decimal, WireFormat::NumberText)),
    ];
    Resource {
        name: "customers".to_owned(),
        id: path("$.id"),
        updated_at: Some(path("$.updated")),
        version: Some(VersionPlace::Body(path("$.etag"))),
        label: LabelTemplate {
            parts: vec![
                LabelPart::Value(path("$.first")),
                LabelPart::Text(" ".to_owned()),
                LabelPart::Value(path("$.last")),
            ],
        },
        web_url: None,
        fields: FieldTable { fields: fields.into(), open: true },
        list: Some(List {
            path: "/customers".to_owned(),
            query: vec![],
            records: path("$.items"),
            paging: Paging::Number {
                param: Some("page".to_owned()),
                first: 1,
                size: Some(PageSize { param: Some("per".to_owned()), value: 2 }),
                end: PageEnd::ShortPage,
                then: None,
            },
            changed_since: Some(ChangedSince {
                place: SincePlace::Param("since".to_owned()),
                text: "{since}".to_owned(),
                format: SinceFormat::Rfc3339,
                overlap: Duration::ZERO,
                misses: vec![],
            }),
            empty: None,
            expired: None,
            windows: None,
            detail: None,
            parents: None,
            deleted: None,
        }),
        get: Some(GetOne { path: "/customers/{id}".to_owned(), record: path("$"), missing: None }),
        create: Some(write("POST", "/customers")),
        update: Some(Write { version: Some(if_match()), ..write("PATCH", "/customers/{id}") }),
        delete: None,
        gone_when: Some(GoneWhen { path: path("$.state"), values: vec![json!("archived")], filled: false }),
        merged_into: Some(path("$.survivor")),
        also: Vec::new(),
        file: None,
        inbox: None,
        sql: None,
    }
}

pub fn if_match() -> VersionHeader {
    VersionHeader { header: Some("If-Match".to_owned()), stale: 412, stale_text: None }
}

pub fn write(method: &str, target: &str) -> Write {
    Write {
        method: method.to_owned(),
        path: target.to_owned(),
        only: true,
        replaces: false,
        id_in_body: None,
        batch: None,
        body: None,
        wrap: None,
        constants: vec![],
        id_header: None,
        read_back: false,
        answer: AnswerKind::Body,
        record: path("$"),
        idempotency: Some(Idempotency {
            place: KeyPlace::Header("Idempotency-Key".to_owned()),
            max: 40,
            keeps: Duration::from_mins(6),
        }),
        version: None,
        duplicate: Some(regex::Regex::new("already (exists|assigned)").unwrap()),
        deletion: None,
        member: None,
        firsts: Vec::new(),
    }
}

/// Xero's way of writing several records.
pub fn batched(method: &str) -> Write {
    Write {
        id_in_body: (method == "POST").then(|| path("$.id")),
        batch: Some(Batch {
            path: None,
            array: Some("items".to_owned()),
            wrap: None,
            constants: vec![],
            correlate: Correlate::Position,
            items: path("$.items"),
            max: 3,
            item_record: path("$"),
            ok: Some(ItemOk { path: path("$.status"), values: vec![json!("OK")] }),
            messages: vec![path("$.problems[*].text")],
        }),
        ..write(method, "/customers?all=false")
    }
}

pub fn manifest(resource: Resource) -> Manifest {
    Manifest {
        name: "shop".to_owned(),
        version: 1,
        settings: BTreeMap::new(),
        base_url: None,
        headers: vec![
            ("x-tenant".to_owned(), "${tenant}".to_owned()),
            ("x-none".to_owned(), "${settings.none}".to_owned()),
        ],
        query: vec![],
        bodies: Bodies::default(),
        auth: vec![],
        refused_when: vec![],
        retry_when: vec![],
        limits: vec![],
        throttled: Throttled { status: 429, when: None, wait: ThrottleWait::RetryAfter, remaining: vec![] },
        in_doubt: Duration::from_mins(1),
        lag: Duration::ZERO,
        timeout: Duration::from_secs(20),
        error_messages: vec![path("$.problem")],
        webhooks: None,
        resources: [(resource.name.clone(), Arc::new(resource))].into(),
    }
}

pub fn connection(base_url: &str, manifest: Manifest) -> Connection {
    Connection {
        name: ConnectionName::parse("shop").unwrap(),
        manifest: Arc::new(manifest),
        pinned: false,
        base_url: base_url.parse().unwrap(),
        tenant: Some("t-1".to_owned()),
        settings: BTreeMap::new(),
        auth: Auth::Bearer(Secret::Known(SecretString::from(CANARY))),
        beside: None,
        webhook_key: None,
        moved_from: None,
        unlimited: false,
    }
}

/// A connector on a clock that only [`Shop::run`] moves.
pub struct Shop {
    manifest: Arc<Manifest>,
    pub clock: Clock,
    pub connector: HttpConnector,
    pub resource: Resource,
}

impl Shop {
    pub fn at(server: &Server) -> Self {
        Self::with(server, customers(), |_| {})
    }

    pub fn with(server: &Server, resource: Resource, change: impl FnOnce(&mut Manifest)) -> Self {
        let mut manifest = manifest(resource.clone());
        change(&mut manifest);
        Self::of(connection(&server.url(), manifest), resource)
    }

    pub fn of(connection: Connection, resource: Resource) -> Self {
        Self::on(Clock::manual("2026-06-01T00:00:00Z".parse::<DateTime<Utc>>().unwrap()), connection, resource)
    }

    pub fn on(clock: Clock, connection: Connection, resource: Resource) -> Self {
        let limits = Arc::new(LimitRegistry::new(clock.clone()));
        let manifest = Arc::clone(&connection.manifest);
        let connector = HttpConnector::new(Arc::new(connection), clock.clone(), &limits).unwrap().with_seed(7);
        Self { manifest, clock, connector, resource }
    }

    /// How the system is spoken to.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Runs a call; while it is not ready, virtual time passes a hundred times as fast as real time.
    pub async fn run<T>(&self, call: impl Future<Output = T>) -> T {
        let mut call = pin!(call);
        let step = Duration::from_millis(2);
        let driven = async {
            loop {
                tokio::select! {
                    biased;
                    outcome = &mut call => return outcome,
                    () = tokio::time::sleep(step) => self.clock.advance(step * 100),
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(30), driven).await.expect("the call ends")
    }
}

/// A connection with a limit of so many requests a minute.
pub fn per_minute(count: u32) -> Vec<Limit> {
    let per = Duration::from_mins(1);
    vec![Limit::Requests { count, per, scope: reconciled::connector::Scope::Tenant }]
}

pub fn new_item(body: Value) -> WriteItem {
    WriteItem { id: None, body, version: None, now: None }
}

pub fn item(id: &str, body: Value) -> WriteItem {
    WriteItem { id: Some(RecordId::from(id)), body, version: None, now: None }
}

pub const CREATE: WriteKind = WriteKind::Create;
pub const UPDATE: WriteKind = WriteKind::Update;
