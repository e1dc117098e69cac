//! Cutting a history that goes wrong down to what it takes, greedily.

use crate::{
    play::played,
    scenario::{Manners, Run, Scenario, Step},
};

/// So many shorter histories are played at most.
const TRIES: usize = 1_500;

struct Shrinking<'a> {
    best: Scenario,
    tries: usize,
    fails: &'a dyn Fn(&Scenario) -> bool,
}

impl Shrinking<'_> {
    /// Takes the change if the history still goes wrong with it.
    fn attempt(&mut self, change: impl FnOnce(&mut Scenario)) -> bool {
        let mut shorter = self.best.clone();
        change(&mut shorter);
        if self.tries >= TRIES || shorter == self.best {
            return false;
        }
        self.tries += 1;
        if (self.fails)(&shorter) {
            self.best = shorter;
            return true;
        }
        false
    }

    /// Takes parts out of a list, large ones first.
    fn thin<T>(&mut self, list: impl Fn(&mut Scenario) -> &mut Vec<T>) {
        let mut size = list(&mut self.best).len().div_ceil(2);
        while size > 0 {
            let mut at = 0;
            while at < list(&mut self.best).len() {
                let gone = self.attempt(|scenario| {
                    let all = list(scenario);
                    let end = (at + size).min(all.len());
                    all.drain(at..end);
                });
                at += if gone { 0 } else { size };
            }
            size /= 2;
        }
    }

    fn run_at(scenario: &mut Scenario, at: usize) -> Option<&mut Run> {
        match &mut scenario.steps[at] {
            Step::Run(run) => Some(run),
            _ => None,
        }
    }

    fn once(&mut self) {
        self.thin(|scenario| &mut scenario.steps);
        self.thin(|scenario| &mut scenario.given.shop);
        self.thin(|scenario| &mut scenario.given.books);
        for at in 0..self.best.steps.len() {
            if Self::run_at(&mut self.best, at).is_none() {
                continue;
            }
            self.thin(|scenario| &mut Self::run_at(scenario, at).expect("it is a run").meanwhile);
            let simpler: [fn(&mut Run); 4] = [
                |run| (run.crash, run.killed) = (None, None),
                |run| run.full = false,
                |run| run.limit = None,
                |run| run.last = false,
            ];
            for simpler in simpler {
                self.attempt(|scenario| simpler(Self::run_at(scenario, at).expect("it is a run")));
            }
        }
        let simpler: [fn(&mut Manners); 6] = [
            |manners| manners.lag = None,
            |manners| manners.reshapes = None,
            |manners| manners.ignores = None,
            |manners| manners.unstable = false,
            |manners| manners.ahead = None,
            |manners| manners.page = 100,
        ];
        for simpler in simpler {
            self.attempt(|scenario| simpler(&mut scenario.shop));
            self.attempt(|scenario| simpler(&mut scenario.books));
        }
    }
}

/// The shortest history found for which `fails` still holds.
pub fn shrunk_while(scenario: Scenario, fails: &dyn Fn(&Scenario) -> bool) -> Scenario {
    let mut shrinking = Shrinking { best: scenario, tries: 0, fails };
    loop {
        let before = shrinking.best.clone();
        shrinking.once();
        if shrinking.best == before || shrinking.tries >= TRIES {
            return shrinking.best;
        }
    }
}

/// A history that goes wrong, cut down, with what happened in it and what is wrong at its end.
pub fn shrunk(scenario: Scenario) -> Scenario {
    let short = shrunk_while(scenario, &|shorter| !played(shorter).wrong.is_empty());
    let played = played(&short);
    // A history that panicked told nothing.
    let steps = if played.told.is_empty() { short.steps } else { played.told };
    Scenario { steps, expect: played.wrong, ..short }
}
