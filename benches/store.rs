//! What the store costs, by ways of using sled: `cargo bench --bench store`.
//!
//! Each case runs in a process of its own, because sled's threads and caches are shared within one. The numbers of
//! one machine say little, so each is also given as a ratio to the first case. Findings:
//! `docs/decisions/0003-sled-as-it-was-measured.md`.
#![allow(clippy::pedantic, clippy::type_complexity, reason = "pedantic lints are for the library")]

use std::{env, fs, path::Path, process::Command, time::Instant};

use reconciled::store::{Group, Key, SledStore, Space, Store};
use sled::{Batch, Config, Db, Mode};

const RECORDS: usize = 60_000;
const PER_FLUSH: usize = 100;
const INTENT_BYTES: usize = 50_000;

/// How the groups get into sled.
const WAYS: [&str; 5] = ["store", "store-group-by-group", "singles-not-atomic", "batch-48-keys", "batch-per-group"];

fn main() {
    let argument = env::args().nth(1).unwrap_or_default();
    if argument.contains('=') {
        return run(&Case::parse(&argument));
    }
    // `cargo test --all-targets` starts benchmarks too, without this.
    if argument != "--bench" {
        return println!("measures only under `cargo bench`");
    }
    let mut cases = vec!["way=store".to_owned()];
    cases.extend(["way=store,keys=1", "way=store,keys=1,order=random", "way=store,order=random"].map(String::from));
    cases.extend(WAYS[1..].iter().map(|way| format!("way={way}")));
    cases.extend(
        ["way=store,intents=0", "way=batch-48-keys,intents=0", "way=singles-not-atomic,intents=0"].map(String::from),
    );
    let knobs =
        ["mode=fast", "segment=524288", "segment=8388608", "cache=16", "background=0", "sync=0", "per_flush=1000"];
    cases.extend(knobs.map(|knob| format!("way=singles-not-atomic,intents=0,{knob}")));
    println!(
        "{:<58} {:>9} {:>7} {:>9} {:>7} {:>8} {:>7}",
        "case", "CPU ns/rec", "ratio", "wall ns", "RSS MB", "disk MB", "blobs"
    );
    let mut first = None;
    for case in cases {
        let output = Command::new(env::current_exe().unwrap()).arg(&case).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let numbers: Vec<u64> = text.split_whitespace().filter_map(|number| number.parse().ok()).collect();
        let [cpu, wall, rss, disk, blobs] = numbers[..] else {
            panic!("{case}: {}", String::from_utf8_lossy(&output.stderr))
        };
        let ratio = cpu as f64 / *first.get_or_insert(cpu) as f64;
        println!("{case:<58} {cpu:>9} {ratio:>7.2} {wall:>9} {rss:>7} {disk:>8} {blobs:>7}");
    }
}

struct Case {
    way: String,
    records: usize,
    keys: usize,
    random: bool,
    intents: bool,
    mode: Mode,
    segment: usize,
    cache: u64,
    background: bool,
    sync: bool,
    per_flush: usize,
}

impl Case {
    fn parse(text: &str) -> Self {
        let get = |name: &str| text.split(',').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
        let number = |name: &str, default: usize| get(name).map_or(default, |text| text.parse().unwrap());
        Self {
            way: get("way").unwrap().to_owned(),
            records: number("records", RECORDS),
            keys: number("keys", 3),
            random: get("order") == Some("random"),
            intents: number("intents", 1) == 1,
            mode: if get("mode") == Some("fast") { Mode::HighThroughput } else { Mode::LowSpace },
            segment: number("segment", 2 << 20),
            cache: number("cache", 64) as u64 * (1 << 20),
            background: number("background", 1) == 1,
            sync: number("sync", 1) == 1,
            per_flush: number("per_flush", PER_FLUSH),
        }
    }
}

enum Target {
    Store(SledStore),
    Raw(Db, fs::File),
}

