//! What the histories are about: their configurations, and what their remotes can do.

use std::time::Duration;

use crate::deletions;

pub const PLAIN: &str = r#"
pipelines:
  contacts:
    source: shop/contacts
    target: books/contacts
    direction: two-way
    match: [ { source: $.email, target: $.email, normalize: [trim, lowercase] } ]
    first_run: { apply: automatic }
    fields:
      - { source: $.name, target: $.name }
      - { source: $.email, target: $.email }
      - { source: $.phone, target: $.phone }
      - { source: $.city, target: $.city }
"#;

/// As above with another field and another tier, in front.
pub const MORE: &str = r#"
pipelines:
  contacts:
    source: shop/contacts
    target: books/contacts
    direction: two-way
    match: [ { source: $.code, target: $.code }, { source: $.email, target: $.email, normalize: [trim, lowercase] } ]
    first_run: { apply: automatic }
    fields:
      - { source: $.name, target: $.name }
      - { source: $.email, target: $.email }
      - { source: $.phone, target: $.phone }
      - { source: $.code, target: $.code }
"#;

/// A tier on values that are not kept the same.
pub const BESIDE: &str = r#"
pipelines:
  contacts:
    source: shop/contacts
    target: books/contacts
    direction: two-way
    match: [ { source: $.email, target: $.email, normalize: [trim, lowercase] }, { source: $.code, target: $.code } ]
    first_run: { apply: automatic }
    fields:
      - { source: $.name, target: $.name }
      - { source: $.email, target: $.email }
      - { source: $.phone, target: $.phone }
"#;

pub const RELEASE: &str = r#"
pipelines:
  contacts:
    source: shop/contacts
    target: books/contacts
    direction: two-way
    match: [ { source: $.email, target: $.email, normalize: [trim, lowercase] } ]
    first_run: { apply: automatic }
    filters: { source: [ { path: $.customer, equals: true } ] }
    on_leave: release
    fields:
      - { source: $.name, target: $.name }
      - { source: $.email, target: $.email }
      - { source: $.phone, target: $.phone }
"#;

pub const SALES: &str = r#"
integrations:
  acme:
    first_run: { apply: automatic }
    pipelines:
      contacts:
        source: shop/contacts
        target: books/contacts
        direction: two-way
        match: [ { source: $.email, target: $.email } ]
        filters: { source: [ { referenced_by: sales } ], target: [ { path: $.customer, equals: true } ] }
        fields:
          - { source: $.name, target: $.name }
          - { source: $.email, target: $.email }
          - { source: $.phone, target: $.phone }
          - { source: $.other_id, target: $.id, direction: target-to-source }
      sales:
        source: shop/sales
        target: books/sales
        direction: source-to-target
        match: [ { source: $.number, target: $.number } ]
        fields:
          - { source: $.number, target: $.number, write: on-create }
          - { source: $.contact_id, target: $.contact_id, reference: contacts }
          - { source: $.total, target: $.total }
"#;

/// What makes one history different from another, beside its seed.
pub struct Kind {
    pub yaml: &'static str,
    /// To which the configuration is edited now and then.
    pub edited: Option<&'static str>,
    pub keys: Option<Duration>,
    pub versions: bool,
}

/// One of them.
pub fn kind(rng: &mut fastrand::Rng) -> Kind {
    let (yaml, edited) = match rng.u8(..8) {
        0 | 1 => (PLAIN, None),
        6 => (deletions::CARRIED, None),
        7 => (deletions::CARRIED, Some(PLAIN)),
        2 => (PLAIN, Some(MORE)),
        3 => (BESIDE, None),
        4 => (RELEASE, None),
        _ => (SALES, None),
    };
    let keys = if rng.bool() { Some(Duration::from_secs(360)) } else { None };
    Kind { yaml, edited, keys, versions: rng.bool() }
}
