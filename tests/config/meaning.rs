//! What written things mean once resolved.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use reconciled::{
    config::{
        Amount, Blanks, Conflicts, Content, Creates, Deletes, Differences, Drift, Effects, Field, Filter, Flow,
        OnLeave, Operator, Pipeline, Transform, load,
    },
    record::Side,
};
use serde_json::{Value, json};

use super::{CONNECTIONS, files, folder};

/// The one pipeline of this text, which is sound.
#[track_caller]
fn pipeline(text: &str) -> Pipeline {
    let dir = files(&[("a.yaml", CONNECTIONS), ("b.yaml", text)]);
    let loaded = load(dir.path(), &HashMap::new());
    assert!(loaded.diagnostics.is_empty(), "{}", loaded.render(false));
    let (_, pipeline) = loaded.config.pipelines().next().unwrap();
    pipeline.as_ref().clone()
}

/// A pipeline of contacts with these keys and fields.
fn contacts(direction: &str, keys: &str, fields: &str) -> Pipeline {
    pipeline(&format!(
        "pipelines:
  contacts:
    source: shop/contacts
    target: xero/contacts
    direction: {direction}
    match: {{ source: $.email, target: $.EmailAddress }}
    fields: [ {{ source: $.email, target: $.EmailAddress }}, {fields} ]
    {keys}
tables:
  codes: {{ rows: {{ a: 090, b: NO, c: y, d: 1.10, e: 2026-07-01 }} }}
"
    ))
}

/// Under the same version, too: what was remembered under another kind is looked at again.
#[test]
fn a_pipelines_hash_is_another_where_the_connector_says_otherwise_of_a_value() {
    let hash = |said: [&str; 5]| {
        let [email, code, number, line, there] = said;
        let text = format!(
            "connectors:
  own:
    base_url: https://own.example
    auth: {{ kind: none }}
    resources:
      here:
        id: $.id
        fields:
          id: id
          email: {{ type: text{email} }}
          code: {{ type: text{code} }}
          number: {{ type: text{number} }}
          lines: {{ type: list, fields: {{ id: id, title: {{ type: text{line} }} }} }}
        list: {{ get: /here, records: $.items }}
      there:
        id: $.id
        fields: {{ id: id, email: {{ type: text{there} }}, lines: {{ type: list, fields: {{ id: id, title: text }} }} }}
        list: {{ get: /there, records: $.items }}
        create: {{ post: /there }}
        update: {{ patch: '/there/{{id}}' }}
connections: {{ own: {{ connector: own }} }}
pipelines:
  people:
    source: own/here
    target: own/there
    direction: source-to-target
    match: {{ source: $.email, target: $.email }}
    unique: {{ by: $.number }}
    filters: {{ source: {{ not: {{ path: $.code, equals: x }} }} }}
    fields:
      - {{ source: $.email, target: $.email }}
      - each: {{ source: $.lines, target: $.lines, key: {{ source: $.id, target: $.id }} }}
        fields: [ {{ source: $.title, target: $.title }} ]
"
        );
        let loaded = load(files(&[("a.yaml", &text)]).path(), &HashMap::new());
        assert!(loaded.diagnostics.is_empty(), "{}", loaded.render(false));
        loaded.config.pipelines().next().unwrap().1.hash
    };
    let plain = [""; 5];
    let mut all = vec![hash(plain)];
    for at in 0..plain.len() {
        for said in [", ignore_case: true", ", max: 8", ", max: 9"] {
            let mut edited = plain;
            edited[at] = said;
            all.push(hash(edited));
        }
    }
    all.extend([", masked: true", ", create_only: true"].map(|said| hash(["", "", "", "", said])));
    all.push(hash([", read_only: true", "", "", "", ""]));
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "{all:?}");
    assert_eq!(all[0], hash(plain));
}

fn steps(field: &Field) -> (String, String) {
    match &field.content {
        Content::Mapped { forward, backward, .. } => (format!("{forward:?}"), format!("{backward:?}")),
        other => panic!("not mapped: {other:?}"),
    }
}

#[test]
fn deletions_are_carried_where_it_says_so() {
    let of = |direction, deletes: &str| {
        let deletes = contacts(direction, &format!("deletes: {deletes}"), "").deletes;
        (deletes.to_source, deletes.to_target, deletes.only)
    };
    assert_eq!(of("two-way", "ignore"), (false, false, None));
    assert_eq!(of("two-way", "propagate"), (true, true, None));
    assert_eq!(of("source-to-target", "propagate"), (false, true, None), "never where it does not write");
    assert_eq!(of("target-to-source", "propagate"), (true, false, None));
    assert_eq!(of("two-way", "{ to-target: propagate }"), (false, true, None));
    let all = "{ to-target: propagate, only: born-on-source, to-source: ignore }";
    assert_eq!(of("two-way", all), (false, true, Some(Side::Source)));
    let other = "{ to-source: propagate, only: born-on-target }";
    assert_eq!(of("two-way", other), (true, false, Some(Side::Target)));
}