fn run(case: &Case) {
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let target = if case.way.starts_with("store") {
        Target::Store(SledStore::open(dir.path(), case.cache).unwrap())
    } else {
        let config =
            Config::new().path(dir.path()).mode(case.mode).segment_size(case.segment).cache_capacity(case.cache);
        let db = config.flush_every_ms(case.background.then_some(500)).open().unwrap();
        Target::Raw(db, fs::File::open(dir.path().join("db")).unwrap())
    };
    let mut order: Vec<usize> = (0..case.records).collect();
    let mut rng = fastrand::Rng::with_seed(3);
    if case.random {
        rng.shuffle(&mut order);
    }
    let (start, cpu) = (Instant::now(), cpu_ns());
    for (batch, records) in order.chunks(case.per_flush).enumerate() {
        let intent = |value: Option<Vec<u8>>| {
            let key = Key::new(Space::Intent, &["xero", &format!("{batch:012}")]);
            case.intents.then(|| Group { writes: vec![(key, value)] })
        };
        let groups: Vec<Group> = records.iter().map(|record| group(*record, case.keys, &mut rng)).collect();
        runtime.block_on(async {
            target.write(case, intent(Some(vec![b'i'; INTENT_BYTES])).into_iter().collect()).await;
            target.flush(case).await;
            target.write(case, groups).await;
            target.write(case, intent(None).into_iter().collect()).await;
        });
    }
    runtime.block_on(target.flush(case));
    let (cpu, wall) = ((cpu_ns() - cpu) / case.records as u64, start.elapsed().as_nanos() / case.records as u128);
    println!(
        "{cpu} {wall} {} {} {}",
        peak_rss_mb(),
        size_mb(dir.path()),
        fs::read_dir(dir.path().join("blobs")).unwrap().count()
    );
}

fn group(record: usize, keys: usize, rng: &mut fastrand::Rng) -> Group {
    let id = format!("{record:08}-source-id");
    let target = format!("{:016x}-{:016x}", rng.u64(..), rng.u64(..));
    let mail = format!("p{:05}.{:06}@example.com", rng.u32(..10_000), rng.u32(..));
    let mut group = Group::default();
    group.put(Key::new(Space::Link, &["clients", &id]), vec![b'x'; 400]);
    group.put(Key::new(Space::LinkByTarget, &["clients", &target]), id.clone().into_bytes());
    group.put(Key::new(Space::MatchKey, &["clients", "a", "email", &mail, &id]), Vec::new());
    group.writes.truncate(keys);
    group
}

impl Target {
    async fn write(&self, case: &Case, groups: Vec<Group>) {
        match self {
            Self::Store(store) if case.way == "store" => store.commit(groups).await.unwrap(),
            Self::Store(store) => {
                for group in groups {
                    store.commit(vec![group]).await.unwrap();
                }
            }
            Self::Raw(db, _) => {
                let rows: Vec<Vec<_>> = groups.into_iter().map(|group| group.writes).collect();
                let chunk = match case.way.as_str() {
                    "batch-per-group" => 1,
                    "batch-48-keys" => Group::MAX / case.keys,
                    _ => 0,
                };
                if chunk == 0 || rows.iter().all(|row| row.len() == 1) {
                    rows.concat().into_iter().for_each(|(key, value)| put(db, &key, value));
                    return;
                }
                for rows in rows.chunks(chunk) {
                    let mut batch = Batch::default();
                    for (key, value) in rows.concat() {
                        batch.insert(key.as_bytes(), value.unwrap_or_default());
                    }
                    db.apply_batch(batch).unwrap();
                }
            }
        }
    }

    async fn flush(&self, case: &Case) {
        match self {
            Self::Store(store) => store.flush().await.unwrap(),
            Self::Raw(db, file) => {
                db.flush().unwrap();
                if case.sync {
                    file.sync_data().unwrap();
                }
            }
        }
    }
}

fn put(db: &Db, key: &Key, value: Option<Vec<u8>>) {
    match value {
        Some(value) => drop(db.insert(key.as_bytes(), value).unwrap()),
        None => drop(db.remove(key.as_bytes()).unwrap()),
    }
}

/// CPU of all threads, user and system; the kernel counts in 10 ms.
fn cpu_ns() -> u64 {
    let text = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = text.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11..=12].iter().map(|ticks| ticks.parse::<u64>().unwrap() * 10_000_000).sum()
}

fn peak_rss_mb() -> u64 {
    let text = fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

fn size_mb(dir: &Path) -> u64 {
    fs::metadata(dir.join("db")).unwrap().len() >> 20
}
