//! What steps do, and what is checked at the end of every test whatever it expects.

use super::{folder, plays, reconciled};

const JANE: &str =
    "given: { shop/contacts: [ { id: jane, first_name: Jane, email: jane@doe.example, phone: 03 1 } ] }\n";

#[track_caller]
fn passes(tests: &str) {
    let (code, out, said) = plays(&format!("{JANE}{tests}"), &[]);
    assert_eq!(code, 0, "{out}{said}");
}

#[test]
fn a_hook_opens_the_window_at_once_and_twice_is_once() {
    passes(
        r#"tests:
  hooked:
    at: 2026-06-01 12:00
    steps:
      - advance: 15s
      - edit: { shop/contacts/jane: { phone: 03 9 } }
      - hook: shop
      - hook: [ shop, books ]
      - advance: 5m
    expect:
      runs: [ "12:02:15" ]
      writes: { books/contacts: [ { update: books-contacts-1, values: { phone: 03 9 } } ] }
"#,
    );
}

#[test]
fn nothing_is_made_twice_whatever_happens_to_the_call() {
    let mut tests = "tests:\n".to_owned();
    for (name, step) in [
        ("lost-answer", "trouble: { on: books/contacts, what: lost-answer }"),
        ("no-answer", "trouble: { on: books/contacts, what: no-answer }"),
        ("down", "trouble: { on: books, what: down, lasts: 10m }"),
        ("limit", "trouble: { on: books, what: limit, lasts: 10m }"),
        ("crash-before", "crash: { at_write_to: books/contacts, moment: before }"),
        ("crash-after", "crash: { at_write_to: books, moment: after }"),
        ("crash-now", "crash: now"),
    ] {
        tests.push_str(&format!(
            "  {name}:
    steps:
      - {step}
      - create: {{ shop/contacts: {{ id: new, first_name: New, email: new@one.example }} }}
      - advance: 3h
    expect:
      records: {{ books/contacts: [ {{ email: new@one.example }}, {{ email: jane@doe.example }} ], shop/contacts: 2 }}
"
        ));
    }
    passes(&tests);
}

#[test]
fn time_goes_on_however_often_a_daemon_dies_on_the_way() {
    passes(
        r"tests:
  two-deaths:
    steps:
      - crash: { at_write_to: books, moment: before }
      - crash: { at_write_to: shop, moment: before }
      - create: { shop/contacts: { id: new, first_name: New, email: new@one.example } }
      - create: { books/contacts: { id: other, first_name: Other, email: other@one.example } }
      - advance: 3h
      - expect: { records: { books/contacts: 3, shop/contacts: 3 } }
",
    );
}

#[test]
fn a_person_approves_rejects_retries_and_decides() {
    passes(
        r#"tests:
  approved-by-hand:
    first_run: waiting
    given: { books/contacts: [ { id: old, first_name: Old, email: old@one.example } ] }
    steps:
      - sync
      - expect: { held: [ contacts ], writes: none }
      - approve: contacts
    expect: { held: none, records: { books/contacts: 2, shop/contacts: 2 } }
  rejected:
    first_run: waiting
    given: { books/contacts: [ { id: old, first_name: Old, email: old@one.example } ] }
    steps:
      - sync
      - reject: contacts
      - sync
    expect: { held: any, writes: none }
  not-let-in:
    steps:
      - trouble: { on: books, what: login, says: the token has expired }
      - edit: { shop/contacts/jane: { phone: 03 7 } }
      - advance: 10m
      - expect: { writes: none }
      - works_again: books
      - sync
    expect: { records: { books/contacts: [ { phone: 03 7 } ] } }
  refused-and-tried-again:
    steps:
      - trouble: { on: books/contacts, what: refused, of: { email: new@one.example }, says: no such town }
      - create: { shop/contacts: { id: new, first_name: New, email: new@one.example } }
      - sync
      - expect: { parked: [ { record: new, code: refused, says: town } ] }
      - works_again: all
      - retry: contacts
    expect: { parked: none, records: { books/contacts: 2 } }
  decided:
    steps:
      - edit: { shop/contacts/jane: { phone: 03 8 }, books/contacts/books-contacts-1: { phone: 03 9 } }
      - sync
      - resolve: { pipeline: contacts, record: jane, winner: target }
    expect: { parked: none, records: { shop/contacts: [ { phone: 03 9 } ] } }
"#,
    );
}

#[test]
fn an_edit_of_the_configuration_over_its_guard_waits_and_goes_on_when_approved() {
    let config = super::CONFIG.replace(
        "    pipelines:\n      contacts:",
        "    pipelines:\n      contacts:\n        guards: { config_edit: 0 }",
    );
    let tests = format!(
        r#"{JANE}tests:
  edited:
    steps:
      - config: {{ file: main.yaml, replace: "source: $.phone, target: $.phone", with: "source: $.first_name, target: $.company, direction: source-to-target, differences: source-wins" }}
      - sync
      - expect: {{ records: {{ books/contacts: [ {{ company: null }} ] }} }}
      - approve: main
    expect: {{ records: {{ books/contacts: [ {{ company: Jane }} ] }} }}
"#
    );
    let dir = folder(&[("main.yaml", &config), ("main.test.yaml", &tests)]);
    let output = reconciled().arg("--config").arg(dir.path()).arg("test").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
}

/// Two pipelines that write each other's value back would go on for ever.
#[test]
fn a_configuration_that_comes_to_no_rest_fails_whatever_its_tests_expect() {
    let config = r#"
connections:
  shop: { connector: website, base_url: "${env:SHOP_URL}", auth: { token: x } }
  books: { connector: website, base_url: "${env:BOOKS_URL}", auth: { token: x } }
integrations:
  main:
    pipelines:
      one:
        source: shop/contacts
        target: books/contacts
        direction: source-to-target
        drift: put-back
        match: { source: $.email, target: $.email }
        fields:
          - { source: $.email, target: $.email, write: on-create }
          - { source: $.first_name, target: $.notes, shared: true, differences: source-wins }
      two:
        source: shop/contacts
        target: books/contacts
        direction: source-to-target
        drift: put-back
        match: { source: $.email, target: $.email }
        fields:
          - { source: $.email, target: $.email, write: on-create }
          - { source: $.last_name, target: $.notes, shared: true, differences: source-wins }
"#;
    let tests = "tests:
  restless:
    given: { shop/contacts: [ { id: j, first_name: Jane, last_name: Doe, email: jane@doe.example } ] }
    expect: { parked: any }
";
    let dir = folder(&[("main.yaml", config), ("main.test.yaml", tests)]);
    let output = reconciled().arg("--config").arg(dir.path()).arg("test").output().unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{out}{}", String::from_utf8_lossy(&output.stderr));
    assert!(out.contains("after the end"), "{out}");
}

#[test]
fn no_secret_is_asked_for_and_none_is_read() {
    let (code, out, said) = plays("tests: { one: { expect: { writes: none } } }", &[]);
    assert_eq!(code, 0, "{out}{said}");
    assert!(!out.contains("canary") && !said.contains("canary"));
}