#[test]
fn the_built_in_connectors_delete_as_their_systems_can() {
    let loaded = load(files(&[("a.yaml", CONNECTIONS)]).path(), &HashMap::new());
    let call = |connector: &str, resource: &str| {
        let delete = loaded.connectors[connector].resources[resource].delete.clone().unwrap();
        let body = |record: Value| json!(delete.deletion.as_ref().unwrap().body_of(&record).to_vec());
        (
            format!("{} {}", delete.method, delete.path),
            body(json!({ "Status": "DRAFT" })),
            body(json!({ "Status": "AUTHORISED" })),
        )
    };
    let (status, voided) = (|value: &str| json!([["Status", value]]), json!([["Status", "VOIDED"]]));
    assert_eq!(call("website", "contacts"), ("DELETE /contacts/{id}".to_owned(), json!([]), json!([])));
    let invoices = "POST /Invoices?summarizeErrors=false&unitdp=4".to_owned();
    assert_eq!(call("xero", "invoices"), (invoices, status("DELETED"), voided));
    let archived = json!([["ContactStatus", "ARCHIVED"]]);
    let contacts = "POST /Contacts?summarizeErrors=false".to_owned();
    assert_eq!(call("xero", "contacts"), (contacts, archived.clone(), archived));
    let payments = "POST /Payments/{id}".to_owned();
    assert_eq!(call("xero", "payments"), (payments, status("DELETED"), status("DELETED")));
}

#[test]
fn defaults_are_safe() {
    let two_way = contacts("two-way", "", "");
    assert_eq!(two_way.creates, Creates { to_target: true, to_source: true });
    assert_eq!((two_way.on_leave, two_way.drift), (OnLeave::Keep, Drift::Leave));
    assert_eq!(two_way.deletes, Deletes::default());
    assert!(two_way.first_run.approve);
    let guards = two_way.guards;
    assert_eq!((guards.deletes, guards.creates, guards.blanked), (Amount::Count(0), None, Amount::Count(10)));
    assert_eq!(guards.touched, Amount::Percent { percent: 30, at_least: 20 });
    assert_eq!(guards.config_edit, Amount::Count(20));
    let edit =
        |written: &str| contacts("two-way", &format!("guards: {{ config_edit: {written} }}"), "").guards.config_edit;
    assert_eq!(edit("5"), Amount::Count(5));
    assert_eq!(edit("10%"), Amount::Percent { percent: 10, at_least: 20 });
    assert_eq!(edit("unlimited"), Amount::Count(u64::MAX));
    let field = &two_way.fields[0];
    assert_eq!((field.flow, field.blanks), (Flow::TwoWay, Blanks::Keep));
    assert_eq!((field.conflicts, field.differences), (Conflicts::Park, Differences::FillBlanks));
    let one_way = contacts("source-to-target", "", "");
    assert_eq!(one_way.creates, Creates { to_target: true, to_source: false });
    let back = contacts("target-to-source", "", "");
    assert_eq!(back.creates, Creates { to_target: false, to_source: true });
}

#[test]
fn tables_hold_text_as_written() {
    let found = contacts("two-way", "", "{ source: $.company, target: $.CompanyNumber, lookup: codes }");
    let Content::Mapped { forward, backward, .. } = &found.fields[1].content else { panic!() };
    let [Transform::Lookup(lookup)] = forward.as_slice() else { panic!("{forward:?}") };
    let values: Vec<&str> = lookup.table.rows.values().map(String::as_str).collect();
    assert_eq!(values, ["090", "NO", "y", "1.10", "2026-07-01"]);
    let Some([Transform::Lookup(back)]) = backward.as_deref() else { panic!("{backward:?}") };
    assert!(back.reversed);
    assert_eq!(back.table.reverse["090"], "a");
}

