//! What a person sees when a test fails.

use super::plays;

const WRONG: &str = r#"given:
  shop/contacts: [ { id: jane, first_name: Jane, email: jane@doe.example, phone: 03 1 } ]
tests:
  a-record-is-otherwise:
    expect:
      records:
        books/contacts: [ { email: jane@doe.example, first_name: Janet, phone: 03 1 } ]
  a-record-is-not-there-and-another-is:
    expect:
      records: { books/contacts: [ { email: john@roe.example } ] }
  too-many-records:
    expect: { records: { books/contacts: none } }
  other-writes:
    steps:
      - edit: { shop/contacts/jane: { phone: 03 9, first_name: Janet } }
    expect:
      writes: { books/contacts: [ { update: books-contacts-1, values: { phone: 03 8 } }, { delete: books-contacts-1 } ] }
  something-is-parked:
    steps:
      - edit: { shop/contacts/jane: { phone: 03 8 }, books/contacts/books-contacts-1: { phone: 03 9 } }
  something-else-is-parked:
    steps:
      - edit: { shop/contacts/jane: { phone: 03 8 }, books/contacts/books-contacts-1: { phone: 03 9 } }
    expect: { parked: [ { record: jane, code: refused } ] }
  at-another-time:
    at: 2026-06-01 12:00
    steps:
      - advance: 10s
      - edit: { shop/contacts/jane: { phone: 03 9 } }
      - advance: 10m
    expect: { runs: [ "12:03" ] }
  waits-for-a-person:
    first_run: waiting
    given: { books/contacts: [ { id: old, first_name: Old, email: old@one.example } ] }
    steps: [ sync ]
  a-step-that-cannot-be-done:
    steps:
      - edit: { shop/contacts/nobody: { phone: 03 9 } }
      - expect: { writes: none }
  a-crash-that-does-not-come:
    steps:
      - crash: { at_write_to: shop/contacts }
  this-one-is-right:
    expect: { records: { books/contacts: 1 } }
"#;

#[test]
fn a_failure_says_where_what_was_expected_and_what_was_found() {
    let (code, out, said) = plays(WRONG, &[]);
    assert_eq!((code, said.as_str()), (1, ""));
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("failures", out);
    });
}

#[test]
fn build_servers_are_told_too() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("results.xml");
    let (code, _, _) = plays(WRONG, &["--junit", file.to_str().unwrap()]);
    assert_eq!(code, 1);
    let text = std::fs::read_to_string(file).unwrap();
    let mut reader = quick_xml::Reader::from_str(&text);
    let (mut cases, mut failed) = (0, 0);
    let mut inside = false;
    loop {
        match reader.read_event().unwrap() {
            quick_xml::events::Event::Start(tag) if tag.name().as_ref() == "testcase" => {
                cases += 1;
                inside = true;
            }
            quick_xml::events::Event::Empty(tag) if tag.name().as_ref() == "testcase" => cases += 1,
            quick_xml::events::Event::Start(tag) if tag.name().as_ref() == "failure" && inside => {
                failed += 1;
                inside = false;
            }
            quick_xml::events::Event::Eof => break,
            _ => {}
        }
    }
    assert_eq!((cases, failed), (11, 10), "{text}");
    assert!(text.contains("main.test.yaml:7:27"), "{text}");
}

#[test]
fn programs_read_json() {
    let (code, out, _) = plays(WRONG, &["--json", "--only", "a-record-is-otherwise"]);
    let results: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &results["failed"], &results["passed"]), (1, &1.into(), &0.into()));
    let failure = &results["tests"][0]["failures"][0];
    assert_eq!(failure["place"]["line"], 7, "{failure:#}");
    assert!(
        failure["lines"]
            .as_array()
            .unwrap()
            .contains(&serde_json::json!({ "is": "expected", "text": "first_name: Janet" }))
    );
}
