use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
    path::Path,
    sync::Arc,
};

use super::Cache;
use crate::config::{
    Connection, Effects, IntegrationName, Loaded, Snapshot,
    load::{SETTINGS_FILE, load_snapshot},
    load_cached,
};

/// A client of the template, as its file says.
#[derive(Clone, Debug)]
struct Client {
    file: String,
    name: String,
    skip: String,
    token: String,
    /// The key that a mistake or a move is written with, if there is one.
    extra: Option<&'static str>,
    comment: bool,
}

/// A configuration that can be edited everywhere.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is one edit")]
struct World {
    clients: Vec<Client>,
    mark: u32,
    /// What a lookup table gives, and how it is written.
    row: String,
    books: u32,
    limit: u32,
    own_books: bool,
    own_table: bool,
    top: bool,
    twin: bool,
    steps: bool,
    clash: bool,
    comment: bool,
    settings: bool,
    env: HashMap<String, String>,
}

impl World {
    fn new(clients: usize) -> Self {
        let client = |number: usize| Client {
            file: format!("clients/{number:02}.yaml"),
            name: format!("client-{number:02}"),
            skip: "nobody".to_owned(),
            token: "\"${env:TOKEN}\"".to_owned(),
            extra: None,
            comment: false,
        };
        Self {
            clients: (0..clients).map(client).collect(),
            mark: 0,
            row: "sales".to_owned(),
            books: 0,
            limit: 5,
            own_books: false,
            own_table: false,
            top: true,
            twin: false,
            steps: false,
            clash: false,
            comment: false,
            settings: false,
            env: HashMap::from([("TOKEN".to_owned(), "t-0".to_owned()), ("ZONE".to_owned(), "UTC".to_owned())]),
        }
    }

    /// One edit somewhere.
    fn edit(&mut self, random: &mut fastrand::Rng) {
        let number = random.u32(0..4);
        let at = random.usize(0..self.clients.len());
        let client = &mut self.clients[at];
        match random.u32(0..21) {
            0..=2 => client.skip = format!("mark-{number}"),
            3 => client.token = format!("literal-{number}"),
            4 => client.token = "\"${env:TOKEN}\"".to_owned(),
            5 => client.comment = !client.comment,
            6 => client.file = format!("clients/{number}-{at:02}.yaml"),
            7 => {
                let extras = [None, None, Some("skipp: 1"), Some("moved_from: old"), Some("timezone: Nowhere/Land")];
                client.extra = extras[random.usize(0..extras.len())];
            }
            8 => self.mark = number,
            9 => self.row = ["sales", "\"090\"", "090", "cash"][number as usize].to_owned(),
            10 => self.books = number,
            11 => self.limit = number,
            12 => self.own_books = !self.own_books,
            13 => self.own_table = !self.own_table,
            14 => self.top = number > 0,
            15 => self.twin = number == 0,
            16 if number < 2 => self.clash = !self.clash,
            16 => self.steps = !self.steps,
            17 => self.comment = !self.comment,
            18 => self.settings = !self.settings,
            19 => drop(self.env.insert("TOKEN".to_owned(), format!("t-{number}"))),
            _ if number == 0 => drop(self.env.remove("ZONE")),
            _ => {
                let zone = ["UTC", "UTC", "Pacific/Auckland", "Europe/Berlin"][number as usize];
                self.env.insert("ZONE".to_owned(), zone.to_owned());
            }
        }
    }

