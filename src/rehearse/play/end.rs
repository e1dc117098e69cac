//! The end of a scenario: what it expects, and what must hold at the end of every one.

use std::{collections::BTreeSet, time::Duration};

use super::{
    super::{
        check,
        failure::{Failure, Line},
        life::{Ended, Life},
    },
    Stage,
};
use crate::{
    config::{ApplyMode, Place},
    engine::{Mode, RunReport},
};

impl Stage<'_> {
    /// The end: what is expected, and then what must hold at the end of every scenario.
    pub(super) fn finish(&mut self) -> Result<(), Ended> {
        if self.work_left {
            self.sync_all(false)?;
        }
        self.look();
        if let Some(expect) = &self.scenario.expect {
            self.expect(expect)?;
        }
        let place = self.scenario.place.clone();
        if !self.parked_told {
            self.parked_are(&place, &[])?;
        }
        self.outcome.parked = self.on(Life::parked)?;
        self.outcome.held = self.on(Life::held)?;
        for (name, system) in &self.systems {
            let before = self.steps_began.get(name).copied().unwrap_or_default();
            for write in system.written().into_iter().skip(before) {
                let resource = format!("{}/{}", self.short(name), write.resource);
                self.outcome.writes.push((resource, write));
            }
        }
        if self.systems.values().any(|system| system.is_armed()) {
            self.fail(&place, "the daemon was to die at a write, and no such write was sent");
        }
        if self.failures.is_empty() {
            return self.rest(&place);
        }
        // Whatever is not as expected may be so because somebody has to say yes first.
        self.nothing_waits(&place)?;
        Ok(())
    }

    /// Whether something waits for approval; it is a failure unless the test says something about it.
    fn nothing_waits(&mut self, place: &Place) -> Result<bool, Ended> {
        let found = self.on(Life::held)?;
        if !found.is_empty() && !self.held_told {
            let named = found.iter().map(|name| name.as_str().to_owned()).collect::<BTreeSet<_>>();
            let message = "something waits for approval at the end, and the test does not expect that (`held`)";
            self.failures.push(Failure::new(place, message).with(named.into_iter().map(Line::Found)));
        }
        Ok(!found.is_empty())
    }

    /// Nobody types and nothing fails any more: nothing may be left to do, and nothing is sent.
    fn rest(&mut self, place: &Place) -> Result<(), Ended> {
        let waits = self.nothing_waits(place)?;
        if waits && !self.held_told {
            return Ok(());
        }
        self.systems.values().for_each(|system| system.work_again());
        self.sync_all(false)?;
        self.clock.advance(Duration::from_secs(1));
        for name in self.scenario.integrations.clone() {
            let plan = self.on(|life| life.run(&name, &[], Mode::Plan, false).map(Some))?;
            let observes = self.config.integrations.get(&name).is_some_and(|one| one.apply == ApplyMode::Observe);
            if let (false, false, Some(plan)) = (waits, observes, plan) {
                self.nothing_planned(place, &plan);
            }
        }
        self.new_writes();
        for (full, what) in [(false, "a sync"), (true, "a full read")] {
            self.sync_all(full)?;
            let lines: Vec<Line> = self
                .new_writes()
                .iter()
                .flat_map(|(name, writes)| {
                    writes.iter().map(|write| (self.short(name).to_owned(), write)).collect::<Vec<_>>()
                })
                .map(|(name, write)| Line::Found(format!("{name}/{}: {}", write.resource, check::told(write))))
                .collect();
            if !lines.is_empty() {
                let message = format!("nobody changed anything any more, but {what} after the end wrote");
                self.failures.push(Failure::new(place, message).with(lines));
                return Ok(());
            }
        }
        Ok(())
    }

    fn nothing_planned(&mut self, place: &Place, plan: &RunReport) {
        if plan.is_empty_plan() {
            return;
        }
        let items = plan.pipelines.iter().flat_map(|pipeline| {
            let line = |item: &crate::engine::PlanItem| {
                Line::Found(format!("{}: {:?} {} ({})", pipeline.pipeline, item.verb, item.label, item.origin))
            };
            pipeline.items.iter().take(20).map(line)
        });
        let failure =
            Failure::new(place, "something is left to do after the end, and every sync would do it").with(items);
        self.failures.push(failure);
    }
}
