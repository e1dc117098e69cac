//! `kill -9` of the built program at any moment of its work, over and over: whatever moment it is, nothing is made
//! twice and nothing is missing at the end. The systems live in the test's process and outlive every kill, as real
//! ones do; people edit records on both sides between the kills. `KILLS=1000 cargo test --test kill -- --nocapture` kills
//! more often. `points.rs` has the program die at places that are named in its source.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use reconciled::{
    clock::Clock,
    sandbox::{RequestLog, Website, WebsiteOptions, Xero, XeroOptions},
    store::SledStore,
};
use serde_json::{Value, json};
use tempfile::TempDir;

mod blackbox;
mod points;

const WEBSITE: &str = include_str!("../../connectors/website.yaml");
const XERO: &str = include_str!("../../connectors/xero.yaml");
/// Contacts on the source before anything is synced.
const CONTACTS: usize = 2_000;
/// Contacts that only the other side has.
const THEIRS: usize = 150;
/// A child that has not ended by then hangs.
const PATIENCE: Duration = Duration::from_mins(10);
/// How long every answer of a system takes.
const ANSWER: Duration = Duration::from_millis(5);

/// A child that does not outlive its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    /// Kills it at `moment`, and tells whether it was still at work.
    async fn killed_at(mut self, moment: Moment, logs: &[&RequestLog]) -> bool {
        let (began, writes) = (Instant::now(), writes(logs));
        loop {
            if self.0.try_wait().unwrap().is_some() {
                return false;
            }
            let come = match moment {
                Moment::After(time) => began.elapsed() >= time,
                // A run with fewer writes than that comes to its end, and is restarted.
                Moment::Writes(more, most) => writes_now(logs, writes) >= more || began.elapsed() >= most,
            };
            if come {
                self.0.kill().unwrap();
                self.0.wait().unwrap();
                return true;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn ended(mut self) -> Option<i32> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code();
            }
            assert!(began.elapsed() < PATIENCE, "it hangs");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// When the child is killed.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// So long after its start.
    After(Duration),
    /// As soon as so many more writes have arrived, at the latest after this time.
    Writes(u64, Duration),
}

fn writes(logs: &[&RequestLog]) -> u64 {
    logs.iter().map(|log| log.writes()).sum()
}

fn writes_now(logs: &[&RequestLog], before: u64) -> u64 {
    writes(logs).saturating_sub(before)
}

/// Half of the moments lie anywhere in the time that an undisturbed run takes, half at a certain write.
fn moment(random: &mut fastrand::Rng, whole: Duration) -> Moment {
    if random.bool() {
        Moment::After(whole.mul_f64(random.f64()))
    } else {
        Moment::Writes(random.u64(1..=8), whole.mul_f64(0.5 + random.f64() / 2.0))
    }
}

fn start(dir: &Path, args: &[&str]) -> Running {
    start_until(dir, args, None)
}

/// A child that dies at a place of its source.
fn start_until(dir: &Path, args: &[&str], crash_at: Option<&str>) -> Running {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reconciled"));
    command.arg("--config").arg(dir).args(args).env_remove("RECONCILED_CONFIG").env_remove("RECONCILED_LOG");
    if let Some(place) = crash_at {
        command.env("RECONCILED_CRASH_AT", place);
    }
    let log = fs::File::options().create(true).append(true).open(dir.join("said.txt")).unwrap();
    command.stdout(log.try_clone().unwrap()).stderr(log);
    Running(command.stdin(Stdio::null()).spawn().unwrap())
}

/// Everything the children said, for the message of a failed test.
fn said(dir: &Path) -> String {
    let all = fs::read_to_string(dir.join("said.txt")).unwrap_or_default();
    let from = all.len().saturating_sub(4_000);
    all.get(from..).unwrap_or(&all).to_owned()
}

/// Runs a command to its end, which must be one of these, and gives it.
async fn exits(dir: &Path, args: &[&str], codes: &[i32]) -> i32 {
    let code = start(dir, args).ended().await.unwrap_or(-1);
    assert!(codes.contains(&code), "{args:?} exited with {code}:\n{}", said(dir));
    code
}

fn folder(yaml: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("reconciled.toml"), "state_dir = \"state\"\nsocket = \"daemon.sock\"\n").unwrap();
    fs::write(dir.path().join("all.yaml"), yaml).unwrap();
    dir
}

/// The side that the website is kept the same with.
enum Other {
    Website(Website),
    Xero(Xero),
}

