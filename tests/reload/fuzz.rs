//! Random edits of many files, under load, with kills: what runs is always the last good set.
//!
//! What should run is known from the edits themselves, by rules that are not the program's code: a sound definition that
//! is the only readable one of its name runs; what is mistaken, cannot be read or is defined twice goes on as it was, and
//! so does what runs from a file that was emptied; what no file defines any more does not run, unless there is a file that
//! nobody can read, into which it may have moved. `RECONCILED_FUZZ_SEED` and `RECONCILED_FUZZ_STEPS` choose the edits.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write as _,
    time::{Duration, SystemTime},
};

use reconciled::daemon::protocol::Request;

use crate::support::{Live, QUICK, folder, hashes, integration, practice::Practice};

/// The state of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Sound,
    /// It holds a mistake; what it defines can still be told.
    Mistaken,
    /// It holds nothing at all.
    Empty,
    /// Nobody can tell what it defines.
    Unread,
}

/// A file with what it defines, or defined before it was broken.
#[derive(Clone, Debug)]
struct File {
    defines: Vec<(String, String)>,
    state: State,
}

impl File {
    fn text(&self) -> String {
        let own = self.defines.iter().map(|(name, mark)| integration(name, mark));
        let own: String = own.map(|text| text.trim_start_matches("integrations:\n").to_owned()).collect();
        format!("integrations:\n{own}")
    }
}

struct Fuzz {
    live: Live,
    random: fastrand::Rng,
    files: BTreeMap<String, File>,
    running: BTreeMap<String, String>,
    /// The file that each one runs from.
    homes: BTreeMap<String, String>,
    /// The number of each meaning that was seen.
    numbers: BTreeMap<(String, String), String>,
    marks: u32,
    fresh: u32,
    /// Something was broken or deleted in this step: with two such edits it would matter which was seen first.
    broke: bool,
    trace: Vec<String>,
}

impl Fuzz {
    fn mark(&mut self) -> String {
        self.marks += 1;
        format!("mark-{}", self.marks)
    }

    fn new_file(&mut self) -> (String, File) {
        self.fresh += 1;
        let number = self.fresh;
        let count = self.random.usize(1..=3);
        let defines = (0..count).map(|own| (format!("n{number}-{own}"), self.mark())).collect();
        let folder = ["", "sub/", "deep/er/"][self.random.usize(..3)];
        (format!("{folder}f{number}.yaml"), File { defines, state: State::Sound })
    }

