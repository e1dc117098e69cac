//! The practice XPM: Xero Practice Manager 3.1 as far as it is documented, for clients, contacts, client groups, jobs
//! and staff.
//!
//! Facts come from the pages of developer.xero.com's "practice-manager-3-1". What makes it unlike the practice Xero is
//! kept: XML unless two headers ask for JSON, a `Status` in every body, application errors as a 500 (and some as a
//! 200), clients without any stamp, one unpaged list of all of them, `Yes` and `No`, dates that are written in another
//! form than they are read, and a tax number behind a mask. Wordings that are not documented are marked "guess".

mod api;
mod clients;
mod custom;
mod document;
mod jobs;
mod leads;
mod practice;

#[cfg(test)]
mod tests;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
};

use self::{api::Service, practice::Kind};
use super::{
    Refused, XeroLimits,
    faults::Faults,
    log::{Keep, RequestLog},
    logins::Logins,
    server::{Served, Serving},
};
use crate::clock::Clock;

/// Whose API it speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum XpmFamily {
    /// Xero Practice Manager 3.1.
    #[default]
    Xero,
    /// `WorkflowMax` by `BlueRock`: the same calls at another address, with pages of clients and with leads.
    BlueRock,
}

/// How a practice XPM is set up.
#[derive(Clone, Debug)]
pub struct XpmOptions {
    /// Whose API it speaks.
    pub family: XpmFamily,
    /// Changes, limits and the `Date` header follow this clock.
    pub clock: Clock,
    /// The bearer token that clients must send.
    pub token: String,
    /// The tenant id that clients must send.
    pub tenant: String,
    /// Calls taken; XPM stands behind the same gateway as Xero.
    pub limits: XeroLimits,
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Drives ids, the start of the limits' windows, and the faults that strike by probability.
    pub seed: u64,
    /// Whether the log keeps what was answered, too.
    pub keep_answers: bool,
}

impl XpmOptions {
    /// Loopback on a free port, token `xpm-token`, the documented limits.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            family: XpmFamily::default(),
            clock,
            token: "xpm-token".to_owned(),
            tenant: "7b0c0000-0000-4000-8000-000000000001".to_owned(),
            limits: XeroLimits::DOCUMENTED,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            seed: 1,
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

/// A running practice XPM. Dropping it stops it.
///
/// Its hand for tests takes and gives records as XML elements, `<Client><Name>Kea Ltd</Name></Client>`, and names the
/// resources `clients`, `contacts`, `groups`, `jobs`, `leads` and `staff`.
#[derive(Debug)]
pub struct Xpm {
    served: Served<Service>,
    token: String,
    tenant: String,
}

impl Xpm {
    /// Starts a practice XPM on the current tokio runtime.
    ///
    /// # Errors
    ///
    /// When the address cannot be bound.
    pub async fn start(options: XpmOptions) -> io::Result<Self> {
        let XpmOptions { family, clock, token, tenant, limits, listen, seed, keep_answers } = options;
        let keep = if keep_answers { Keep::Answers } else { Keep::Requests };
        let service = Service::new(family, clock.clone(), (token.clone(), tenant.clone()), limits, seed);
        let served = Served::start(service, Serving { listen, clock, seed, keep }).await?;
        served.system.reach_at(&served.url());
        Ok(Self { served, token, tenant })
    }

    /// The base URL, without a slash at its end; XPM's with `/practicemanager/3.1`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}{}", self.served.url(), self.served.system.base())
    }

    /// Where everything is: the authorization server and the list of accounts are on the same host.
    #[must_use]
    pub fn host(&self) -> String {
        self.served.url()
    }

    /// Its authorization server.
    #[must_use]
    pub fn logins(&self) -> &Logins {
        &self.served.system.logins
    }

    /// The bearer token it was started with.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The id of its one practice.
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

    /// Stops listening and waits for open requests.
    pub async fn stop(self) {
        self.served.stop().await;
    }

    /// Makes a record as a person at the screen would, and gives its id.
    ///
    /// # Errors
    ///
    /// What XPM's rules refuse.
    pub fn insert(&self, resource: &str, xml: &str) -> Result<String, Refused> {
        self.served.system.by_hand(kind(resource)?, None, xml).map_err(Refused::because)
    }

    /// Changes what the element names, as a person at the screen would.
    ///
    /// # Errors
    ///
    /// What XPM's rules refuse, or no such record.
    pub fn edit(&self, resource: &str, id: &str, xml: &str) -> Result<(), Refused> {
        self.served.system.by_hand(kind(resource)?, Some(id), xml).map(drop).map_err(Refused::because)
    }

    /// Deletes a record as a person at the screen would: a client stays, marked; others are gone.
    pub fn delete(&self, resource: &str, id: &str) {
        if let Ok(kind) = kind(resource) {
            self.served.system.delete(kind, id);
        }
    }

    /// Declares a custom field of clients whose values stand in an element of this name (`Text`, `Date`, …), and gives its
    /// UUID.
    #[must_use]
    pub fn define(&self, name: &str, element: &str) -> String {
        self.served.system.define(name, element)
    }

    /// Gives a client a value of a custom field, as a person at the screen would; "" takes it away.
    ///
    /// # Errors
    ///
    /// When there is no such client or field.
    pub fn customise(&self, client: &str, field: &str, value: &str) -> Result<(), Refused> {
        self.served.system.customise(client, field, value).map_err(Refused::because)
    }

    /// Archives a client, as a person at the screen would.
    ///
    /// # Errors
    ///
    /// When there is no such client.
    pub fn archive(&self, client: &str) -> Result<(), Refused> {
        self.served.system.archive(client).map_err(Refused::because)
    }

    /// Makes a prospect a client: the same client with the same contacts under a new UUID, which is given. The old one stays
    /// in the list, marked as deleted.
    ///
    /// # Errors
    ///
    /// When there is no such client.
    pub fn convert(&self, prospect: &str) -> Result<String, Refused> {
        self.served.system.convert(prospect).map_err(Refused::because)
    }

    /// Makes an existing contact a contact of another client, too.
    ///
    /// # Errors
    ///
    /// When one of them does not exist.
    pub fn share(&self, contact: &str, client: &str) -> Result<(), Refused> {
        self.served.system.share(contact, client).map_err(Refused::because)
    }

    /// One record in full, as the API shows it; `None` if there is none.
    #[must_use]
    pub fn get(&self, resource: &str, id: &str) -> Option<String> {
        self.served.system.shown(kind(resource).ok()?, id)
    }

    /// The ids of a resource, oldest first, archived and deleted ones included.
    #[must_use]
    pub fn ids(&self, resource: &str) -> Vec<String> {
        kind(resource).map_or_else(|_| Vec::new(), |kind| self.served.system.ids(kind))
    }
}

fn kind(resource: &str) -> Result<Kind, Refused> {
    Kind::parse(resource).ok_or_else(|| Refused::because(format!("there is no `{resource}`")))
}
