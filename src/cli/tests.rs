//! Snapshots of everything that people read, from reports made by hand.

use std::{collections::BTreeMap, fmt::Write as _};

use chrono::{DateTime, TimeDelta, Utc};
use clap::CommandFactory;
use serde_json::json;

use super::{
    args::CommandLine,
    configs, conflicts,
    estimate::{Estimate, Takes},
    explain, links, matching,
    names::Names,
    parked, plan, report, runs, status,
    text::{Paint, WIDTH},
    validate,
};
use crate::{
    config::{ConnectionName, Cost, CostLine, IntegrationName, PipelineName},
    connector::Requests,
    daemon::{
        ConnectionTrouble, DaemonStatus, HookNow, IntegrationNow, Phase, PublicNow, WaitReason,
        protocol::Status,
        reload::{ConfigDiff, DiffKind, IntegrationDiff},
    },
    engine::{
        BeforeImage, ConflictItem, EditEffect, EffectCounts, EffectItem, EffectKind, Explanation, FieldChange,
        FieldExplanation, FindingItem, HeldReport, IntegrationStatus, Mode, ParkedItem, PipelineEffect, PipelineReport,
        PipelineStatus, PlanCounts, PlanItem, RunReport, Tally, Trouble, Verb, Whereabouts,
    },
    record::{Cell, RecordId, Side},
    store::{Approval, Choice, Due, HeldRun, Hold, Parked, RunRecord, Stage},
    sync::{Born, Damage, FindingKind, Held, Link, Mark, ParkCode},
};

fn now() -> DateTime<Utc> {
    "2026-06-03T04:00:00Z".parse().unwrap()
}

fn before(minutes: i64) -> DateTime<Utc> {
    now() - TimeDelta::minutes(minutes)
}

fn name(text: &str) -> PipelineName {
    PipelineName::parse(text).unwrap()
}

fn acme() -> IntegrationName {
    IntegrationName::parse("acme").unwrap()
}

fn connection(text: &str) -> ConnectionName {
    ConnectionName::parse(text).unwrap()
}

fn names() -> Names {
    let ends = ["acme-website", "acme-xero"];
    Names::from_pairs(&[(name("acme/contacts"), ends), (name("acme/sales"), ends)])
}

fn id(text: &str) -> RecordId {
    RecordId::from(text)
}

/// Nothing that people read may pass the margin.
#[track_caller]
fn fits(text: &str) -> String {
    for line in text.lines() {
        assert!(line.chars().count() <= WIDTH, "{} columns: {line}", line.chars().count());
    }
    text.to_owned()
}

fn change(field: &str, before: impl Into<Cell>, after: impl Into<Cell>, why: &str) -> FieldChange {
    FieldChange { field: field.to_owned(), before: before.into(), after: after.into(), why: why.to_owned() }
}

fn finding(label: &str, kind: FindingKind, field: Option<&str>, message: &str) -> FindingItem {
    FindingItem {
        side: Side::Source,
        id: id("c17"),
        label: label.to_owned(),
        kind,
        field: field.map(str::to_owned),
        message: message.to_owned(),
    }
}

