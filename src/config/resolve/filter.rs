//! Filters.

use chrono::NaiveDate;

use super::{
    Cx, Need,
    ends::{EndBuilder, check_condition, declared},
    value,
};
use crate::{
    config::{
        DateBound, Filter, IntegrationName, Operator, PipelineName, Test,
        diagnostic::error,
        source::Span,
        written::{At, FilterW, FromText as _, OneOrMany, Raw},
    },
    record::{Canon, Kind, Path, Side, Slot},
};

const FORMS: &str = "a filter is { path: $.x, OPERATOR: … } with equals, not_equals, in, exists, blank, matches, greater_than, less_than, on_or_before or on_or_after; or { any: […] }, { all: […] }, { not: {…} }, { where: … }, { referenced_by: pipeline }, { awaited_by: pipeline }";

/// What filters need to know.
pub(crate) struct Filters<'a, 'c> {
    /// The world.
    pub cx: &'a Cx<'c>,
    /// The integration, for names of other pipelines.
    pub within: Option<&'a IntegrationName>,
    /// Pipelines asked.
    pub needs: &'a mut Vec<(PipelineName, Span, Need)>,
}

impl Filters<'_, '_> {
    /// Resolves the filters of one side; all must hold.
    pub(crate) fn all(&mut self, end: &mut EndBuilder, written: Option<&OneOrMany<FilterW>>) -> Filter {
        let mut parts: Vec<Filter> =
            written.into_iter().flat_map(|list| &list.0).filter_map(|filter| self.one(end, filter)).collect();
        match (parts.len(), parts.pop()) {
            (1, Some(only)) => only,
            (_, Some(last)) => {
                parts.push(last);
                Filter::All(parts)
            }
            (_, None) => Filter::All(Vec::new()),
        }
    }

    fn some(&mut self, end: &mut EndBuilder, written: &[FilterW]) -> Vec<Filter> {
        written.iter().filter_map(|filter| self.one(end, filter)).collect()
    }

    fn one(&mut self, end: &mut EndBuilder, written: &FilterW) -> Option<Filter> {
        let given: Vec<&str> = written.given().iter().map(|(key, _)| *key).collect();
        let composite = ["any", "all", "not", "where", "referenced_by", "awaited_by"];
        let is_composite = given.iter().any(|key| composite.contains(key));
        if is_composite && given.len() > 1 {
            self.cx.report.add(
                error("config::bad_filter", written.span, format!("`{}` must stand alone", given.join("` and `")))
                    .help("write several filters; all of them must hold"),
            );
            return None;
        }
        if let Some(parts) = &written.any {
            if parts.is_empty() {
                self.cx.report.add(
                    error("config::bad_filter", written.span, "`any` of nothing admits nothing")
                        .help("give it filters"),
                );
            }
            return Some(Filter::Any(self.some(end, parts)));
        }
        if let Some(parts) = &written.all {
            return Some(Filter::All(self.some(end, parts)));
        }
        if let Some(part) = &written.not {
            return self.one(end, part).map(|part| Filter::Not(Box::new(part)));
        }
        if let Some(predicate) = &written.is_where {
            return self.predicate(end, predicate);
        }
        if let Some(pipeline) = &written.referenced_by {
            return self.referred_to(end, pipeline, Need::ReferencedBy).map(Filter::ReferencedBy);
        }
        if let Some(pipeline) = &written.awaited_by {
            return self.referred_to(end, pipeline, Need::AwaitedBy).map(Filter::AwaitedBy);
        }
        self.test(end, written)
    }

    fn predicate(&self, end: &mut EndBuilder, written: &At<String>) -> Option<Filter> {
        match Path::predicate(&written.value) {
            Ok(path) => {
                check_condition(self.cx, &end.resource.fields, &end.name(), &path, written.span);
                Some(Filter::Where(end.spec.slot(Slot::Test(path))))
            }
            Err(cause) => {
                self.cx.report.add(
                    error("config::bad_path", written.span, format!("this is no condition: {cause}"))
                        .help("write where: \"@.total > 100 && @.status == 'open'\""),
                );
                None
            }
        }
    }

    fn referred_to(&mut self, end: &EndBuilder, written: &At<String>, need: Need) -> Option<PipelineName> {
        let key = if need == Need::AwaitedBy { "awaited_by" } else { "referenced_by" };
        if end.side == Side::Target {
            self.cx.report.add(
                error("config::bad_filter", written.span, "references point at source records only")
                    .help(format!("put `{key}` under filters.source")),
            );
            return None;
        }
        let name = self.cx.find_pipeline(written, self.within)?;
        let other = if need == Need::AwaitedBy { Need::ReferencedBy } else { Need::AwaitedBy };
        if let Some((_, span, _)) = self.needs.iter().find(|(known, _, need)| *known == name && *need == other) {
            self.cx.report.add(
                error(
                    "config::bad_filter",
                    written.span,
                    format!("`{}` is in `referenced_by` and in `awaited_by`", written.value),
                )
                .label("one of them decides")
                .also(*span, "the other one")
                .help("keep `awaited_by`: it counts whatever `referenced_by` counts"),
            );
            return None;
        }
        self.needs.push((name.clone(), written.span, need));
        Some(name)
    }

