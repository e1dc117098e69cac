//! Deciding: what it takes to make two records, or two collections, the same. Pure; no clock, no I/O.
//!
//! The order of events for one record:
//!
//! 1. [`observe`]: a reading of one side is laid beside what is remembered. Seeing a value never moves a base; it
//!    becomes that side's *pending* value, which is its present value for everything that follows.
//! 2. [`decide_link`] for a linked pair, [`decide_new`] for a record without a link: a [`Decision`], plain data, with
//!    the writes it takes and the reasons for what it does not do.
//! 3. [`body`] makes the record to send from a [`RecordWrite`].
//! 4. [`settle_update`] / [`settle_create`]: what the remote answered is compared with what was sent. Only here, and
//!    where both sides are found equal, does a base move.
//!
//! An edit of the configuration is judged by what it changes about linked pairs: [`effect_on_link`].
//!
//! Deciding again from unchanged input finds nothing to do.

mod answer;
mod birth;
mod body;
mod breaker;
mod calls;
mod create;
mod decide;
mod delete;
mod edit;
mod expect;
mod fresh;
mod guard;
mod link;
mod merge;
mod observe;
mod reason;
mod refuse;
mod revert;
mod settle;
mod unique;
mod view;

pub use body::body;
pub use breaker::Motion;
pub use decide::{Context, Decision, FieldWrite, RecordWrite, decide_link};
pub use delete::{keep_undeleted, settle_delete};
pub use edit::{LinkEffect, effect_on_link, leave_out};
pub use fresh::{Candidate, FreshDecision, TierHits, decide_new, link_matched, needs_hits, succeed};
pub use guard::{Damage, Held, judge};
pub use link::{Belief, Born, FieldPark, FieldState, Fresh, Link, Mark, Observation, Undeleted};
pub use observe::{Change, observe};
pub use reason::{Finding, FindingKind, ParkCode, Why};
pub use refuse::park_refused;
pub use revert::{Image, revert_link};
pub use settle::{Settled, settle_create, settle_update};
pub use unique::{UniqueRank, unique_key, unique_rank};

#[cfg(test)]
mod tests;
