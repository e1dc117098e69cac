//! Expectations of a test.

use super::{
    super::{
        scenario::{
            Expect, ExpectedParked, ExpectedRecords, ExpectedWrite, ExpectedWrites, Listed, Spot, Wanted, WritesTo,
        },
        written::{AmountOfW, ExpectW, ParkedW, RecordW, SomeW, WriteW, WritesW},
    },
    One,
};
use crate::{
    config::{Place, diagnostic::error, source::Span, written::Entry},
    connector::WriteKind,
    record::RecordId,
};

impl One<'_> {
    pub(super) fn expect(&self, written: &ExpectW) -> Expect {
        let key =
            |name: &str| written.given().iter().find(|(key, _)| *key == name).map_or(written.span, |(_, span)| *span);
        let mut records = Vec::new();
        for entry in written.records.iter().flat_map(|named| &named.entries) {
            records.extend(self.expected_records(entry));
        }
        for entry in written.includes.iter().flat_map(|named| &named.entries) {
            let Some(spot) = self.names.resource(&entry.name) else { continue };
            let place = self.place(entry.name.span);
            records.push(ExpectedRecords { place, records: self.these(&spot, &entry.value.0), spot, count: None });
        }
        Expect {
            records,
            writes: written.writes.as_ref().map(|writes| self.expected_writes(writes, key("writes"))),
            parked: self.wanted(written.parked.as_ref(), key("parked"), |parked| {
                Some((parked.span, self.expected_parked(parked)?))
            }),
            held: self.wanted(written.held.as_ref(), key("held"), |name| Some((name.span, self.names.pipeline(name)?))),
            runs: self.wanted(written.runs.as_ref(), key("runs"), |run| Some((run.span, run.value.clone()))),
        }
    }

    fn wanted<W, T>(
        &self,
        written: Option<&SomeW<W>>,
        span: Span,
        read: impl Fn(&W) -> Option<(Span, T)>,
    ) -> Wanted<T> {
        match written {
            None => Wanted::Unsaid,
            Some(SomeW::Any) => Wanted::Any,
            Some(SomeW::These(these)) => {
                let items = these.iter().filter_map(read).map(|(span, item)| (self.place(span), item)).collect();
                Wanted::These(Listed { place: self.place(span), items })
            }
        }
    }

    fn these(&self, spot: &Spot, records: &[RecordW]) -> Vec<(Place, serde_json::Value)> {
        let read =
            |record: &RecordW| (self.place(record.0.span), self.meaning.record(&record.0, &spot.resource.fields));
        records.iter().map(read).collect()
    }

    fn expected_records(&self, entry: &Entry<AmountOfW<RecordW>>) -> Option<ExpectedRecords> {
        let spot = self.names.resource(&entry.name)?;
        let place = self.place(entry.name.span);
        Some(match &entry.value {
            AmountOfW::Count(count) => {
                ExpectedRecords { place, spot, count: usize::try_from(count.value).ok(), records: Vec::new() }
            }
            AmountOfW::These(records) => {
                ExpectedRecords { place, count: Some(records.len()), records: self.these(&spot, records), spot }
            }
        })
    }

    fn expected_writes(&self, written: &WritesW, span: Span) -> ExpectedWrites {
        let mut by_spot = Vec::new();
        for entry in &written.0.entries {
            let Some(spot) = self.names.resource(&entry.name) else { continue };
            let (count, writes) = match &entry.value {
                AmountOfW::Count(count) => (usize::try_from(count.value).unwrap_or(usize::MAX), Vec::new()),
                AmountOfW::These(writes) => {
                    let read = |write: &WriteW| Some((self.place(write.span), self.expected_write(&spot, write)?));
                    (writes.len(), writes.iter().filter_map(read).collect())
                }
            };
            by_spot.push(WritesTo { place: self.place(entry.name.span), spot, count, writes });
        }
        ExpectedWrites { place: self.place(span), by_spot }
    }

    fn expected_write(&self, spot: &Spot, write: &WriteW) -> Option<ExpectedWrite> {
        let read = |record: &RecordW| self.meaning.record(&record.0, &spot.resource.fields);
        match (&write.create, &write.update, &write.delete) {
            (Some(values), None, None) if write.values.is_none() => {
                Some(ExpectedWrite { kind: WriteKind::Create, id: None, values: Some(read(values)) })
            }
            (None, Some(id), None) => Some(ExpectedWrite {
                kind: WriteKind::Update,
                id: Some(RecordId::from(id.value.as_str())),
                values: write.values.as_ref().map(read),
            }),
            (None, None, Some(id)) if write.values.is_none() => Some(ExpectedWrite {
                kind: WriteKind::Delete,
                id: Some(RecordId::from(id.value.as_str())),
                values: None,
            }),
            _ => {
                self.report.add(
                    error("test::which_write", write.span, "a write is a create, an update or a delete")
                        .help("write { create: { … } }, { update: ID, values: { … } } or { delete: ID }"),
                );
                None
            }
        }
    }

    fn expected_parked(&self, parked: &ParkedW) -> Option<ExpectedParked> {
        let text = |at: &Option<crate::config::written::At<String>>| at.as_ref().map(|at| at.value.clone());
        let pipeline = match &parked.pipeline {
            Some(name) => Some(self.names.pipeline(name)?),
            None => None,
        };
        Some(ExpectedParked {
            pipeline,
            record: text(&parked.record),
            field: text(&parked.field),
            code: text(&parked.code),
            says: text(&parked.says),
        })
    }
}
