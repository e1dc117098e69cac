//! The program dies at every place that is named in its source, over a first sync, incremental ones, recoveries and exports.

use std::{collections::BTreeMap, fs};

use crate::{PATIENCE, World, by_email, exits, folder, kills, said, start_until};

/// Places of a sync, in the order of a run.
const OF_A_SYNC: [&str; 9] = [
    "recovering",
    "page-delivered",
    "intent-prepared",
    "intent-flushed",
    "answered",
    "settled",
    "run-ending",
    "cursors-moved",
    "run-ended",
];

/// Places of an export.
const OF_AN_EXPORT: [&str; 2] = ["export-page", "export-written"];

/// Whether the command came by there and died. `None` if it was refused or went wrong in another way.
async fn dies(dir: &std::path::Path, args: &[&str], place: &str) -> bool {
    match start_until(dir, args, Some(place)).ended().await {
        None => true,
        Some(0 | 4) => false,
        Some(code) => panic!("{args:?} with {place} exited with {code}:\n{}", said(dir)),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_that_dies_at_any_named_place_makes_nothing_twice_and_misses_nothing() {
    let mut world = World::of(60, 20, false).await;
    // Nobody is there to approve what many runs that died have left to do.
    let (guards, unguarded) = ("guards: { touched: 100% }", "guards: { touched: unlimited, creates: unlimited }");
    assert!(world.yaml().contains(guards));
    let dir = folder(&world.yaml().replace(guards, unguarded));
    let mut random = fastrand::Rng::with_seed(7);
    let mut died = BTreeMap::<&str, usize>::new();
    let (times, mut tried) = (kills(18), 0);
    while died.values().sum::<usize>() < times {
        let place = OF_A_SYNC[tried % OF_A_SYNC.len()];
        tried += 1;
        assert!(tried < 10 * times + 50, "hardly any run comes by where it should die: {died:?}\n{}", said(dir.path()));
        // Some places are passed once in a run, others with every page and batch.
        let passed = if random.bool() { 1 } else { random.u32(1..5) };
        if dies(dir.path(), &["sync"], &format!("{place}:{passed}")).await {
            *died.entry(place).or_default() += 1;
        }
        by_email(world.site.list("contacts"), "/email", "website");
        by_email(world.other.contacts(), world.other.members()[0], "other side");
        world.people_work();
    }
    println!("died at {died:?} in {tried} runs");
    for place in OF_A_SYNC {
        assert!(died.contains_key(place), "no run died at {place}: {died:?}");
    }
    let began = std::time::Instant::now();
    while exits(dir.path(), &["sync"], &[0, 4]).await != 0 {
        assert!(began.elapsed() < PATIENCE, "it does not come to an end: {}", said(dir.path()));
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    world.settled(dir.path()).await;
    an_export_that_dies_leaves_the_file_as_it_was(dir.path(), times / 9).await;
}

async fn an_export_that_dies_leaves_the_file_as_it_was(dir: &std::path::Path, times: usize) {
    let file = dir.join("export.jsonl");
    let path = file.to_str().unwrap();
    let before = fs::read(&file).unwrap();
    for time in 0..times.max(2) {
        let place = OF_AN_EXPORT[time % 2];
        assert!(dies(dir, &["export", path], place).await, "an export comes by {place}");
        assert_eq!(fs::read(&file).unwrap(), before, "{place}");
    }
    exits(dir, &["export", path], &[0]).await;
    // The first line tells when; the others are the same.
    let entries =
        |text: &[u8]| String::from_utf8(text.to_vec()).unwrap().lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    let (before, after) = (entries(&before), entries(&fs::read(&file).unwrap()));
    assert_eq!(before[..before.len() - 1], after[..after.len() - 1]);
}
