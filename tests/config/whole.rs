//! Folders as a whole: what is broken takes down only what needs it.

use std::collections::HashMap;

use reconciled::config::{Loaded, Secret, load};

use super::{CONNECTIONS, files};

fn read(list: &[(&str, &str)]) -> Loaded {
    load(files(list).path(), &HashMap::new())
}

fn codes(loaded: &Loaded) -> Vec<String> {
    loaded.diagnostics.iter().map(|d| format!("{} {}", d.position().unwrap_or_default(), d.code)).collect()
}

fn pipelines(loaded: &Loaded) -> Vec<&str> {
    loaded.config.pipelines().map(|(_, pipeline)| pipeline.name.as_str()).collect()
}

const SOUND: &str = "pipelines:
  leads:
    source: shop/leads
    target: xero/contacts
    direction: source-to-target
    match: { source: $.email, target: $.EmailAddress }
    fields: [ { source: $.first_name, target: $.FirstName } ]
";

#[test]
fn every_mistake_of_every_file_is_found_at_once() {
    let loaded = read(&[
        ("a.yaml", CONNECTIONS),
        (
            "b/one.yaml",
            "pipelines:\n  a: { sorce: shop/contacts, target: xero/contact, direction: both, fields: [ { source: $.nme } ] }\n",
        ),
        ("b/two.yml", "tables:\n  t: { row: {} }\nintegrations:\n  x: { timezone: Mars, pipelines: { P: 1 } }\n"),
        ("c.yaml", "connections: [\n"),
    ]);
    assert_eq!(
        codes(&loaded),
        [
            "b/one.yaml:2:8 config::unknown_key",
            "b/one.yaml:2:43 config::unknown_resource",
            "b/one.yaml:2:63 config::bad_word",
            "b/two.yml:2:8 config::unknown_key",
            "b/two.yml:4:18 config::bad_timezone",
            "b/two.yml:4:40 config::wrong_shape",
            "c.yaml:1:14 config::yaml",
        ]
    );
    assert!(loaded.config.integrations.is_empty());
}

#[test]
fn what_is_wrong_on_the_target_is_found_although_the_source_is_unknown_and_the_other_way_round() {
    let pipeline = |source: &str, target: &str| {
        format!(
            "pipelines:
  a:
    source: {source}
    target: {target}
    direction: two-way
    match: {{ source: $.emial, target: $.EmailAdress }}
    fields: [ {{ source: $.first_nam, target: $.FirstNam }} ]
    conflicts: {{ newest-wins: {{ skew: 5s }} }}
"
        )
    };
    let found = |connections: &str, source: &str, target: &str| {
        codes(&read(&[("a.yaml", connections), ("b.yaml", &pipeline(source, target))]))
    };
    let theirs = ["b.yaml:6:41 config::unknown_field", "b.yaml:7:48 config::unknown_field"];
    for source in ["shop/contact", "shopp/contacts", "contacts"] {
        let found = found(CONNECTIONS, source, "xero/contacts");
        assert!(found[0].starts_with("b.yaml:3:"), "{found:?}");
        assert_eq!(found[1..], theirs, "{source}");
    }
    let own = ["b.yaml:6:24 config::unknown_field", "b.yaml:7:27 config::unknown_field"];
    assert_eq!(found(CONNECTIONS, "shop/contacts", "xero/kontacts")[1..], own);
    let broken = CONNECTIONS.replace("connector: website", "connector: website, colour: red");
    assert_eq!(found(&broken, "shop/contacts", "xero/contacts")[1..], theirs, "the connection itself is said once");
    assert_eq!(found(CONNECTIONS, "shop/contact", "xero/kontacts").len(), 2, "against nothing, nothing is checked");
}

#[test]
fn a_broken_file_takes_down_only_what_is_in_it() {
    let loaded = read(&[("a.yaml", CONNECTIONS), ("b.yaml", SOUND), ("c.yaml", "pipelines:\n\tx: {}\n")]);
    assert_eq!(codes(&loaded), ["c.yaml:2:1 config::yaml_tab"]);
    assert_eq!(pipelines(&loaded), ["leads"]);
}

