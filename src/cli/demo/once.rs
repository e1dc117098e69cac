//! `demo --once`: the whole story in a few seconds, checked.

use std::{fmt::Write as _, path::Path, time::Duration};

use serde_json::json;

use super::{
    compare::{Listed, compare},
    folder::Folder,
    systems::Systems,
};
use crate::{
    cli::{
        exit::{CliError, Exit},
        output::Output,
        setup::{self, Office},
        text::{Paint, count, number, span, wrap},
    },
    clock::Clock,
    config::IntegrationName,
    connector::Priority,
    daemon::protocol::{Request, Response},
    engine::{Mode, ParkedItem, RunReport, Tally},
    sync::Link,
};

/// What was done and what came of it.
#[derive(Debug, Default)]
pub(super) struct Story {
    steps: Vec<(&'static str, String)>,
    problems: Vec<String>,
}

impl Story {
    pub(super) fn tell(&mut self, step: &'static str, came: String) {
        self.steps.push((step, came));
    }

    pub(super) fn must(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.problems.push(otherwise());
        }
    }

    /// Shows it, with the time it took.
    pub(super) fn conclude(mut self, took: Duration, out: &Output) -> Exit {
        self.tell("time", span(chrono::TimeDelta::from_std(took).unwrap_or_default()));
        if out.json {
            let steps: Vec<_> = self.steps.iter().map(|(step, came)| json!({ "step": step, "result": came })).collect();
            out.json(&json!({ "agreed": self.problems.is_empty(), "steps": steps, "problems": self.problems }));
        } else {
            out.data(&self.render(out.paint));
        }
        if self.problems.is_empty() { Exit::Done } else { Exit::Failed }
    }

    /// The steps as a table, then what is wrong.
    #[must_use]
    pub(super) fn render(&self, paint: Paint) -> String {
        const COLUMN: usize = 29;
        let mut out = String::new();
        for (step, came) in &self.steps {
            let came = wrap(came, COLUMN);
            let _ = write!(out, "{step:<COLUMN$}{}", came.get(COLUMN..).unwrap_or_default());
        }
        for problem in self.problems.iter().take(50) {
            let _ = writeln!(out, "{}", paint.red(&format!("! {problem}")));
        }
        if self.problems.is_empty() {
            let _ = writeln!(out, "{}", paint.green("both sides agree, and everything else is listed"));
        }
        out
    }
}

/// Carries the story out.
pub(super) async fn run(dir: Option<&Path>, out: &Output) -> Result<Exit, CliError> {
    let clock = Clock::system();
    let mut folder = match dir {
        Some(dir) => Folder::at(dir)?,
        None => Folder::temporary()?,
    };
    let systems = Systems::start(&clock).await?;
    folder.write(&systems)?;
    let config = std::sync::Arc::new(setup::load(&folder.path, out)?.config);
    let store = setup::open_store(&config)?;
    let connectors = setup::connectors(&config, &store, &clock, Priority::Manual, out);
    let mut stage = Play {
        office: Office::here(setup::engine(config, store, connectors, clock.clone())?),
        integration: IntegrationName::parse("demo").map_err(|error| CliError::Other(error.to_string()))?,
        systems,
        out,
    };
    let mut told = Story::default();
    let began = clock.monotonic();
    told.tell("two systems", stage.systems.inventory());
    stage.first_sync(&mut told).await?;
    stage.edits(&mut told).await?;
    stage.quiet(&mut told).await?;
    stage.agreement(&mut told).await?;
    Ok(told.conclude(clock.monotonic().saturating_sub(began), out))
}

struct Play<'o> {
    office: Office,
    integration: IntegrationName,
    systems: Systems,
    out: &'o Output,
}

