//! Histories of two systems in memory and a store that forgets what was not flushed: thousands in a minute.

use std::sync::{
    Mutex,
    atomic::{AtomicU64, Ordering},
};

use crate::{
    generate,
    play::{Played, played},
    scenario::{Deed, Scenario, Step},
    shrink::{shrunk, shrunk_while},
    sum,
};

/// One seed in so many is lived twice, and must be the same both times.
const TWICE: u64 = 25;
/// So many histories that go wrong are enough for one day.
const ENOUGH: usize = 20;

/// A debug build takes ten times as long as a release build.
const HISTORIES: u64 = if cfg!(debug_assertions) { 1_000 } else { 10_000 };

fn yaml(scenario: &Scenario) -> String {
    serde_saphyr::to_string(scenario).unwrap()
}

/// Where two lives of one history part.
fn difference(one: &Played, other: &Played) -> String {
    let (one, other) = (format!("{one:#?}"), format!("{other:#?}"));
    let (one, other): (Vec<&str>, Vec<&str>) = (one.lines().collect(), other.lines().collect());
    let at = one.iter().zip(&other).take_while(|(one, other)| one == other).count();
    let around = |lines: &[&str]| lines[at.saturating_sub(6)..lines.len().min(at + 3)].join("\n");
    format!("\n{}\n-- and --\n{}", around(&one), around(&other))
}

#[test]
fn whatever_happens_nothing_is_lost_or_made_twice() {
    let first = crate::number("SEED", 1);
    let count = crate::number("HISTORIES", HISTORIES);
    let threads = crate::number("THREADS", std::thread::available_parallelism().map_or(1, usize::from) as u64);
    let next = AtomicU64::new(first);
    let failed = Mutex::new(Vec::new());
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count || failed.lock().unwrap().len() >= ENOUGH {
                return;
            }
            let scenario = generate::scenario(seed);
            let lived = played(&scenario);
            let twice = seed.is_multiple_of(TWICE).then(|| played(&scenario)).filter(|again| lived != *again);
            if let Some(again) = &twice {
                println!("seed {seed} is not the same twice: {}", difference(&lived, again));
            }
            if !lived.wrong.is_empty() || twice.is_some() {
                println!("seed {seed}: {:#?}", lived.wrong);
                failed.lock().unwrap().push(seed);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let mut failed = failed.into_inner().unwrap();
    failed.sort_unstable();
    let text = sum::text(first, failed.len());
    println!("{text}");
    let cut = usize::try_from(crate::number("CUT", 2)).unwrap();
    for seed in failed.iter().take(cut) {
        println!("\n# SEED={seed} HISTORIES=1 shows it again\n{}", yaml(&shrunk(generate::scenario(*seed))));
    }
    assert!(failed.is_empty(), "of {count} histories these went wrong: seeds {failed:?}");
    if std::env::var_os("WRITE_FIGURES").is_some() {
        sum::write(&text);
    }
}

#[test]
fn what_a_history_tells_of_itself_is_the_same_history() {
    for seed in 1..30 {
        let scenario = generate::scenario(seed);
        let lived = played(&scenario);
        let told = Scenario { steps: lived.told.clone(), ..scenario };
        let read: Scenario = serde_saphyr::from_str(&yaml(&told)).unwrap();
        assert_eq!(read, told, "seed {seed}: what is written is read");
        assert_eq!(played(&read), lived, "seed {seed}");
    }
}

/// The way from a fault to its scenario works: here, creating a third record on the shop is taken for one.
#[test]
fn a_history_is_cut_down_to_what_it_takes() {
    let created = |scenario: &Scenario| {
        let steps = scenario.steps.iter();
        steps.filter(|step| matches!(step, Step::Person(Deed::Create { .. }))).count() >= 3
    };
    let long = (1..).map(generate::scenario).find(|scenario| created(scenario) && scenario.steps.len() > 20).unwrap();
    let short = shrunk_while(long, &created);
    assert_eq!(short.steps.len(), 3, "{}", yaml(&short));
    assert!(created(&short) && short.given.shop.is_empty() && short.given.books.is_empty());
}

/// Histories that once went wrong, as they were cut down.
#[test]
fn what_once_went_wrong_goes_well() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/history/scenarios");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let scenario: Scenario = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        let wrong = played(&scenario).wrong;
        assert_eq!(wrong, Vec::<String>::new(), "{path:?}");
        count += 1;
    }
    assert!(count > 0, "there are scenarios");
}
