//! Steps of a test.

use std::collections::BTreeMap;

use chrono::NaiveTime;

use super::{
    super::{
        scenario::{Act, Clocks, CrashAt, Mishap, Step, Trouble},
        values,
        written::{CrashFormW, CrashW, DuringW, MishapW, MomentW, StepMapW, StepW, TroubleW, WinnerW},
    },
    One,
};
use crate::{
    config::{IntegrationName, PipelineName, diagnostic::error, written::At},
    record::{RecordId, Side},
};

impl One<'_> {
    pub(super) fn step(&self, step: &StepW) -> Option<Step> {
        let (span, act) = match step {
            StepW::Word(word) if word.value == "crash" => (word.span, Some(Act::CrashNow)),
            StepW::Word(word) => (word.span, Some(Act::Sync { full: false, pipelines: BTreeMap::new() })),
            StepW::Map(map) => (map.span, self.act(map)),
        };
        Some(Step { place: self.place(span), act: act? })
    }

    fn act(&self, step: &StepMapW) -> Option<Act> {
        if let Some(named) = &step.create {
            return Some(Act::Create(self.records(named)));
        }
        if let Some(named) = &step.edit {
            let edits = named.entries.iter().filter_map(|entry| {
                let (spot, id) = self.names.record(&entry.name)?;
                let values = self.meaning.record(&entry.value.0, &spot.resource.fields);
                Some((spot, id, values))
            });
            return Some(Act::Edit(edits.collect()));
        }
        if let Some(written) = &step.delete {
            return Some(Act::Delete(written.0.iter().filter_map(|record| self.names.record(record)).collect()));
        }
        if let Some(span) = &step.advance {
            return Some(Act::Advance(span.value));
        }
        if let Some(until) = &step.until {
            return self.clocks(until).map(Act::Until);
        }
        if let Some(what) = &step.sync {
            return self.sync(&what.0);
        }
        if let Some(connections) = &step.hook {
            return Some(Act::Hook(connections.0.iter().filter_map(|name| self.names.connection(name)).collect()));
        }
        if let Some(trouble) = &step.trouble {
            return self.trouble(trouble);
        }
        if let Some(name) = &step.works_again {
            let all = name.value == "all";
            return if all {
                Some(Act::WorksAgain(None))
            } else {
                self.names.connection(name).map(|name| Act::WorksAgain(Some(name)))
            };
        }
        match &step.crash {
            Some(CrashFormW::Now) => return Some(Act::CrashNow),
            Some(CrashFormW::At(crash)) => return self.crash(crash),
            None => {}
        }
        if let Some(edit) = &step.config {
            let text = |at: &Option<At<String>>| at.as_ref().map(|at| at.value.clone());
            return Some(Act::Config {
                file: text(&edit.file)?,
                replace: text(&edit.replace)?,
                with: text(&edit.with)?,
            });
        }
        if let Some(what) = &step.approve {
            return Some(Act::Approve(self.held_name(what)));
        }
        if let Some(what) = &step.reject {
            return Some(Act::Reject(self.held_name(what)));
        }
        if let Some(resolve) = &step.resolve {
            return Some(Act::Resolve {
                pipeline: self.names.pipeline(resolve.pipeline.as_ref()?)?,
                record: RecordId::from(resolve.record.as_ref()?.value.as_str()),
                field: resolve.field.as_ref().map(|field| field.value.clone()),
                winner: if resolve.winner.as_ref()?.value == WinnerW::Source { Side::Source } else { Side::Target },
            });
        }
        if let Some(name) = &step.retry {
            return self.names.pipeline(name).map(Act::Retry);
        }
        step.expect.as_ref().map(|expect| Act::Expect(Box::new(self.expect(expect))))
    }

    /// A pipeline in full; what is no pipeline is an integration, or the id of something held.
    fn held_name(&self, written: &At<String>) -> String {
        let full = self.names.all_pipelines().find(|name| {
            let short = name.as_str().split_once('/').map_or(name.as_str(), |(_, short)| short);
            short == written.value
        });
        full.map_or_else(|| written.value.clone(), |name| name.as_str().to_owned())
    }

    fn clocks(&self, until: &At<String>) -> Option<Clocks> {
        if let Some(instant) = values::local(&until.value, self.meaning.zone) {
            return Some(Clocks::Instant(instant));
        }
        let time = NaiveTime::parse_from_str(&until.value, "%H:%M:%S")
            .or_else(|_| NaiveTime::parse_from_str(&until.value, "%H:%M"));
        if time.is_err() {
            self.report.add(
                error("test::bad_value", until.span, format!("`{}` is not what clocks show", until.value))
                    .help("write \"16:04\", or a day with it: \"2026-06-02 06:00\""),
            );
        }
        time.ok().map(Clocks::Time)
    }

    fn sync(&self, what: &[At<String>]) -> Option<Act> {
        if let [word] = what
            && matches!(word.value.as_str(), "all" | "full")
        {
            return Some(Act::Sync { full: word.value == "full", pipelines: BTreeMap::new() });
        }
        let mut pipelines: BTreeMap<IntegrationName, Vec<PipelineName>> = BTreeMap::new();
        for name in what {
            let pipeline = self.names.pipeline(name)?;
            pipelines.entry(pipeline.integration()).or_default().push(pipeline);
        }
        Some(Act::Sync { full: false, pipelines })
    }

    fn trouble(&self, written: &TroubleW) -> Option<Act> {
        let (connection, spot) = self.names.connection_or_resource(written.on.as_ref()?)?;
        let mishap = match written.what.as_ref()?.value {
            MishapW::Down => Mishap::Down,
            MishapW::NoAnswer => Mishap::NoAnswer,
            MishapW::LostAnswer => Mishap::LostAnswer,
            MishapW::Refused => Mishap::Refused,
            MishapW::Limit => Mishap::Limit,
            MishapW::Login => Mishap::Login,
        };
        let once = matches!(mishap, Mishap::NoAnswer | Mishap::LostAnswer) && written.lasts.is_none();
        let writes_only = matches!(mishap, Mishap::NoAnswer | Mishap::LostAnswer | Mishap::Refused);
        let during = written.during.as_ref().map(|during| during.value);
        let fields = spot.as_ref().map(|spot| &spot.resource.fields);
        if let (Some(of), None) = (&written.of, fields) {
            self.report.add(
                error("test::bad_value", of.0.span, "`of` needs a resource in `on`").help("write on: xero/invoices"),
            );
        }
        let trouble = Trouble {
            resource: spot.as_ref().map(|spot| spot.resource.name.clone()),
            mishap,
            calls: written.calls.as_ref().map(|calls| calls.value).or(once.then_some(1)),
            lasts: written.lasts.as_ref().map(|lasts| lasts.value),
            reads: during.map_or(!writes_only, |during| during == DuringW::Reads),
            writes: during.is_none_or(|during| during == DuringW::Writes),
            of: written.of.as_ref().zip(fields).map(|(of, fields)| self.meaning.record(&of.0, fields)),
            says: written.says.as_ref().map(|says| says.value.clone()),
        };
        Some(Act::Trouble(connection, trouble))
    }

    fn crash(&self, written: &CrashW) -> Option<Act> {
        let (connection, spot) = self.names.connection_or_resource(written.at_write_to.as_ref()?)?;
        let after = written.moment.as_ref().is_none_or(|moment| moment.value == MomentW::After);
        Some(Act::CrashAt {
            connection,
            crash: CrashAt { resource: spot.map(|spot| spot.resource.name.clone()), after },
        })
    }
}