    /// Writes a text as one of many programs would. Where a part of it would mean something else for good (it lacks a
    /// definition that the whole only breaks, or that is written twice), it comes in one piece.
    async fn write(&mut self, name: &str, text: &str, in_one_piece: bool) {
        let path = self.live.file(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let ways = if in_one_piece { 1 } else { 4 };
        match self.random.u8(..ways) {
            3 => fs::write(&path, text).unwrap(),
            0 => {
                let aside = path.with_file_name(".aside");
                fs::write(&aside, text).unwrap();
                fs::rename(&aside, &path).unwrap();
            }
            1 => {
                fs::write(&path, text).unwrap();
                let file = fs::File::options().write(true).open(&path).unwrap();
                file.set_modified(SystemTime::now() - Duration::from_secs(self.random.u64(1..1_000_000))).unwrap();
            }
            _ => {
                let half = self.random.usize(..=text.len());
                let mut file = fs::File::create(&path).unwrap();
                file.write_all(&text.as_bytes()[..half]).unwrap();
                tokio::time::sleep(Duration::from_millis(self.random.u64(..15))).await;
                file.write_all(&text.as_bytes()[half..]).unwrap();
            }
        }
    }

    /// Whether another file defines something of this one, too.
    fn is_twice(&self, file: &File) -> bool {
        let count =
            |name: &String| self.files.values().filter(|other| other.defines.iter().any(|(n, _)| n == name)).count();
        file.defines.iter().any(|(name, _)| count(name) > 1)
    }

    /// One edit of one file.
    async fn edit(&mut self, name: &str) {
        let Some(mut file) = self.files.get(name).cloned() else { return };
        let kind = self.random.u8(..10);
        let breaks = kind == 6 || (file.state == State::Sound && matches!(kind, 4 | 5));
        if breaks && std::mem::replace(&mut self.broke, true) {
            return;
        }
        match (kind, &file.state) {
            (0..=2, State::Sound) | (0..=5, State::Mistaken | State::Empty | State::Unread) => {
                let (at, mark) = (self.random.usize(..file.defines.len()), self.mark());
                file.defines[at].1 = mark;
                file.state = State::Sound;
                self.trace.push(format!("{name}: sound, {:?}", file.defines));
                self.write(name, &file.text(), self.is_twice(&file)).await;
            }
            (3, State::Sound) => {
                self.trace.push(format!("{name}: a comment"));
                let text = format!("# nothing new {}\n{}", self.marks, file.text());
                self.write(name, &text, self.is_twice(&file)).await;
            }
            (4 | 5, State::Sound) => {
                let text = file.text();
                let braces: Vec<usize> = text.match_indices('{').map(|(at, _)| at + 1).collect();
                let (text, state) = match self.random.u8(..3) {
                    0 => (text[..braces[self.random.usize(..braces.len())]].to_owned(), State::Unread),
                    1 => (text.replace("first_name", "frist_name"), State::Mistaken),
                    _ => (String::new(), State::Empty),
                };
                self.trace.push(format!("{name}: {state:?}, {} bytes", text.len()));
                file.state = state;
                self.write(name, &text, true).await;
            }
            (6, _) => {
                self.trace.push(format!("{name}: deleted"));
                fs::remove_file(self.live.file(name)).unwrap();
                self.files.remove(name);
                return;
            }
            (7, State::Sound) => {
                self.fresh += 1;
                let to = format!("renamed{}.yml", self.fresh);
                self.trace.push(format!("{name}: renamed to {to}"));
                fs::rename(self.live.file(name), self.live.file(&to)).unwrap();
                self.files.remove(name);
                for home in self.homes.values_mut().filter(|home| *home == name) {
                    home.clone_from(&to);
                }
                self.files.insert(to, file);
                return;
            }
            (8, State::Sound) => {
                // One of its definitions moves to a file of its own.
                if file.defines.len() > 1 {
                    let moved = file.defines.pop().unwrap();
                    self.fresh += 1;
                    let (to, other) =
                        (format!("moved{}.yaml", self.fresh), File { defines: vec![moved], state: State::Sound });
                    self.trace.push(format!("{name}: {:?} moves to {to}", other.defines));
                    self.write(&to, &other.text(), true).await;
                    self.write(name, &file.text(), true).await;
                    self.files.insert(to, other);
                }
            }
            (9, State::Sound) => {
                let (twice, mark) = (file.defines[0].0.clone(), self.mark());
                self.fresh += 1;
                let (to, other) =
                    (format!("twice{}.yaml", self.fresh), File { defines: vec![(twice, mark)], state: State::Sound });
                self.trace.push(format!("{to}: {:?} twice", other.defines));
                self.write(&to, &other.text(), true).await;
                self.files.insert(to, other);
                return;
            }
            _ => return,
        }
        self.files.insert(name.to_owned(), file);
    }

    /// What should run after these edits.
    fn expect(&mut self) {
        let mut claims: BTreeMap<&String, Vec<(&String, &String, &State)>> = BTreeMap::new();
        for (path, file) in &self.files {
            for (name, mark) in &file.defines {
                // An emptied file stops nothing that runs from it. A second definition that was refused never ran, so
                // that emptying its file saves nothing, should the first one be removed.
                if file.state != State::Empty || self.homes.get(name) == Some(path) {
                    claims.entry(name).or_default().push((path, mark, &file.state));
                }
            }
        }
        // What was in a file that is gone may have moved into one that nobody can read: it goes on until that is known.
        let unread = self.files.values().any(|file| file.state == State::Unread);
        self.running.retain(|name, _| unread || claims.contains_key(name));
        for (name, mut claims) in claims {
            // What a file defined that nobody can read now may have moved; what can be read is written there.
            claims.retain(|(_, _, state)| matches!(state, State::Sound | State::Mistaken));
            if let [(path, mark, State::Sound)] = claims.as_slice() {
                self.running.insert(name.clone(), (*mark).clone());
                self.homes.insert(name.clone(), (*path).clone());
            }
        }
    }

    async fn check(&mut self, what: &str) {
        let status = self.live.status().await.unwrap();
        let now = hashes(&status);
        let names = |map: &BTreeMap<String, String>| map.keys().cloned().collect::<BTreeSet<_>>();
        assert_eq!(names(&now), names(&self.running), "{what}\n{:#?}\n{}", self.trace, self.live.said());
        for (name, mark) in &self.running {
            let number = &now[name];
            let known = self.numbers.entry((name.clone(), mark.clone())).or_insert_with(|| number.clone());
            assert_eq!(known, number, "{what}: `{name}` should run {mark}\n{:#?}", self.trace);
            let same = self.numbers.iter().filter(|((of, other), seen)| of == name && other != mark && *seen == number);
            assert_eq!(same.count(), 0, "{what}: `{name}` should run {mark}, not an older one\n{:#?}", self.trace);
        }
    }
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_edited_what_runs_is_the_last_good_set() {
    let (seed, steps) = (number("RECONCILED_FUZZ_SEED", 1), number("RECONCILED_FUZZ_STEPS", 30));
    println!("RECONCILED_FUZZ_SEED={seed} RECONCILED_FUZZ_STEPS={steps}");
    let practice = Practice::start(20).await;
    let connections = practice.connections().replace("  website:", "  shop:").replace("  xero:", "  books:");
    let home = folder(QUICK, &[]);
    fs::write(home.path().join("etc/connections.yaml"), connections).unwrap();
    let live = Live::on(home).await;
    let random = fastrand::Rng::with_seed(seed);
    let (files, running, homes, numbers) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let mut fuzz =
        Fuzz { live, random, files, running, homes, numbers, marks: 0, fresh: 0, broke: false, trace: Vec::new() };
    for step in 0..steps {
        fuzz.trace.push(format!("step {step}"));
        // The load: runs that are under way, and questions.
        let busy: Vec<_> = (0..fuzz.random.usize(..3))
            .filter_map(|_| {
                let names: Vec<&String> = fuzz.running.keys().collect();
                let name = names.get(fuzz.random.usize(..names.len().max(1)))?.to_string();
                let socket = fuzz.live.home.path().join("socket");
                Some(tokio::spawn(async move {
                    let mut client = reconciled::daemon::Client::connect(&socket).await.ok()?;
                    let request = serde_json::json!({ "do": "run", "integration": name, "pipelines": [], "mode": "sync", "why": "load" });
                    client.call(&serde_json::from_value(request).ok()?).await.ok()
                }))
            })
            .collect();
        fuzz.broke = false;
        // Each file at most once in a step: what the daemon sees in between is then on the way, never a state of its own.
        let mut names: Vec<String> = fuzz.files.keys().cloned().collect();
        fuzz.random.shuffle(&mut names);
        for _ in 0..fuzz.random.usize(1..=2) {
            if fuzz.files.len() < 8 {
                let (name, file) = fuzz.new_file();
                fuzz.trace.push(format!("{name}: new, {:?}", file.defines));
                fuzz.write(&name, &file.text(), false).await;
                fuzz.files.insert(name, file);
            }
        }
        let edits = fuzz.random.usize(1..=4);
        for name in names.iter().take(edits) {
            fuzz.edit(name).await;
            if fuzz.random.bool() {
                fuzz.live.signal("HUP");
            }
        }
        fuzz.expect();
        let report = fuzz.live.reload(true).await;
        fuzz.trace.push(report.summary().text);
        fuzz.check(&format!("seed {seed}, step {step}")).await;
        for task in busy {
            let _ = task.await;
        }
        if fuzz.random.u8(..10) == 0 {
            fuzz.trace.push("killed and started".to_owned());
            let home = std::mem::replace(&mut fuzz.live, Live::start(QUICK, &[]).await).kill();
            fuzz.live = Live::on(home).await;
            fuzz.check(&format!("seed {seed}, step {step}, after a kill")).await;
        }
    }
    assert!(fuzz.live.ask(Request::Ping).await.is_some());
}
