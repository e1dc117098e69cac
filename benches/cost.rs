//! What a sync costs, next to the least possible: `cargo bench --bench cost [-- CONTACTS] [--links LINKS]`.
//!
//! Two practice websites serve plain contacts over loopback HTTP from a process of their own, and every case runs in
//! one of its own, so that CPU and memory below are its alone. Requests are compared with the fewest that could do the
//! job; CPU with two bare loops measured in the same run: fetch, map and post without any memory of what was done, and
//! the same with one 300-byte value per record put into sled and flushed per batch.
//!
//! `--links` (100,000 unless given; 0 leaves it out) is the size of the store in the last case: a tenth of the
//! contacts is synced for real, and copies of their links fill the store. `CACHE_MIB` in the environment sets another
//! cache than the program's own.
#![allow(clippy::pedantic, clippy::type_complexity, reason = "pedantic lints are for the library")]

use std::{
    collections::BTreeMap,
    env,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use reconciled::{
    clock::Clock,
    config::{self, Config, ConnectionName, IntegrationName, PipelineName},
    connector::{Connector, HttpConnector, LimitRegistry},
    engine::{Engine, Mode, RunReport, RunRequest},
    record::{RecordId, Side},
    sandbox::{Website, WebsiteOptions},
    store::{Changes, Ledger, MatchKey, MemoryStore, SledStore, Store},
};
use serde_json::{Value, json};

/// As the program itself has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PAGE: usize = 1_000;
const BATCH: usize = 100;
const FIELDS: [&str; 8] = ["first_name", "last_name", "email", "phone", "mobile", "company", "account", "notes"];

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Fallible<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    // The bare loops use reqwest as it comes; it takes the process-wide provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match arguments.first().map(String::as_str) {
        Some("serve") => runtime.block_on(serve()),
        // `cargo test --all-targets` starts benchmarks too, without this.
        Some("--bench") | None if !arguments.iter().any(|a| a == "--bench") => {
            println!("measures only under `cargo bench`");
            Ok(())
        }
        Some("case") => {
            let number = |at: usize| arguments.get(at).and_then(|a| a.parse().ok()).unwrap_or_default();
            let dir = arguments.get(2).map_or("", String::as_str);
            runtime.block_on(case(arguments.get(1).map_or("", String::as_str), Path::new(dir), number(2), number(3)))
        }
        _ => measure(&arguments),
    }
}

/// Runs every case in a process of its own and compares.
fn measure(arguments: &[String]) -> Fallible<()> {
    let after = |name: &str| arguments.iter().skip_while(|a| *a != name).nth(1);
    let links: usize = after("--links").map_or(Ok(100_000), |a| a.parse())?;
    let contacts = arguments.iter().take_while(|a| *a != "--links").find_map(|a| a.parse().ok()).unwrap_or(100_000);
    println!(
        "{contacts} contacts, {} pass the filter, {} fields, pages of {PAGE}, batches of {BATCH}",
        contacts * 6 / 10,
        FIELDS.len()
    );
    let bare = run_case(&["bare", &contacts.to_string()])?;
    let stored = run_case(&["bare-with-sled", &contacts.to_string()])?;
    let first = run_case(&["one-way", &contacts.to_string()])?;
    println!(
        "one-way, first sync: CPU is {:.2}x the bare loop, {:.2}x the bare loop with sled",
        first / bare,
        first / stored
    );
    run_case(&["two-way", &(contacts / 10).to_string()])?;
    if links > 0 {
        run_case(&["links", &(contacts / 10).to_string(), &links.to_string()])?;
    }
    Ok(())
}

/// Runs a case and prints what it says. Returns the CPU seconds of its first sync.
fn run_case(arguments: &[&str]) -> Fallible<f64> {
    let mut child = Command::new(env::current_exe()?).arg("case").args(arguments).stdout(Stdio::piped()).spawn()?;
    let mut seconds = 0.0;
    for line in child.stdout.take().into_iter().flat_map(|output| BufReader::new(output).lines()) {
        let line = line?;
        match line.strip_prefix("first sync ") {
            Some(measured) => seconds = measured.parse()?,
            None => println!("{line}"),
        }
    }
    if !child.wait()?.success() {
        return Err(format!("{arguments:?} failed").into());
    }
    Ok(seconds)
}

