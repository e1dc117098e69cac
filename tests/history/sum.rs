//! What a long run of histories comes to: how many, how long, and what went wrong in them on purpose.

use std::{collections::BTreeMap, path::Path, process::Command, sync::Mutex, time::Duration};

struct Sum {
    histories: u64,
    time: Duration,
    faults: BTreeMap<&'static str, u64>,
}

static SUM: Mutex<Sum> = Mutex::new(Sum { histories: 0, time: Duration::ZERO, faults: BTreeMap::new() });

/// Where the table stands in `docs/reliability.md`.
const MARKS: [&str; 2] = ["<!-- histories -->\n", "<!-- /histories -->"];

/// Something went wrong, on purpose.
pub fn count(fault: &'static str) {
    *SUM.lock().unwrap().faults.entry(fault).or_default() += 1;
}

/// A history of so much time came to its end.
pub fn lived(time: Duration) {
    let mut sum = SUM.lock().unwrap();
    sum.histories += 1;
    sum.time += time;
}

/// The state of the program that was run.
fn commit() -> String {
    let git = Command::new("git").args(["describe", "--always", "--dirty"]).output();
    git.ok().and_then(|out| String::from_utf8(out.stdout).ok()).map(|text| text.trim().to_owned()).unwrap_or_default()
}

/// The table of `docs/reliability.md`.
pub fn text(first: u64, violations: usize) -> String {
    let sum = SUM.lock().unwrap();
    let days = sum.time.as_secs() / 86_400;
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    let mut text = format!(
        "| random histories in memory, from seed {first}, {build} build of {} | |\n| --- | --- |\n\
         | histories (one in 25 twice) | {} |\n| simulated days | {days} |\n| violations | {violations} |",
        commit(),
        sum.histories
    );
    for (fault, count) in &sum.faults {
        let kind = if fault.starts_with("before") || fault.starts_with("after") { "dropped " } else { "" };
        text += &format!("\n| {kind}{fault} | {count} |");
    }
    text
}

/// Puts the table into the documentation.
pub fn write(text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reliability.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(MARKS[0]).unwrap();
    let (_, after) = rest.split_once(MARKS[1]).unwrap();
    std::fs::write(path, format!("{before}{}{text}\n{}{after}", MARKS[0], MARKS[1])).unwrap();
}