    #[allow(clippy::too_many_lines, reason = "mostly the files")]
    fn files(&self) -> BTreeMap<String, String> {
        let mut files = BTreeMap::new();
        let comment = if self.comment { "# a line more\n\n" } else { "" };
        let own =
            if self.own_books { "\n      books: { connector: ours, base_url: \"books-of-${client}\" }" } else { "" };
        let table =
            if self.own_table { "\n    tables: { accounts: { rows: { \"200\": \"${client}\" } } }" } else { "" };
        let steps = if self.steps { "[ trim, { lookup: accounts } ]" } else { "{ lookup: accounts }" };
        // Two that write the same learn of each other.
        let rest = if self.clash { "number" } else { "note" };
        let mark = self.mark;
        files.insert(
            "shop.yaml".to_owned(),
            format!(
                r#"{comment}templates:
  shop:
    params: {{ skip: {{ type: string }}, token: {{ type: secret }} }}
    timezone: "${{env:ZONE}}"
    debounce: 2m{table}
    schedule: {{ poll: {{ website: 2m }} }}
    connections:
      website: {{ connector: website, base_url: "http://127.0.0.1:9/${{client}}", auth: {{ token: "${{params.token}}" }} }}
      own: {{ connector: ours, base_url: "own-${{client}}" }}{own}
    pipelines:
      sales:
        source: website/sales
        target: own/rows
        direction: source-to-target
        match: [ {{ source: $.number, target: $.number }} ]
        filters: {{ source: [ {{ path: $.number, not_equals: "${{params.skip}}" }}, {{ path: $.reference, not_equals: mark-{mark} }} ] }}
        fields:
          - {{ source: $.reference, target: $.account, transform: {steps} }}
          - {{ source: $.number, target: $.number }}
      rest:
        source: website/sales
        target: own/rows
        direction: source-to-target
        needs: sales
        match: [ {{ source: $.number, target: $.number }} ]
        filters: {{ source: [ {{ path: $.number, not_equals: "not-${{params.skip}}" }} ] }}
        fields: [ {{ source: $.number, target: $.{rest} }} ]
      back:
        source: books/rows
        target: own/rows
        direction: source-to-target
        match: [ {{ source: $.number, target: $.number }} ]
        fields: [ {{ source: $.number, target: $.memo }} ]
"#
            ),
        );
        files.insert(
            "shared.yaml".to_owned(),
            format!(
                r#"connectors:
  ours:
    resources:
      rows:
        id: $.key
        label: "{{number}}"
        fields: {{ number: text, account: text, note: text, memo: text }}
        file: {{ path: rows.csv, columns: [ key, number, account, note, memo ], write: true, ready: {{ steady: {}s }} }}
connections:
  books: {{ connector: ours, base_url: "books-{}" }}
tables:
  accounts: {{ rows: {{ "200": {}, "201": other }} }}
integrations:
  plain:
    pipelines:
      copies:
        source: books/rows
        target: books-2/rows
        direction: source-to-target
        needs: top
        match: [ {{ source: $.number, target: $.number }} ]
        fields: [ {{ source: $.number, target: $.number }} ]
"#,
                self.limit, self.books, self.row
            ),
        );
        let mut top = String::from("connections:\n  books-2: { connector: ours, base_url: \"books-two\" }\n");
        if self.top {
            top.push_str(
                "pipelines:\n  top:\n    source: books/rows\n    target: books-2/rows\n    direction: source-to-target\n    \
                 match: [ { source: $.account, target: $.account } ]\n    filters: { source: [ { path: $.number, not_equals: top } ] }\n    \
                 fields: [ { source: $.account, target: $.account } ]\n",
            );
        }
        files.insert("top.yaml".to_owned(), top);
        if self.settings {
            files.insert(SETTINGS_FILE.to_owned(), "stop_deadline = \"10s\"\n".to_owned());
        }
        for client in &self.clients {
            let Client { name, skip, token, .. } = client;
            let mut text = if client.comment { "# ours\n".to_owned() } else { String::new() };
            let _ = write!(
                text,
                "integrations:\n  {name}:\n    template: shop\n    with: {{ skip: {skip}, token: {token} }}\n"
            );
            if let Some(extra) = client.extra {
                let _ = writeln!(text, "    {extra}");
            }
            files.insert(client.file.clone(), text);
        }
        if self.twin {
            let text = "integrations: { client-01: { template: shop, with: { skip: twin, token: x } } }\n";
            files.insert("twin.yaml".to_owned(), text.to_owned());
        }
        files
    }

    fn snapshot(&self) -> Snapshot {
        let texts = self.files().into_iter().map(|(name, text)| (name, Arc::from(text)));
        Snapshot::of_texts(Path::new("/nowhere"), texts)
    }

    fn load(&self, earlier: &BTreeMap<String, Arc<str>>, cache: &mut Cache) -> Loaded {
        load_cached(&self.snapshot(), &self.env, earlier, cache)
    }
}

fn has_same_secrets(one: &Connection, other: &Connection) -> bool {
    let (one, other) = (one.secrets(), other.secrets());
    one.len() == other.len() && one.iter().zip(&other).all(|((key, a), (name, b))| key == name && a.is_same(b))
}

/// All that came of a load, but for secrets.
fn all(loaded: &Loaded) -> String {
    let (mut effects, mut text) = (Effects::default(), String::new());
    for (name, integration) in &loaded.config.integrations {
        let _ = writeln!(text, "{name} {:?}", effects.of(integration));
    }
    let Loaded {
        config,
        diagnostics,
        settings_sound,
        left_out,
        written,
        made,
        rollouts,
        readable,
        connectors,
        sources: _,
    } = loaded;
    let _ = write!(
        text,
        "{}\n{config:#?}\n{diagnostics:#?} {settings_sound}\n{left_out:#?}\n{written:#?}\n{made:#?}\n{rollouts:#?}\n{readable:#?}\n{connectors:#?}",
        loaded.render(false)
    );
    text
}

