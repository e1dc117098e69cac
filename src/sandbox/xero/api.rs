//! Xero's HTTP side: who may call, how often, and what each method and path does.

use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::http::Method;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    contacts::BY_NUMBER as CONTACT_NUMBER,
    envelope::{as_xml, envelope, malformed, not_found, problem, validation},
    hooks::Hooks,
    limits::{Meter, XeroLimits, too_many},
    list::{Query, unreadable},
    org::{Kind, Mode, Org, Rejected, Taken, Who, Write},
    replay::{Replays, key},
    settings::Settings,
    text::fold,
    view::{Depth, Look},
};
use crate::{
    clock::Clock,
    sandbox::{
        call::{Answer, Call},
        logins::{Account, Caller, Doors, Logins, bearer},
        server::System,
    },
};

/// Where the API lives on its host.
pub(crate) const BASE: [&str; 2] = ["api.xro", "2.0"];

/// A practice Xero behind its HTTP side and its hand for tests.
#[derive(Debug)]
pub(crate) struct Service {
    clock: Clock,
    tenant: String,
    pub(crate) logins: Logins,
    state: Mutex<State>,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) org: Org,
    token: String,
    expired: Option<String>,
    pub(crate) hooks: Hooks,
    meter: Meter,
    replays: Replays,
}

impl Service {
    pub(crate) fn new(clock: Clock, token: String, tenant: String, limits: XeroLimits, seed: u64) -> Self {
        let org = Org::new(seed, clock.now());
        let meter = Meter::new(limits, seed);
        let state = State { org, token, expired: None, hooks: Hooks::default(), meter, replays: Replays::default() };
        let account = Account {
            id: state.org.settings.organisation.to_string(),
            tenant: tenant.clone(),
            kind: "ORGANISATION",
            name: "Practice Company (NZ)",
        };
        let logins = Logins::new(Doors::XERO, Some(account), clock.clone());
        Self { clock, tenant, logins, state: Mutex::new(state) }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn change_token(&self, token: String) {
        let mut state = self.state();
        state.expired = Some(std::mem::replace(&mut state.token, token));
    }

    pub(crate) fn limit(&self, limits: XeroLimits) {
        self.state().meter.set(limits);
    }

    fn check_caller(&self, state: &State, call: &Call, now: DateTime<Utc>) -> Result<(), Answer> {
        let token = bearer(call);
        let caller = self.logins.caller(call);
        if token != Some(state.token.as_str()) && matches!(caller, Caller::Unknown | Caller::Expired) {
            let expired = caller == Caller::Expired || (token.is_some() && token == state.expired.as_deref());
            let detail = if expired {
                format!("TokenExpired: token expired at {}", now.format("%m/%d/%Y %H:%M:%S"))
            } else {
                "AuthenticationUnsuccessful".to_owned()
            };
            return Err(problem(401, None, &detail));
        }
        // A custom connection needs no tenant.
        if call.header("xero-tenant-id").is_none() && caller == Caller::Own {
            return Ok(());
        }
        if call.header("xero-tenant-id") != Some(self.tenant.as_str()) || caller == Caller::Parted {
            return Err(problem(403, None, "AuthenticationUnsuccessful"));
        }
        Ok(())
    }
}

impl System for Service {
    fn answer(&self, call: &Call) -> Answer {
        if let Some(answer) = self.logins.answer(call) {
            return answer;
        }
        let now = self.clock.now();
        let mut state = self.state();
        if let Err(refusal) = self.check_caller(&state, call, now) {
            return refusal;
        }
        // Limits come first: a replayed call counts as well.
        if let Err(refusal) = state.meter.admit(now, call.in_flight) {
            return state.meter.tell(refusal);
        }
        let answer = match key(call) {
            None => state.serve(call, now),
            Some(key) => {
                if let Some(kept) = state.replays.find(key, call, now) {
                    kept
                } else {
                    let answer = state.serve(call, now);
                    state.replays.keep(key, call, &answer, now);
                    answer
                }
            }
        };
        let answer = state.meter.tell(answer);
        let json = call.header("accept").is_some_and(|accept| accept.contains("application/json"));
        if json { answer } else { as_xml(&answer) }
    }

    fn refuse(&self, status: u16, retry_after: Option<u64>) -> Answer {
        let answer = match status {
            429 => return self.state().meter.tell(too_many("minute", retry_after.or(Some(1)))),
            503 => problem(503, None, "The Xero API is temporarily unavailable"),
            401 => problem(401, None, "TokenExpired: token expired at 01/01/2026 00:00:00"),
            403 => problem(403, None, "AuthenticationUnsuccessful"),
            404 => not_found(),
            _ => problem(status, None, "An error occurred in Xero"),
        };
        match retry_after {
            Some(seconds) => answer.with("retry-after", seconds.to_string()),
            None => answer,
        }
    }

