//! Filters admit records.

use chrono::{Duration, NaiveDate};
use serde_json::Value;

use super::{
    Lookups,
    day::day,
    transform::{decimal, shorten, text_of},
};
use crate::{
    config::{DateBound, Filter, Operator, PipelineName, Test},
    record::{Canon, Cell, Kind, Projection, RecordId},
};

/// Whether a record may enter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may.
    Admitted,
    /// It may not.
    Rejected {
        /// The condition that does not hold, for people: `IsCustomer is not true`.
        reason: String,
        /// The first day on which time alone may change the answer.
        until: Option<NaiveDate>,
    },
    /// Not known yet.
    Unknown {
        /// The pipeline that has not been read in full.
        waits_for: PipelineName,
    },
}

/// Whether the record `id` with this projection passes `filter`.
#[must_use]
pub fn admit(filter: &Filter, id: &RecordId, projection: &Projection, lookups: &dyn Lookups) -> Verdict {
    match (Asked { id, projection, lookups }).holds(filter) {
        Answer::Yes { .. } => Verdict::Admitted,
        Answer::No { reason, until } => Verdict::Rejected { reason, until },
        Answer::Unknown(waits_for) => Verdict::Unknown { waits_for },
    }
}

/// What a filter is asked about.
struct Asked<'a> {
    id: &'a RecordId,
    projection: &'a Projection,
    lookups: &'a dyn Lookups,
}

/// Like a verdict, but a yes can be turned around by `not`.
enum Answer {
    Yes { reason: String, until: Option<NaiveDate> },
    No { reason: String, until: Option<NaiveDate> },
    Unknown(PipelineName),
}

impl Asked<'_> {
    fn holds(&self, filter: &Filter) -> Answer {
        match filter {
            Filter::All(parts) => all(parts.iter().map(|part| self.holds(part))),
            Filter::Any(parts) if parts.is_empty() => answer(false, "there is no condition to fulfil".to_owned(), None),
            // At least one holds, if not all fail.
            Filter::Any(parts) => not(all(parts.iter().map(|part| not(self.holds(part))))),
            Filter::Not(part) => not(self.holds(part)),
            Filter::Test(test) => self.test(test),
            Filter::Where(slot) => {
                let holds = self.projection.cell(*slot).value() == Some(&Value::Bool(true));
                let reason = if holds { "the `where` condition holds" } else { "the `where` condition does not hold" };
                answer(holds, reason.to_owned(), None)
            }
            Filter::ReferencedBy(pipeline) | Filter::AwaitedBy(pipeline) => {
                match self.lookups.referenced(pipeline, self.id) {
                    None => Answer::Unknown(pipeline.clone()),
                    Some(true) => answer(true, format!("a record of {pipeline} refers to it"), None),
                    Some(false) => answer(false, format!("no record of {pipeline} refers to it"), None),
                }
            }
        }
    }

    fn test(&self, test: &Test) -> Answer {
        let cell = self.projection.cell(test.slot);
        let name = test.path.strip_prefix("$.").unwrap_or(&test.path);
        let say = |holds: bool, is: &str, is_not: &str, what: &str| {
            answer(holds, format!("{name} {}{what}", if holds { is } else { is_not }), None)
        };
        if let (Cell::Several(count), false) = (cell, matches!(test.operator, Operator::Exists(_))) {
            return answer(false, format!("{name} names {count} values"), None);
        }
        match &test.operator {
            Operator::Equals(value) => say(equal(&test.canon, cell, value), "is ", "is not ", &show(value)),
            Operator::NotEquals(value) => say(!equal(&test.canon, cell, value), "is not ", "is ", &show(value)),
            Operator::In(values) => {
                let list: Vec<String> = values.iter().map(show).collect();
                let holds = values.iter().any(|value| equal(&test.canon, cell, value));
                say(holds, "is one of ", "is not one of ", &shorten(&list.join(", ")))
            }
            Operator::Exists(wanted) => {
                let there = exists(cell);
                let is = if there { "is there" } else { "is not there" };
                answer(there == *wanted, format!("{name} {is}"), None)
            }
            Operator::Blank(wanted) => {
                let blank = test.canon.is_blank(cell);
                let is = if blank { "is blank" } else { "is not blank" };
                answer(blank == *wanted, format!("{name} {is}"), None)
            }
            Operator::Matches(pattern) => {
                let written = cell.value().and_then(|value| text_of(value).ok());
                let holds = written.is_some_and(|written| pattern.is_match(&written));
                say(holds, "matches ", "does not match ", &shorten(pattern.as_str()))
            }
            Operator::GreaterThan(bound) => {
                let holds = cell.value().and_then(|value| decimal(value).ok()).is_some_and(|number| number > *bound);
                say(holds, "is greater than ", "is not greater than ", &bound.to_string())
            }
            Operator::LessThan(bound) => {
                let holds = cell.value().and_then(|value| decimal(value).ok()).is_some_and(|number| number < *bound);
                say(holds, "is less than ", "is not less than ", &bound.to_string())
            }
            Operator::OnOrBefore(bound) => self.dated(test, name, *bound, true),
            Operator::OnOrAfter(bound) => self.dated(test, name, *bound, false),
        }
    }

    /// Compares a date with a bound. A bound that moves with the days sooner or later passes any date.
    fn dated(&self, test: &Test, name: &str, bound: DateBound, before: bool) -> Answer {
        let cell = self.projection.cell(test.slot);
        let Some(written) = cell.as_str().filter(|_| !cell.is_blank()) else {
            let reason = if cell.is_blank() { "is blank" } else { "is not a date" };
            return answer(false, format!("{name} {reason}"), None);
        };
        let Some(date) = day(test.canon.kind, written, self.lookups) else {
            return answer(false, format!("{name} is not a date: {}", shorten(written)), None);
        };
        let (limit, passes) = match bound {
            DateBound::Day(day) => (Some(day), None),
            DateBound::Today(days) => {
                let shift = |day: NaiveDate, days: i64| day.checked_add_signed(Duration::try_days(days)?);
                // The day on which `today + days` reaches the date.
                (shift(self.lookups.today(), days), days.checked_neg().and_then(|back| shift(date, back)))
            }
        };
        let Some(limit) = limit else {
            return answer(false, format!("{name} is compared with a day that does not exist"), None);
        };
        let (holds, until) = if before {
            (date <= limit, passes.filter(|_| date > limit))
        } else {
            (date >= limit, passes.and_then(|day| day.succ_opt()).filter(|_| date >= limit))
        };
        let relation = match (before, holds) {
            (true, true) => "is on or before",
            (true, false) => "is after",
            (false, true) => "is on or after",
            (false, false) => "is before",
        };
        answer(holds, format!("{name} ({date}) {relation} {limit}"), until)
    }
}

