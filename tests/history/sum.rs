//! What a long run of histories comes to: how many, how long, and what went wrong in them on purpose.

use std::{collections::BTreeMap, sync::Mutex};

use chrono::TimeDelta;

struct Sum {
    histories: u64,
    time: TimeDelta,
    faults: BTreeMap<&'static str, u64>,
}

static SUM: Mutex<Sum> = Mutex::new(Sum { histories: 0, time: TimeDelta::zero(), faults: BTreeMap::new() });

/// Something went wrong, on purpose.
pub fn count(fault: &'static str) {
    *SUM.lock().unwrap().faults.entry(fault).or_default() += 1;
}

/// A history of so much time came to its end.
pub fn lived(time: TimeDelta) {
    let mut sum = SUM.lock().unwrap();
    sum.histories += 1;
    sum.time += time;
}

/// The lines of `docs/reliability.md`.
pub fn text(violations: usize) -> String {
    let sum = SUM.lock().unwrap();
    let mut text = format!(
        "| histories (some of them twice) | {} |\n| simulated days | {} |\n| violations | {violations} |",
        sum.histories,
        sum.time.num_days()
    );
    for (fault, count) in &sum.faults {
        text += &format!("\n| {fault} | {count} |");
    }
    text
}
