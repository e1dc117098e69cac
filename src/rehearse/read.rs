//! From a written file of tests to scenarios: every name is looked up, and every mistake has its place.

mod expectations;
mod names;
mod steps;

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeZone, Utc};

use self::names::Names;
use super::{
    scenario::{Behaviour, Consequence, Pair, Scenario, Spot},
    values::{self, Meaning},
    written::{FirstW, RecordsW, SystemW, TestFileW, TestW, ThenW},
};
use crate::{
    config::{
        Config, ConnectionName, Diagnostic, IntegrationName, Sources,
        diagnostic::{Report, error},
        nearest::suggest,
        parse,
        source::Span,
        templates::Origins,
        written::{At, Decode as _, Entry, Named},
    },
    record::{Path, RecordId},
};

/// A file of tests that was read.
pub(super) struct Read {
    pub scenarios: Vec<Scenario>,
    pub diagnostics: Vec<Diagnostic>,
    pub sources: Sources,
}

/// The shape of a file, before its names are looked up.
pub(super) struct Shape {
    name: String,
    written: Option<TestFileW>,
    sources: Sources,
    report: Report,
}

impl Shape {
    /// Reads the text of a file.
    pub fn of(name: &str, text: &str) -> Self {
        let (report, mut sources) = (Report::default(), Sources::default());
        let file = sources.add(name.to_owned(), text);
        let node = parse::parse(file, text, &report);
        let node = node.filter(|node| !node.is_null());
        if node.is_none() && report.errors() == 0 {
            let span = Span { file, start: 0, end: 0 };
            report
                .add(error("test::empty", span, "there is no test in this file").help("write tests: { NAME: { … } }"));
        }
        let written = node.and_then(|node| TestFileW::decode(&node, &report));
        Self { name: name.to_owned(), written, sources, report }
    }

    /// The values of variables that it gives.
    pub fn env(&self) -> Vec<(String, String)> {
        let entries = self.written.iter().flat_map(|file| &file.env).flat_map(|named| &named.entries);
        entries.map(|entry| (entry.name.value.clone(), entry.value.value.clone())).collect()
    }

    /// Looks up every name in this configuration.
    pub fn in_config(self, config: &Arc<Config>) -> Read {
        let Self { name, written, sources, report } = self;
        let mut scenarios = Vec::new();
        if let Some(file) = &written {
            let reader = Reader { config, report: &report, sources: &sources, file };
            for entry in file.tests.iter().flat_map(|named| &named.entries) {
                let (scenario, broken) = report.watch(|| reader.scenario(entry));
                scenarios.extend(scenario.filter(|_| !broken));
            }
        }
        let mut diagnostics = report.close(&sources, &Origins::default());
        diagnostics.dedup();
        tracing::debug!(file = name, scenarios = scenarios.len());
        Read { scenarios, diagnostics, sources }
    }
}

/// What reading needs.
struct Reader<'a> {
    config: &'a Config,
    report: &'a Report,
    sources: &'a Sources,
    file: &'a TestFileW,
}

/// As [`Reader`], for one test.
struct One<'a> {
    report: &'a Report,
    sources: &'a Sources,
    names: Names<'a>,
    meaning: Meaning<'a>,
}

impl Reader<'_> {
    fn scenario(&self, entry: &Entry<TestW>) -> Option<Scenario> {
        let test = &entry.value;
        let integrations = self.integrations(entry)?;
        let zone =
            integrations.first().and_then(|name| self.config.integrations.get(name)).map(|first| first.timezone)?;
        let names = Names::new(self.config, &integrations, self.report);
        let one =
            One { report: self.report, sources: self.sources, names, meaning: Meaning { report: self.report, zone } };
        let mut behaviours = Vec::new();
        for named in [&self.file.systems, &test.systems].into_iter().flatten() {
            behaviours.extend(named.entries.iter().filter_map(|entry| one.behaviour(entry)));
        }
        let mut given = Vec::new();
        for named in [&self.file.given, &test.given].into_iter().flatten() {
            given.extend(one.records(named));
        }
        let at = match &test.at {
            Some(at) => one.begin(at)?,
            None => default_begin(zone),
        };
        Some(Scenario {
            name: entry.name.value.clone(),
            about: test.about.as_ref().map(|about| about.value.clone()),
            place: self.sources.place(entry.name.span),
            at,
            zone,
            first_run_waits: test.first_run.as_ref().is_some_and(|first| first.value == FirstW::Waiting),
            behaviours,
            given,
            links: test.links.iter().flat_map(|named| one.links(named)).collect(),
            steps: test.steps.iter().flatten().filter_map(|step| one.step(step)).collect(),
            expect: test.expect.as_ref().map(|expect| one.expect(expect)),
            integrations,
        })
    }

    fn integrations(&self, entry: &Entry<TestW>) -> Option<Vec<IntegrationName>> {
        let known: Vec<&IntegrationName> = self.config.integrations.keys().collect();
        let Some(written) = &entry.value.integration else {
            if let [one] = known.as_slice() {
                return Some(vec![(*one).clone()]);
            }
            let help = match known.len() {
                0 => "the configuration has none that is without mistakes".to_owned(),
                _ => suggest("", known.iter().map(|name| name.as_str())).unwrap_or_default(),
            };
            self.report.add(
                error(
                    "test::which_integration",
                    entry.name.span,
                    format!("`{}` does not say which integration it tests", entry.name.value),
                )
                .label("`integration` is missing")
                .help(help),
            );
            return None;
        };
        let mut found = Vec::new();
        for name in &written.0 {
            match known.iter().find(|known| known.as_str() == name.value) {
                Some(known) => found.push((*known).clone()),
                None => self.report.add(
                    error("test::unknown_integration", name.span, format!("there is no integration `{}`", name.value))
                        .label("not known, or it has mistakes")
                        .maybe_help(suggest(&name.value, known.iter().map(|name| name.as_str()))),
                ),
            }
        }
        (found.len() == written.0.len()).then_some(found)
    }
}

