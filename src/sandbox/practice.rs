//! Practice systems that are alike in what they do and differ in how they say it.
//!
//! What they have in common is kept once: `books` holds the records and their rules (ids, stamps, versions, what must be
//! there and what only once), `desk` lets callers in and counts their calls. Each system's own file says the rest: paths,
//! pages, filters, words of refusal. Facts come from the pages that the manifest of the system names; what is not
//! documented is marked "guess".
//!
//! The hand for tests takes and gives records as JSON, and names resources as the manifest does.

mod books;
mod cliniko;
mod desk;
mod eventbrite;
mod gosweetspot;
mod myob;
mod quickbooks;
mod simpro;
mod zoho;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
};

use serde_json::Value;

use self::desk::{Api, Desk};
use super::{
    Refused,
    faults::Faults,
    log::{Keep, RequestLog},
    logins::Logins,
    server::{Served, Serving},
};
use crate::clock::Clock;

/// Which system is practised with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PracticeKind {
    /// Cliniko's v1.
    Cliniko,
    /// Eventbrite's v3.
    Eventbrite,
    /// `GoSweetSpot`'s freight API.
    GoSweetSpot,
    /// MYOB's `AccountRight` Live.
    Myob,
    /// `QuickBooks` Online's Accounting API v3.
    QuickBooks,
    /// `simPRO` Premium's REST v1.0.
    Simpro,
    /// Zoho CRM's v8.
    ZohoCrm,
}

impl PracticeKind {
    fn api(self) -> Box<dyn Api> {
        match self {
            Self::Cliniko => Box::new(cliniko::Cliniko),
            Self::Eventbrite => Box::new(eventbrite::Eventbrite),
            Self::GoSweetSpot => Box::new(gosweetspot::GoSweetSpot),
            Self::Myob => Box::new(myob::Myob),
            Self::QuickBooks => Box::new(quickbooks::QuickBooks),
            Self::Simpro => Box::new(simpro::Simpro),
            Self::ZohoCrm => Box::new(zoho::Zoho),
        }
    }
}

/// How a practice system is set up.
#[derive(Clone, Debug)]
pub struct PracticeOptions {
    /// The system.
    pub kind: PracticeKind,
    /// Changes, limits and the `Date` header follow this clock.
    pub clock: Clock,
    /// Whether it counts calls as the real one is documented to.
    pub limited: bool,
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Drives ids, and the faults that strike by probability.
    pub seed: u64,
}

impl PracticeOptions {
    /// Loopback on a free port, the documented limits.
    #[must_use]
    pub fn new(kind: PracticeKind, clock: Clock) -> Self {
        Self { kind, clock, limited: true, listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), seed: 1 }
    }

    /// The same without limits.
    #[must_use]
    pub fn unlimited(self) -> Self {
        Self { limited: false, ..self }
    }
}

/// A running practice system. Dropping it stops it.
#[derive(Debug)]
pub struct PracticeSystem {
    served: Served<Desk>,
}

impl PracticeSystem {
    /// Starts a practice system on the current tokio runtime.
    ///
    /// # Errors
    ///
    /// When the address cannot be bound.
    pub async fn start(options: PracticeOptions) -> io::Result<Self> {
        let PracticeOptions { kind, clock, limited, listen, seed } = options;
        let desk = Desk::new(kind.api(), clock.clone(), limited, seed);
        let served = Served::start(desk, Serving { listen, clock, seed, keep: Keep::Requests }).await?;
        served.system.reach_at(&served.url());
        Ok(Self { served })
    }

    /// The base URL that a connection is given, without a slash at its end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}{}", self.served.url(), self.served.system.base())
    }

    /// The secret that clients must send: a token, or a key.
    #[must_use]
    pub fn token(&self) -> &'static str {
        self.served.system.token()
    }

    /// The account it holds; empty where the system has no choice of accounts.
    #[must_use]
    pub fn tenant(&self) -> &'static str {
        self.served.system.tenant()
    }

    /// Where a person consents to logins; `None` where a key is all there is.
    #[must_use]
    pub fn logins(&self) -> Option<&Logins> {
        self.served.system.logins.as_ref()
    }

    /// Where it listens: the host of its API and, where it has one, of its authorization server.
    #[must_use]
    pub fn host(&self) -> String {
        self.served.url()
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

    /// Stops listening and waits for open requests.
    pub async fn stop(self) {
        self.served.stop().await;
    }

    /// Makes a record as a person at the screen would, and gives its id.
    ///
    /// # Errors
    ///
    /// What the system's rules refuse.
    pub fn insert(&self, resource: &str, record: Value) -> Result<String, Refused> {
        self.served.system.insert(resource, record).map_err(Refused::because)
    }

    /// Changes what the object names, as a person at the screen would.
    ///
    /// # Errors
    ///
    /// What the system's rules refuse, or no such record.
    pub fn edit(&self, resource: &str, id: &str, change: Value) -> Result<(), Refused> {
        self.served.system.edit(resource, id, change).map_err(Refused::because)
    }

    /// Deletes a record, as a person at the screen would.
    ///
    /// # Errors
    ///
    /// When there is no such record.
    pub fn remove(&self, resource: &str, id: &str) -> Result<(), Refused> {
        self.served.system.remove(resource, id).map_err(Refused::because)
    }

    /// One record in full; `None` if there is none.
    #[must_use]
    pub fn get(&self, resource: &str, id: &str) -> Option<Value> {
        self.served.system.shown(resource, id)
    }

    /// The records of a resource that are not deleted, oldest first.
    #[must_use]
    pub fn list(&self, resource: &str) -> Vec<Value> {
        self.served.system.all(resource)
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self, resource: &str) -> usize {
        self.list(resource).len()
    }
}
