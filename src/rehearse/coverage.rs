//! Which parts of a configuration its tests exercise: a field is written, a match tier finds a pair, a condition of a filter
//! lets a record in and leaves one out.

mod seen;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

pub(super) use seen::Look;

use crate::{
    config::{Config, Content, Field, FieldId, Filter, IntegrationName, Operator, Pipeline, PipelineName, Test},
    record::Side,
};

/// A field of a pipeline, or of the elements of a list that it maps.
pub(super) type FieldKey = (FieldId, Option<FieldId>);

/// What scenarios exercised.
#[derive(Clone, Debug, Default)]
pub struct Used {
    /// The integrations that ran.
    pub(super) integrations: BTreeSet<IntegrationName>,
    /// Fields that were written, with the side.
    pub(super) fields: BTreeSet<(PipelineName, FieldKey, Side)>,
    /// Match tiers, by position, that found a pair.
    pub(super) tiers: BTreeSet<(PipelineName, usize)>,
    /// Conditions of filters, by side and position, with what they said.
    pub(super) conditions: BTreeSet<(PipelineName, Side, usize, bool)>,
}

impl Used {
    /// Adds what another scenario exercised.
    pub fn add(&mut self, other: &Self) {
        self.integrations.extend(other.integrations.iter().cloned());
        self.fields.extend(other.fields.iter().cloned());
        self.tiers.extend(other.tiers.iter().cloned());
        self.conditions.extend(other.conditions.iter().cloned());
    }

    /// Whether a field of a pipeline was written, to any side; of a list, whether any field of its elements was.
    #[must_use]
    pub fn wrote(&self, pipeline: &PipelineName, field: FieldId) -> bool {
        self.fields.iter().any(|(name, (outer, _), _)| name == pipeline && *outer == field)
    }
}

/// How much of a pipeline is exercised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Covered {
    /// The pipeline.
    pub pipeline: PipelineName,
    /// Fields (per side that they are written to), match tiers and conditions.
    pub parts: usize,
    /// What was never exercised, a sentence each.
    pub never: Vec<String>,
}

/// How much is exercised of every integration that ran in any scenario.
#[must_use]
pub fn coverage(config: &Config, used: &Used) -> Vec<Covered> {
    let ran = config.pipelines().filter(|(integration, _)| used.integrations.contains(&integration.name));
    ran.map(|(_, pipeline)| of(pipeline, used)).collect()
}

fn of(pipeline: &Pipeline, used: &Used) -> Covered {
    let name = &pipeline.name;
    let mut parts: BTreeMap<String, bool> = BTreeMap::new();
    let mut order = Vec::new();
    let mut part = |text: String, exercised: bool| {
        order.push(text.clone());
        parts.insert(text, exercised);
    };
    for (key, field, flow) in fields(pipeline) {
        for side in Side::BOTH.into_iter().rev().filter(|side| flow.flow.writes(*side) && field.flow.writes(*side)) {
            let exercised = used.fields.contains(&(name.clone(), key, side));
            part(format!("the field {} is never written to the {side}", field.name), exercised);
        }
    }
    for (index, tier) in pipeline.tiers.iter().enumerate() {
        let keys: Vec<String> = tier.keys.iter().map(|key| format!("{} = {}", key.names[0], key.names[1])).collect();
        part(
            format!("the match {} never finds a pair", keys.join(" and ")),
            used.tiers.contains(&(name.clone(), index)),
        );
    }
    for side in Side::BOTH {
        for (index, condition) in conditions(&pipeline.end(side).filter).iter().enumerate() {
            let said = |answer| used.conditions.contains(&(name.clone(), side, index, answer));
            let condition = described(condition);
            part(format!("the filter of the {side}, {condition}, never lets a record in"), said(true));
            part(format!("the filter of the {side}, {condition}, never leaves a record out"), said(false));
        }
    }
    let never = order.iter().filter(|text| parts.get(*text) == Some(&false)).cloned().collect();
    Covered { pipeline: name.clone(), parts: order.len(), never }
}

/// Every field, those of elements included, each with the field that says where it flows.
fn fields(pipeline: &Pipeline) -> Vec<(FieldKey, &Field, &Field)> {
    let mut all = Vec::new();
    for field in &pipeline.fields {
        match &field.content {
            Content::Each(each) => {
                all.extend(each.fields.iter().map(|inner| ((field.id, Some(inner.id)), inner, field)));
            }
            Content::Mapped { .. } | Content::Constant(_) => all.push(((field.id, None), field, field)),
        }
    }
    all
}

/// The conditions of a filter, which must all hold.
pub(super) fn conditions(filter: &Filter) -> &[Filter] {
    match filter {
        Filter::All(parts) => parts,
        one => std::slice::from_ref(one),
    }
}

/// A condition, for people.
fn described(filter: &Filter) -> String {
    let list = |parts: &[Filter]| parts.iter().map(described).collect::<Vec<_>>().join(", ");
    match filter {
        Filter::All(parts) => format!("all of ({})", list(parts)),
        Filter::Any(parts) => format!("any of ({})", list(parts)),
        Filter::Not(part) => format!("not ({})", described(part)),
        Filter::Test(test) => tested(test),
        Filter::Where(_) => "`where`".to_owned(),
        Filter::ReferencedBy(pipeline) => format!("referenced_by {pipeline}"),
        Filter::AwaitedBy(pipeline) => format!("awaited_by {pipeline}"),
    }
}

fn tested(test: &Test) -> String {
    let Test { path, operator, .. } = test;
    match operator {
        Operator::Equals(value) => format!("{path} equals {value}"),
        Operator::NotEquals(value) => format!("{path} not_equals {value}"),
        Operator::In(values) => {
            format!("{path} in [{}]", values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
        }
        Operator::Exists(wanted) => format!("{path} exists {wanted}"),
        Operator::Blank(wanted) => format!("{path} blank {wanted}"),
        Operator::Matches(pattern) => format!("{path} matches {pattern}"),
        Operator::GreaterThan(bound) => format!("{path} greater_than {bound}"),
        Operator::LessThan(bound) => format!("{path} less_than {bound}"),
        Operator::OnOrBefore(_) => format!("{path} on_or_before"),
        Operator::OnOrAfter(_) => format!("{path} on_or_after"),
    }
}
