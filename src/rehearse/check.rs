//! Comparing what came of the steps with what a test expects.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    compare::{Difference, differences, leaves, pair, shown},
    failure::{Failure, Line},
    scenario::{ExpectedParked, ExpectedRecords, ExpectedWrite, ExpectedWrites, Listed, WritesTo},
    system::Written,
};
use crate::{
    config::{ConnectionName, PipelineName, Place},
    connector::WriteKind,
    engine::ParkedItem,
    record::RecordId,
};

/// The values of a record as lines, as far as they are few.
fn lines(value: &Value, line: fn(String) -> Line) -> Vec<Line> {
    const MOST: usize = 30;
    let members = value.as_object().into_iter().flatten();
    members.take(MOST).map(|(name, value)| line(format!("{name}: {}", shown(value)))).collect()
}

/// What two records share, and where they differ.
fn diff(wanted: &Value, wrong: &[Difference]) -> Vec<Line> {
    let mut all = Vec::new();
    for (name, value) in wanted.as_object().into_iter().flatten() {
        let own = |path: &str| {
            path.strip_prefix(name.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        let mut differs = false;
        for difference in wrong.iter().filter(|difference| own(&difference.path)) {
            differs = true;
            all.push(Line::Expected(format!("{}: {}", difference.path, shown(&difference.wanted))));
            all.push(Line::Found(format!("{}: {}", difference.path, shown(&difference.found))));
        }
        if !differs {
            all.push(Line::Same(format!("{name}: {}", shown(value))));
        }
    }
    all
}

/// A resource that must hold these records.
pub(super) fn records(expected: &ExpectedRecords, found: &[(RecordId, Value)]) -> Vec<Failure> {
    let table = &expected.spot.resource.fields;
    let shown_at = &expected.spot.shown;
    let name = |index: usize| found.get(index).map_or("", |(id, _)| id.as_str());
    let apart = |left: usize, right: usize| -> Option<Vec<Difference>> {
        let ((_, wanted), (_, found)) = (expected.records.get(left)?, found.get(right)?);
        Some(differences(found, wanted, Some(table)))
    };
    let distance = |left: usize, right: usize| {
        let wrong = apart(left, right)?.len();
        let (_, wanted) = expected.records.get(left)?;
        (wrong < leaves(wanted) || wrong == 0).then_some(wrong)
    };
    let pairs = pair(expected.records.len(), found.len(), distance);
    let mut failures = Vec::new();
    for (left, (place, wanted)) in expected.records.iter().enumerate() {
        let Some(right) = pairs.of.get(left).copied().flatten() else {
            let message = format!("{shown_at} does not hold this record");
            failures.push(Failure::new(place, message).with(lines(wanted, Line::Expected)));
            continue;
        };
        let wrong = apart(left, right).unwrap_or_default();
        if !wrong.is_empty() {
            let message = format!("{shown_at}/{} is not as expected", name(right));
            failures.push(Failure::new(place, message).with(diff(wanted, &wrong)));
        }
    }
    let Some(count) = expected.count else { return failures };
    if expected.records.is_empty() && found.len() != count {
        let message = format!("{shown_at} holds {}, not {count}", some(found.len(), "record"));
        let held = found.iter().take(10).map(|(id, body)| Line::Found(format!("{id}: {}", brief(body))));
        failures.push(Failure::new(&expected.place, message).with(held));
    } else if !expected.records.is_empty() {
        for right in pairs.rest {
            let Some((id, body)) = found.get(right) else { continue };
            let message = format!("{shown_at}/{id} is there, and is not expected");
            failures.push(Failure::new(&expected.place, message).with(lines(body, Line::Found)));
        }
    }
    failures
}

fn some(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// A record in one line.
fn brief(body: &Value) -> String {
    let mut text = shown(body);
    if let Some((cut, _)) = text.char_indices().nth(160) {
        text.truncate(cut);
        text.push('…');
    }
    text
}

/// A write as one reads it.
pub(super) fn told(write: &Written) -> String {
    let Written { kind, id, values, .. } = write;
    match kind {
        WriteKind::Create => format!("create {id} {}", brief(values)),
        WriteKind::Update => format!("update {id} {}", brief(values)),
        WriteKind::Delete => format!("delete {id}"),
    }
}

/// What must have been written, and nothing else.
pub(super) fn writes(
    expected: &ExpectedWrites,
    found: &BTreeMap<ConnectionName, Vec<Written>>,
    shown_as: impl Fn(&ConnectionName, &str) -> String,
) -> Vec<Failure> {
    let mut failures = Vec::new();
    let mut rest: Vec<(String, &Written)> = Vec::new();
    for (connection, writes) in found {
        for write in writes {
            let named = expected
                .by_spot
                .iter()
                .any(|WritesTo { spot, .. }| spot.connection == *connection && spot.resource.name == write.resource);
            if !named {
                rest.push((shown_as(connection, &write.resource), write));
            }
        }
    }
    for WritesTo { place, spot, count, writes: wanted } in &expected.by_spot {
        let all = found.get(&spot.connection).into_iter().flatten();
        let there: Vec<&Written> = all.filter(|write| write.resource == spot.resource.name).collect();
        if wanted.is_empty() {
            if there.len() != *count {
                let message = format!("{} writes to {} were sent, not {count}", there.len(), spot.shown);
                let told = there.iter().take(20).map(|write| Line::Found(told(write)));
                failures.push(Failure::new(place, message).with(told));
            }
            continue;
        }
        let table = &spot.resource.fields;
        let apart = |left: usize, right: usize| -> Option<Vec<Difference>> {
            let ((_, wanted), write) = (wanted.get(left)?, there.get(right)?);
            let about = wanted.kind == write.kind && wanted.id.as_ref().is_none_or(|id| *id == write.id);
            about.then(|| {
                wanted.values.as_ref().map(|values| differences(&write.values, values, Some(table))).unwrap_or_default()
            })
        };
        let pairs = pair(wanted.len(), there.len(), |left, right| apart(left, right).map(|wrong| wrong.len()));
        for (left, (place, write)) in wanted.iter().enumerate() {
            match pairs.of.get(left).copied().flatten() {
                None => {
                    let message = format!("this write to {} was not sent", spot.shown);
                    failures.push(Failure::new(place, message).with(wanted_lines(write)));
                }
                Some(right) => {
                    let wrong = apart(left, right).unwrap_or_default();
                    if let (false, Some(values)) = (wrong.is_empty(), &write.values) {
                        let message = format!("a write to {} was sent with other values", spot.shown);
                        failures.push(Failure::new(place, message).with(diff(values, &wrong)));
                    }
                }
            }
        }
        rest.extend(pairs.rest.into_iter().filter_map(|right| Some((spot.shown.clone(), *there.get(right)?))));
    }
    if !rest.is_empty() {
        let message = if rest.len() == 1 {
            "a write was sent that is not expected"
        } else {
            "writes were sent that are not expected"
        };
        let told = rest.iter().take(20).map(|(at, write)| Line::Found(format!("{at}: {}", told(write))));
        failures.push(Failure::new(&expected.place, message).with(told));
    }
    failures
}

fn wanted_lines(write: &ExpectedWrite) -> Vec<Line> {
    let head = match (&write.kind, &write.id) {
        (WriteKind::Create, _) => "create".to_owned(),
        (WriteKind::Update, id) => format!("update {}", id.as_ref().map_or("", RecordId::as_str)),
        (WriteKind::Delete, id) => format!("delete {}", id.as_ref().map_or("", RecordId::as_str)),
    };
    let values = write.values.as_ref().map(|values| lines(values, Line::Expected)).unwrap_or_default();
    std::iter::once(Line::Expected(head)).chain(values).collect()
}

/// What is parked, as one reads it.
fn parked_line(item: &ParkedItem) -> String {
    let field = item.parked.field.as_ref().map(|field| format!(", {field}")).unwrap_or_default();
    format!("{}: {} ({}){field}: {} ({})", item.pipeline, item.parked.label, item.id, item.parked.message, code(item))
}

fn code(item: &ParkedItem) -> String {
    match serde_json::to_value(item.parked.code) {
        Ok(Value::String(code)) => code,
        _ => String::new(),
    }
}

/// What must be parked, and nothing else.
pub(super) fn parked(place: &Place, expected: &[(Place, ExpectedParked)], found: &[ParkedItem]) -> Vec<Failure> {
    let fits = |left: usize, right: usize| -> Option<usize> {
        let ((_, wanted), item) = (expected.get(left)?, found.get(right)?);
        let same = |wanted: &Option<String>, found: &[&str]| {
            wanted.as_ref().is_none_or(|wanted| found.contains(&wanted.as_str()))
        };
        let says = wanted.says.as_ref().is_none_or(|says| item.parked.message.contains(says.as_str()));
        let fits = wanted.pipeline.as_ref().is_none_or(|name| *name == item.pipeline)
            && same(&wanted.record, &[item.id.as_str(), &item.parked.label])
            && same(&wanted.field, &[item.parked.field.as_deref().unwrap_or_default()])
            && same(&wanted.code, &[&code(item)])
            && says;
        fits.then_some(0)
    };
    let pairs = pair(expected.len(), found.len(), fits);
    let mut failures = Vec::new();
    for (left, (place, wanted)) in expected.iter().enumerate() {
        if pairs.of.get(left).copied().flatten().is_none() {
            let parts = [
                ("pipeline", wanted.pipeline.as_ref().map(|name| name.as_str().to_owned())),
                ("record", wanted.record.clone()),
                ("field", wanted.field.clone()),
                ("code", wanted.code.clone()),
                ("says", wanted.says.clone()),
            ];
            let lines =
                parts.into_iter().filter_map(|(name, value)| Some(Line::Expected(format!("{name}: {}", value?))));
            let there =
                pairs.rest.iter().filter_map(|right| found.get(*right)).map(|item| Line::Found(parked_line(item)));
            failures.push(Failure::new(place, "this is not parked").with(lines).with(there));
        }
    }
    if failures.is_empty() && !pairs.rest.is_empty() {
        let there = pairs.rest.iter().filter_map(|right| found.get(*right)).map(|item| Line::Found(parked_line(item)));
        failures.push(Failure::new(place, "something is parked that is not expected").with(there.take(20)));
    }
    failures
}

/// Names that must be there, and no others.
pub(super) fn held(expected: &Listed<PipelineName>, found: &[PipelineName]) -> Option<Failure> {
    let mut wanted: Vec<&str> = expected.items.iter().map(|(_, name)| name.as_str()).collect();
    let mut there: Vec<&str> = found.iter().map(PipelineName::as_str).collect();
    wanted.sort_unstable();
    there.sort_unstable();
    there.dedup();
    (wanted != there).then(|| {
        Failure::new(&expected.place, "what waits for approval is not what is expected")
            .with([Line::Expected(or_none(&wanted)), Line::Found(or_none(&there))])
    })
}

/// When runs began. `found` holds the time and why.
pub(super) fn runs(expected: &Listed<String>, found: &[(String, String)]) -> Option<Failure> {
    let wanted: Vec<&str> = expected.items.iter().map(|(_, time)| time.as_str()).collect();
    // Seconds count only where they are given.
    let fits = |(time, wanted): (&(String, String), &&str)| {
        time.0 == **wanted || time.0.strip_suffix(":00").is_some_and(|short| short == *wanted)
    };
    let same = wanted.len() == found.len() && found.iter().zip(&wanted).all(fits);
    (!same).then(|| {
        let there = found.iter().map(|(time, why)| Line::Found(format!("{time}  {why}")));
        let there: Vec<Line> = there.collect();
        let there = if there.is_empty() { vec![Line::Found("none".to_owned())] } else { there };
        Failure::new(&expected.place, "the runs did not begin when they should")
            .with([Line::Expected(or_none(&wanted))])
            .with(there)
    })
}

fn or_none(names: &[&str]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
