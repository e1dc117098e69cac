//! Random histories. Every value is its own, so that at the end it can be told who typed what is there.

use reconciled::engine::Mode;
use serde_json::{Value, json};

use crate::{
    kinds::{self, Kind},
    people::FIELDS,
    scenario::{Crash, Deed, Given, Happens, Manners, Meanwhile, Mishap, Pick, Reshape, Run, Scenario, Step, System},
};

/// Moments of a run for which something may be planned; few runs have more.
const MOMENTS: u32 = 60;

struct Author {
    rng: fastrand::Rng,
    /// The number of the next value.
    next: u64,
    kind: &'static Kind,
    versions: bool,
}

/// The history of a seed.
pub fn scenario(seed: u64) -> Scenario {
    let mut rng = fastrand::Rng::with_seed(seed);
    let kind = kinds::any(&mut rng);
    let keys = rng.bool().then_some(360);
    let versions = rng.bool();
    let [shop, books] = [0, 1].map(|side| manners(&mut rng, kind, versions, side == 1));
    let mut author = Author { rng, next: 0, kind, versions };
    let mut given = Given::default();
    for _ in 0..author.rng.usize(..5) {
        let Deed::Create { on, values } = author.create() else { continue };
        match on {
            System::Shop => given.shop.push(values),
            System::Books => given.books.push(values),
        }
    }
    let mut steps = Vec::new();
    for _ in 0..author.rng.usize(3..12) {
        author.chapter(&mut steps);
    }
    Scenario { seed, config: kind.name.to_owned(), keys, shop, books, given, steps, expect: Vec::new() }
}

/// Most systems are well behaved, and the others have one fault each.
fn manners(rng: &mut fastrand::Rng, kind: &Kind, versions: bool, is_books: bool) -> Manners {
    let mut manners = Manners { page: rng.usize(2..8), versions, ..Manners::default() };
    if kind.masked {
        manners.masks = is_books.then(|| "phone".to_owned());
        return manners;
    }
    match rng.u8(..16) {
        0 => manners.reshapes = Some(Reshape::Upper),
        1 => manners.reshapes = Some(Reshape::Trimmed),
        2 => manners.ignores = Some(["phone", "city"][rng.usize(..2)].to_owned()),
        3 | 4 => manners.unstable = true,
        5 => manners.ahead = Some(rng.i64(-20_000..20_000)),
        // Without versions, what is typed and not shown yet is overwritten; that window is known.
        6 if versions => manners.lag = Some(rng.u64(1..30)),
        _ => {}
    }
    manners
}