#[test]
fn a_broken_pipeline_takes_down_only_those_that_need_it() {
    let acme = "integrations:
  acme:
    pipelines:
      contacts:
        source: shop/contacts
        target: xero/contacts
        direction: two-way
        match: { source: $.email, target: $.EmailAddress }
        fields: [ { source: $.first_nam, target: $.FirstName } ]
      sales:
        source: shop/sales
        target: xero/invoices
        direction: source-to-target
        match: { source: $.number, target: $.InvoiceNumber }
        fields: [ { source: $.contact_id, target: $.Contact.ContactID, reference: contacts } ]
      receipts:
        source: shop/receipts
        target: xero/payments
        direction: source-to-target
        needs: sales
        match: { source: $.reference, target: $.Reference }
        fields: [ { source: $.reference, target: $.Reference, write: on-create } ]
      accounts:
        source: xero/accounts
        target: shop/groups
        direction: source-to-target
        match: { source: $.Name, target: $.name }
        fields: [ { source: $.Name, target: $.name } ]
";
    let loaded = read(&[("a.yaml", CONNECTIONS), ("b.yaml", SOUND), ("c.yaml", acme)]);
    assert_eq!(codes(&loaded), ["c.yaml:9:31 config::unknown_field"]);
    assert_eq!(pipelines(&loaded), ["acme/accounts", "leads"]);
    let left_out: Vec<(&str, &str)> =
        loaded.left_out.iter().map(|left| (left.pipeline.as_str(), left.needs.as_str())).collect();
    assert_eq!(left_out, [("acme/sales", "acme/contacts"), ("acme/receipts", "acme/sales")]);
}

#[test]
fn a_broken_connection_is_said_once() {
    let loaded = read(&[
        ("a.yaml", &CONNECTIONS.replace("connector: xero", "connector: zero")),
        ("b.yaml", SOUND),
        ("c.yaml", &SOUND.replace("leads:", "more:")),
    ]);
    assert_eq!(codes(&loaded), ["a.yaml:3:22 config::unknown_connector"]);
    assert!(pipelines(&loaded).is_empty());
}

#[test]
fn a_mistake_of_the_integration_takes_its_pipelines_but_one_of_a_pipeline_does_not_take_the_integration() {
    let text = |own: &str, inner: &str| {
        format!(
            "integrations:\n  acme:\n    {own}: 2m\n    pipelines:\n      broken: {inner}\n      leads: {}",
            "{ source: shop/leads, target: xero/contacts, direction: source-to-target, match: { source: $.email, target: $.EmailAddress }, fields: [ { source: $.email, target: $.EmailAddress } ] }\n"
        )
    };
    let loaded = read(&[("a.yaml", CONNECTIONS), ("b.yaml", &text("debounce", "what"))]);
    assert_eq!((pipelines(&loaded), loaded.diagnostics.len()), (vec!["acme/leads"], 1));
    let loaded = read(&[("a.yaml", CONNECTIONS), ("b.yaml", &text("debouncer", "what"))]);
    assert_eq!((pipelines(&loaded), loaded.diagnostics.len()), (vec![], 2));
}

#[test]
fn dot_files_and_scenario_tests_are_left_alone() {
    let wrong = "nonsense: 1\n";
    let loaded = read(&[
        ("a.yaml", CONNECTIONS),
        (".b.yaml", wrong),
        (".git/b.yaml", wrong),
        ("b.test.yaml", wrong),
        ("b.yaml~", wrong),
        ("empty.yaml", ""),
        ("comment.yaml", "# nothing\n"),
    ]);
    assert_eq!(codes(&loaded), [""; 0]);
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let dir = files(&[("a.yaml", CONNECTIONS)]);
    std::fs::write(dir.path().join("big.yaml"), format!("# {}\n", "x".repeat(1024 * 1024))).unwrap();
    std::fs::write(dir.path().join("latin.yaml"), b"# Andr\xe9\n").unwrap();
    let loaded = load(dir.path(), &HashMap::new());
    let messages: Vec<&str> = loaded.diagnostics.iter().map(|d| d.message.as_str()).collect();
    assert_eq!(messages, ["big.yaml is larger than 1 MiB", "latin.yaml is not UTF-8 (byte 6)"]);
    let gone = load(&dir.path().join("nowhere"), &HashMap::new());
    assert!(gone.diagnostics[0].message.contains("cannot be read"), "{:?}", gone.diagnostics);
}

