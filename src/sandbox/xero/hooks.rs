//! The practice Xero's webhooks: what changed since the last delivery, signed as Xero signs it.
//!
//! Xero tells of contacts and invoices, by id only, in batches that may mix accounts; an own write of a client comes back as
//! well. Before it sends anything it asks whether a listener means to receive: deliveries without events, some of them
//! wrongly signed, which must be answered with 200 and 401.

use std::collections::HashMap;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use chrono::{DateTime, Utc};
use ring::hmac;
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use super::{Xero, api::State};
use crate::connector::http_client;

/// What a listener was told of.
#[derive(Debug, Default)]
pub(crate) struct Hooks {
    told: HashMap<Uuid, DateTime<Utc>>,
    sequence: u64,
}

/// Events of what changed since they were asked for last.
fn events(state: &mut State, tenant: &str) -> Vec<Value> {
    let State { org, hooks, .. } = state;
    let contacts =
        org.contacts.in_order(true, None).map(|contact| ("CONTACT", "Contacts", contact.id, contact.updated));
    let invoices =
        org.invoices.in_order(true, None).map(|invoice| ("INVOICE", "Invoices", invoice.id, invoice.updated));
    let mut events = Vec::new();
    for (category, path, id, updated) in contacts.chain(invoices) {
        let before = hooks.told.insert(id, updated);
        if before == Some(updated) {
            continue;
        }
        events.push(json!({
            "resourceUrl": format!("https://api.xero.com/api.xro/2.0/{path}/{id}"),
            "resourceId": id.to_string(),
            "eventDateUtc": updated.format("%Y-%m-%dT%H:%M:%S%.3f").to_string(),
            "eventType": if before.is_some() { "UPDATE" } else { "CREATE" },
            "eventCategory": category,
            "tenantId": tenant,
            "tenantType": "ORGANISATION",
        }));
    }
    events
}

impl Xero {
    /// What a listener would be told now: everything that changed since this was asked last.
    #[must_use]
    pub fn news(&self) -> Vec<Value> {
        events(&mut self.served.system.state(), &self.tenant)
    }

    /// Tells a listener of these events, signed with this key, and gives the status of its answer; 0 for none.
    pub async fn tell(&self, url: &str, key: &str, events: &[Value]) -> u16 {
        let body = {
            let hooks = &mut self.served.system.state().hooks;
            let first = if events.is_empty() { 0 } else { hooks.sequence + 1 };
            hooks.sequence += events.len() as u64;
            let last = if events.is_empty() { 0 } else { hooks.sequence };
            json!({ "events": events, "firstEventSequence": first, "lastEventSequence": last, "entropy": "QWERTYUIOPASDFGHJKLZ" })
        };
        deliver(url, key, &body.to_string()).await
    }

    /// Asks whether a listener means to receive: whether rightly signed deliveries are answered with 200, and wrongly signed
    /// ones with 401, both with nothing in them.
    pub async fn means_to_receive(&self, url: &str, key: &str) -> bool {
        let mut means = true;
        for wrong in [false, true, true, false] {
            let key = if wrong { "another key" } else { key };
            means &= self.tell(url, key, &[]).await == if wrong { 401 } else { 200 };
        }
        means
    }
}

async fn deliver(url: &str, key: &str, body: &str) -> u16 {
    let sign = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()), body.as_bytes());
    let Ok(url) = Url::parse(url) else { return 0 };
    let Ok(client) = http_client(&url) else { return 0 };
    let request = client.post(url).header("content-type", "application/json");
    let request = request.header("x-xero-signature", BASE64_STANDARD.encode(sign)).body(body.to_owned());
    match request.send().await {
        Ok(answer) => {
            let status = answer.status().as_u16();
            // A body is a mistake of the listener.
            answer.bytes().await.map_or(0, |body| if body.is_empty() { status } else { 0 })
        }
        Err(_) => 0,
    }
}
