//! The practice website: a CRM that serves the contract in `schemas/website.openapi.yaml`.

mod api;
mod check;
mod fields;
mod shelf;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
};

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use self::{api::Site, check::Problem};
use super::{
    Refused,
    faults::Faults,
    log::{Keep, RequestLog},
    server::{Served, Serving},
};
use crate::clock::Clock;

/// How a practice website is set up.
#[derive(Clone, Debug)]
pub struct WebsiteOptions {
    /// Stamps and key lives follow this clock.
    pub clock: Clock,
    /// The bearer token that clients must send.
    pub token: String,
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Drives the faults that strike by probability.
    pub seed: u64,
    /// Whether the log keeps every request with its body, or only counts (benchmarks).
    pub keep_log: bool,
}

impl WebsiteOptions {
    /// Loopback on a free port, token `website-token`, a full log.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            token: "website-token".to_owned(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            seed: 1,
            keep_log: true,
        }
    }
}

/// A running practice website. Dropping it stops it.
#[derive(Debug)]
pub struct Website {
    served: Served<Site>,
    clock: Clock,
    token: String,
}

impl Website {
    /// Starts a website on the current tokio runtime.
    ///
    /// # Errors
    ///
    /// When the address cannot be bound.
    pub async fn start(options: WebsiteOptions) -> io::Result<Self> {
        let WebsiteOptions { clock, token, listen, seed, keep_log } = options;
        let site = Site::new(clock.clone(), token.clone());
        let served =
            Served::start(site, Serving { listen, clock: clock.clone(), seed, keep: Keep::requests(keep_log) }).await?;
        Ok(Self { served, clock, token })
    }

    /// The base URL, without a slash at its end.
    #[must_use]
    pub fn url(&self) -> String {
        self.served.url()
    }

    /// The bearer token it was started with.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
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

    /// From now on only this token is known, as after a revocation.
    pub fn change_token(&self, token: &str) {
        self.served.system.set_token(token.to_owned());
    }

    /// Stops listening and waits for open requests.
    pub async fn stop(self) {
        self.served.stop().await;
    }

    /// All records of a resource in the order of their ids; empty for an unknown resource.
    #[must_use]
    pub fn list(&self, resource: &str) -> Vec<Value> {
        let state = self.served.system.state();
        let stock = state.shelf(resource).and_then(|stock| state.shelves.get(stock));
        stock.map_or_else(Vec::new, |stock| stock.all().filter_map(|text| serde_json::from_str(text).ok()).collect())
    }

    /// How many records a resource holds.
    #[must_use]
    pub fn count(&self, resource: &str) -> usize {
        let state = self.served.system.state();
        state.shelf(resource).and_then(|shelf| state.shelves.get(shelf)).map_or(0, shelf::Shelf::len)
    }

    /// One record.
    #[must_use]
    pub fn get(&self, resource: &str, id: &str) -> Option<Value> {
        let state = self.served.system.state();
        let (text, _) = state.shelves.get(state.shelf(resource)?)?.text(id)?;
        serde_json::from_str(text).ok()
    }

    /// Makes a record as a person at the site would, and gives its id.
    ///
    /// # Errors
    ///
    /// What the contract refuses.
    pub fn insert(&self, resource: &str, record: Value) -> Result<String, Refused> {
        self.insert_at(resource, record, self.clock.now())
    }

    /// As [`Website::insert`], at another time than now; for seeding a past.
    ///
    /// # Errors
    ///
    /// What the contract refuses.
    pub fn insert_at(&self, resource: &str, record: Value, at: DateTime<Utc>) -> Result<String, Refused> {
        let mut state = self.served.system.state();
        let stock = state.shelf(resource).ok_or_else(|| Refused::because(format!("no resource `{resource}`")))?;
        Ok(state.create(stock, object(record)?, at)?)
    }

    /// Changes the properties that `patch` names, as a person at the site would.
    ///
    /// # Errors
    ///
    /// What the contract refuses.
    pub fn edit(&self, resource: &str, id: &str, patch: Value) -> Result<(), Refused> {
        let mut state = self.served.system.state();
        let stock = state.shelf(resource).ok_or_else(|| Refused::because(format!("no resource `{resource}`")))?;
        Ok(state.patch(stock, id, object(patch)?, None, self.clock.now())?)
    }

    /// Deletes a record, as a person at the site would.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn remove(&self, resource: &str, id: &str) -> Result<(), Refused> {
        let mut state = self.served.system.state();
        let stock = state.shelf(resource).and_then(|stock| state.shelves.get_mut(stock));
        let stock = stock.ok_or_else(|| Refused::because(format!("no resource `{resource}`")))?;
        Ok(stock.remove(id)?)
    }

    /// Adds `count` plain contacts for a benchmark: one in ten has the company blank, and `subscribed` is true for
    /// exactly six in ten.
    ///
    /// # Panics
    ///
    /// Never in practice: the records are our own and fit the contract.
    pub fn fill_contacts(&self, count: usize) {
        let now = self.clock.now();
        let mut state = self.served.system.state();
        let stock = state.shelf("contacts").expect("contacts are part of the contract");
        for number in 1..=count {
            let Value::Object(record) = plain_contact(number) else { continue };
            state.create(stock, record, now).expect("a plain contact fits the contract");
        }
    }
}

fn plain_contact(number: usize) -> Value {
    json!({
        "first_name": format!("First{number}"),
        "last_name": format!("Last{number}"),
        "company": if number % 10 == 3 { Value::Null } else { format!("Company {number} Ltd").into() },
        "email": format!("person{number}@example.com"),
        "phone": format!("03 555 {:04}", number % 10_000),
        "account": format!("A{number}"),
        "postal": {
            "line1": format!("{} High Street", number % 900 + 1),
            "city": "Nelson",
            "postcode": format!("{:04}", number % 9_000 + 1_000),
            "country": "New Zealand",
        },
        "subscribed": number % 10 < 6,
    })
}

fn object(value: Value) -> Result<Map<String, Value>, Refused> {
    match value {
        Value::Object(object) => Ok(object),
        _ => Err(Refused::because("a record must be an object")),
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self::because(problem.message)
    }
}

#[cfg(test)]
mod tests;