    /// Even a 500 is kept under its key (Xero guide "Idempotent requests"); what a limit refuses is not.
    fn replaced(&self, call: &Call, answer: &Answer) {
        if let Some(key) = key(call).filter(|_| answer.status >= 500) {
            self.state().replays.keep(key, call, answer, self.clock.now());
        }
    }
}

impl State {
    fn serve(&mut self, call: &Call, now: DateTime<Utc>) -> Answer {
        let answer = self.route(call, now).unwrap_or_else(|answer| answer);
        self.org.settle();
        answer
    }

    fn route(&mut self, call: &Call, now: DateTime<Utc>) -> Result<Answer, Answer> {
        let segments = call.segments();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let rest = segments.strip_prefix(&BASE).ok_or_else(not_found)?;
        let (name, rest) = rest.split_first().ok_or_else(not_found)?;
        if let Some(kind) = Kind::parse(name) {
            return self.records(kind, rest, call, now);
        }
        let id = self.org.answer_id();
        let settings = &self.org.settings;
        match (name.to_lowercase().as_str(), &call.method, rest) {
            ("organisation", &Method::GET, []) => {
                Ok(envelope(id, now, None, "Organisations", vec![settings.organisation()]))
            }
            ("taxrates", &Method::GET, []) => Ok(envelope(id, now, None, "TaxRates", Settings::tax_rates())),
            ("taxrates", &Method::GET, [tax]) => {
                let mut rates = Settings::tax_rates();
                rates.retain(|rate| rate.get("TaxType").and_then(Value::as_str) == Some(tax));
                if rates.is_empty() { Err(not_found()) } else { Ok(envelope(id, now, None, "TaxRates", rates)) }
            }
            ("accounts", _, _) => self.accounts(rest, call, now),
            _ => Err(problem(501, Some("Not Implemented"), "The practice Xero does not serve this")),
        }
    }

    fn records(&mut self, kind: Kind, rest: &[&str], call: &Call, now: DateTime<Utc>) -> Result<Answer, Answer> {
        let query = Query::read(Some(kind), call)?;
        let look = Look { depth: Depth::Whole, now, unit_places: query.unit_places };
        match (&call.method, rest) {
            (&Method::GET, []) => {
                let (items, paging) = self.org.list(kind, &query, now)?;
                Ok(envelope(self.org.answer_id(), now, paging, kind.plural(), items))
            }
            (&Method::GET, [id]) => {
                let id = self.find(kind, id).ok_or_else(not_found)?;
                let view = self.org.view(kind, id, look).ok_or_else(not_found)?;
                Ok(envelope(self.org.answer_id(), now, None, kind.plural(), vec![view]))
            }
            (&Method::PUT | &Method::POST, []) => {
                let mode = if call.method == Method::PUT { Mode::Create } else { Mode::Upsert };
                self.write(kind, mode, call, look)
            }
            (&Method::POST, [id]) => {
                let id = self.find(kind, id).ok_or_else(not_found)?;
                self.write(kind, Mode::Change(id), call, look)
            }
            _ => Err(problem(405, Some("Method Not Allowed"), "The method is not offered here")),
        }
    }

    /// A record by its id or by the number that stands for it.
    fn find(&self, kind: Kind, id: &str) -> Option<Uuid> {
        let found = id.parse::<Uuid>().ok();
        let known = |id: &Uuid| match kind {
            Kind::Contacts => self.org.contacts.get(*id).is_some(),
            Kind::Invoices => self.org.invoices.get(*id).is_some(),
            Kind::Payments => self.org.payments.get(*id).is_some(),
        };
        found.filter(known).or_else(|| match kind {
            Kind::Contacts => self.org.contacts.with_key(CONTACT_NUMBER, &fold(id)).next(),
            Kind::Invoices => self.org.invoice_numbered(id),
            Kind::Payments => None,
        })
    }