async fn case(name: &str, dir: &Path, contacts: usize, links: usize) -> Fallible<()> {
    match name {
        "bare" => {
            let cost = bare_loop(contacts, None).await?;
            print_bare("bare loop", &cost);
        }
        "bare-with-sled" => {
            let dir = tempfile::tempdir()?;
            let cost = bare_loop(contacts, Some(dir.path())).await?;
            print_bare("bare loop with sled", &cost);
        }
        "one-way" => one_way(contacts).await?,
        "two-way" => two_way(contacts).await?,
        "links" => many_links(contacts, links).await?,
        "fill" => fill(dir, links).await?,
        _ => return Err(format!("there is no case `{name}`").into()),
    }
    println!("  memory peak {} MiB", memory("VmHWM"));
    Ok(())
}

fn print_bare(what: &str, cost: &Cost) {
    println!("first sync {}", cost.cpu.as_secs_f64());
    println!("{what:<34} wall {:>6.2} s, CPU {:>6.2} s", cost.wall.as_secs_f64(), cost.cpu.as_secs_f64());
}

/// The practice systems' process: two websites, driven by lines on standard input.
async fn serve() -> Fallible<()> {
    let clock = Clock::system();
    let option = || WebsiteOptions { keep_log: false, ..WebsiteOptions::new(clock.clone()) };
    let (left, right) = (Website::start(option()).await?, Website::start(option()).await?);
    println!("{} {} {}", left.url(), right.url(), left.token());
    let (lines, mut commands) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || std::io::stdin().lines().map_while(Result::ok).for_each(|l| drop(lines.send(l))));
    while let Some(line) = commands.recv().await {
        let words: Vec<&str> = line.split(' ').collect();
        let site = if words.get(1) == Some(&"right") { &right } else { &left };
        let count: usize = words.get(2).and_then(|n| n.parse().ok()).unwrap_or_default();
        match words[0] {
            "fill" => {
                site.fill_contacts(count);
                // What is typed in the second in which a listing begins may be missing in it, so that it is listed once more;
                // here everything was typed long before.
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
            "edit" => {
                for record in site.list("contacts").iter().filter(|r| r["subscribed"] == true).take(count) {
                    let id = record["id"].as_str().unwrap_or_default();
                    site.edit("contacts", id, json!({ "company": format!("edited {}", clock.now()) }))?;
                }
            }
            "count" => println!("{}", site.count("contacts")),
            _ => {}
        }
        println!("done");
    }
    Ok(())
}

struct Systems {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    urls: [String; 2],
    token: String,
}

impl Systems {
    fn start() -> Fallible<Self> {
        let mut child =
            Command::new(env::current_exe()?).arg("serve").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let (Some(input), Some(output)) = (input, output) else { return Err("no pipes".into()) };
        let mut output = BufReader::new(output);
        let mut line = String::new();
        output.read_line(&mut line)?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let [left, right, token] = words.as_slice() else { return Err("the systems did not start".into()) };
        let (urls, token) = ([(*left).to_owned(), (*right).to_owned()], (*token).to_owned());
        Ok(Self { child, input, output, urls, token })
    }

    fn tell(&mut self, command: &str) -> Fallible<()> {
        writeln!(self.input, "{command}")?;
        self.input.flush()?;
        loop {
            let mut line = String::new();
            if self.output.read_line(&mut line)? == 0 {
                return Err("the systems ended".into());
            }
            if line.trim() == "done" {
                return Ok(());
            }
        }
    }
}

impl Drop for Systems {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// CPU time of this process so far, all threads, ended ones too.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks: u64 = stat
        .rsplit(')')
        .next()
        .map(|rest| rest.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<u64>().ok()).sum())
        .unwrap_or_default();
    Duration::from_millis(ticks * 10)
}

/// A line of `/proc/self/status`, in MiB.
fn memory(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or_default() / 1024
}

struct Cost {
    wall: Duration,
    cpu: Duration,
}

