//! A site whose versions are in the `ETag` header alone: a list does not tell them.

use serde_json::json;

use crate::site::Site;

const CONFIG: &str = r#"
connectors:
  crm:
    version: 1
    settings: { base_url: { type: url, required: true } }
    base_url: "${settings.base_url}"
    auth: { kind: bearer }
    error_messages: [ $.message, $.error.message ]
    resources:
      contacts:
        id: $.id
        updated_at: { path: $.updated_at, format: rfc3339 }
        label: "{first_name} {last_name}"
        open: true
        list: { get: /contacts, records: $.items, page: { kind: number, param: page, size: { param: per_page, value: 1000 }, end: { page_count: $.pages } }, changed_since: { param: updated_since, format: rfc3339, overlap: 2s } }
        get: "/contacts/{id}"
        create: { post: /contacts, only_creates: true, idempotency: { header: Idempotency-Key, max: 128, keeps: 24h } }
        update: { patch: "/contacts/{id}", only_updates: true, version: { header: If-Match, from: etag } }
        delete: { delete: "/contacts/{id}", version: { header: If-Match, from: etag } }
connections:
  website: { connector: crm, base_url: "${env:WEBSITE_URL}", auth: { token: "${env:WEBSITE_TOKEN}" } }
  xero: { connector: xero, base_url: "${env:XERO_URL}", tenant: "${env:XERO_TENANT}", auth: { token: "${env:XERO_TOKEN}" } }
integrations:
  website-xero:
    first_run: { apply: automatic }
    pipelines:
      contacts:
        source: website/contacts
        target: xero/contacts
        direction: two-way
        match: [ { source: $.email, target: $.EmailAddress } ]
        deletes: { to-source: propagate }
        guards: { deletes: 5 }
        fields:
          - { source: $.email, target: $.EmailAddress }
          - { source: $.first_name, target: $.FirstName }
          - { source: $.last_name, target: $.LastName }
          - { source: [$.first_name, $.last_name], target: $.Name, join: " ", direction: source-to-target }
"#;

/// What the site was asked for about single contacts: method, `If-Match`, status. Then the log is empty.
fn asked(site: &Site) -> Vec<String> {
    let log = site.sandbox.website.log();
    let single = log.entries().into_iter().filter(|entry| entry.path.starts_with("/contacts/"));
    let told = single.map(|entry| {
        let version = entry.headers.get("if-match").map_or("-", String::as_str).to_owned();
        format!("{} {version} {}", entry.method, entry.status.unwrap_or_default())
    });
    let told = told.collect();
    log.clear();
    told
}

#[tokio::test]
async fn a_record_is_read_before_a_guarded_write_where_only_the_header_tells_its_version() {
    let mut site = Site::start().await;
    site.reconfigure(|_| CONFIG.to_owned());
    let jane = site.contact("Jane", "Doe");
    let there = site.xero_contact("Jane Doe", "jane@doe.example");
    site.sync().await;
    site.settled().await;

    // Linked from lists: the version is not known, so the contact is read first.
    asked(&site);
    site.sandbox.xero.edit("Contacts", &there, json!({ "LastName": "Roe" })).unwrap();
    site.sync().await;
    assert_eq!(asked(&site), ["GET - 200", "PATCH \"1\" 200"]);
    site.settled().await;

    // The answer to our own write told the next one.
    asked(&site);
    site.sandbox.xero.edit("Contacts", &there, json!({ "LastName": "Poe" })).unwrap();
    site.sync().await;
    assert_eq!(asked(&site), ["PATCH \"2\" 200"]);
    site.settled().await;

    // Somebody wrote a note meanwhile, which nobody maps: the write is refused, the contact read, and written again.
    asked(&site);
    site.sandbox.website.edit("contacts", &jane, json!({ "notes": "called" })).unwrap();
    site.sandbox.xero.edit("Contacts", &there, json!({ "LastName": "Low" })).unwrap();
    site.sync().await;
    assert_eq!(asked(&site), ["PATCH \"3\" 412", "GET - 200", "PATCH \"4\" 200"]);
    let now = Site::one(&site.website("contacts"), "id", &jane);
    assert_eq!((&now["last_name"], &now["notes"]), (&json!("Low"), &json!("called")));
    site.settled().await;

    // A deletion is guarded in the same way.
    asked(&site);
    site.sandbox.xero.archive(&there).unwrap();
    site.sync().await;
    assert_eq!(asked(&site), ["GET - 200", "DELETE \"5\" 204", "GET - 404"]);
    site.settled().await;
}
