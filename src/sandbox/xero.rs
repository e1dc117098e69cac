//! The practice Xero: the Accounting API as far as it is documented, for contacts, invoices, payments, accounts, tax
//! rates and the organisation.
//!
//! Facts come from Xero's accounting docs and its `OpenAPI` file (`tests/openapi/`), against which the answers are
//! checked. Where the docs are silent, the practice Xero does what is hardest for a client: a POST overwrites a
//! namesake, a part of an address replaces the whole address, a failing batch saves nothing. Message texts that are
//! not documented are marked "guess" in the code.
//!
//! A write goes: caller known -> limits -> idempotency key -> rules, one element at a time, each whole or not at all.

mod api;
mod contacts;
mod envelope;
mod filter;
mod hooks;
mod invoices;
pub(super) mod limits;
mod lines;
mod list;
mod org;
mod payments;
mod replay;
mod settings;
mod shelf;
mod status;
mod text;
mod view;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
};

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

pub use self::limits::XeroLimits;
use self::{
    api::{Service, State},
    list::Query,
    org::{Kind, Mode, Who, Write},
    view::{Depth, Look},
};
use super::{
    Refused,
    faults::Faults,
    log::{Keep, RequestLog},
    logins::Logins,
    server::{Served, Serving},
};
use crate::clock::Clock;

/// How a practice Xero is set up.
#[derive(Clone, Debug)]
pub struct XeroOptions {
    /// Stamps, limits, key lives and the `Date` header follow this clock.
    pub clock: Clock,
    /// The bearer token that clients must send.
    pub token: String,
    /// The tenant id that clients must send.
    pub tenant: String,
    /// Calls taken.
    pub limits: XeroLimits,
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Drives ids, the start of the limits' windows, and the faults that strike by probability.
    pub seed: u64,
    /// Whether the log keeps every request with its body, or only counts (benchmarks).
    pub keep_log: bool,
    /// Whether a log that keeps requests keeps what was answered, too.
    pub keep_answers: bool,
}

impl XeroOptions {
    /// Loopback on a free port, token `xero-token`, the documented limits, a full log.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            token: "xero-token".to_owned(),
            tenant: "5ac1e3f0-7d0b-4a53-9c58-3f0f3f6f0001".to_owned(),
            limits: XeroLimits::DOCUMENTED,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            seed: 1,
            keep_log: true,
            keep_answers: false,
        }
    }

    /// The same with a log that keeps what was answered.
    #[must_use]
    pub fn keeping_answers(self) -> Self {
        Self { keep_answers: true, ..self }
    }

    /// The same without limits.
    #[must_use]
    pub fn unlimited(self) -> Self {
        Self { limits: XeroLimits::OFF, ..self }
    }
}

/// A running practice Xero. Dropping it stops it.
///
/// Its hand for tests names resources as Xero does: `Contacts`, `Invoices`, `Payments`.
#[derive(Debug)]
pub struct Xero {
    served: Served<Service>,
    clock: Clock,
    token: String,
    tenant: String,
}

impl Xero {
    /// Starts a practice Xero on the current tokio runtime.
    ///
    /// # Errors
    ///
    /// When the address cannot be bound.
    pub async fn start(options: XeroOptions) -> io::Result<Self> {
        let XeroOptions { clock, token, tenant, limits, listen, seed, keep_log, keep_answers } = options;
        let service = Service::new(clock.clone(), token.clone(), tenant.clone(), limits, seed);
        let keep = if keep_log && keep_answers { Keep::Answers } else { Keep::requests(keep_log) };
        let served = Served::start(service, Serving { listen, clock: clock.clone(), seed, keep }).await?;
        Ok(Self { served, clock, token, tenant })
    }