struct Meter {
    wall: Instant,
    cpu: Duration,
}

impl Meter {
    fn start() -> Self {
        Self { wall: Instant::now(), cpu: cpu() }
    }

    fn stop(&self) -> Cost {
        Cost { wall: self.wall.elapsed(), cpu: cpu() - self.cpu }
    }
}

struct NoEnv;

impl config::EnvSource for NoEnv {
    fn var(&self, _: &str) -> Option<String> {
        None
    }
}

fn configuration(dir: &Path, systems: &Systems, direction: &str) -> Fallible<Arc<Config>> {
    let fields: String =
        FIELDS.iter().map(|name| format!("      - {{ source: $.{name}, target: $.{name} }}\n")).collect();
    let connection = |url: &str| {
        format!("{{ connector: website, base_url: \"{url}\", auth: {{ token: {} }}, unlimited: true }}", systems.token)
    };
    let yaml = format!(
        "connections:\n  left: {}\n  right: {}\npipelines:\n  contacts:\n    source: left/contacts\n    target: \
         right/contacts\n    direction: {direction}\n    first_run: {{ apply: automatic }}\n    match: [ {{ source: \
         $.email, target: $.email }} ]\n    filters: {{ source: [ {{ path: $.subscribed, equals: true }} ] }}\n    \
         fields:\n{fields}",
        connection(&systems.urls[0]),
        connection(&systems.urls[1]),
    );
    std::fs::write(dir.join("bench.yaml"), yaml)?;
    let loaded = config::load(dir, &NoEnv);
    if loaded.has_errors() {
        return Err(format!("{:#?}", loaded.diagnostics).into());
    }
    Ok(Arc::new(loaded.config))
}

struct Bench {
    engine: Engine,
    systems: Systems,
    dir: tempfile::TempDir,
}

/// The store of a bench in this folder, with the program's own page cache unless told otherwise.
fn open_store(dir: &Path) -> Fallible<Ledger> {
    let cache = env::var("CACHE_MIB").ok().and_then(|mib| mib.parse::<u64>().ok());
    let cache = cache.map_or(SledStore::DEFAULT_CACHE_BYTES, |mib| mib << 20);
    let store: Arc<dyn Store> = Arc::new(SledStore::open(&dir.join("store"), cache)?);
    Ok(Ledger::new(store))
}

impl Bench {
    fn new(direction: &str) -> Fallible<Self> {
        let systems = Systems::start()?;
        let dir = tempfile::tempdir()?;
        let config = configuration(dir.path(), &systems, direction)?;
        let ledger = open_store(dir.path())?;
        let clock = Clock::system();
        let limits = Arc::new(LimitRegistry::new(clock.clone()));
        let mut connectors: BTreeMap<ConnectionName, Arc<dyn Connector>> = BTreeMap::new();
        for connection in config.connections.values() {
            let connector = HttpConnector::new(connection.clone(), clock.clone(), &limits)?;
            connectors.insert(connection.name.clone(), Arc::new(connector));
        }
        let engine =
            Engine { config, ledger, connectors: Arc::new(connectors), clock, temp: dir.path().to_path_buf(), seed: 1 };
        Ok(Self { engine, systems, dir })
    }

    async fn sync(&self) -> Fallible<(RunReport, Cost)> {
        let request = RunRequest {
            integration: IntegrationName::parse("contacts")?,
            pipelines: Vec::new(),
            connection: None,
            mode: Mode::Sync,
            full: false,
            limit: None,
            revert: None,
            list: false,
            why: "bench".to_owned(),
        };
        let meter = Meter::start();
        let report = self.engine.run(request).await?;
        let cost = meter.stop();
        if !report.troubles.is_empty() {
            return Err(format!("{:?}", report.troubles).into());
        }
        Ok((report, cost))
    }
}

fn requests(report: &RunReport) -> u64 {
    report.requests.values().map(|made| made.reads + made.writes).sum()
}

