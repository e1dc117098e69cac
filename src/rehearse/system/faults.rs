//! What goes wrong with calls.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::super::{
    compare::holds,
    scenario::{CrashAt, Trouble},
};

/// A trouble that a call met.
pub(super) struct Met {
    pub mishap: super::Mishap,
    pub says: Option<String>,
    pub until: Option<DateTime<Utc>>,
}

/// Everything that is to go wrong.
#[derive(Default)]
pub(super) struct Faults {
    troubles: Vec<(Trouble, Option<DateTime<Utc>>)>,
    pub crash: Option<CrashAt>,
}

impl Faults {
    pub fn add(&mut self, trouble: Trouble, until: Option<DateTime<Utc>>) {
        self.troubles.push((trouble, until));
    }

    pub fn clear(&mut self) {
        self.troubles.clear();
    }

    /// Whether the daemon dies here; it does so once.
    pub fn dies(&mut self, resource: &str, after: bool) -> bool {
        let here = self.crash.as_ref().is_some_and(|crash| {
            crash.after == after && crash.resource.as_ref().is_none_or(|wanted| wanted == resource)
        });
        if here {
            self.crash = None;
        }
        here
    }

    /// The first trouble that a call of this resource meets; one call less is left of it. `write` holds the records that
    /// a write is about, as they would be after it.
    pub fn meet(&mut self, resource: &str, write: Option<&[Value]>, now: DateTime<Utc>) -> Option<Met> {
        self.troubles.retain(|(trouble, until)| trouble.calls != Some(0) && until.is_none_or(|until| now < until));
        let (trouble, until) = self.troubles.iter_mut().find(|(trouble, _)| {
            let kind = if write.is_some() { trouble.writes } else { trouble.reads };
            let place = trouble.resource.as_ref().is_none_or(|wanted| wanted == resource);
            let of = match (&trouble.of, write) {
                (Some(of), Some(bodies)) => bodies.iter().any(|body| holds(body, of)),
                (Some(_), None) => false,
                (None, _) => true,
            };
            kind && place && of
        })?;
        if let Some(calls) = &mut trouble.calls {
            *calls -= 1;
        }
        Some(Met { mishap: trouble.mishap, says: trouble.says.clone(), until: *until })
    }

    /// Whether a refusal is about this record.
    pub fn concerns(&self, resource: &str, body: &Value) -> bool {
        self.troubles.iter().any(|(trouble, _)| {
            trouble.mishap == super::Mishap::Refused
                && trouble.resource.as_ref().is_none_or(|wanted| wanted == resource)
                && trouble.of.as_ref().is_none_or(|of| holds(body, of))
        })
    }
}