/// Nine in the morning of the first of June 2026, by the clocks of the zone.
fn default_begin(zone: chrono_tz::Tz) -> DateTime<Utc> {
    let day = NaiveDate::from_ymd_opt(2026, 6, 1).unwrap_or_default();
    let nine = NaiveTime::from_hms_opt(9, 0, 0).unwrap_or_default();
    let local = zone.from_local_datetime(&day.and_time(nine)).earliest();
    local.map_or(DateTime::UNIX_EPOCH, |at| at.with_timezone(&Utc))
}

impl One<'_> {
    fn place(&self, span: Span) -> crate::config::Place {
        self.sources.place(span)
    }

    fn begin(&self, at: &At<String>) -> Option<DateTime<Utc>> {
        let instant = values::local(&at.value, self.meaning.zone);
        if instant.is_none() {
            self.report.add(
                error("test::bad_value", at.span, format!("`{}` is not a time", at.value))
                    .help("write it by the clocks of the integration: 2026-06-01 16:00"),
            );
        }
        instant
    }

    /// The records of resources, in the order written.
    fn records(&self, named: &Named<RecordsW>) -> Vec<(Spot, serde_json::Value)> {
        let mut all = Vec::new();
        for entry in &named.entries {
            let Some(spot) = self.names.resource(&entry.name) else { continue };
            for record in &entry.value.0 {
                all.push((spot.clone(), self.meaning.record(&record.0, &spot.resource.fields)));
            }
        }
        all
    }

    fn links(&self, named: &Named<Named<At<String>>>) -> Vec<Pair> {
        let mut all = Vec::new();
        for entry in &named.entries {
            let Some(pipeline) = self.names.pipeline(&entry.name) else { continue };
            all.extend(entry.value.entries.iter().map(|pair| Pair {
                place: self.place(pair.name.span),
                pipeline: pipeline.clone(),
                source: RecordId::from(pair.name.value.as_str()),
                target: RecordId::from(pair.value.value.as_str()),
            }));
        }
        all
    }

    fn behaviour(&self, entry: &Entry<SystemW>) -> Option<Behaviour> {
        let system = &entry.value;
        let (connection, spot) = self.names.connection_or_resource(&entry.name)?;
        if let (Some(adds), None) = (&system.adds, &spot) {
            self.report.add(
                error("test::bad_value", adds.0.span, "only a resource adds values to its records")
                    .help(format!("write {}/RESOURCE: {{ adds: … }}", entry.name.value)),
            );
        }
        let adds = system.adds.as_ref().zip(spot.as_ref());
        let then = system.then.iter().flat_map(|many| &many.0);
        let then = then.filter_map(|then| self.consequence(then, (&connection, spot.as_ref()))).collect();
        Some(Behaviour {
            then,
            connection,
            resource: spot.as_ref().map(|spot| spot.resource.name.clone()),
            adds: adds.map(|(adds, spot)| self.meaning.record(&adds.0, &spot.resource.fields)),
            page: system.page.as_ref().and_then(|page| usize::try_from(page.value).ok()).map(|page| page.max(1)),
            ahead: system.ahead.as_ref().map(|ahead| ahead.value),
        })
    }

    fn consequence(&self, then: &ThenW, (connection, of): (&ConnectionName, Option<&Spot>)) -> Option<Consequence> {
        let (change, path, values) = (then.change.as_ref()?, then.of.as_ref()?, then.values.as_ref()?);
        if of.is_none() {
            self.report.add(
                error("test::bad_value", then.span, "only what happens to a record has consequences")
                    .help("write CONNECTION/RESOURCE: { then: … } with the resource whose records bring it about"),
            );
            return None;
        }
        let spot = self.names.resource(change)?;
        if spot.connection != *connection {
            self.report.add(
                error("test::bad_value", change.span, "a system changes only its own records by itself")
                    .label("of another connection")
                    .help(format!("name a resource of `{connection}`")),
            );
            return None;
        }
        let of = match Path::parse(&path.value) {
            Ok(of) => of,
            Err(problem) => {
                self.report.add(
                    error("test::bad_value", path.span, format!("`{}` is no path: {problem}", path.value))
                        .help("write where the id is in the record: $.Contact.ContactID"),
                );
                return None;
            }
        };
        let values = self.meaning.record(&values.0, &spot.resource.fields);
        Some(Consequence { resource: spot.resource, of, values })
    }
}
