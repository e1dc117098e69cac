//! What the histories are about: their configurations, and what their remotes can do.

use std::{borrow::Cow, sync::OnceLock};

use crate::{deletions, support::CONNECTORS};

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

/// As `PLAIN`, between systems of which the second shows a mask in place of telephone numbers.
fn masked() -> &'static str {
    static YAML: OnceLock<String> = OnceLock::new();
    YAML.get_or_init(|| {
        let (_, rest) = CONNECTORS.split_once("resources: &resources").unwrap();
        let (resources, _) = rest.split_once("  books:").unwrap();
        let masked = resources.replace("&contacts", "");
        let masked = masked.replace("phone: { type: text }", "phone: { type: text, masked: true }");
        format!("{PLAIN}{}", CONNECTORS.replace("resources: *resources", &format!("resources:{masked}")))
    })
}

/// What a history is about.
#[derive(Debug)]
pub struct Kind {
    pub name: &'static str,
    /// The kind whose configuration it is edited to now and then.
    pub edited: Option<&'static str>,
    pub sales: bool,
    pub masked: bool,
    /// How many histories of a hundred are of this kind.
    share: u8,
}

const fn of(name: &'static str, edited: Option<&'static str>, share: u8) -> Kind {
    Kind { name, edited, sales: false, masked: false, share }
}

static KINDS: [Kind; 8] = [
    of("plain", None, 22),
    of("plain", Some("more"), 12),
    of("carried", None, 12),
    of("carried", Some("plain"), 12),
    of("beside", None, 12),
    of("release", None, 12),
    Kind { sales: true, ..of("sales", None, 12) },
    Kind { masked: true, ..of("masked", None, 6) },
];

/// One of them.
pub fn any(rng: &mut fastrand::Rng) -> &'static Kind {
    let mut at = rng.u8(..KINDS.iter().map(|kind| kind.share).sum::<u8>());
    KINDS
        .iter()
        .find(|kind| {
            let is_here = at < kind.share;
            at = at.saturating_sub(kind.share);
            is_here
        })
        .unwrap()
}

/// The configuration of that name, of connectors that say how long they lag, if they do.
pub fn configured(name: &str, lags: bool) -> Cow<'static, str> {
    let yaml = yaml(name);
    if !lags {
        return Cow::Borrowed(yaml);
    }
    let connectors = if yaml.contains("\nconnectors:") { "" } else { CONNECTORS };
    Cow::Owned(format!("{yaml}{connectors}").replace("in_doubt: 60s", "in_doubt: 60s\n    lag: 30s"))
}

/// The configuration of that name.
pub fn yaml(name: &str) -> &'static str {
    match name {
        "plain" => PLAIN,
        "more" => MORE,
        "beside" => BESIDE,
        "release" => RELEASE,
        "sales" => SALES,
        "carried" => deletions::CARRIED,
        "masked" => masked(),
        other => panic!("no configuration is named {other}"),
    }
}