#[test]
fn secrets_are_needed_only_when_used_and_are_never_printed() {
    let text = CONNECTIONS.replace("\"${env:XERO_TOKEN}\"", "literal-s3cr3t");
    let dir = files(&[("a.yaml", &text), ("b.yaml", SOUND)]);
    let with = |token: Option<&str>| {
        let env: HashMap<String, String> =
            token.map(|token| ("SHOP_TOKEN".to_owned(), token.to_owned())).into_iter().collect();
        load(dir.path(), &env)
    };
    let loaded = with(None);
    assert_eq!(codes(&loaded), [""; 0]);
    let shop = &loaded.config.connections.values().next().unwrap().auth;
    assert!(matches!(shop, reconciled::config::Auth::Bearer(Secret::Missing { what }) if what.contains("SHOP_TOKEN")));
    let loaded = with(Some("s3cr3t-of-shop"));
    let printed = format!("{:?} {:?}", loaded.config, loaded.sources);
    assert!(!printed.contains("s3cr3t"), "a secret is in the debug output");
}

#[test]
fn a_file_that_does_not_parse_shows_no_secret_either() {
    let text = "connections:\n  shop: { connector: website, auth: { token: s3cr3t-one } }\n  xero: { auth: { token: s3cr3t-two }\n  # password: s3cr3t-three\nx: y\n";
    let loaded = read(&[("a.yaml", text)]);
    assert_eq!(loaded.diagnostics.len(), 1);
    let printed = format!("{} {:?}", loaded.render(false), loaded.sources);
    assert!(!printed.contains("s3cr3t"), "{printed}");
}

#[test]
fn thousands_of_mistakes_are_cut_short() {
    let lines: Vec<String> = (0..20_000).map(|key| format!("k{key}: 1")).collect();
    let text = lines.join("\n");
    let loaded = read(&[("a.yaml", &text)]);
    assert_eq!(loaded.diagnostics.len(), 501);
    assert_eq!(loaded.diagnostics.last().unwrap().message, "and 19500 more errors");
}

#[test]
fn a_link_that_leads_back_up_is_not_followed_for_ever() {
    let dir = files(&[("sub/a.yaml", CONNECTIONS)]);
    std::os::unix::fs::symlink(dir.path(), dir.path().join("sub/up")).unwrap();
    assert_eq!(codes(&load(dir.path(), &HashMap::new())), [""; 0]);
}

#[test]
fn diagnostics_are_plain_data() {
    let loaded = read(&[("a.yaml", "pipelnes: {}\n")]);
    assert_eq!(
        serde_json::to_value(&loaded.diagnostics).unwrap(),
        serde_json::json!([{
            "code": "config::unknown_key",
            "severity": "error",
            "message": "a configuration file has no key `pipelnes`",
            "help": "did you mean `pipelines`?",
            "label": "not known",
            "place": { "file": "a.yaml", "line": 1, "column": 1, "offset": 0, "length": 8 },
        }])
    );
}

#[test]
fn settings_have_defaults_and_paths_are_relative_to_the_folder() {
    let dir = files(&[(
        "reconciled.toml",
        "state_dir = \"state\"\nlog = \"debug\"\nstop_deadline = \"5s\"\n[store]\ncache_mib = 8\n",
    )]);
    let loaded = load(dir.path(), &HashMap::new());
    assert_eq!(codes(&loaded), [""; 0]);
    let settings = loaded.config.settings;
    assert_eq!(settings.state_dir, dir.path().join("state"));
    assert_eq!(
        (settings.log.as_str(), settings.stop_deadline.as_secs(), settings.store_cache_bytes),
        ("debug", 5, 8 << 20)
    );
    let none = files(&[]);
    let settings = load(none.path(), &HashMap::new()).config.settings;
    assert_eq!(settings.state_dir.to_str(), Some("/var/lib/reconciled"));
    assert_eq!(settings.socket.to_str(), Some("/run/reconciled/reconciled.sock"));
    let systemd = [("STATE_DIRECTORY", "/var/lib/a:/var/lib/b"), ("RUNTIME_DIRECTORY", "/run/a")];
    let env: HashMap<String, String> = systemd.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let settings = load(none.path(), &env).config.settings;
    assert_eq!(
        (settings.state_dir.to_str(), settings.socket.to_str()),
        (Some("/var/lib/a"), Some("/run/a/reconciled.sock"))
    );
}