fn operator(filter: &str) -> Operator {
    let found = contacts("two-way", &format!("filters: {{ target: {filter} }}"), "");
    match &found.end(Side::Target).filter {
        Filter::Test(test) => test.operator.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn values_take_the_kind_of_their_field() {
    #[track_caller]
    fn check(filter: &str, expected: &Value) {
        match operator(filter) {
            Operator::Equals(value) => assert_eq!(&value, expected, "{filter}"),
            Operator::In(values) => assert_eq!(&Value::Array(values), expected, "{filter}"),
            other => panic!("{other:?}"),
        }
    }
    check("{ path: $.IsCustomer, equals: true }", &json!(true));
    check("{ path: $.Name, equals: true }", &json!("true"));
    check("{ path: $.AccountNumber, equals: 090 }", &json!("090"));
    check("{ path: $.AccountNumber, in: [ NO, y, 1.10, 2026-07-01 ] }", &json!(["NO", "y", "1.10", "2026-07-01"]));
    check("{ path: $.Discount, equals: 5 }", &json!(5));
    // Nothing is known of what is in a tracking category.
    check("{ path: \"$.SalesTrackingCategories[0].x\", equals: 5 }", &json!([5, "5"]));
}

#[test]
fn at_moves_where_paths_begin_and_writes_carry_the_rest_of_an_array() {
    let found = contacts(
        "two-way",
        "",
        "{ at: { source: $.postal, target: \"$.Addresses[?(@.AddressType=='POBOX')]\" }, fields: [ { source: $.city, target: $.City } ] }",
    );
    let city = &found.fields[1];
    assert_eq!(city.end(Side::Source).paths[0].as_str(), "$.postal.city");
    assert!(city.end(Side::Target).paths[0].as_str().ends_with(".City"));
    assert_eq!((city.end(Side::Source).carry, city.end(Side::Target).carry.is_some()), (None, true));
    assert_eq!(city.end(Side::Target).canon.max, Some(255), "the manifest's own field was found");
}

#[test]
fn normalizing_goes_both_ways_and_other_steps_are_turned_round() {
    let found = contacts(
        "two-way",
        "",
        "{ source: $.company, target: $.CompanyNumber, normalize: trim, transform: [ { prefix: C- } ] },
         { source: $.first_name, target: $.FirstName, transform: { truncate: 5 }, reverse: trim },
         { source: $.last_name, target: $.LastName, transform: { truncate: 5 }, direction: source-to-target }",
    );
    assert_eq!(
        steps(&found.fields[1]),
        ("[Trim, Prefix(\"C-\")]".to_owned(), "Some([Trim, StripPrefix(\"C-\")])".to_owned())
    );
    assert_eq!(steps(&found.fields[2]), ("[Truncate(5)]".to_owned(), "Some([Trim])".to_owned()));
    assert_eq!(steps(&found.fields[3]), ("[Truncate(5)]".to_owned(), "None".to_owned()));
}

#[test]
fn a_field_keeps_its_number_and_definition_when_others_change() {
    let one = contacts("two-way", "", "{ source: $.first_name, target: $.FirstName }");
    let other = contacts(
        "two-way",
        "creates: none",
        "{ source: $.last_name, target: $.LastName }, { target: $.FirstName, source: $.first_name, conflicts: source-wins }",
    );
    let changed = contacts("two-way", "", "{ source: $.first_name, target: $.FirstName, transform: trim }");
    assert_eq!(one.fields[1].id, other.fields[2].id);
    assert_eq!(one.fields[1].definition, other.fields[2].definition);
    assert_eq!(one.fields[1].id, changed.fields[1].id);
    assert_ne!(one.fields[1].definition, changed.fields[1].definition);
    assert_ne!(one.hash, other.hash);
    assert_ne!(one.end(Side::Source).spec_hash, other.end(Side::Source).spec_hash);
}

#[test]
fn layout_order_of_keys_and_schedules_do_not_change_what_a_pipeline_does() {
    let one = contacts("two-way", "creates: none", "");
    let same = contacts(
        "two-way",
        "schedule: { poll: { shop: 2m } }\n    debounce: 5m\n    # a remark\n    creates:   none",
        "",
    );
    assert_eq!(one.hash, same.hash);
}

#[test]
fn numbers_stay_the_same_from_build_to_build() {
    let found =
        contacts("two-way", "", "{ source: $.first_name, target: $.FirstName, transform: [ trim, { prefix: x } ] }");
    let field = &found.fields[1];
    // Stored beside bases: if this fails, every base of every user would be forgotten.
    assert_eq!((field.id.0, field.definition), (GOLDEN.0, GOLDEN.1));
    assert_eq!(found.end(Side::Source).spec_hash, GOLDEN.2);
}

const GOLDEN: (u32, u32, u32) = (561_253_763, 1_220_560_970, 930_610_998);

/// Two pipelines that write the same field; what is said of it.
fn two_writers(first: &str, second: &str) -> Vec<&'static str> {
    let one = |name: &str, source: &str, rest: &str| {
        format!(
            "  {name}:\n    source: shop/{source}\n    target: xero/contacts\n    direction: source-to-target\n    match: {{ source: $.email, target: $.EmailAddress }}\n    {rest}\n"
        )
    };
    let text = format!("pipelines:\n{}{}", one("a", "contacts", first), one("b", "leads", second));
    let dir = files(&[("a.yaml", CONNECTIONS), ("b.yaml", &text)]);
    load(dir.path(), &HashMap::new()).diagnostics.iter().map(|diagnostic| diagnostic.code).collect()
}

#[test]
fn one_writer_or_a_reason_why_two_do_no_harm() {
    let plain = "fields: [ { source: $.email, target: $.EmailAddress } ]";
    let on_create = "fields: [ { source: $.email, target: $.EmailAddress, write: on-create } ]";
    let shared = "fields: [ { source: $.email, target: $.EmailAddress, shared: true } ]";
    let filter =
        |status: &str| format!("filters: {{ target: {{ path: $.ContactStatus, equals: {status} }} }}\n    {plain}");
    let clash = vec!["config::two_writers"];
    assert_eq!(two_writers(plain, plain), clash);
    assert_eq!(two_writers(plain, shared), clash);
    assert_eq!(two_writers(&filter("a"), plain), clash);
    assert_eq!(two_writers(&filter("a"), &filter("a")), clash);
    let list = "fields: [ { source: $.email, target: \"$.Phones[?(@.PhoneType=='FAX')].PhoneNumber\" } ]";
    let other = "fields: [ { source: $.email, target: \"$.Phones[?(@.PhoneType=='DDI')].PhoneNumber\" } ]";
    for (first, second) in
        [(plain, on_create), (on_create, on_create), (shared, shared), (&filter("a"), &filter("b")), (list, other)]
    {
        assert_eq!(two_writers(first, second), [""; 0], "{first} | {second}");
    }
    assert_eq!(two_writers(list, list), clash);
}

#[test]
fn a_warning_takes_nothing_down() {
    let text = "pipelines:
  a:
    source: shop/contacts
    target: xero/contacts
    direction: two-way
    match: { source: $.email, target: $.EmailAddress }
    fields: [ { source: $.xero_id, target: $.ContactID } ]
";
    let dir = files(&[("a.yaml", CONNECTIONS), ("b.yaml", text)]);
    let loaded = load(dir.path(), &HashMap::new());
    assert_eq!(loaded.diagnostics.len(), 1);
    assert!(!loaded.has_errors());
    assert_eq!(loaded.config.pipelines().count(), 1);
    assert_eq!(loaded.diagnostics[0].help.as_deref(), Some("add direction: target-to-source"));
}

#[test]
fn schedules_and_windows_are_resolved() {
    let loaded = folder("tests/configs/valid/language");
    let (integration, contacts) = loaded.config.pipelines().next().unwrap();
    assert_eq!(integration.timezone.name(), "Pacific/Auckland");
    let window = integration.debounce.unwrap();
    assert_eq!((window.wait, window.max_wait), (Duration::from_mins(2), Duration::from_mins(2)));
    let schedule = &integration.schedule;
    assert_eq!(schedule.full_read, Some(Duration::from_hours(12)));
    assert_eq!(schedule.after_idle, Some(Duration::from_hours(24)));
    assert_eq!((schedule.cron.len(), schedule.poll.len()), (2, 1));
    assert_eq!(contacts.name.as_str(), "acme/contacts", "referred to comes first");
    assert!(!contacts.first_run.approve);
    assert_eq!(contacts.fields[0].differences, Differences::Park, "from the integration's first_run");
    assert_eq!(contacts.fields[2].differences, Differences::SourceWins);
    let least = folder("tests/configs/valid/least");
    let (integration, _) = least.config.pipelines().next().unwrap();
    assert_eq!(integration.schedule.full_read, Some(Duration::from_hours(24)), "the default");
    assert_eq!(integration.name.as_str(), "contacts", "a pipeline of the top level is an integration of its own");
}

#[test]
fn a_part_that_is_switched_off_is_not_there_and_nobody_misses_it() {
    let yaml = "integrations:
  acme:
    pipelines:
      contacts:
        when: { not: \"${env:TURNED:-false}\" }
        source: shop/contacts
        target: xero/contacts
        direction: two-way
        match: { source: $.email, target: $.EmailAddress }
        fields:
          - { source: $.email, target: $.EmailAddress }
          - { source: $.first_name, target: $.FirstName, when: \"${env:NAMES:-true}\" }
      turned: { when: \"${env:TURNED:-false}\", source: xero/contacts, target: shop/contacts, direction: two-way, match: { source: $.EmailAddress, target: $.email }, fields: [ { source: $.EmailAddress, target: $.email } ] }
";
    let with = |env: &[(&str, &str)]| {
        let env: HashMap<String, String> = env.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let loaded = load(files(&[("a.yaml", CONNECTIONS), ("b.yaml", yaml)]).path(), &env);
        assert!(loaded.diagnostics.is_empty(), "{}", loaded.render(false));
        assert!(loaded.written.values().all(|written| written.whole), "nothing of it counts as left out");
        let pipelines = loaded.config.pipelines().map(|(_, one)| format!("{} {}", one.name, one.fields.len()));
        pipelines.collect::<Vec<_>>()
    };
    assert_eq!(with(&[]), ["acme/contacts 2"]);
    assert_eq!(with(&[("NAMES", "false")]), ["acme/contacts 1"]);
    assert_eq!(with(&[("TURNED", "true")]), ["acme/turned 1"]);
}

#[test]
fn hooks_and_posts_that_nobody_listens_for_are_told_with_a_remedy() {
    let yaml = "connectors:
  forms: { resources: { leads: { id: $.id, fields: { id: id, name: text }, inbox: {} } } }
grants:
  office: { connector: xero, client_id: app, client_secret: x, webhook_key: some-key }
connections:
  acme: { connector: xero, grant: office, tenant: Acme }
  own: { connector: xero, auth: { token: x }, webhook_key: some-key }
  website-forms: { connector: forms, auth: { token: sixteen-letters-at-least } }
";
    let told = |settings: Option<&str>| {
        let mut all = vec![("a.yaml", yaml)];
        all.extend(settings.map(|settings| ("reconciled.toml", settings)));
        let loaded = load(files(&all).path(), &HashMap::new());
        assert!(!loaded.has_errors(), "{}", loaded.render(false));
        loaded.render(false)
    };
    let text = told(Some("[history]\nkeep = \"30d\"\n"));
    assert_eq!(text.matches("config::nobody_listens").count(), 3, "{text}");
    for said in ["hooks of `office`", "hooks of `own`", "posted to `website-forms`", "a.yaml:4", "[listen] public ="] {
        assert!(text.contains(said), "{said}: {text}");
    }
    assert_eq!(told(Some("[listen]\npublic = \"127.0.0.1:8443\"\n")), "");
    assert_eq!(told(None), "", "the daemon's own settings may be elsewhere");
}

#[test]
fn which_way_a_pipeline_of_another_integration_faces_is_part_of_what_refers_to_it() {
    let contacts = |source: &str, target: &str| {
        let (there, here) =
            if source == "shop" { ("$.email", "$.EmailAddress") } else { ("$.EmailAddress", "$.email") };
        format!(
            "integrations:
  people:
    pipelines:
      contacts:
        source: {source}/contacts
        target: {target}/contacts
        direction: two-way
        match: {{ source: {there}, target: {here} }}
        fields: [ {{ source: {there}, target: {here} }} ]
"
        )
    };
    let sales = "integrations:
  sales:
    pipelines:
      sales:
        source: shop/sales
        target: xero/invoices
        direction: source-to-target
        match: { source: $.number, target: $.InvoiceNumber }
        fields:
          - { source: $.number, target: $.InvoiceNumber }
          - { source: $.contact_id, target: $.Contact.ContactID, reference: people/contacts }
";
    let effective = |contacts: &str| {
        let dir = files(&[("a.yaml", CONNECTIONS), ("b.yaml", contacts), ("c.yaml", sales)]);
        let loaded = load(dir.path(), &HashMap::new());
        assert!(loaded.diagnostics.is_empty(), "{}", loaded.render(false));
        let sales = loaded.config.integrations.iter().find(|(name, _)| name.as_str() == "sales").unwrap().1;
        Effects::default().of(sales)
    };
    let ahead = effective(&contacts("shop", "xero"));
    assert_eq!(effective(&contacts("shop", "xero")), ahead);
    let turned = effective(&contacts("xero", "shop"));
    assert_ne!(turned.meaning, ahead.meaning, "the id is looked up on the other side of the same links");
    assert_eq!(turned.tuning, ahead.tuning);
}