fn print(what: &str, report: &RunReport, cost: &Cost, least: usize) {
    let tally = &report.pipelines[0].tally;
    println!(
        "{what:<34} {:>6} requests (least {least}, pulled again {}), {:>7} created, {:>6} updated, wall {:>6.2} s, CPU {:>6.2} s",
        requests(report),
        report.pulled_again,
        tally.created[0] + tally.created[1],
        tally.updated[0] + tally.updated[1],
        cost.wall.as_secs_f64(),
        cost.cpu.as_secs_f64(),
    );
}

async fn one_way(contacts: usize) -> Fallible<()> {
    let mut bench = Bench::new("source-to-target")?;
    let passing = contacts * 6 / 10;
    bench.systems.tell(&format!("fill left {contacts}"))?;
    let (report, cost) = bench.sync().await?;
    print("one-way, first sync", &report, &cost, contacts.div_ceil(PAGE) + 1 + passing.div_ceil(BATCH));
    println!("first sync {}", cost.cpu.as_secs_f64());
    let changed = contacts / 100;
    settle(&bench).await?;
    bench.systems.tell(&format!("edit left {changed}"))?;
    let (report, cost) = bench.sync().await?;
    print("one-way, 1 % changed", &report, &cost, 2 + changed.div_ceil(BATCH));
    quiet(&bench).await
}

async fn two_way(contacts: usize) -> Fallible<()> {
    let mut bench = Bench::new("two-way")?;
    bench.systems.tell(&format!("fill left {contacts}"))?;
    let (report, cost) = bench.sync().await?;
    print("two-way, first sync", &report, &cost, contacts.div_ceil(PAGE) + 1 + (contacts * 6 / 10).div_ceil(BATCH));
    settle(&bench).await?;
    // Both sides count through records of their own order: some are edited on both, and the source's edit wins.
    bench.systems.tell(&format!("edit left {}", contacts / 100))?;
    bench.systems.tell(&format!("edit right {}", contacts / 100))?;
    let (report, cost) = bench.sync().await?;
    let written = report.pipelines[0].counts.updates.map(|count| usize::try_from(count).unwrap_or_default());
    let least = 2 + written.iter().map(|count| count.div_ceil(BATCH)).sum::<usize>();
    print("two-way, 1 % changed on each side", &report, &cost, least);
    quiet(&bench).await
}

/// A store of many links, of which few belong to what is synced here. They are put in by a process of its own, and the
/// store is opened anew, as by a daemon that starts: what its runs need is measured apart from what filling it took.
async fn many_links(contacts: usize, links: usize) -> Fallible<()> {
    let mut bench = Bench::new("source-to-target")?;
    bench.systems.tell(&format!("fill left {contacts}"))?;
    bench.sync().await?;
    // Closes the store.
    bench.engine.ledger = Ledger::new(Arc::new(MemoryStore::new()));
    let dir = bench.dir.path().to_str().ok_or("a folder whose name is no text")?;
    run_case(&["fill", dir, &links.to_string()])?;
    // From here on the kernel counts the peak anew.
    std::fs::write("/proc/self/clear_refs", "5")?;
    let began = memory("VmHWM");
    bench.engine.ledger = open_store(bench.dir.path())?;
    println!("  a store of {links} links is opened: memory {began} MiB before, {} MiB after", memory("VmRSS"));
    settle(&bench).await?;
    let changed = contacts / 10;
    bench.systems.tell(&format!("edit left {changed}"))?;
    let (report, cost) = bench.sync().await?;
    print("many links, some changed", &report, &cost, 2 + changed.div_ceil(BATCH));
    quiet(&bench).await
}