/// What is written twice, merged in or tagged is not what was meant: nothing that holds it is used, as little as with any
/// other mistake.
#[test]
fn what_was_dropped_from_a_text_leaves_out_what_it_was_dropped_from() {
    let guards = "    guards: { creates: 1 }\n    guards: { creates: 2 }\n";
    let filters = "    filters: { source: [ { path: $.email, exists: true } ] }\n    <<: { conflicts: newest-wins }\n";
    let tag = "    conflicts: !secret park\n";
    for (mistake, code) in [(guards, "duplicate_key"), (filters, "merge_key"), (tag, "tag")] {
        let other = SOUND.replace("leads:", "people:").replace("pipelines:\n", "");
        let other = other.replace("first_name", "last_name").replace("FirstName", "LastName");
        let loaded = read(&[("a.yaml", CONNECTIONS), ("b.yaml", &format!("{SOUND}{mistake}{other}"))]);
        assert_eq!(pipelines(&loaded), ["people"], "{code}: {:?}", codes(&loaded));
        assert!(codes(&loaded)[0].contains(code), "{:?}", codes(&loaded));
    }
    // Of two of a name nobody knows which is meant.
    let twice = format!("{SOUND}{}", SOUND.replace("pipelines:\n", "").replace("first_name", "last_name"));
    let loaded = read(&[("a.yaml", CONNECTIONS), ("b.yaml", &twice)]);
    assert_eq!(pipelines(&loaded), [] as [&str; 0], "{:?}", codes(&loaded));
    // An integration, and one pipeline of it.
    let within = format!("    {}\n", SOUND.trim_end().replace('\n', "\n    "));
    let integration = |more: &str, inside: &str| format!("integrations:\n  it:\n{more}{within}{inside}");
    for (more, inside, expected) in [
        ("", "", vec!["it/leads"]),
        ("    debounce: 1s\n    debounce: 2s\n", "", vec![]),
        ("", "        conflicts: park\n        conflicts: newest-wins\n", vec![]),
    ] {
        let loaded = read(&[("a.yaml", CONNECTIONS), ("b.yaml", &integration(more, inside))]);
        assert_eq!(pipelines(&loaded), expected, "{more}{inside} {:?}", codes(&loaded));
    }
    // Connections, which everything that uses them needs.
    let shop = CONNECTIONS.find("  shop:").map(|at| CONNECTIONS.split_at(at)).unwrap();
    let loaded =
        read(&[("a.yaml", &format!("{}  shop: {{ connector: website }}\n{}", shop.0, shop.1)), ("b.yaml", SOUND)]);
    assert_eq!(pipelines(&loaded), [] as [&str; 0], "{:?}", codes(&loaded));
}

/// What a pipeline needs and holds a mistake is not left out of it: the pipeline is.
#[test]
fn a_lookup_in_a_table_with_a_mistake_leaves_out_the_pipeline() {
    let lookup = SOUND.replace("target: $.FirstName }", "target: $.FirstName, lookup: names }");
    for (tables, expected) in [
        ("tables:\n  names: { rows: { a: Ada } }\n", vec!["leads"]),
        ("tables:\n  names: { rows: { a: Ada, b: ~ } }\n", vec![]),
        ("tables:\n  names: { rows: { a: Ada, a: Ann } }\n", vec![]),
        ("tables:\n  names: { row: { a: Ada } }\n", vec![]),
    ] {
        let loaded = read(&[("a.yaml", CONNECTIONS), ("b.yaml", &lookup), ("t.yaml", tables)]);
        assert_eq!(pipelines(&loaded), expected, "{tables}: {:?}", codes(&loaded));
        assert_eq!(loaded.has_errors(), expected.is_empty(), "{tables}");
    }
}