/// All must hold: one no decides, then one that is not known. A no stays at least until the last of its parts may have
/// changed by time alone, a yes until the first has.
fn all(parts: impl Iterator<Item = Answer>) -> Answer {
    let (mut held, mut holds_until) = (Vec::new(), None);
    let (mut failed, mut fails_until, mut for_good) = (Vec::new(), None, false);
    let mut unknown = None;
    for part in parts {
        match part {
            Answer::Yes { reason, until } => {
                held.push(reason);
                holds_until = holds_until.into_iter().chain(until).min();
            }
            Answer::No { reason, until } => {
                failed.push(reason);
                for_good |= until.is_none();
                fails_until = fails_until.max(until);
            }
            Answer::Unknown(pipeline) => unknown = unknown.or(Some(pipeline)),
        }
    }
    if !failed.is_empty() {
        let until = if for_good { None } else { fails_until };
        return Answer::No { reason: failed.join(" and "), until };
    }
    unknown.map_or_else(|| Answer::Yes { reason: held.join(" and "), until: holds_until }, Answer::Unknown)
}

fn not(answer: Answer) -> Answer {
    match answer {
        Answer::Yes { reason, until } => Answer::No { reason, until },
        Answer::No { reason, until } => Answer::Yes { reason, until },
        Answer::Unknown(pipeline) => Answer::Unknown(pipeline),
    }
}

fn answer(holds: bool, reason: String, until: Option<NaiveDate>) -> Answer {
    if holds { Answer::Yes { reason, until } } else { Answer::No { reason, until } }
}

/// Whether the cell is the value of a condition. People write values as text; where the system does not declare what
/// it holds, `200` and `true` also mean the number and the truth.
fn equal(canon: &Canon, cell: &Cell, value: &Value) -> bool {
    let wanted = Cell::Value(value.clone());
    if canon.same(cell, &wanted) {
        return true;
    }
    let loose = match (canon.kind, cell.value(), value) {
        (Kind::Any, Some(Value::Number(_)), Value::String(_))
        | (Kind::Any, Some(Value::String(_)), Value::Number(_)) => Kind::Decimal,
        (Kind::Any, Some(Value::Bool(_)), Value::String(_)) | (Kind::Any, Some(Value::String(_)), Value::Bool(_)) => {
            Kind::Boolean
        }
        _ => return false,
    };
    Canon { kind: loose, ..canon.clone() }.same(cell, &wanted)
}

fn exists(cell: &Cell) -> bool {
    match cell {
        Cell::Absent => false,
        Cell::Value(Value::Number(count)) => count.as_u64() != Some(0),
        Cell::Value(_) | Cell::Several(_) => true,
    }
}

fn show(value: &Value) -> String {
    match value {
        Value::String(text) => shorten(text),
        other => shorten(&other.to_string()),
    }
}

#[cfg(test)]
mod tests;