impl Other {
    fn log(&self) -> &RequestLog {
        match self {
            Self::Website(other) => other.log(),
            Self::Xero(other) => other.log(),
        }
    }

    /// Where a contact has its e-mail address, first name, last name and mobile number.
    fn members(&self) -> [&'static str; 4] {
        match self {
            Self::Website(_) => ["/email", "/first_name", "/last_name", "/mobile"],
            Self::Xero(_) => ["/EmailAddress", "/FirstName", "/LastName", "/Phones/3/PhoneNumber"],
        }
    }

    fn contacts(&self) -> Vec<Value> {
        match self {
            Self::Website(other) => other.list("contacts"),
            Self::Xero(other) => other.list("Contacts"),
        }
    }

    fn id(&self, contact: &Value) -> String {
        contact[if matches!(self, Self::Website(_)) { "id" } else { "ContactID" }].as_str().unwrap().to_owned()
    }

    fn insert(&self, number: usize) {
        let (first, last, email) = (format!("Their{number}"), format!("Own{number}"), their_email(number));
        match self {
            Self::Website(other) => {
                other.insert("contacts", json!({ "first_name": first, "last_name": last, "email": email })).unwrap();
            }
            Self::Xero(other) => {
                let name = format!("{first} {last}");
                let contact = json!({ "Name": name, "FirstName": first, "LastName": last, "EmailAddress": email });
                other.insert("Contacts", contact).unwrap();
            }
        }
    }

    fn rename(&self, id: &str, last: &str) {
        match self {
            Self::Website(other) => other.edit("contacts", id, json!({ "last_name": last })).unwrap(),
            Self::Xero(other) => other.edit("Contacts", id, json!({ "LastName": last })).unwrap(),
        }
    }
}

fn their_email(number: usize) -> String {
    format!("their{number}@example.org")
}

/// Two systems, people who edit them, and what they must hold at the end.
struct World {
    site: Website,
    other: Other,
    random: fastrand::Rng,
    contacts: usize,
    inserted: usize,
    theirs: usize,
    /// The last mobile number typed on the website, and the last name typed on the other side, by e-mail address.
    mobiles: BTreeMap<String, String>,
    names: BTreeMap<String, String>,
}

impl World {
    async fn start(with_xero: bool) -> Self {
        Self::of(CONTACTS, THEIRS, with_xero).await
    }

    /// With so many contacts on the website, and so many that only the other side has.
    async fn of(contacts: usize, theirs: usize, with_xero: bool) -> Self {
        let clock = Clock::system();
        let site = Website::start(WebsiteOptions::new(clock.clone())).await.unwrap();
        site.fill_contacts(contacts);
        let other = if with_xero {
            let xero = Xero::start(XeroOptions::new(clock).unlimited()).await.unwrap();
            xero.faults().delay_all(ANSWER);
            Other::Xero(xero)
        } else {
            let other = Website::start(WebsiteOptions::new(clock)).await.unwrap();
            other.faults().delay_all(ANSWER);
            Other::Website(other)
        };
        site.faults().delay_all(ANSWER);
        for number in 0..theirs {
            other.insert(number);
        }
        let random = fastrand::Rng::with_seed(20);
        let (mobiles, names) = (BTreeMap::new(), BTreeMap::new());
        Self { site, other, random, contacts, inserted: 0, theirs, mobiles, names }
    }

    fn logs(&self) -> [&RequestLog; 2] {
        [self.site.log(), self.other.log()]
    }

    /// The built-in connectors, only more hasty: what is in doubt is looked up after a second.
    fn connectors() -> String {
        let mut all = "connectors:\n".to_owned();
        for (name, text) in [("website", WEBSITE), ("xero", XERO)] {
            let (_, body) = text.split_once("connectors:\n").unwrap();
            let body = body.replacen(&format!("  {name}:\n"), &format!("  hasty-{name}:\n"), 1);
            let hasty: Vec<_> = body
                .lines()
                .map(|line| match line.split_once("in_doubt: ") {
                    Some((indent, _)) => format!("{indent}in_doubt: 1s\n"),
                    None => format!("{line}\n"),
                })
                .collect();
            all.push_str(&hasty.concat());
        }
        all
    }