/// A filter that asks for nothing would let everything through.
#[test]
fn an_operator_without_a_value_is_a_mistake() {
    for filter in [
        "{ path: $.email, not_equals: null }",
        "{ path: $.email, equals: }",
        "{ path: $.email, exists: true, not_equals: ~ }",
        "{ not: { path: $.email, blank: ~ } }",
        "{ any: [ { path: $.email, in: }, { path: $.phone, exists: true } ] }",
    ] {
        let text = format!("{SOUND}    filters: {{ source: [ {filter} ] }}\n");
        let loaded = read(&[("a.yaml", CONNECTIONS), ("b.yaml", &text)]);
        assert_eq!(pipelines(&loaded), [] as [&str; 0], "{filter}");
        assert!(
            codes(&loaded).iter().any(|code| code.ends_with("config::bad_filter")),
            "{filter}: {:?}",
            codes(&loaded)
        );
    }
}

/// A connector of one's own with this condition for an empty listing.
fn own(empty: &str) -> String {
    format!(
        "connectors:
  mine:
    version: 1
    base_url: http://127.0.0.1:1
    auth: {{ kind: bearer }}
    resources:
      things:
        id: $.id
        fields: {{ id: id, email: text }}
        list: {{ get: /things, records: $.items, {empty} }}
connections:
  it: {{ connector: mine, auth: {{ token: \"${{env:T}}\" }} }}
"
    )
}

#[test]
fn a_condition_on_answers_without_a_value_is_a_mistake() {
    let sound = read(&[("a.yaml", &own("empty: { path: $.items, equals: none }"))]);
    assert!(!codes(&sound).iter().any(|code| code.contains("bad_value")), "{:?}", codes(&sound));
    for empty in ["empty: { path: $.items, equals: null }", "empty: { path: $.items, not_equals: ~ }"] {
        let loaded = read(&[("a.yaml", &own(empty))]);
        assert!(codes(&loaded).iter().any(|code| code.ends_with("config::bad_value")), "{empty}: {:?}", codes(&loaded));
    }
}

/// What was dropped from a text is missing wherever that text is used.
#[test]
fn what_is_built_upon_a_text_that_lost_something_is_left_out() {
    // An alias.
    let filters = "    filters: &f { source: [ { path: $.email, exists: true } ], source: [ { path: $.phone, exists: true } ] }\n";
    let other = SOUND.replace("leads:", "people:").replace("pipelines:\n", "");
    let other = other.replace("first_name", "last_name").replace("FirstName", "LastName");
    let loaded = read(&[("a.yaml", CONNECTIONS), ("b.yaml", &format!("{SOUND}{filters}{other}    filters: *f\n"))]);
    assert_eq!(pipelines(&loaded), [] as [&str; 0], "{:?}", codes(&loaded));
    // A connector that another one extends.
    let variant = |base: &str| {
        format!(
            "{base}  two: {{ connector: variant, base_url: http://127.0.0.1:1, auth: {{ token: \"${{env:T}}\" }} }}\n"
        )
        .replace("connectors:\n", "connectors:\n  variant: { version: 1, extends: mine }\n")
    };
    let sound = read(&[("a.yaml", &variant(&own("empty: { path: $.items, equals: none }")))]);
    assert!(sound.config.connections.keys().any(|name| name.as_str() == "two"), "{:?}", codes(&sound));
    let twice = own("empty: { path: $.items, equals: none, equals: nothing }");
    let loaded = read(&[("a.yaml", &variant(&twice))]);
    assert!(!loaded.config.connections.keys().any(|name| name.as_str() == "two"), "{:?}", codes(&loaded));
}

/// Of two columns of a name nobody knows which is meant.
#[test]
fn a_list_of_clients_with_two_columns_of_a_name_is_not_read() {
    let table = "client,site,site\nacme,https://a.example,https://b.example\n";
    let loaded = read(&[("a.yaml", CONNECTIONS), ("shop.clients.csv", table)]);
    assert_eq!(codes(&loaded), ["shop.clients.csv:1:13 config::duplicate_key"]);
    assert!(loaded.config.integrations.is_empty());
}
