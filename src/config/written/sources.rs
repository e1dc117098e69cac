//! The ends of a pipeline: a resource, or the elements of its records.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{At, Decode, FromText, OneOrMany, words, written};
use crate::{
    config::{
        diagnostic::{Report, error},
        source::Span,
        tree::{Node, NodeValue},
    },
    record::Path,
};

written! {
    /// One record per element: the resource, where the elements are, and what tells them apart.
    ElementsOfW as "a source" {
        /// `connection/resource`.
        need resource: At<String>,
        /// Where the elements are (`"$.Contacts[*]"`), or `{ dates: { … } }`.
        may each: EachElementW,
        /// What tells elements apart, in paths `$.item.…` and `$.parent.…`. Dates have their number unless given.
        may id: OneOrMany<At<Path>>,
    }
}

/// `connection/resource`, or the elements of its records.
#[derive(Clone, Debug)]
pub(crate) struct ResourceRefW {
    /// As written.
    pub name: At<String>,
    /// Where the elements are, and what tells them apart.
    pub each: Option<EachElementW>,
    /// What tells elements apart.
    pub id: Vec<At<Path>>,
}

impl Decode for ResourceRefW {
    fn decode(node: &Node, report: &Report) -> Option<Self> {
        let NodeValue::Map(_) = &node.value else {
            return At::decode(node, report).map(|name| Self { name, each: None, id: Vec::new() });
        };
        let written = ElementsOfW::decode(node, report)?;
        let id = written.id.map(|id| id.0).unwrap_or_default();
        Some(Self { name: written.resource?, each: written.each, id })
    }
}

impl JsonSchema for ResourceRefW {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "ResourceRef".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let elements = generator.subschema_for::<ElementsOfW>();
        let name = json_schema!({ "type": "string", "pattern": "^([a-z0-9-]+|\\$\\{[^}]+\\})/.+$", "examples": ["website/contacts"] });
        json_schema!({ "anyOf": [name, elements] })
    }
}

/// What stands for one record each.
#[derive(Clone, Debug)]
pub(crate) enum EachElementW {
    /// The elements of a list.
    List(At<Path>),
    /// Dates.
    Dates(Box<DatesW>, Span),
}

const FORMS: &str =
    "write each: \"$.Contacts[*]\", or each: { dates: { first: $.start, every: 1 month, count: $.months } }";

written! {
    /// Dates that stand for one record each.
    DatesKeyW as "each" {
        /// The dates.
        need dates: DatesW,
    }
}

written! {
    /// A row of dates, told by the record they belong to.
    DatesW as "dates" {
        /// The first: the path of a date.
        need first: At<Path>,
        /// How far apart: `1 month`, `2 weeks`, `10 days`, `1 year`.
        need every: At<IntervalW>,
        /// How many: a number, or the path of one.
        need count: At<CountW>,
        /// Where a month has no such day: `last-day`, or `next-day`, the first of the month after. Default: last-day.
        may short_month: At<ShortMonthW>,
    }
}

words! {
    /// Where a month has no such day.
    ShortMonthW as "short_month" { LastDay = "last-day", NextDay = "next-day", }
}

impl Decode for EachElementW {
    fn decode(node: &Node, report: &Report) -> Option<Self> {
        if matches!(&node.value, NodeValue::Map(_)) {
            let dates = DatesKeyW::decode(node, report)?.dates?;
            return Some(Self::Dates(Box::new(dates), node.whole()));
        }
        if matches!(&node.value, NodeValue::Seq(_)) {
            let text = format!("a path or {{ dates: … }} is wanted here, not {}", node.kind());
            report.add(error("config::wrong_shape", node.span, text).help(FORMS));
            return None;
        }
        At::decode(node, report).map(Self::List)
    }
}

impl JsonSchema for EachElementW {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "EachElement".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (path, dates) = (generator.subschema_for::<At<Path>>(), generator.subschema_for::<DatesKeyW>());
        json_schema!({ "anyOf": [path, dates] })
    }
}

/// A number of days or months.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IntervalW {
    /// Days.
    Days(u32),
    /// Calendar months.
    Months(u32),
}

impl FromText for IntervalW {
    const CODE: &'static str = "config::bad_duration";
    const WANTED: &'static str = "a number of days, weeks, months or years";
    const HELP: &'static str = "write a number and a unit: 1 month, 2 weeks, 10 days, 1 year";
    fn from_text(text: &str, _: bool) -> Result<Self, (String, usize)> {
        let wrong = || (String::new(), 0);
        let (number, unit) = text.trim().split_once(' ').ok_or_else(wrong)?;
        let number: u32 = number.parse().map_err(|_| wrong())?;
        if !(1..=1_000).contains(&number) {
            return Err(("the number is from 1 to 1000".to_owned(), 0));
        }
        match unit.trim() {
            "day" | "days" => Ok(Self::Days(number)),
            "week" | "weeks" => Ok(Self::Days(number * 7)),
            "month" | "months" => Ok(Self::Months(number)),
            "year" | "years" => Ok(Self::Months(number * 12)),
            _ => Err(wrong()),
        }
    }
    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9]+ +(day|week|month|year)s?$", "examples": ["1 month"] })
    }
}

/// How many dates.
#[derive(Clone, Debug)]
pub(crate) enum CountW {
    /// So many.
    Number(u32),
    /// As many as the record says.
    Path(Path),
}

impl FromText for CountW {
    const WANTED: &'static str = "a number or a path";
    const HELP: &'static str = "write count: 12, or the path of a number: count: $.months";
    fn from_text(text: &str, _: bool) -> Result<Self, (String, usize)> {
        if text.starts_with('$') {
            return Path::parse(text).map(Self::Path).map_err(|error| (error.message, error.offset));
        }
        text.trim().parse().map(Self::Number).map_err(|_| (String::new(), 0))
    }
    fn schema() -> Schema {
        json_schema!({ "anyOf": [{ "type": "integer", "minimum": 0 }, { "type": "string", "pattern": "^(\\$|[0-9])" }] })
    }
}