fn a_run(mode: Mode) -> RunReport {
    let mut contacts = PipelineReport::new(name("acme/contacts"));
    contacts.tally = Tally { read: 214, unchanged: 208, parked: 1, rejected: 30, ..Tally::default() };
    contacts.items = vec![
        PlanItem {
            verb: Verb::Link,
            side: Side::Target,
            label: "Aroha Anderson".to_owned(),
            origin: id("c1"),
            id: Some(id("9f3c")),
            fields: Vec::new(),
        },
        PlanItem {
            verb: Verb::Create,
            side: Side::Target,
            label: "Kim Lee".to_owned(),
            origin: id("c9"),
            id: None,
            fields: vec![change("email -> EmailAddress", Cell::Absent, "kim@new.example", "new record")],
        },
        PlanItem {
            verb: Verb::Update,
            side: Side::Target,
            label: "Jane Doe".to_owned(),
            origin: id("c2"),
            id: Some(id("718a")),
            fields: vec![
                change("email -> EmailAddress", "jane@old.example", "jane@new.example", "changed on the source"),
                change(
                    "mobile -> Phones[?(@.PhoneType=='MOBILE')].PhoneNumber",
                    Cell::Absent,
                    "021 555 0042",
                    "changed on the source",
                ),
            ],
        },
    ];
    contacts.items.push(PlanItem {
        verb: Verb::Delete,
        side: Side::Target,
        label: "Old Friend".to_owned(),
        origin: id("c3"),
        id: Some(id("55ab")),
        fields: vec![
            change("email -> EmailAddress", "old@friend.example", Cell::Absent, "deleted on the source"),
            change("phone -> Phone", Cell::Absent, Cell::Absent, "deleted on the source"),
        ],
    });
    contacts.planned = 46;
    contacts.counts = PlanCounts { links: 2, creates: [0, 40], updates: [1, 2], deletes: [0, 1] };
    contacts.findings = vec![
        finding(
            "Piripi Ngata",
            FindingKind::Parked(ParkCode::Difference),
            Some("phone -> Phones[?(@.PhoneType=='DEFAULT')].PhoneNumber"),
            "the sides differ and have no history",
        ),
        finding("Sale S-5396", FindingKind::Waiting(name("acme/contacts")), None, "waiting for contacts: Jane Doe"),
    ];
    let mut sales = PipelineReport::new(name("acme/sales"));
    sales.tally = Tally { read: 900, ..Tally::default() };
    sales.planned = 620;
    sales.counts = PlanCounts { creates: [0, 620], ..PlanCounts::default() };
    let damage = Damage { creates: 620, ..Damage::default() };
    let guards = vec![Held { guard: "creates".to_owned(), count: 620, allowed: 500 }];
    sales.held = Some(HeldReport { id: "k7p2".to_owned(), guards, damage, earlier: Damage::default(), message: None });
    let requests = BTreeMap::from([
        (connection("acme-website"), Requests { reads: 4, writes: 0 }),
        (connection("acme-xero"), Requests { reads: 3, writes: 2 }),
    ]);
    RunReport {
        integration: acme(),
        mode,
        why: "by hand".to_owned(),
        started: before(3),
        ended: before(3) + TimeDelta::seconds(42),
        pipelines: vec![contacts, sales],
        requests,
        pulled_again: 0,
        changes_seen: true,
        troubles: Vec::new(),
        blackout: None,
    }
}

#[test]
fn every_help() {
    fn add(command: &mut clap::Command, path: &str, out: &mut String) {
        let path =
            if path.is_empty() { command.get_name().to_owned() } else { format!("{path} {}", command.get_name()) };
        let _ = writeln!(out, "==== {path}\n{}", command.render_help());
        for sub in command.get_subcommands_mut().filter(|sub| sub.get_name() != "help" && !sub.is_hide_set()) {
            add(sub, &path, out);
        }
    }
    let mut command = super::examples::with_examples(CommandLine::command());
    command.build();
    let mut out = String::new();
    add(&mut command, "", &mut out);
    insta::assert_snapshot!(fits(&out));
}

#[test]
fn the_command_line_is_sound() {
    CommandLine::command().debug_assert();
}

#[test]
fn a_plan() {
    let report = a_run(Mode::Plan);
    let takes = |reads, writes, seconds, allowed_a_day| Takes { reads, writes, seconds, allowed_a_day };
    let estimate = Estimate(BTreeMap::from([
        ("acme-website".to_owned(), takes(4, 1, 0, None)),
        ("acme-xero".to_owned(), takes(7, 400, 360, Some(5_000))),
    ]));
    insta::assert_snapshot!(fits(&plan::render(&[report], &estimate, &names(), Paint::Plain)));
}

#[test]
fn a_plan_with_nothing_in_it() {
    let mut report = a_run(Mode::Plan);
    let mut quiet = PipelineReport::new(name("acme/contacts"));
    quiet.tally = Tally { read: 12, unchanged: 12, ..Tally::default() };
    report.pipelines = vec![quiet];
    insta::assert_snapshot!(fits(&plan::render(&[report], &Estimate::default(), &names(), Paint::Plain)));
}

#[test]
fn a_sync_with_trouble() {
    let mut report = a_run(Mode::Sync);
    let contacts = &mut report.pipelines[0];
    contacts.tally.linked = 2;
    contacts.tally.created = [0, 40];
    contacts.tally.updated = [1, 2];
    contacts.tally.deleted = [0, 1];
    let message = "acme-xero refuses the login: TokenExpired; give a new token".to_owned();
    report.troubles = vec![Trouble { connection: connection("acme-xero"), message, temporary: false, partly: false }];
    let mut skipped = PipelineReport::new(name("acme/payments"));
    skipped.skipped = Some("acme-xero/payments could not be read".to_owned());
    report.pipelines.push(skipped);
    insta::assert_snapshot!(fits(&report::outcome(&report, &names(), true, Paint::Plain)));
}