    /// The configuration: two-way, with the other side's id written back, so that a create is followed by an update.
    fn yaml(&self) -> String {
        let (connection, fields) = match &self.other {
            Other::Website(other) => (
                format!("connector: hasty-website, base_url: \"{}\", auth: {{ token: {} }}", other.url(), other.token()),
                "
      - { source: $.email, target: $.email }
      - { source: $.first_name, target: $.first_name }
      - { source: $.last_name, target: $.last_name }
      - { source: $.mobile, target: $.mobile }
      - { source: $.postal, target: $.postal }
      - { source: $.xpm_id, target: $.id, direction: target-to-source }",
            ),
            Other::Xero(xero) => (
                format!(
                    "connector: hasty-xero, base_url: \"{}\", tenant: {}, unlimited: true, auth: {{ token: {} }}",
                    xero.url(),
                    xero.tenant(),
                    xero.token()
                ),
                "
      - { source: $.email, target: $.EmailAddress }
      - { source: $.first_name, target: $.FirstName }
      - { source: $.last_name, target: $.LastName }
      - { source: [$.first_name, $.last_name], target: $.Name, join: \" \", direction: source-to-target, write: on-create }
      - { source: $.mobile, target: \"$.Phones[?(@.PhoneType=='MOBILE')].PhoneNumber\" }
      - { source: $.xero_id, target: $.ContactID, direction: target-to-source }",
            ),
        };
        let key = if matches!(self.other, Other::Website(_)) { "email" } else { "EmailAddress" };
        let connectors = Self::connectors();
        format!(
            "{connectors}
connections:
  site: {{ connector: hasty-website, base_url: \"{}\", auth: {{ token: {} }} }}
  other: {{ {connection} }}
pipelines:
  contacts:
    source: site/contacts
    target: other/contacts
    direction: two-way
    first_run: {{ apply: automatic }}
    match: [ {{ source: $.email, target: $.{key} }} ]
    debounce: 1s
    schedule: {{ poll: {{ site: 1s, other: 1s }} }}
    # A thousand kills leave more undone than a careful person would have written in one go.
    guards: {{ touched: 100% }}
    fields:{fields}
",
            self.site.url(),
            self.site.token(),
        )
    }

    /// What people do between two kills: a few edits on either side, and a new contact here and there.
    fn people_work(&mut self) {
        let random = &mut self.random;
        for _ in 0..4 {
            let contacts = self.site.list("contacts");
            let contact = random.choice(&contacts).unwrap();
            let mobile = format!("021 {:06}", random.u32(0..1_000_000));
            self.site.edit("contacts", contact["id"].as_str().unwrap(), json!({ "mobile": mobile })).unwrap();
            self.mobiles.insert(contact["email"].as_str().unwrap().to_owned(), mobile);
            let contacts = self.other.contacts();
            let contact = random.choice(&contacts).unwrap();
            let name = format!("Renamed{}", random.u32(..));
            self.other.rename(&self.other.id(contact), &name);
            let email = contact.pointer(self.other.members()[0]).unwrap();
            self.names.insert(email.as_str().unwrap().to_owned(), name);
        }
        let number = self.inserted;
        self.inserted += 1;
        let contact = json!({
            "first_name": "New", "last_name": format!("Here{number}"), "email": format!("new{number}@example.net"),
        });
        self.site.insert("contacts", contact).unwrap();
        self.other.insert(self.theirs);
        self.theirs += 1;
    }

    /// What is wrong on the two sides, if anything is.
    fn wrong(&self) -> Option<String> {
        let here = by_email(self.site.list("contacts"), "/email", "website");
        let there = by_email(self.other.contacts(), self.other.members()[0], "other side");
        let whole = self.contacts + self.theirs + self.inserted;
        if (here.len(), there.len()) != (whole, whole) {
            return Some(format!("{} contacts here and {} there, not {whole}", here.len(), there.len()));
        }
        let id = if matches!(self.other, Other::Website(_)) { "xpm_id" } else { "xero_id" };
        for (email, contact) in &here {
            let Some(twin) = there.get(email) else { return Some(format!("{email} is not on the other side")) };
            let text =
                |of: &Value, at: &str| of.pointer(at).and_then(Value::as_str).unwrap_or_default().replace(' ', "");
            for (at, to) in ["/email", "/first_name", "/last_name", "/mobile"].into_iter().zip(self.other.members()) {
                if text(contact, at) != text(twin, to) {
                    return Some(format!("{email}: {at} differs: {contact} {twin}"));
                }
            }
            if contact[id].as_str() != Some(&self.other.id(twin)) {
                return Some(format!("{email}: the id was not written back: {contact} {twin}"));
            }
            for (typed, at) in [(&self.mobiles, "/mobile"), (&self.names, "/last_name")] {
                if let Some(value) = typed.get(email)
                    && text(contact, at) != value.replace(' ', "")
                {
                    return Some(format!("{email}: {at} was typed as {value} and is lost: {contact}"));
                }
            }
        }
        None
    }

    /// How long a first sync takes when nobody disturbs it.
    async fn measured(with_xero: bool) -> Duration {
        let world = Self::start(with_xero).await;
        let dir = folder(&world.yaml());
        let began = Instant::now();
        exits(dir.path(), &["sync"], &[0]).await;
        let whole = began.elapsed();
        assert_eq!(world.wrong(), None);
        whole
    }

    /// Everything agrees, nothing is left to do, nothing is sent, and what is remembered can be read.
    async fn settled(&self, dir: &Path) {
        assert_eq!(self.wrong(), None, "{}", said(dir));
        exits(dir, &["parked", "list"], &[0]).await;
        exits(dir, &["plan", "--detailed-exitcode"], &[0]).await;
        exits(dir, &["plan", "--full", "--detailed-exitcode"], &[0]).await;
        let before = writes(&self.logs());
        exits(dir, &["sync"], &[0]).await;
        exits(dir, &["sync", "--full"], &[0]).await;
        assert_eq!(writes(&self.logs()), before, "a quiet sync wrote: {}", said(dir));
        drop(SledStore::open(&dir.join("state"), 8 << 20).unwrap());
        let file = dir.join("export.jsonl");
        exits(dir, &["export", file.to_str().unwrap()], &[0]).await;
    }
}

/// One record by its e-mail address; two with the same are a duplicate.
#[track_caller]
fn by_email(records: Vec<Value>, at: &str, side: &str) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for record in records {
        let email = record.pointer(at).and_then(Value::as_str).unwrap().to_owned();
        if let Some(other) = found.insert(email.clone(), record) {
            panic!("{email} is twice on the {side}, the other one is {other}");
        }
    }
    found
}

/// Kills `args` at work so many times. The moments lie in the time that a run takes: at first the whole first sync, and
/// once a run came to its end before its moment, as long as that one took.
async fn kill_often(world: &mut World, dir: &Path, args: &[&str], times: usize, mut whole: Duration) {
    let mut random = fastrand::Rng::with_seed(times as u64);
    let (mut killed, mut ended) = (0, 0);
    while killed < times {
        let moment = moment(&mut random, whole);
        let began = Instant::now();
        if start(dir, args).killed_at(moment, &world.logs()).await {
            killed += 1;
        } else {
            ended += 1;
            whole = began.elapsed();
            assert!(ended < times, "hardly any kill hits a run: {}", said(dir));
        }
        world.people_work();
    }
    println!("{args:?}: {killed} killed at work, {ended} ended before");
}

/// How often each is killed: as often as `KILLS` in the environment says.
fn kills(otherwise: usize) -> usize {
    std::env::var("KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_killed_at_any_moment_makes_nothing_twice_and_misses_nothing() {
    let whole = World::measured(false).await;
    let mut world = World::start(false).await;
    let dir = folder(&world.yaml());
    kill_often(&mut world, dir.path(), &["sync"], kills(25), whole).await;
    // What the last kill left in doubt is told (4), and looked up a moment later.
    let began = Instant::now();
    while exits(dir.path(), &["sync"], &[0, 4]).await != 0 {
        assert!(began.elapsed() < PATIENCE, "it does not come to an end: {}", said(dir.path()));
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    world.settled(dir.path()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_killed_at_any_moment_makes_nothing_twice_in_xero() {
    let whole = World::measured(true).await;
    let mut world = World::start(true).await;
    let dir = folder(&world.yaml());
    kill_often(&mut world, dir.path(), &["run"], kills(10), whole).await;
    let mut daemon = start(dir.path(), &["run"]);
    let began = Instant::now();
    while let Some(wrong) = world.wrong() {
        assert!(daemon.0.try_wait().unwrap().is_none(), "the daemon ended: {}", said(dir.path()));
        assert!(began.elapsed() < PATIENCE, "{wrong}\n{}", said(dir.path()));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Command::new("kill").args(["-TERM", &daemon.0.id().to_string()]).status().unwrap();
    assert_eq!(daemon.ended().await, Some(0), "{}", said(dir.path()));
    world.settled(dir.path()).await;
}