impl Author {
    fn system(&mut self) -> System {
        System::BOTH[self.rng.usize(..2)]
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn pick(&mut self) -> Pick {
        Pick::Nth(self.rng.usize(..1_000))
    }

    fn value(&mut self, field: &str) -> Value {
        let n = self.number();
        match field {
            "name" => json!(format!("Name {n}")),
            // Few addresses, so that records meet.
            "email" if self.rng.u8(..4) == 0 => json!(format!("common{}@x.example", self.rng.u8(..3))),
            "email" => json!(format!("{n}@x.example")),
            field if self.rng.u8(..8) == 0 => json!(format!(" {field}{n} ")),
            field => json!(format!("{field}{n}")),
        }
    }

    fn field(&mut self, from: usize) -> String {
        FIELDS[self.rng.usize(from..FIELDS.len())].to_owned()
    }

    fn create(&mut self) -> Deed {
        let mut values = json!({ "customer": self.rng.bool() });
        for field in FIELDS {
            if field == "name" || self.rng.u8(..3) > 0 {
                values[field] = self.value(field);
            }
        }
        Deed::Create { on: self.system(), values }
    }

    fn touch(&mut self) -> Deed {
        let note = format!("note {}", self.number());
        Deed::Touch { on: self.system(), record: self.pick(), note }
    }

    /// One thing that a person does.
    fn deed(&mut self) -> Deed {
        let (on, record) = (self.system(), self.pick());
        match self.rng.u8(..24) {
            0..6 => self.create(),
            6 => {
                let field = self.field(1);
                Deed::Edit { on, record, field, value: if self.rng.bool() { Value::Null } else { json!("") } }
            }
            7 => {
                let field = self.field(1);
                let value = self.value(&field);
                Deed::BackAndForth { on, record, field, value }
            }
            8 => self.touch(),
            9 if self.rng.bool() => Deed::Archive { on, record },
            10 if self.rng.bool() => Deed::Delete { on, record },
            11 => Deed::Silently { on, record },
            12 if self.rng.u8(..3) == 0 => Deed::Rekey { on, record },
            13 if self.rng.u8(..3) == 0 => Deed::Merge { on, record, into: self.pick() },
            14..17 if self.kind.sales => {
                let total = self.number();
                if self.rng.u8(..3) == 0 {
                    Deed::SaleTotal { sale: record, total }
                } else {
                    Deed::Sale { number: format!("S{total}"), contact: record, total }
                }
            }
            _ => {
                let field = self.field(0);
                let value = self.value(&field);
                Deed::Edit { on, record, field, value }
            }
        }
    }

    fn mishap(&mut self) -> Mishap {
        match self.rng.u8(..10) {
            0 | 1 => Mishap::NotDone,
            2 | 3 => Mishap::LostBefore,
            4 | 5 => Mishap::LostAfter,
            6 | 7 => Mishap::ShortAnswer,
            _ if self.versions => Mishap::LostLate(self.rng.u64(1..50)),
            _ => Mishap::LostAfter,
        }
    }

    /// Calls fail, take time, and people type while they are under way.
    fn meanwhile(&mut self) -> Vec<Meanwhile> {
        // Most runs have long quiet stretches.
        let often: u8 = [2, 6, 20][self.rng.usize(..3)];
        let mut all = Vec::new();
        for at in 1..MOMENTS {
            if self.rng.u8(..100) < 33 {
                all.push(Meanwhile { at, happens: Happens::Milliseconds(self.rng.u64(..4_000)) });
            }
            if self.rng.u8(..100) < 12 {
                // Without versions, a write on its way overwrites what is typed meanwhile; that window is known.
                let deed = if self.versions && !self.kind.sales { self.deed() } else { self.touch() };
                all.push(Meanwhile { at, happens: Happens::Person(deed) });
            }
            if self.rng.u8(..100) < often {
                all.push(Meanwhile { at, happens: Happens::Mishap(self.mishap()) });
            }
        }
        all
    }

    fn run(&mut self) -> Run {
        let mode = match self.rng.u8(..8) {
            0 => Mode::Plan,
            1 | 2 => Mode::Poll,
            _ => Mode::Sync,
        };
        let crash = match self.rng.u8(..8) {
            0 => Some(Crash::Store(self.rng.u64(1..120))),
            1 | 2 => Some(Crash::Await(self.rng.u64(1..250))),
            _ => None,
        };
        Run {
            mode,
            full: self.rng.u8(..6) == 0,
            limit: (mode == Mode::Sync && self.rng.u8(..10) == 0).then(|| self.rng.u64(..4)),
            connection: (mode == Mode::Poll && self.rng.bool()).then(|| self.system()),
            last: self.rng.u8(..10) == 0,
            meanwhile: self.meanwhile(),
            crash,
            killed: (crash.is_some() || self.rng.u8(..6) == 0).then(|| self.rng.u64(..)),
            wrote: Vec::new(),
        }
    }

    /// People do something, time passes, and the daemon runs.
    fn chapter(&mut self, steps: &mut Vec<Step>) {
        for _ in 0..self.rng.usize(..5) {
            steps.push(Step::Person(self.deed()));
        }
        let span = match self.rng.u8(..8) {
            0..3 => self.rng.u64(..10),
            3..6 => self.rng.u64(..200),
            6 => self.rng.u64(..7_200),
            _ => self.rng.u64(..200_000),
        };
        steps.push(Step::Advance(span));
        if let Some(other) = self.kind.edited
            && self.rng.u8(..6) == 0
        {
            let name = if self.rng.bool() { other } else { self.kind.name };
            steps.push(Step::Config(name.to_owned()));
        }
        if self.rng.u8(..20) == 0 {
            steps.push(Step::Jump(self.rng.i64(-8_000..8_000)));
        }
        steps.push(Step::Run(self.run()));
    }
}
