//! A connector that is a variant of another.

use std::{collections::HashMap, sync::Arc};

use reconciled::{
    config::{Loaded, load},
    connector::{AuthKind, Limit, Manifest, Resource},
};

use super::files;

fn read(text: &str) -> Loaded {
    load(files(&[("connectors.yaml", text)]).path(), &HashMap::new())
}

#[track_caller]
fn manifests(text: &str) -> impl Fn(&str) -> Arc<Manifest> {
    let loaded = read(text);
    assert!(loaded.diagnostics.is_empty(), "{}", loaded.render(false));
    move |name| loaded.connectors[name].clone()
}

fn fields(resource: &Resource) -> Vec<&str> {
    resource.fields.fields.keys().map(String::as_str).collect()
}

#[test]
fn what_is_given_lies_over_what_is_extended_and_the_rest_is_as_it_was() {
    let text = "connectors:
  crm:
    extends: website@1
    version: 3
    base_url: https://crm.example
    headers: { X-Site: a }
    limits: [ { in_flight: 2 } ]
    auth: { kind: header, header: X-Key }
    resources:
      contacts:
        label: \"{email}\"
        fields:
          email: { max: 99 }
          shoe_size: integer
          phone: ~
      groups: ~
      shoes: { id: $.no, list: { get: /shoes, records: $ } }
";
    let of = manifests(text);
    let (crm, website) = (of("crm"), of("website"));
    assert_eq!((crm.name.as_str(), crm.version, website.version), ("crm", 3, 1));
    assert_eq!(crm.base_url.as_deref(), Some("https://crm.example"));
    assert_eq!(crm.auth, [AuthKind::Header("X-Key".to_owned())]);
    assert_eq!(crm.limits, [Limit::InFlight(2)]);
    assert!(crm.headers.contains(&("X-Site".to_owned(), "a".to_owned())));
    assert!(website.headers.iter().all(|header| crm.headers.contains(header)));
    assert_eq!((crm.timeout, crm.in_doubt), (website.timeout, website.in_doubt));

    let mut names: Vec<&String> = website.resources.keys().filter(|name| *name != "groups").collect();
    let shoes = "shoes".to_owned();
    names.push(&shoes);
    names.sort();
    assert_eq!(crm.resources.keys().collect::<Vec<_>>(), names);
    let (ours, theirs) = (&crm.resources["contacts"], &website.resources["contacts"]);
    let mut expected: Vec<&str> = fields(theirs).into_iter().filter(|name| *name != "phone").collect();
    expected.push("shoe_size");
    expected.sort_unstable();
    assert_eq!(fields(ours), expected);
    let email = |resource: &Resource| resource.fields.fields["email"].canon.clone();
    assert_eq!((email(ours).max, email(ours).ignore_case), (Some(99), true), "only what is given changes");
    assert_eq!((email(theirs).max, fields(theirs).contains(&"phone")), (Some(255), true), "the other stays as it is");
    assert_eq!(format!("{:?}", ours.list), format!("{:?}", theirs.list));
    assert_eq!(format!("{:?}", crm.resources["sales"]), format!("{:?}", website.resources["sales"]));
}

#[test]
fn a_call_is_one_thing_and_layers_lie_on_layers() {
    let text = "connectors:
  upper: { extends: middle, timeout: 5s, resources: { contacts: { create: { put: /people } } } }
  middle: { extends: lower@2, headers: { A: middle } }
  lower:
    version: 2
    base_url: https://x.example
    headers: { A: lower, B: lower }
    resources:
      contacts: { id: $.id, create: { post: /contacts, batch: { array: items, max: 10, correlate: position } } }
  xero: { extends: xero@1, version: 2, timeout: 7s }
";
    let of = manifests(text);
    let upper = of("upper");
    let create = upper.resources["contacts"].create.as_ref().unwrap();
    assert_eq!((create.method.as_str(), create.path.as_str()), ("PUT", "/people"));
    assert!(create.batch.is_none(), "half of one call and half of another is none");
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(upper.headers, [pair("A", "middle"), pair("B", "lower")]);
    assert_eq!(upper.version, 1, "a version is a variant's own");
    // A hot-fix under the same name.
    let xero = of("xero");
    assert_eq!((xero.version, xero.timeout.as_secs()), (2, 7));
    assert!(xero.resources.contains_key("invoices"));
}

#[test]
fn a_mistake_in_what_is_extended_is_said_once() {
    let text = "connectors:
  a: { extends: base }
  b: { extends: base }
  base: { base_url: https://x.example, resources: { things: { id: $.id, lst: 1 } } }
";
    let loaded = read(text);
    let codes: Vec<_> = loaded.diagnostics.iter().map(|d| (d.position().unwrap_or_default(), d.code)).collect();
    assert_eq!(codes, [("connectors.yaml:4:73".to_owned(), "config::unknown_key")]);
    assert!(["a", "b", "base"].iter().all(|name| !loaded.connectors.contains_key(*name)), "none of them can be used");
}