impl Play<'_> {
    async fn sync(&mut self, mode: Mode) -> Result<RunReport, CliError> {
        let request = crate::cli::sync::request(self.integration.clone(), Vec::new(), mode, false, None);
        self.office.run(request, self.out).await
    }

    async fn first_sync(&mut self, story: &mut Story) -> Result<(), CliError> {
        let report = self.sync(Mode::Sync).await?;
        story.must(written(&report) == 0, || "the first run wrote before it was approved".to_owned());
        let links: u64 = report.pipelines.iter().map(|pipeline| pipeline.counts.links).sum();
        let creates: u64 = report.pipelines.iter().flat_map(|pipeline| pipeline.counts.creates).sum();
        story.tell("first run, report only", format!("{} match, {} to create", pairs(links), number(creates)));
        self.office.ask(Request::Approve { what: "demo".to_owned(), except: Vec::new() }).await?;
        let report = self.sync(Mode::Sync).await?;
        for trouble in &report.troubles {
            story.must(false, || format!("{}: {}", trouble.connection, trouble.message));
        }
        story.tell("approved: first sync", outcome(&report));
        Ok(())
    }

    /// People edit records on both sides, and one on both sides at once.
    async fn edits(&mut self, story: &mut Story) -> Result<(), CliError> {
        let links = self.links("demo/contacts").await?;
        let [one, two, both, ..] = links.as_slice() else {
            story.must(false, || "fewer than three contacts are linked".to_owned());
            return Ok(());
        };
        let refused = |error: crate::sandbox::Refused| CliError::Other(format!("an edit was refused: {error}"));
        let (website, xero) = (&self.systems.website, &self.systems.xero);
        website.edit("contacts", one.source.as_str(), json!({ "mobile": "021 555 0042" })).map_err(refused)?;
        xero.edit("Contacts", two.target.as_str(), json!({ "FirstName": "Renamed" })).map_err(refused)?;
        website.edit("contacts", both.source.as_str(), json!({ "mobile": "021 555 0043" })).map_err(refused)?;
        xero.edit("Contacts", both.target.as_str(), json!({ "LastName": "Married" })).map_err(refused)?;
        let person = json!({ "first_name": "Nova", "last_name": "Newcomer", "email": "nova@example.com" });
        let person = website.insert("contacts", person).map_err(refused)?;
        let sale = json!({
            "number": "S-9001", "contact_id": person, "sold_at": self.office.now().to_rfc3339(),
            "due_on": self.office.now().date_naive().to_string(), "currency": "NZD", "status": "open",
            "lines": [{ "line_no": 1, "title": "Garden chair", "quantity": 2, "cents": 8_900, "income": "goods" }],
        });
        website.insert("sales", sale).map_err(refused)?;
        let expected = [
            ("contacts", one.source.clone(), "/mobile", "021 555 0042"),
            ("contacts", two.source.clone(), "/first_name", "Renamed"),
            ("contacts", both.source.clone(), "/last_name", "Married"),
            ("contacts", both.source.clone(), "/mobile", "021 555 0043"),
        ];
        story.tell(
            "people edit",
            "4 contacts on either side, one of them on both; a new contact with a sale".to_owned(),
        );
        let report = self.sync(Mode::Sync).await?;
        story.tell("second sync", outcome(&report));
        for (resource, id, at, value) in expected {
            let record = self.systems.website.get(resource, id.as_str()).unwrap_or_default();
            let found = record.pointer(at).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
            story.must(found == value, || format!("{resource}/{id}{at} is `{found}` on demo-website, not `{value}`"));
        }
        Ok(())
    }

    /// A run when nothing happened plans nothing and sends nothing but its reads.
    async fn quiet(&mut self, story: &mut Story) -> Result<(), CliError> {
        let before = self.systems.website.log().writes() + self.systems.xero.log().writes();
        let report = self.sync(Mode::Sync).await?;
        let sent = self.systems.website.log().writes() + self.systems.xero.log().writes() - before;
        story.tell("third sync, nothing changed", outcome(&report));
        for pipeline in &report.pipelines {
            for item in pipeline.items.iter().take(5) {
                let name = &pipeline.pipeline;
                story.must(false, || format!("the third run planned for {name}: {:?} {}", item.verb, item.label));
            }
        }
        story.must(report.is_empty_plan(), || "the third run planned something".to_owned());
        story.must(sent == 0, || format!("the third run sent {sent} writes"));
        Ok(())
    }

    async fn agreement(&mut self, story: &mut Story) -> Result<(), CliError> {
        let (contacts, sales) = (self.links("demo/contacts").await?, self.links("demo/sales").await?);
        let Response::Parked(parked) = self.office.ask(Request::Parked { pipeline: None }).await? else {
            return Err(Office::astray());
        };
        let found = compare(&self.systems, &contacts, &sales, &listed(&parked));
        story.tell(
            "compared",
            format!("{} of contacts and {} of sales and invoices", pairs(found.contacts), pairs(found.sales)),
        );
        let names: Vec<String> =
            parked.iter().map(|item| format!("{} ({})", item.parked.label, item.parked.code)).collect();
        story.tell(
            "listed for a person",
            format!("{}: {}", count(parked.len() as u64, "entry", "entries"), names.join(", ")),
        );
        story.problems.extend(found.differences);
        Ok(())
    }

    async fn links(&mut self, pipeline: &str) -> Result<Vec<Link>, CliError> {
        let pipeline = self.office.one_pipeline(pipeline)?;
        match self.office.ask(Request::Links { pipeline }).await? {
            Response::Links(links) => Ok(links),
            _ => Err(Office::astray()),
        }
    }
}

fn listed(parked: &[ParkedItem]) -> Listed {
    let mut listed = Listed::default();
    for item in parked {
        match &item.parked.field {
            Some(field) => {
                listed.fields.insert((item.id.clone(), field.clone()));
            }
            None => {
                listed.records.insert(item.id.clone());
            }
        }
        listed.records.extend(item.parked.candidates.iter().map(|choice| choice.id.clone()));
    }
    listed
}

pub(super) fn written(report: &RunReport) -> u64 {
    report.pipelines.iter().map(|pipeline| pipeline.tally.written() + pipeline.tally.linked).sum()
}

pub(super) fn pairs(of: u64) -> String {
    count(of, "pair", "pairs")
}

pub(super) fn outcome(report: &RunReport) -> String {
    let sum = |of: fn(&Tally) -> u64| -> u64 { report.pipelines.iter().map(|pipeline| of(&pipeline.tally)).sum() };
    let calls: u64 = report.requests.values().map(|made| made.reads).sum();
    let writes: u64 = report.requests.values().map(|made| made.writes).sum();
    format!(
        "linked {}, created {}, updated {}, parked {}; {} and {}",
        number(sum(|tally| tally.linked)),
        number(sum(|tally| tally.created.iter().sum())),
        number(sum(|tally| tally.updated.iter().sum())),
        number(sum(|tally| tally.parked)),
        count(calls, "read", "reads"),
        count(writes, "write", "writes")
    )
}
