//! Rollouts: an edit of a template goes live at some of its clients first.

use std::time::Duration;

use crate::config::IntegrationName;

/// How edits of a template reach its clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rollout {
    /// The clients that run an edit first. Where none is known (that is a mistake), all wait for a person.
    pub first: Vec<IntegrationName>,
    /// How long the others wait while all is well at the first ones.
    pub wait: Duration,
    /// Whether the others then take it over by themselves; else a person lets them.
    pub by_itself: bool,
    /// How many more records may be parked at one of the first ones.
    pub parked: u64,
}

/// How an integration was made from a template, as numbers that change with what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeFrom {
    /// The template that it names.
    pub template: String,
    /// The template whose `rollout:` is meant for it: that one, or the one below.
    pub rollout: Option<String>,
    /// What the template and the one below it say.
    pub text: u64,
    /// That, and the tables and connectors that everybody shares.
    pub shared: u64,
}
