//! XPM's HTTP side: who may call, how often, and what each path does.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use axum::http::Method;
use chrono::{DateTime, NaiveDateTime, Utc};
use serde_json::json;

use super::{
    document::{Element, Node},
    practice::{Kind, Member, Practice, Record, not_found, yes_no},
};
use crate::{
    clock::Clock,
    sandbox::{
        XeroLimits, XpmFamily,
        call::{Answer, Call},
        logins::{Account, Caller, Doors, Logins, bearer},
        server::System,
        xero::limits::{Meter, too_many},
    },
};

/// Where the API lives on its host.
const BASE: &str = "/practicemanager/3.1";

/// A practice XPM behind its HTTP side and its hand for tests.
#[derive(Debug)]
pub(crate) struct Service {
    family: XpmFamily,
    clock: Clock,
    token: String,
    tenant: String,
    pub(crate) logins: Logins,
    /// The host that links of pages name.
    host: OnceLock<String>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    practice: Practice,
    meter: Meter,
}

/// What a call comes to: members of the answer, or XPM's refusal.
type Outcome = Result<Vec<(&'static str, Node)>, Refusal>;

/// XPM's refusal; some come with a status of 200.
struct Refusal {
    status: u16,
    message: String,
}

impl From<String> for Refusal {
    fn from(message: String) -> Self {
        // What a record breaks comes as a 200 here, everything else as a 500: both are documented, and which comes
        // when is not.
        let status = if message.ends_with("is required") { 200 } else { 500 };
        Self { status, message }
    }
}

impl Service {
    pub(crate) fn new(
        family: XpmFamily,
        clock: Clock,
        (token, tenant): (String, String),
        limits: XeroLimits,
        seed: u64,
    ) -> Self {
        let state = State { practice: Practice::new(seed), meter: Meter::new(limits, seed) };
        let account = Account {
            id: "5d1b0000-0000-4000-8000-000000000001".to_owned(),
            tenant: tenant.clone(),
            kind: "PRACTICEMANAGER",
            name: "Practice (NZ)",
        };
        let logins = Logins::new(Doors::XERO, Some(account), clock.clone());
        Self { family, clock, token, tenant, logins, host: OnceLock::new(), state: Mutex::new(state) }
    }

    /// Where the API is on its host.
    pub(crate) const fn base(&self) -> &'static str {
        match self.family {
            XpmFamily::Xero => BASE,
            XpmFamily::BlueRock => "",
        }
    }

    pub(crate) fn reach_at(&self, host: &str) {
        self.host.get_or_init(|| host.to_owned());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn limit(&self, limits: XeroLimits) {
        self.state().meter.set(limits);
    }

    pub(crate) fn by_hand(&self, kind: Kind, id: Option<&str>, xml: &str) -> Result<String, String> {
        let element = Element::parse(xml).ok_or("this is no XML element")?;
        write(&mut self.state().practice, kind, id, &element, self.clock.now())
    }

    pub(crate) fn delete(&self, kind: Kind, id: &str) {
        remove(&mut self.state().practice, kind, id, self.clock.now());
    }

    pub(crate) fn define(&self, name: &str, element: &str) -> String {
        self.state().practice.define(name, element)
    }

    pub(crate) fn customise(&self, client: &str, field: &str, value: &str) -> Result<(), String> {
        self.state().practice.customise(client, field, value)
    }

    pub(crate) fn convert(&self, prospect: &str) -> Result<String, String> {
        self.state().practice.convert(prospect, self.clock.now())
    }

    pub(crate) fn archive(&self, client: &str) -> Result<(), String> {
        self.state().practice.archive(client, self.clock.now())
    }

    pub(crate) fn share(&self, contact: &str, client: &str) -> Result<(), String> {
        let mut state = self.state();
        let uuid = state.practice.find(Kind::Contacts, contact)?.uuid.clone();
        let client = state.practice.find_mut(Kind::Clients, client)?;
        client.members.push(Member { uuid, position: String::new(), primary: false });
        client.changed = self.clock.now();
        Ok(())
    }

    pub(crate) fn shown(&self, kind: Kind, id: &str) -> Option<String> {
        let state = self.state();
        let record = state.practice.find(kind, id).ok()?;
        let mut xml = String::new();
        state.practice.shown(kind, record).xml(kind.elements().0, &mut xml);
        Some(xml)
    }

    pub(crate) fn ids(&self, kind: Kind) -> Vec<String> {
        self.state().practice.of(kind).iter().map(|record| record.id.clone()).collect()
    }

    fn route(&self, practice: &mut Practice, call: &Call) -> Outcome {
        let segments = call.path.strip_prefix(self.base()).map(|_| call.segments()).unwrap_or_default();
        let below = self.base().matches('/').count();
        let segments: Vec<&str> = segments.iter().skip(below).map(String::as_str).collect();
        let blue = self.family == XpmFamily::BlueRock;
        let parameters = call.parameters();
        let query = |name: &str| {
            parameters.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
        };
        let now = self.clock.now();
        let body = || -> Result<Element, Refusal> {
            let text = std::str::from_utf8(&call.body).ok();
            text.and_then(Element::parse).ok_or_else(|| "The body is not XML".to_owned().into())
        };
        match (&call.method, segments.as_slice()) {
            (&Method::GET, ["client.api", "list"]) => {
                let detailed = query("detailed") == Some("true");
                let since = query("modifiedsince").map(instant).transpose()?;
                let shown = practice.clients.iter().filter(|client| since.is_none_or(|since| client.changed >= since));
                let shown: Vec<Node> = shown.map(|client| practice.client(client, detailed)).collect();
                match query("page").filter(|_| blue) {
                    Some(page) => numbered(shown, page, query("pagesize")),
                    None => Ok(vec![("Clients", Node::List("Client", shown))]),
                }
            }
            (&Method::GET, ["lead.api", "list"]) if blue => {
                let leads = practice.leads_between(query("from"), query("to"));
                let leads = leads.map_err(|message| Refusal { status: 400, message })?;
                Ok(vec![("Leads", Node::List("Lead", leads))])
            }
            (&Method::POST, ["lead.api", "add"]) if blue => {
                let id = practice.add_lead(&body()?, now)?;
                Ok(practice.one(Kind::Leads, &id)?)
            }
            (&Method::GET, ["lead.api", "get", id]) if blue => Ok(practice.one(Kind::Leads, id)?),
            (&Method::GET, ["staff.api", id]) if blue && *id != "list" => Ok(practice.one(Kind::Staff, id)?),
            (&Method::GET, ["client.api", "contacts"]) => {
                let living: Vec<&Record> = practice.contacts.iter().filter(|contact| !contact.deleted).collect();
                let (page, links) = self.page(&living, "client.api/contacts", &query)?;
                let shown = page.iter().map(|one| Node::Members(Practice::plain(Kind::Contacts, one))).collect();
                Ok(vec![("Contacts", Node::List("Contact", shown)), ("Pagination", links)])
            }
            (&Method::PUT, ["client.api", "archive"]) => {
                let id = identified(&body()?)?;
                practice.archive(&id, now)?;
                Ok(practice.one(Kind::Clients, &id)?)
            }
            (&Method::POST, [api, "delete"]) => {
                let kind = kind_of(api)?;
                let id = identified(&body()?)?;
                practice.find(kind, &id)?;
                remove(practice, kind, &id, now);
                Ok(vec![])
            }
            (&Method::DELETE, ["client.api", "contact", id]) => {
                practice.find(Kind::Contacts, id)?;
                remove(practice, Kind::Contacts, id, now);
                Ok(vec![])
            }
            (&Method::GET, ["client.api", "contact", id]) => Ok(practice.one(Kind::Contacts, id)?),
            (&Method::POST, ["client.api", "contact"]) => practice.written(Kind::Contacts, None, &body()?, now),
            (&Method::PUT, ["client.api", "contact", id]) => practice.written(Kind::Contacts, Some(id), &body()?, now),
            (&Method::PUT, ["clientgroup.api", "members"]) => {
                let element = body()?;
                let id = identified(&element)?;
                practice.change_members(&id, &element, now)?;
                Ok(practice.one(Kind::Groups, &id)?)
            }
            (&Method::GET, ["job.api", "list"]) => {
                let jobs = practice.jobs_between(query("from"), query("to"));
                let jobs = jobs.map_err(|message| Refusal { status: 400, message })?;
                Ok(vec![("Jobs", Node::List("Job", jobs))])
            }
            (&Method::GET, ["client.api", "get", id, "customfield"]) => {
                Ok(vec![("CustomFields", practice.custom_fields(id)?)])
            }
            (&Method::PUT, ["client.api", "update", id, "customfield"]) => {
                practice.take_custom(id, &body()?)?;
                Ok(vec![])
            }
            (&Method::GET, ["customfield.api", "definition"]) => {
                Ok(vec![("CustomFieldDefinitions", practice.custom_definitions())])
            }
            (&Method::GET, [api, "list"]) => {
                let kind = kind_of(api)?;
                let living = practice.of(kind).iter().filter(|record| !record.deleted);
                let shown = living.map(|record| match kind {
                    Kind::Groups => practice.group(record, false),
                    _ => practice.shown(kind, record),
                });
                Ok(vec![(kind.elements().1, Node::List(kind.elements().0, shown.collect()))])
            }
            (&Method::GET, [api, "get", id]) => Ok(practice.one(kind_of(api)?, id)?),
            (&Method::POST, [api, "add"]) => practice.written(kind_of(api)?, None, &body()?, now),
            (&Method::PUT, [api @ ("client.api" | "job.api" | "staff.api"), "update"]) => {
                let element = body()?;
                practice.written(kind_of(api)?, Some(&identified(&element)?), &element, now)
            }
            _ => Err(Refusal { status: 404, message: "There is no such call".to_owned() }),
        }
    }

    /// A page by its token, with links to the first and the next one.
    fn page<'r, 'q>(
        &self,
        all: &[&'r Record],
        path: &str,
        query: &impl Fn(&str) -> Option<&'q str>,
    ) -> Result<(Vec<&'r Record>, Node), Refusal> {
        let size = query("pageSize").map_or(Ok(50), str::parse::<usize>).ok().filter(|size| (1..=500).contains(size));
        let size = size.ok_or(Refusal { status: 400, message: "pageSize must be 1 to 500".to_owned() })?;
        // The token names the last record shown, so that what comes or goes before it moves nothing.
        let mut sorted = all.to_vec();
        sorted.sort_by(|a, b| a.uuid.cmp(&b.uuid));
        let from = match query("pageToken") {
            None => 0,
            Some(token) => sorted.iter().position(|one| one.uuid.as_str() > token).unwrap_or(sorted.len()),
        };
        let page: Vec<&Record> = sorted.iter().skip(from).take(size).copied().collect();
        let address = |rest: String| {
            let host = self.host.get().map_or("", String::as_str);
            Node::text(format!("{host}{}/{path}?{rest}", self.base()))
        };
        let mut links = vec![("First", address(format!("pageSize={size}")))];
        if let Some(last) = page.last().filter(|_| from + size < sorted.len()) {
            links.push(("Next", address(format!("pageToken={}&pageSize={size}", last.uuid))));
        }
        Ok((page, Node::Members(vec![("Links", Node::Members(links))])))
    }

    fn dress(call: &Call, outcome: Outcome) -> Answer {
        let (status, members) = match outcome {
            Ok(members) => (200, std::iter::once(("Status", Node::text("OK"))).chain(members).collect::<Vec<_>>()),
            Err(Refusal { status, message }) => {
                (status, vec![("Status", Node::text("ERROR")), ("ErrorDescription", Node::text(message))])
            }
        };
        let items = members.iter().map(|(_, node)| if let Node::List(_, items) = node { items.len() } else { 0 }).sum();
        let whole = Node::Members(members);
        let asks = |name: &str, value: &str| call.header(name).is_some_and(|header| header.contains(value));
        if asks("accept", "application/json") && asks("xero-features", "practice-strict-content-type") {
            return Answer::json(status, whole.json().to_string(), items);
        }
        let mut xml = String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?>");
        whole.xml("Response", &mut xml);
        Answer { content_type: "text/xml; charset=utf-8", ..Answer::json(status, xml, items) }
    }
}

impl System for Service {
    fn answer(&self, call: &Call) -> Answer {
        if let Some(answer) = self.logins.answer(call) {
            return answer;
        }
        let caller = self.logins.caller(call);
        if bearer(call) != Some(self.token.as_str()) && matches!(caller, Caller::Unknown | Caller::Expired) {
            return self.refuse(401, None);
        }
        let named = match self.family {
            XpmFamily::Xero => "xero-tenant-id",
            XpmFamily::BlueRock => "account_id",
        };
        if call.header(named) != Some(self.tenant.as_str()) || caller == Caller::Parted {
            return self.refuse(403, None);
        }
        let mut state = self.state();
        if let Err(refusal) = state.meter.admit(self.clock.now(), call.in_flight) {
            return state.meter.tell(refusal);
        }
        let outcome = self.route(&mut state.practice, call);
        let answer = Self::dress(call, outcome);
        state.meter.tell(answer)
    }

    fn refuse(&self, status: u16, retry_after: Option<u64>) -> Answer {
        if status == 429 {
            return self.state().meter.tell(too_many("minute", retry_after.or(Some(1))));
        }
        // The gateway in front of XPM speaks JSON.
        let detail = if status == 401 { "AuthenticationUnsuccessful" } else { "An error occurred in Xero" };
        let answer =
            Answer::json(status, json!({ "Title": "Error", "Status": status, "Detail": detail }).to_string(), 0);
        match retry_after {
            Some(seconds) => answer.with("retry-after", seconds.to_string()),
            None => answer,
        }
    }

    fn replaced(&self, _: &Call, _: &Answer) {}
}

impl Practice {
    fn one(&self, kind: Kind, id: &str) -> Result<Vec<(&'static str, Node)>, String> {
        let record = self.find(kind, id).ok().filter(|record| kind == Kind::Clients || !record.deleted);
        let record = record.ok_or_else(|| not_found(kind))?;
        Ok(vec![(kind.elements().0, self.shown(kind, record))])
    }

    fn written(&mut self, kind: Kind, id: Option<&str>, element: &Element, now: DateTime<Utc>) -> Outcome {
        let id = write(self, kind, id, element, now)?;
        Ok(self.one(kind, &id)?)
    }

    fn archive(&mut self, id: &str, now: DateTime<Utc>) -> Result<(), String> {
        let client = self.find_mut(Kind::Clients, id)?;
        (client.archived, client.changed) = (true, now);
        Ok(())
    }

    fn change_members(&mut self, id: &str, element: &Element, now: DateTime<Utc>) -> Result<(), String> {
        let named = |what: &str| {
            let children = element.children.iter().filter(|child| child.name == what);
            children.filter_map(|child| child.attribute("uuid").map(str::to_owned)).collect::<Vec<_>>()
        };
        let (add, remove) = (named("add"), named("remove"));
        for uuid in &add {
            self.find(Kind::Clients, uuid)?;
        }
        let group = self.find_mut(Kind::Groups, id)?;
        group.members.retain(|member| !remove.contains(&member.uuid) && !add.contains(&member.uuid));
        group.members.extend(add.into_iter().map(|uuid| Member { uuid, position: String::new(), primary: false }));
        group.changed = now;
        Ok(())
    }
}

fn kind_of(api: &str) -> Result<Kind, Refusal> {
    match api {
        "client.api" => Ok(Kind::Clients),
        "clientgroup.api" => Ok(Kind::Groups),
        "job.api" => Ok(Kind::Jobs),
        "staff.api" => Ok(Kind::Staff),
        _ => Err(Refusal { status: 404, message: "There is no such call".to_owned() }),
    }
}

/// A page by its number, with how many there are in all.
fn numbered(all: Vec<Node>, page: &str, size: Option<&str>) -> Outcome {
    let wrong = |what: &str| Refusal { status: 400, message: format!("{what} must be a number from 1") };
    let number = |text: &str| text.parse::<usize>().ok().filter(|number| *number > 0);
    let page = number(page).ok_or_else(|| wrong("page"))?;
    let size = size.map_or(Some(100), number).ok_or_else(|| wrong("pagesize"))?;
    let total = all.len();
    let shown: Vec<Node> = all.into_iter().skip((page - 1).saturating_mul(size)).take(size).collect();
    Ok(vec![
        ("Page", Node::text(page.to_string())),
        ("PageSize", Node::text(size.to_string())),
        ("TotalRecords", Node::text(total.to_string())),
        ("Clients", Node::List("Client", shown)),
    ])
}

/// Whom a body is about: its UUID, or a job's number.
fn identified(element: &Element) -> Result<String, Refusal> {
    let id = element.value("UUID").or_else(|| element.value("ID")).filter(|id| !id.is_empty());
    id.map(str::to_owned).ok_or_else(|| "An identifier is needed".to_owned().into())
}

fn write(
    practice: &mut Practice,
    kind: Kind,
    id: Option<&str>,
    element: &Element,
    now: DateTime<Utc>,
) -> Result<String, String> {
    match kind {
        Kind::Clients => practice.write_client(id, element, now),
        Kind::Contacts => practice.write_contact(id, element, now),
        Kind::Jobs => practice.write_job(id, element, now),
        Kind::Leads if id.is_none() => practice.add_lead(element, now),
        Kind::Leads => Err("A lead cannot be changed".to_owned()),
        Kind::Groups | Kind::Staff => {
            let mut record = match id {
                Some(id) => practice.find(kind, id)?.clone(),
                None => practice.new_record(now),
            };
            Practice::take_texts(&mut record, kind, element);
            if record.texts.get("Name").is_none_or(String::is_empty) {
                return Err("Name is required".to_owned());
            }
            if kind == Kind::Groups {
                if let Some(text) = element.value("Taxable") {
                    let word = if yes_no(text, "Taxable")? { "Yes" } else { "No" };
                    record.texts.insert("Taxable".to_owned(), word.to_owned());
                }
                if id.is_none() {
                    let client = practice.find(Kind::Clients, element.value("ClientUUID").unwrap_or_default())?;
                    let (uuid, position) = (client.uuid.clone(), String::new());
                    record.members.push(Member { uuid, position, primary: false });
                }
            }
            record.changed = now;
            let (id, known) = (record.id.clone(), id.is_some());
            match practice.of_mut(kind).iter_mut().find(|known| known.id == id) {
                Some(known) => *known = record,
                None => practice.of_mut(kind).push(record),
            }
            // At the screen both are one page.
            if kind == Kind::Groups && known {
                practice.change_members(&id, element, now)?;
            }
            Ok(id)
        }
    }
}

fn remove(practice: &mut Practice, kind: Kind, id: &str, now: DateTime<Utc>) {
    if let Ok(record) = practice.find_mut(kind, id) {
        (record.deleted, record.changed) = (true, now);
    }
}

fn instant(text: &str) -> Result<DateTime<Utc>, Refusal> {
    let read = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S");
    let wrong = |_| "modifiedsince must be written as yyyy-MM-ddTHH:mm:ss".to_owned().into();
    read.map(|naive| naive.and_utc()).map_err(wrong)
}