    fn write(&mut self, kind: Kind, mode: Mode, call: &Call, look: Look) -> Result<Answer, Answer> {
        let elements = elements(kind.plural(), &call.body)?;
        let apart = call
            .parameters()
            .iter()
            .any(|(name, value)| name.eq_ignore_ascii_case("summarizeErrors") && value.eq_ignore_ascii_case("false"));
        let write = Write { mode, who: Who::Api, now: look.now, unit_places: look.unit_places };
        let mark = self.org.mark();
        let mut done: Vec<Result<Taken, Value>> = Vec::with_capacity(elements.len());
        for element in elements {
            let taken = self.org.write(kind, &element, write);
            done.push(taken.map_err(|reasons| echo(kind, element, reasons)));
        }
        if !apart && done.iter().any(Result::is_err) {
            self.org.back_to(mark);
            return Err(validation(&done.into_iter().filter_map(Result::err).collect::<Vec<_>>()));
        }
        let items = done.into_iter().map(|outcome| match outcome {
            Ok(taken) => {
                let mut view = self.org.view(kind, taken.id, look).unwrap_or_default();
                if let Some(view) = view.as_object_mut() {
                    if apart {
                        let word = if taken.warnings.is_empty() { "OK" } else { "WARNING" };
                        view.insert("StatusAttributeString".to_owned(), word.into());
                    }
                    if !taken.warnings.is_empty() {
                        view.insert("Warnings".to_owned(), messages(taken.warnings));
                    }
                }
                view
            }
            Err(echo) => echo,
        });
        let items = items.collect();
        Ok(envelope(self.org.answer_id(), look.now, None, kind.plural(), items))
    }

    fn accounts(&mut self, rest: &[&str], call: &Call, now: DateTime<Utc>) -> Result<Answer, Answer> {
        let id = self.org.answer_id();
        let new = if call.method == Method::PUT { self.org.id() } else { id };
        let place = |accounts: &[super::settings::Account], id: &str| {
            accounts.iter().position(|account| account.id.to_string() == id.to_lowercase())
        };
        let settings = &mut self.org.settings;
        let at = match (&call.method, rest) {
            (&Method::GET, []) => {
                let query = Query::read(None, call)?;
                let mut views = Vec::new();
                for account in &settings.accounts {
                    let fresh = query.since.is_none_or(|since| account.updated.timestamp_millis() >= since);
                    let admitted = match &query.filter {
                        Some(filter) => filter.admits_cells(&|path| account.cell(path)),
                        None => Ok(true),
                    };
                    if fresh && admitted.map_err(|message| unreadable(&message))? {
                        views.push(account.view());
                    }
                }
                return Ok(envelope(id, now, None, "Accounts", views));
            }
            (&Method::GET, [id]) => place(&settings.accounts, id).ok_or_else(not_found)?,
            (&Method::PUT | &Method::POST, _) => {
                let at = match rest {
                    [] => None,
                    [id, ..] => Some(place(&settings.accounts, id).ok_or_else(not_found)?),
                };
                let mut elements = elements("Accounts", &call.body)?;
                let Some(element) = elements.pop().filter(|_| elements.is_empty()) else {
                    return Err(malformed(14, "PostDataInvalidException", "Accounts are written one at a time"));
                };
                settings.write_account(at, &element, now, new).map_err(|reasons| {
                    let mut element = element;
                    element.insert("ValidationErrors".to_owned(), messages(reasons));
                    validation(&[Value::Object(element)])
                })?
            }
            _ => return Err(problem(405, Some("Method Not Allowed"), "The method is not offered here")),
        };
        let view = settings.accounts.get(at).map(super::settings::Account::view).into_iter().collect();
        Ok(envelope(id, now, None, "Accounts", view))
    }
}

/// The elements of a write: the plural array, a bare array, or one bare object.
fn elements(plural: &str, body: &[u8]) -> Result<Vec<Map<String, Value>>, Answer> {
    let invalid = |message: String| malformed(14, "PostDataInvalidException", &message);
    let body: Value = serde_json::from_slice(body).map_err(|error| invalid(format!("Invalid Json data: {error}")))?;
    let items = match body {
        Value::Array(items) => items,
        Value::Object(mut object) => match object.remove(plural) {
            Some(Value::Array(items)) => items,
            Some(_) => return Err(invalid(format!("{plural} must be an array"))),
            None => vec![Value::Object(object)],
        },
        _ => return Err(invalid("Invalid Json data".to_owned())),
    };
    if items.is_empty() {
        return Err(invalid("At least one element must be supplied".to_owned()));
    }
    let object = |item| match item {
        Value::Object(object) => Ok(object),
        _ => Err(invalid("Each element must be an object".to_owned())),
    };
    items.into_iter().map(object).collect()
}

fn messages(reasons: Vec<String>) -> Value {
    reasons.into_iter().map(|reason| json!({ "Message": reason })).collect()
}

/// A failed element: what was sent, and why it was not taken.
fn echo(kind: Kind, mut element: Map<String, Value>, reasons: Rejected) -> Value {
    element.entry(kind.id_name()).or_insert_with(|| Uuid::nil().to_string().into());
    element.insert("StatusAttributeString".to_owned(), "ERROR".into());
    element.insert(kind.error_flag().to_owned(), true.into());
    element.insert("ValidationErrors".to_owned(), messages(reasons));
    Value::Object(element)
}