    fn test(&self, end: &mut EndBuilder, written: &FilterW) -> Option<Filter> {
        if written.broken.iter().any(|key| *key != "path") && written.path.is_some() {
            return None;
        }
        let Some(path) = &written.path else {
            if written.broken.is_empty() {
                self.cx.report.add(error("config::bad_filter", written.span, "a filter needs `path`").help(FORMS));
            }
            return None;
        };
        let resource = end.resource.clone();
        let canon = declared(self.cx, &resource.fields, &end.name(), &path.value, path.span)?.canon;
        let operators = self.operators(written, &canon);
        for (key, span) in &written.nulls {
            self.cx.report.add(
                error("config::bad_filter", *span, format!("`{key}` asks for nothing")).label("no value").help(
                    "write the value that is asked for; `exists: false` and `blank: true` ask for records without one",
                ),
            );
        }
        if operators.is_empty() {
            if written.broken.is_empty() && written.given().len() == 1 && written.nulls.is_empty() {
                self.cx.report.add(
                    error("config::bad_filter", written.span, "this filter asks nothing")
                        .label("a path without an operator")
                        .help(FORMS),
                );
            }
            return None;
        }
        let mut tests: Vec<Filter> = operators
            .into_iter()
            .map(|operator| {
                let slot = match operator {
                    Operator::Exists(_) => end.spec.slot(Slot::Count(path.value.clone())),
                    _ => end.value(&path.value),
                };
                let path = path.value.as_str().to_owned();
                Filter::Test(Test { slot, path, canon: canon.clone(), operator })
            })
            .collect();
        if tests.len() == 1 { tests.pop() } else { Some(Filter::All(tests)) }
    }

    fn operators(&self, written: &FilterW, canon: &Canon) -> Vec<Operator> {
        let mut found = Vec::new();
        let forms = |raw: &At<Raw>| value::forms(canon.kind, raw, self.cx.report);
        if let Some(raw) = &written.equals {
            let mut values = forms(raw);
            match values.len() {
                0 => {}
                1 => found.extend(values.pop().map(Operator::Equals)),
                _ => found.push(Operator::In(values)),
            }
        }
        if let Some(raw) = &written.not_equals {
            found.extend(forms(raw).into_iter().map(Operator::NotEquals));
        }
        if let Some(list) = &written.is_in {
            let values = list.iter().flat_map(forms).collect::<Vec<_>>();
            if list.is_empty() {
                self.cx.report.add(
                    error("config::bad_filter", written.span, "`in` of nothing admits nothing")
                        .help("write in: [ a, b ]"),
                );
            }
            found.push(Operator::In(values));
        }
        found.extend(written.exists.as_ref().map(|at| Operator::Exists(at.value)));
        found.extend(written.blank.as_ref().map(|at| Operator::Blank(at.value)));
        found.extend(written.matches.as_ref().map(|at| Operator::Matches(at.value.clone())));
        for at in [&written.greater_than, &written.less_than].into_iter().flatten() {
            self.check_kind(canon.kind, at.span, &[Kind::Decimal, Kind::Integer, Kind::Text, Kind::Any], "a number");
        }
        found.extend(written.greater_than.as_ref().map(|at| Operator::GreaterThan(at.value)));
        found.extend(written.less_than.as_ref().map(|at| Operator::LessThan(at.value)));
        found.extend(written.on_or_before.as_ref().and_then(|at| self.bound(at, canon.kind)).map(Operator::OnOrBefore));
        found.extend(written.on_or_after.as_ref().and_then(|at| self.bound(at, canon.kind)).map(Operator::OnOrAfter));
        found
    }

    fn check_kind(&self, kind: Kind, span: Span, fitting: &[Kind], what: &str) {
        if !fitting.contains(&kind) {
            self.cx.report.add(
                error("config::wrong_kind", span, format!("the field is not {what}, so it cannot be compared so"))
                    .help("use `equals`, `in`, `matches` or `exists`"),
            );
        }
    }

    fn bound(&self, written: &At<String>, kind: Kind) -> Option<DateBound> {
        self.check_kind(kind, written.span, &[Kind::Date, Kind::Datetime, Kind::Text, Kind::Any], "a date");
        let bound = date_bound(&written.value);
        if bound.is_none() {
            self.cx.report.add(
                error("config::bad_date", written.span, format!("`{}` is no date", written.value))
                    .help("write 2026-07-01, today, today+7d or today-30d"),
            );
        }
        bound
    }
}

fn date_bound(text: &str) -> Option<DateBound> {
    if let Some(rest) = text.strip_prefix("today") {
        let rest = rest.replace(' ', "");
        if rest.is_empty() {
            return Some(DateBound::Today(0));
        }
        let (sign, number) = match rest.strip_prefix('+') {
            Some(number) => (1, number),
            None => (-1, rest.strip_prefix('-')?),
        };
        let (number, factor) = match number.strip_suffix('w') {
            Some(number) => (number, 7),
            None => (number.strip_suffix('d')?, 1),
        };
        let days: i64 = number.parse::<u32>().ok()?.into();
        return (days <= 36_600).then_some(DateBound::Today(sign * days * factor));
    }
    NaiveDate::from_text(text, true).ok().map(DateBound::Day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<DateBound>) {
        assert_eq!(date_bound(text), expected, "{text}");
    }

    #[test]
    fn dates_are_fixed_or_move_with_today() {
        check("today", Some(DateBound::Today(0)));
        check("today+7d", Some(DateBound::Today(7)));
        check("today - 30d", Some(DateBound::Today(-30)));
        check("today+2w", Some(DateBound::Today(14)));
        check("2026-07-01", NaiveDate::from_ymd_opt(2026, 7, 1).map(DateBound::Day));
        check("today+7", None);
        check("today*7d", None);
        check("tomorrow", None);
        check("01.07.2026", None);
        check("today+99999999d", None);
    }
}