/// Puts links into the store of a bench, shaped as those that it has.
async fn fill(dir: &Path, links: usize) -> Fallible<()> {
    const AT_ONCE: usize = 500;
    let (ledger, pipeline) = (open_store(dir)?, PipelineName::parse("contacts")?);
    let (known, _) = ledger.list_links(&pipeline, None).await?;
    let meter = Meter::start();
    let mut number = fastrand::Rng::with_seed(1);
    let mut id = || RecordId::from(uuid::Uuid::from_u64_pair(number.u64(..), number.u64(..)).to_string());
    for from in (0..links).step_by(AT_ONCE) {
        let mut changes = Changes::new();
        for place in from..links.min(from + AT_ONCE) {
            let mut link = known[place % known.len()].clone();
            (link.source, link.target) = (id(), id());
            let text = format!("person.{place}@example.com");
            let key = MatchKey { pipeline: &pipeline, side: Side::Target, tier: 0, text: &text };
            changes.together(|atomic| {
                atomic.link(&pipeline, &link);
                atomic.match_key(&key, &link.target);
            });
        }
        ledger.commit(changes).await?;
    }
    ledger.flush().await?;
    let cost = meter.stop();
    println!(
        "{links} links put into the store{:>12} wall {:>6.2} s, CPU {:>6.2} s",
        "",
        cost.wall.as_secs_f64(),
        cost.cpu.as_secs_f64(),
    );
    Ok(())
}

/// What was just written lies inside the overlap of the change feeds and is read once again; not what is measured.
async fn settle(bench: &Bench) -> Fallible<()> {
    tokio::time::sleep(Duration::from_secs(3)).await;
    bench.sync().await.map(drop)
}

/// Runs in which nothing changed, after what was written was read once again.
async fn quiet(bench: &Bench) -> Fallible<()> {
    const RUNS: u32 = 100;
    settle(bench).await?;
    settle(bench).await?;
    let (report, cost) = bench.sync().await?;
    print("  nothing changed", &report, &cost, 2);
    let meter = Meter::start();
    for _ in 0..RUNS {
        bench.sync().await?;
    }
    let cost = meter.stop();
    println!("  nothing changed, mean of {RUNS} runs: wall {:?}, CPU {:?}", cost.wall / RUNS, cost.cpu / RUNS);
    Ok(())
}

/// Fetch, map, post; with `store`, one 300-byte value per record, flushed per batch.
async fn bare_loop(contacts: usize, store: Option<&Path>) -> Fallible<Cost> {
    let mut systems = Systems::start()?;
    systems.tell(&format!("fill left {contacts}"))?;
    let tree = store.map(|path| sled::Config::new().path(path).cache_capacity(64 << 20).open()).transpose()?;
    let meter = Meter::start();
    let client = reqwest::Client::builder().no_proxy().build()?;
    let mut batch = Vec::with_capacity(BATCH);
    for page in 1.. {
        let url = format!("{}/contacts?page={page}&per_page={PAGE}", systems.urls[0].trim_end_matches('/'));
        let body = client.get(url).bearer_auth(&systems.token).send().await?.bytes().await?;
        let body: Value = serde_json::from_slice(&body)?;
        for record in body["items"].as_array().into_iter().flatten().filter(|r| r["subscribed"] == true) {
            let mapped: serde_json::Map<String, Value> =
                FIELDS.iter().filter_map(|name| Some(((*name).to_owned(), record.get(*name)?.clone()))).collect();
            batch.push(Value::Object(mapped));
            if batch.len() == BATCH {
                post(&client, &systems, &mut batch, tree.as_ref()).await?;
            }
        }
        if body["page"] == body["pages"] {
            break;
        }
    }
    post(&client, &systems, &mut batch, tree.as_ref()).await?;
    Ok(meter.stop())
}

async fn post(
    client: &reqwest::Client,
    systems: &Systems,
    batch: &mut Vec<Value>,
    tree: Option<&sled::Db>,
) -> Fallible<()> {
    if batch.is_empty() {
        return Ok(());
    }
    let body = serde_json::to_vec(&json!({ "items": std::mem::take(batch) }))?;
    let url = format!("{}/contacts/batch", systems.urls[1].trim_end_matches('/'));
    let request = client.post(url).bearer_auth(&systems.token).header("content-type", "application/json").body(body);
    let answer: Value = serde_json::from_slice(&request.send().await?.bytes().await?)?;
    let Some(tree) = tree else { return Ok(()) };
    for item in answer["items"].as_array().into_iter().flatten() {
        let id = item["item"]["id"].as_str().ok_or("an item was not created")?;
        tree.insert(id, vec![7_u8; 300])?;
    }
    tree.flush()?;
    Ok(())
}