    /// The base URL of the Accounting API, with `/api.xro/2.0` and without a slash at its end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}/{}", self.served.url(), api::BASE.join("/"))
    }

    /// The bearer token it was started with.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The id of its one organisation.
    #[must_use]
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// Requests received.
    #[must_use]
    pub fn log(&self) -> &RequestLog {
        &self.served.log
    }

    /// Fault switches.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.served.faults
    }

    /// Changes the limits from now on.
    pub fn limit(&self, limits: XeroLimits) {
        self.served.system.limit(limits);
    }

    /// From now on only this token is known; the one before answers "token expired".
    pub fn change_token(&self, token: &str) {
        self.served.system.change_token(token.to_owned());
    }

    /// Its authorization server.
    #[must_use]
    pub fn logins(&self) -> &Logins {
        &self.served.system.logins
    }

    /// Where everything is: the authorization server and the list of accounts are on the same host.
    #[must_use]
    pub fn host(&self) -> String {
        self.served.url()
    }

    /// Documents on or before this day can no longer be made or changed.
    pub fn lock_period(&self, until: Option<NaiveDate>) {
        self.served.system.state().org.settings.period_lock = until;
    }

    /// Stops listening and waits for open requests.
    pub async fn stop(self) {
        self.served.stop().await;
    }

    /// All records of a resource as a page shows them, archived ones included, in order of update.
    #[must_use]
    pub fn list(&self, resource: &str) -> Vec<Value> {
        let Some(kind) = Kind::parse(resource) else { return Vec::new() };
        let query = Query::everything();
        self.served
            .system
            .state()
            .org
            .list(kind, &query, self.clock.now())
            .map_or_else(|_| Vec::new(), |(items, _)| items)
    }

    /// How many records a resource holds, archived and deleted ones included.
    #[must_use]
    pub fn count(&self, resource: &str) -> usize {
        let state = self.served.system.state();
        match Kind::parse(resource) {
            Some(Kind::Contacts) => state.org.contacts.len(),
            Some(Kind::Invoices) => state.org.invoices.len(),
            Some(Kind::Payments) => state.org.payments.len(),
            None => 0,
        }
    }

    /// One record as a GET by id shows it.
    #[must_use]
    pub fn get(&self, resource: &str, id: &str) -> Option<Value> {
        let look = Look { depth: Depth::Whole, now: self.clock.now(), unit_places: 4 };
        self.served.system.state().org.view(Kind::parse(resource)?, id.parse().ok()?, look)
    }

    /// Makes a record as a person at the screen would, and gives its id.
    ///
    /// # Errors
    ///
    /// What Xero's rules refuse.
    pub fn insert(&self, resource: &str, record: Value) -> Result<String, Refused> {
        self.insert_at(resource, record, self.clock.now())
    }

    /// As [`Xero::insert`], at another time than now; for seeding a past.
    ///
    /// # Errors
    ///
    /// What Xero's rules refuse.
    pub fn insert_at(&self, resource: &str, record: Value, at: DateTime<Utc>) -> Result<String, Refused> {
        Ok(self.by_hand(resource, Mode::Create, record, at)?.to_string())
    }

    /// Changes a record as a person at the screen would: what `patch` names, under the rules of a write.
    ///
    /// # Errors
    ///
    /// What Xero's rules refuse, or no such record.
    pub fn edit(&self, resource: &str, id: &str, patch: Value) -> Result<(), Refused> {
        let id = parse_id(id)?;
        self.by_hand(resource, Mode::Change(id), patch, self.clock.now()).map(drop)
    }

    /// Deletes as far as Xero can: a contact is archived, a draft deleted, an approved invoice voided, a payment
    /// deleted.
    ///
    /// # Errors
    ///
    /// What Xero's rules refuse, such as voiding a paid invoice.
    pub fn remove(&self, resource: &str, id: &str) -> Result<(), Refused> {
        let patch = match Kind::parse(resource) {
            Some(Kind::Contacts) => json!({ "ContactStatus": "ARCHIVED" }),
            Some(Kind::Invoices) => {
                let draft =
                    self.served.system.state().org.invoices.get(parse_id(id)?).is_some_and(|invoice| {
                        matches!(invoice.status, status::Status::Draft | status::Status::Submitted)
                    });
                json!({ "Status": if draft { "DELETED" } else { "VOIDED" } })
            }
            Some(Kind::Payments) | None => json!({ "Status": "DELETED" }),
        };
        self.edit(resource, id, patch)
    }

    /// Archives a contact; the same as removing it.
    ///
    /// # Errors
    ///
    /// When there is no such contact.
    pub fn archive(&self, contact: &str) -> Result<(), Refused> {
        self.remove("Contacts", contact)
    }

    /// Brings an archived contact back, which only the screen can do.
    ///
    /// # Errors
    ///
    /// When there is no such contact, or its name is in use by now.
    pub fn restore(&self, contact: &str) -> Result<(), Refused> {
        self.edit("Contacts", contact, json!({ "ContactStatus": "ACTIVE" }))
    }

    /// Merges one contact into another: it is archived and points to the winner, which takes over its invoices.
    ///
    /// # Errors
    ///
    /// When one of the two does not exist.
    pub fn merge(&self, loser: &str, winner: &str) -> Result<(), Refused> {
        let (loser, winner) = (parse_id(loser)?, parse_id(winner)?);
        let mut state = self.served.system.state();
        let State { org, .. } = &mut *state;
        let missing = || Refused { messages: contacts::no_contact() };
        let mut old = org.contacts.get(loser).cloned().ok_or_else(missing)?;
        let mut new = org.contacts.get(winner).cloned().ok_or_else(missing)?;
        let moved: Vec<Uuid> = org.invoices.with_key(invoices::BY_CONTACT, &loser.to_string()).collect();
        for id in moved {
            if let Some(mut invoice) = org.invoices.get(id).cloned() {
                invoice.contact = winner;
                invoice.updated = self.clock.now();
                org.invoices.put(invoice);
            }
        }
        new.is_customer |= old.is_customer;
        new.is_supplier |= old.is_supplier;
        old.archived = true;
        old.merged_to = Some(winner);
        old.updated = self.clock.now();
        org.contacts.put(old);
        org.contacts.put(new);
        org.settle();
        Ok(())
    }

    /// The chart of accounts.
    #[must_use]
    pub fn accounts(&self) -> Vec<Value> {
        self.served.system.state().org.settings.accounts.iter().map(settings::Account::view).collect()
    }

    fn by_hand(&self, resource: &str, mode: Mode, record: Value, now: DateTime<Utc>) -> Result<Uuid, Refused> {
        let kind = Kind::parse(resource).ok_or_else(|| Refused::because(format!("no resource `{resource}`")))?;
        let Value::Object(record) = record else { return Err(Refused::because("a record must be an object")) };
        let write = Write { mode, who: Who::Person, now, unit_places: 4 };
        let mut state = self.served.system.state();
        let taken = state.org.write(kind, &record, write);
        state.org.settle();
        taken.map(|taken| taken.id).map_err(|messages| Refused { messages })
    }
}

fn parse_id(id: &str) -> Result<Uuid, Refused> {
    id.parse().map_err(|_| Refused::because(format!("`{id}` is not an id")))
}

#[cfg(test)]
mod tests;