#[track_caller]
fn check_same(cached: &Loaded, fresh: &Loaded, told: &str) {
    let (one, other) = (all(cached), all(fresh));
    if one != other {
        let differs = one.lines().zip(other.lines()).find(|(one, other)| one != other);
        panic!("{told}: what is kept and what is made anew are not the same: {differs:#?}");
    }
    for (name, connection) in &cached.config.connections {
        assert!(has_same_secrets(connection, &fresh.config.connections[name]), "{told}: another secret at {name}");
    }
    let ends = cached.config.pipelines().flat_map(|(_, pipeline)| &pipeline.ends);
    for connection in ends.map(|end| &end.connection) {
        let same = Arc::ptr_eq(connection, &cached.config.connections[&connection.name]);
        assert!(same, "{told}: a pipeline has another {} than the configuration", connection.name);
    }
}

#[test]
fn what_is_kept_from_load_to_load_is_what_would_be_made_anew() {
    let (mut sound, mut kept) = (0, 0);
    // Each takes about ten seconds in a debug build; `SEEDS=16` tries more.
    let seeds: usize = std::env::var("SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(4);
    for seed in 0..seeds {
        let mut random = fastrand::Rng::with_seed(seed as u64);
        let mut world = World::new(4);
        let mut cache = Cache::default();
        let mut earlier: BTreeMap<String, Arc<str>> = BTreeMap::new();
        for step in 0..24 {
            // Several at once, now and then: an edit and its undoing are none.
            for _ in 0..=random.usize(0..2) {
                world.edit(&mut random);
            }
            let snapshot = world.snapshot();
            let cached = load_cached(&snapshot, &world.env, &earlier, &mut cache);
            let fresh = load_snapshot(&snapshot, &world.env, &earlier);
            check_same(&cached, &fresh, &format!("seed {seed}, step {step}, {world:#?}"));
            if !cached.has_errors() {
                sound += 1;
                kept += cached.config.integrations.len() - cache.made().min(cached.config.integrations.len());
            }
            let readable = snapshot.texts().filter(|(name, _)| cached.readable.contains(*name));
            earlier.extend(readable.map(|(name, text)| (name.to_owned(), Arc::clone(text))));
        }
    }
    // Else it would have compared nothing.
    assert!(
        sound > 3 * seeds && kept > 6 * seeds,
        "{sound} loads without a mistake, {kept} integrations that were kept"
    );
}

#[test]
fn an_edit_of_one_client_makes_that_one_alone() {
    let mut world = World::new(30);
    let (mut cache, earlier) = (Cache::default(), BTreeMap::new());
    let mut made = |world: &World| {
        let loaded = world.load(&earlier, &mut cache);
        assert_eq!(loaded.diagnostics, []);
        (cache.made(), loaded)
    };
    // `plain` is one, too; pipelines of the top level are made each time.
    let (all, first) = made(&world);
    assert_eq!(all, 31);
    assert_eq!(made(&world).0, 0);
    world.clients[7].skip = "edited".to_owned();
    let (one, second) = made(&world);
    assert_eq!(one, 1);
    for (name, integration) in &second.config.integrations {
        let before = &first.config.integrations[name];
        let same = integration.pipelines.iter().zip(&before.pipelines).all(|(new, old)| Arc::ptr_eq(new, old));
        assert_eq!(same, !["client-07", "top"].contains(&name.as_str()), "{name}");
    }
    // Places are no part of what is kept: neither comments nor a file before the others.
    world.comment = true;
    world.clients[3].file = "clients/00-first.yaml".to_owned();
    assert_eq!(made(&world).0, 0);
    world.row = "cash".to_owned();
    assert_eq!(made(&world).0, 30, "whoever uses a table");
    world.books = 1;
    assert_eq!(made(&world).0, 31, "whoever uses a connection");
    world.env.insert("TOKEN".to_owned(), "another".to_owned());
    assert_eq!(made(&world).0, 30, "whoever logs in with it");
    world.limit = 2;
    assert_eq!(made(&world).0, 31, "whoever uses a connector");
    world.mark = 1;
    assert_eq!(made(&world).0, 30, "whoever is made from a template");
}

#[test]
fn a_mistake_leaves_what_is_kept_for_when_it_is_mended() {
    let mut world = World::new(3);
    let (mut cache, earlier) = (Cache::default(), BTreeMap::new());
    drop(world.load(&earlier, &mut cache));
    world.clients[1].extra = Some("skipp: 1");
    let broken = world.load(&earlier, &mut cache);
    assert!(broken.has_errors());
    let place = broken.diagnostics[0].position().unwrap();
    assert_eq!(place, "clients/01.yaml:5:5");
    world.clients[1].extra = None;
    let mended = world.load(&earlier, &mut cache);
    assert_eq!((mended.diagnostics.len(), cache.made()), (0, 0));
    assert!(mended.config.integrations.contains_key(&IntegrationName::parse("client-01").unwrap()));
}