#[test]
fn a_change_in_one_line() {
    let report = a_run(Mode::Sync);
    let pipeline = &report.pipelines[0];
    let lines: Vec<String> =
        pipeline.items.iter().map(|item| report::in_one_line(&pipeline.pipeline, item, &names())).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

fn pipeline_status(pipeline: &str, stage: Stage) -> PipelineStatus {
    PipelineStatus {
        pipeline: name(pipeline),
        stage,
        links: 1_204,
        parked: 3,
        oldest: None,
        due: 0,
        next_due: None,
        verified: Some(before(2)),
        held: None,
    }
}

fn a_status() -> Status {
    let held = HeldRun {
        id: "k7p2".to_owned(),
        pipeline: name("acme/sales"),
        what: Hold::Plan,
        message: None,
        since: before(90),
        damage: Damage { creates: 620, ..Damage::default() },
        guards: vec![Held { guard: "creates".to_owned(), count: 620, allowed: 500 }],
        earlier: [Damage::default(); 2],
        config: 1,
        plan: None,
        except: Vec::new(),
        approval: Approval::Waiting,
    };
    let sales = PipelineStatus { held: Some(held), ..pipeline_status("acme/sales", Stage::Running) };
    let payments = PipelineStatus { links: 0, parked: 0, ..pipeline_status("acme/payments", Stage::Unapproved) };
    Status {
        daemon: None,
        integrations: vec![IntegrationStatus {
            integration: acme(),
            automatic: true,
            pipelines: vec![pipeline_status("acme/contacts", Stage::Running), sales, payments],
            last_run: Some(before(2)),
            last_why: Some("window closed".to_owned()),
        }],
        paused: Vec::new(),
        connections: Vec::new(),
        edits: Vec::new(),
        rollouts: Vec::new(),
    }
}

#[test]
fn a_status_without_a_daemon() {
    insta::assert_snapshot!(fits(&status::render(&a_status(), now(), Paint::Plain)));
}

#[test]
fn a_status_of_a_daemon_at_work() {
    let mut status = a_status();
    status.daemon = Some(DaemonStatus {
        version: "0.1.0".to_owned(),
        pid: 4711,
        started: before(180),
        now: now(),
        stopping: false,
        store_failing: Some("the store failed to flush: No space left on device".to_owned()),
        config: None,
        public: Some(PublicNow {
            address: "127.0.0.1:8443".parse().unwrap(),
            url: Some("https://sync.example/".to_owned()),
            failing: None,
        }),
        integrations: vec![IntegrationNow {
            running: "0123456789ab".into(),
            on_disk: Some("0123456789ab".into()),
            pending: None,
            generation: 1,
            integration: acme(),
            phase: Phase::Running { mode: Mode::Sync, why: "window closed".to_owned(), since: before(1) },
            progress: None,
            waits: vec![
                WaitReason::Window { changes: 2, closes: now() + TimeDelta::seconds(40) },
                WaitReason::Poll { connection: connection("acme-website"), at: now() + TimeDelta::seconds(80) },
                WaitReason::FullRead { at: now() + TimeDelta::hours(11) },
            ],
            last_run: Some(before(2)),
            troubles: vec![ConnectionTrouble {
                connection: connection("acme-xero"),
                message: "the request was not carried out: connection refused".to_owned(),
                temporary: true,
                since: before(30),
                attempts: 14,
            }],
            hooks: vec![HookNow { connection: connection("acme-xero"), at: before(3), polled_every: Some(1_200) }],
            failure: None,
        }],
    });
    insta::assert_snapshot!(fits(&status::render(&status, now(), Paint::Plain)));
}

#[test]
fn a_status_of_nothing() {
    let status = Status { integrations: Vec::new(), ..a_status() };
    insta::assert_snapshot!(status::render(&status, now(), Paint::Plain));
}

fn a_park(code: ParkCode, label: &str, field: Option<&str>, message: &str) -> Parked {
    Parked {
        code,
        label: label.to_owned(),
        field: field.map(str::to_owned),
        message: message.to_owned(),
        candidates: Vec::new(),
        since: before(130),
        attempts: 2,
        next_try: Some(now() + TimeDelta::minutes(50)),
        ignored: false,
    }
}

fn parked_item(pipeline: &str, record: &str, parked: Parked) -> ParkedItem {
    let remedy = parked.code.remedy().to_owned();
    ParkedItem {
        pipeline: name(pipeline),
        side: Side::Source,
        id: id(record),
        parked,
        remedy,
        linked_with: None,
        behind: Vec::new(),
        more_behind: 0,
    }
}

#[test]
fn parked_records() {
    let mut namesakes = a_park(ParkCode::Ambiguous, "Emma Davies", None, "matches several records");
    namesakes.candidates = vec![
        Choice { id: id("718ae608"), label: "Emma Davies".to_owned(), linked_with: None },
        Choice { id: id("9f3c5fb7"), label: "Emma Davies Ltd".to_owned(), linked_with: Some(id("c8")) },
    ];
    let mut unknown = a_park(ParkCode::Unknown, "Kim Lee", None, "the answer to the create was lost");
    unknown.next_try = None;
    let items = [
        parked_item("acme/contacts", "c256", namesakes),
        parked_item("acme/contacts", "c9", unknown),
        parked_item(
            "acme/sales",
            "s324",
            a_park(
                ParkCode::Refused,
                "Sale S-5396",
                None,
                "Invoice not of valid status for modification. This document cannot be edited as it has a payment or \
                 credit note allocated to it.",
            ),
        ),
    ];
    insta::assert_snapshot!(fits(&parked::render(&items, &names(), now(), Paint::Plain)));
}

#[test]
fn nothing_is_said_in_words() {
    insta::assert_snapshot!(
        [
            parked::render(&[], &names(), now(), Paint::Plain),
            conflicts::render(&[], &names(), Paint::Plain),
            links::render(&[], &name("acme/contacts"), &names(), Paint::Plain),
            runs::render(&[(acme(), Vec::new())], now(), Paint::Plain),
            validate::render(&[]),
        ]
        .concat()
    );
}

#[test]
fn conflicting_fields() {
    let item = ConflictItem {
        pipeline: name("acme/contacts"),
        source: id("c258"),
        target: id("22aa"),
        label: "Piripi Ngata".to_owned(),
        field: "phone -> Phones[?(@.PhoneType=='DEFAULT')].PhoneNumber".to_owned(),
        source_value: Cell::from("03 555 0401"),
        target_value: Cell::from("03 555 9999"),
        message: "both sides changed".to_owned(),
    };
    insta::assert_snapshot!(fits(&conflicts::render(&[item], &names(), Paint::Plain)));
}

#[test]
fn a_record_explained() {
    let field =
        |name: &str, agreed: Option<[&str; 2]>, source: &str, target: &str, parked: Option<&str>| FieldExplanation {
            field: name.to_owned(),
            agreed: agreed.map(|values| values.map(Cell::from)),
            source: Some(Cell::from(source)),
            target: Some(Cell::from(target)),
            parked: parked.map(str::to_owned),
            note: None,
        };
    let company = FieldExplanation {
        note: Some("differs since the source record was made from the target record".to_owned()),
        ..field("first, last -> Name", Some(["Jane Doe", "Acme Ltd"]), "Jane Doe", "Acme Ltd", None)
    };
    let linked = Explanation {
        pipeline: name("acme/contacts"),
        label: "Jane Doe".to_owned(),
        stands: Whereabouts::Linked {
            source: id("c2"),
            target: id("718a"),
            born: "both records existed and matched".to_owned(),
            fields: vec![
                field("email -> EmailAddress", Some(["j@new", "j@new"]), "j@new", "j@new", None),
                field("phone -> Phone", Some(["03 1", "03 1"]), "03 2", "03 3", Some("conflict: both sides changed")),
                company,
            ],
            gone: None,
            deleted: None,
            next: vec!["phone -> Phone: both sides changed".to_owned()],
        },
        parked: vec![a_park(ParkCode::Conflict, "Jane Doe", Some("phone -> Phone"), "both sides changed")],
        due: Some(Due { at: now() + TimeDelta::minutes(50), why: "to be tried again".to_owned() }),
        overwritten: vec![BeforeImage {
            run: "acme-1f2e3d4c".to_owned(),
            at: before(90),
            side: Side::Target,
            field: "phone -> Phone".to_owned(),
            before: Cell::from("03 0"),
            wrote: Cell::from("03 1"),
            why: "changed on the source".to_owned(),
        }],
    };
    let seen = Explanation {
        pipeline: name("acme/contacts"),
        label: "Kim Lee".to_owned(),
        stands: Whereabouts::Seen {
            side: Side::Target,
            id: id("55aa"),
            filter: "the filter does not admit it: IsCustomer is not true".to_owned(),
        },
        parked: Vec::new(),
        due: None,
        overwritten: Vec::new(),
    };
    insta::assert_snapshot!(fits(&explain::render(&[linked, seen], &names(), now(), Paint::Plain)));
}

#[test]
fn links_listed() {
    let link = |source: &str, target: &str, label: &str, born: Born| Link {
        source: id(source),
        target: id(target),
        born,
        label: label.to_owned(),
        revision: 1,
        marks: <[Mark; 2]>::default(),
        beside: Vec::default(),
        deleted: None,
        undeleted: None,
        figures: BTreeMap::new(),
        fields: BTreeMap::new(),
    };
    let links = [
        link("c1", "9f3c5fb7-77bc-4769-8501-77b3aa11bb22", "Aroha Anderson", Born::Matched),
        link("c9", "773ccbda-6c19-48ca-9f5a-881891d96793", "Kim Lee", Born::OnSource),
    ];
    insta::assert_snapshot!(fits(&links::render(&links, &name("acme/contacts"), &names(), Paint::Plain)));
}

#[test]
fn a_match_report() {
    let report = a_run(Mode::Plan);
    let mut rows = matching::rows(&report, &names());
    let earlier = a_park(ParkCode::Ambiguous, "Emma Davies", None, "matches several records");
    let again = a_park(ParkCode::Difference, "Piripi Ngata", Some("phone -> Phone"), "listed once already");
    let parked = [parked_item("acme/contacts", "c256", earlier), parked_item("acme/contacts", "c17", again)];
    matching::add_parked(&mut rows, &parked);
    let text = matching::render(std::slice::from_ref(&report), &rows, true, Paint::Plain);
    insta::assert_snapshot!(format!("{}\n{}", fits(&text), matching::csv(&rows).replace('\r', "")));
}

#[test]
fn the_last_runs() {
    let record = |report: &RunReport| RunRecord {
        id: crate::store::run_id(&acme(), report.started),
        started: report.started,
        ended: report.ended,
        why: report.why.clone(),
        report: serde_json::to_value(report).unwrap(),
    };
    let unreadable = RunRecord { report: json!({ "of": "another version" }), ..record(&a_run(Mode::Sync)) };
    let runs = vec![record(&a_run(Mode::Sync)), unreadable];
    insta::assert_snapshot!(fits(&runs::render(&[(acme(), runs)], now(), Paint::Plain)));
}

#[test]
fn calls_a_day() {
    let line = |of: &str| CostLine { resource: of.to_owned(), polls: 720, syncs: 1, full_reads: 1, each_record: 1 };
    let lines = ["contacts", "invoices", "payments"].map(line).into();
    let cost = Cost { connection: connection("acme-xero"), lines, calls_a_day: 2_166, limit: Some(5_000) };
    insta::assert_snapshot!(fits(&validate::render(&[cost])));
}

#[test]
fn what_an_edit_would_change() {
    let item = |kind, label: &str, id: &str| EffectItem {
        kind,
        label: label.to_owned(),
        side: Side::Source,
        id: RecordId::from(id),
        fields: vec![FieldChange {
            field: "city -> City".to_owned(),
            before: Cell::from("PER"),
            after: Cell::from("PRT"),
            why: "differs without history; differences: source-wins".to_owned(),
        }],
    };
    let effect = EditEffect {
        pipelines: vec![PipelineEffect {
            pipeline: name("acme/contacts"),
            memory: name("acme/contacts"),
            links: 1_642,
            counts: EffectCounts { rewrites: 1_430, releases: 212, adds: 9, ..EffectCounts::default() },
            allowed: 20,
            damage: Damage::default(),
            plan: 0,
            items: vec![item(EffectKind::Rewritten, "Jane Doe", "17"), item(EffectKind::Rewritten, "", "18")],
        }],
    };
    let one = |name: &str, change, edited: &[&str], effect: EditEffect, why: Option<&str>| IntegrationDiff {
        turn: None,
        integration: IntegrationName::parse(name).unwrap(),
        change,
        running: (change != DiffKind::Added).then(|| "3fa9c10b77de".to_owned()),
        written: (!matches!(change, DiffKind::Removed | DiffKind::Kept)).then(|| "81ed04c2a9b5".to_owned()),
        why: why.map(str::to_owned),
        edited: edited.iter().map(|&text| text.to_owned()).collect(),
        effect,
    };
    let none = EditEffect::default;
    let diff = ConfigDiff {
        integrations: vec![
            one("acme", DiffKind::Changed, &["acme/contacts: filters.source, + phone -> Phone"], effect, None),
            one("beta", DiffKind::Changed, &["beta/contacts: guards"], none(), None),
            one("gone", DiffKind::Removed, &[], none(), None),
            one("new", DiffKind::Added, &[], none(), None),
            one("slow", DiffKind::Tuned, &[], none(), None),
            one("bad", DiffKind::Kept, &[], none(), Some("INVALID_PENDING bad.yaml:3:5: unknown key `feilds`")),
        ],
        mistakes: vec![],
    };
    insta::assert_snapshot!(fits(&configs::render(&diff, Paint::Plain)));
    insta::assert_snapshot!(fits(&configs::render(&ConfigDiff::default(), Paint::Plain)));
}
