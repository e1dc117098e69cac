//! The built-in connectors, each with the practice system that behaves as the real one is documented.

use std::{
    collections::HashMap,
    fs,
    sync::atomic::{AtomicU64, Ordering},
};

use reconciled::{
    clock::Clock,
    config,
    connector::{Answer, CallError, Connector as _, ItemAnswer, RemoteRecord, WriteItem, WriteKind},
    sandbox::{
        FaultRule, Faults, PracticeKind, PracticeOptions, PracticeSystem, Website, WebsiteOptions, Xero, XeroOptions,
        Xpm, XpmFamily, XpmOptions,
    },
};
use serde_json::{Value, json};

use crate::{
    setup::{CREATE, Shop, UPDATE, item, new_item},
    xero_openapi, xpm_openapi,
};

/// The systems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    Website,
    Xero,
    Xpm,
    WorkflowMax,
    QuickBooks,
    Cliniko,
    Myob,
    ZohoCrm,
    Simpro,
    Eventbrite,
    GoSweetSpot,
}

/// What the suite must know of a system.
pub struct Known {
    /// The connector.
    pub connector: &'static str,
    /// The resource that stands for all.
    pub resource: &'static str,
    /// The one whose pages are turned, where that is another.
    pub paged: &'static str,
    /// Where a record's name is.
    pub name: &'static str,
    /// What a record needs besides.
    pub besides: fn() -> Value,
    /// What the connection is given besides its address; `TOKEN` and `TENANT` stand for what they say.
    pub connection: &'static str,
    /// A field that a write does not change, and a value for it.
    pub ignored: Option<(&'static str, fn() -> Value)>,
    /// Answers to a list that are none.
    pub odd: [&'static str; 4],
}

/// Numbers that callers make up.
static NUMBER: AtomicU64 = AtomicU64::new(1);

const JSON_ODD: [&str; 4] = ["[]", "{}", "7", "{\"error\":[]}"];

impl System {
    pub fn known(self) -> Known {
        let plain = Known {
            connector: "",
            resource: "",
            paged: "",
            name: "Name",
            besides: || json!({}),
            connection: "tenant: \"TENANT\", auth: { token: TOKEN }",
            ignored: None,
            odd: JSON_ODD,
        };
        match self {
            Self::Website => Known {
                connector: "website",
                resource: "contacts",
                name: "first_name",
                connection: "auth: { token: TOKEN }",
                odd: ["{\"items\":{\"a\":1},\"pages\":1}", "{\"items\":[7],\"pages\":1}", "[]", "{}"],
                ..plain
            },
            Self::Xero => Known {
                connector: "xero",
                resource: "contacts",
                ignored: Some(("IsCustomer", || json!(true))),
                odd: [
                    "{\"Contacts\":{\"a\":1},\"pagination\":{\"pageCount\":1}}",
                    "{\"Contacts\":[{\"Name\":\"x\"}],\"pagination\":{\"pageCount\":1}}",
                    "[]",
                    "{}",
                ],
                ..plain
            },
            Self::Xpm => Known {
                connector: "xpm",
                resource: "clients",
                paged: "contacts",
                odd: [
                    "<Response><Status>OK</Status><Clients>soon</Clients></Response>",
                    "<Response><Status>OK</Status><Clients><Client><Name>x</Name></Client></Clients></Response>",
                    "<Response><Status>OK</Status></Response>",
                    "<Response/>",
                ],
                ..plain
            },
            Self::WorkflowMax => Known {
                connector: "workflowmax",
                paged: "clients",
                ignored: Some(("Contacts", || json!([{ "Name": "Rua" }]))),
                ..Self::Xpm.known()
            },
            Self::QuickBooks => Known {
                connector: "quickbooks",
                resource: "customers",
                name: "DisplayName",
                ignored: Some(("Balance", || json!(5))),
                odd: [
                    "{\"QueryResponse\":{\"Customer\":{\"a\":1}}}",
                    "{\"QueryResponse\":{\"Customer\":[{\"DisplayName\":\"x\"}]}}",
                    "{\"QueryResponse\":[]}",
                    "{}",
                ],
                ..plain
            },
            Self::Cliniko => Known {
                connector: "cliniko",
                resource: "patients",
                name: "first_name",
                besides: || json!({ "last_name": "Kea" }),
                connection: "settings: { contact: me@office.example }, auth: { user: TOKEN, password: \"\" }",
                ignored: Some(("archived_at", || json!("2026-01-01T00:00:00Z"))),
                odd: ["{\"patients\":{\"a\":1}}", "{\"patients\":[{\"first_name\":\"x\"}],\"links\":{}}", "[]", "{}"],
                ..plain
            },
            Self::Myob => Known {
                connector: "myob",
                resource: "customers",
                name: "CompanyName",
                besides: || json!({ "IsIndividual": false }),
                connection: "tenant: TENANT, settings: { key: myob-key }, auth: { token: TOKEN }",
                ignored: Some(("LastModified", || json!("2026-01-01T00:00:00Z"))),
                odd: ["{\"Items\":{\"a\":1}}", "{\"Items\":[{\"CompanyName\":\"x\"}]}", "[]", "{}"],
                ..plain
            },
            Self::ZohoCrm => Known {
                connector: "zoho-crm",
                resource: "contacts",
                name: "Last_Name",
                connection: "auth: { header: TOKEN }",
                ignored: Some(("Created_Time", || json!("2026-01-01T00:00:00Z"))),
                odd: ["{\"data\":{\"a\":1},\"info\":{}}", "{\"data\":[{\"Last_Name\":\"x\"}],\"info\":{}}", "[]", "{}"],
                ..plain
            },
            Self::Simpro => Known {
                connector: "simpro",
                resource: "individuals",
                name: "FamilyName",
                besides: || json!({ "GivenName": "Rua" }),
                connection: "tenant: \"TENANT\", settings: { build: kea }, auth: { token: TOKEN }",
                ignored: Some(("DateModified", || json!("2026-01-01T00:00:00Z"))),
                odd: ["{}", "{\"a\":[]}", "[7]", "[{\"FamilyName\":\"x\"}]"],
                ..plain
            },
            Self::Eventbrite => Known {
                connector: "eventbrite",
                resource: "orders",
                name: "name",
                odd: [
                    "{\"orders\":{\"a\":1},\"pagination\":{}}",
                    "{\"orders\":[{\"name\":\"x\"}],\"pagination\":{}}",
                    "[]",
                    "{}",
                ],
                ..plain
            },
            Self::GoSweetSpot => Known {
                connector: "gosweetspot",
                resource: "orders",
                name: "consignee",
                besides: || json!({ "packingslipno": format!("T-{}", NUMBER.fetch_add(1, Ordering::Relaxed)) }),
                connection: "settings: { contact: me@office.example }, auth: { header: TOKEN }",
                odd: [
                    "{\"Results\":{\"a\":1},\"Pages\":1}",
                    "{\"Results\":[{\"consignee\":\"x\"}],\"Pages\":1}",
                    "[]",
                    "{}",
                ],
                ..plain
            },
        }
    }

    const fn kind(self) -> PracticeKind {
        match self {
            Self::QuickBooks => PracticeKind::QuickBooks,
            Self::Cliniko => PracticeKind::Cliniko,
            Self::ZohoCrm => PracticeKind::ZohoCrm,
            Self::Simpro => PracticeKind::Simpro,
            Self::Eventbrite => PracticeKind::Eventbrite,
            Self::GoSweetSpot => PracticeKind::GoSweetSpot,
            Self::Website | Self::Xero | Self::Xpm | Self::WorkflowMax | Self::Myob => PracticeKind::Myob,
        }
    }
}

/// A practice system, its faults, and a hand on its records.
pub enum Practice {
    Website(Website),
    Xero(Xero),
    Xpm(Xpm),
    Other(PracticeSystem),
}

pub struct Rig {
    pub known: Known,
    pub practice: Practice,
    pub shop: Shop,
    keys: AtomicU64,
    /// What Xero and XPM were asked and answered fits their own files, whatever the test is about.
    _watch: Watch,
}

enum Watch {
    Xero { _watch: xero_openapi::Watch },
    Xpm { _watch: xpm_openapi::Watch },
    Nobody,
}

/// A shop for a built-in connector at this address.
pub fn connected(system: System, clock: Clock, url: &str, [token, tenant]: [&str; 2], resource: &str) -> Shop {
    let dir = tempfile::tempdir().unwrap();
    let known = system.known();
    let given = known.connection.replace("TOKEN", token).replace("TENANT", tenant);
    let text = format!("connections:\n  it: {{ connector: {}, base_url: \"{url}\", {given} }}\n", known.connector);
    fs::write(dir.path().join("it.yaml"), text).unwrap();
    let loaded = config::load(dir.path(), &HashMap::<String, String>::new());
    assert!(loaded.diagnostics.is_empty(), "{}", loaded.render(false));
    let connection = loaded.config.connections.values().next().unwrap();
    let resource = connection.manifest.resources[resource].as_ref().clone();
    Shop::on(clock, connection.as_ref().clone(), resource)
}

impl Rig {
    pub async fn start(system: System) -> Self {
        Self::of(system, system.known().resource).await
    }

    pub async fn of(system: System, resource: &str) -> Self {
        let clock = Clock::manual("2026-06-01T00:00:00Z".parse().unwrap());
        let (practice, url, token, tenant) = match system {
            System::Website => {
                let site = Website::start(WebsiteOptions::new(clock.clone())).await.unwrap();
                let (url, token) = (site.url(), site.token().to_owned());
                (Practice::Website(site), url, token, String::new())
            }
            System::Xero => {
                let xero = Xero::start(XeroOptions::new(clock.clone()).keeping_answers()).await.unwrap();
                let (url, token, tenant) = (xero.url(), xero.token().to_owned(), xero.tenant().to_owned());
                (Practice::Xero(xero), url, token, tenant)
            }
            System::Xpm | System::WorkflowMax => {
                let blue = if system == System::Xpm { XpmFamily::Xero } else { XpmFamily::BlueRock };
                let options = XpmOptions { family: blue, ..XpmOptions::new(clock.clone()).keeping_answers() };
                let xpm = Xpm::start(options).await.unwrap();
                let (url, token, tenant) = (xpm.url(), xpm.token().to_owned(), xpm.tenant().to_owned());
                (Practice::Xpm(xpm), url, token, tenant)
            }
            other => {
                let system = PracticeSystem::start(PracticeOptions::new(other.kind(), clock.clone())).await.unwrap();
                let (url, token, tenant) = (system.url(), system.token().to_owned(), system.tenant().to_owned());
                (Practice::Other(system), url, token, tenant)
            }
        };
        let shop = connected(system, clock, &url, [&token, &tenant], resource);
        let watch = match &practice {
            Practice::Xero(xero) => Watch::Xero { _watch: xero_openapi::Watch::over(xero.log()) },
            Practice::Xpm(xpm) if system == System::Xpm => Watch::Xpm { _watch: xpm_openapi::Watch::over(xpm.log()) },
            _ => Watch::Nobody,
        };
        Self { known: system.known(), practice, shop, keys: AtomicU64::new(0), _watch: watch }
    }

    pub fn faults(&self) -> &Faults {
        match &self.practice {
            Practice::Website(site) => site.faults(),
            Practice::Xero(xero) => xero.faults(),
            Practice::Xpm(xpm) => xpm.faults(),
            Practice::Other(system) => system.faults(),
        }
    }

    pub fn fault(&self, rule: FaultRule) {
        self.faults().add(rule);
    }

    /// What a record of this name is written as.
    pub fn body(&self, name: &str) -> Value {
        let mut body = (self.known.besides)();
        body[self.known.name] = json!(name);
        body
    }

    /// A person makes a record of this name.
    pub fn insert(&self, name: &str) -> String {
        let body = self.body(name);
        match &self.practice {
            Practice::Website(site) => site.insert("contacts", body).unwrap(),
            Practice::Xero(xero) => xero.insert("Contacts", body).unwrap(),
            Practice::Xpm(xpm) if self.shop.resource.name == "contacts" => {
                xpm.insert("contacts", &format!("<Contact><Name>{name}</Name></Contact>")).unwrap()
            }
            Practice::Xpm(xpm) => xpm.insert("clients", &format!("<Client><Name>{name}</Name></Client>")).unwrap(),
            Practice::Other(system) => system.insert(&self.shop.resource.name, body).unwrap(),
        }
    }

    /// A person deletes a record, or does what comes nearest.
    pub fn delete(&self, id: &str) {
        match &self.practice {
            Practice::Website(site) => site.remove("contacts", id).unwrap(),
            Practice::Xero(xero) => xero.edit("Contacts", id, json!({ "ContactStatus": "ARCHIVED" })).unwrap(),
            Practice::Xpm(xpm) => xpm.delete(&self.shop.resource.name, id),
            Practice::Other(system) => system.remove(&self.shop.resource.name, id).unwrap(),
        }
    }

    pub fn count(&self) -> usize {
        match &self.practice {
            Practice::Website(site) => site.count("contacts"),
            Practice::Xero(xero) => xero.count("Contacts"),
            Practice::Xpm(xpm) => xpm.ids(&self.shop.resource.name).len(),
            Practice::Other(system) => system.count(&self.shop.resource.name),
        }
    }

    pub fn name<'r>(&self, record: &'r RemoteRecord) -> &'r str {
        record.body[self.known.name].as_str().unwrap_or_default()
    }

    pub async fn write_one(&self, kind: WriteKind, write: WriteItem) -> ItemAnswer {
        self.write(kind, &[write]).await.unwrap().items.remove(0)
    }

    /// Writes under a key of its own, as every call of the engine has.
    pub async fn write(&self, kind: WriteKind, items: &[WriteItem]) -> Result<Answer, CallError> {
        let key = format!("key-{}", self.keys.fetch_add(1, Ordering::Relaxed));
        let call = self.shop.connector.prepare(&self.shop.resource, kind, items, &key)?;
        self.shop.run(self.shop.connector.send(&self.shop.resource, &call)).await
    }

    /// A record made by a call, as it is read where the answer does not hold it.
    pub async fn made(&self, body: Value) -> RemoteRecord {
        self.told(self.write_one(CREATE, new_item(body)).await).await
    }

    /// What was written.
    async fn told(&self, answer: ItemAnswer) -> RemoteRecord {
        match answer {
            ItemAnswer::Written { record, body: true } => *record,
            ItemAnswer::Written { record, body: false } => self.shop.one(record.id.as_str()).await.unwrap().unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// An update of a record as it is now, as the engine makes it.
    pub async fn edit(&self, id: &str, body: Value) -> RemoteRecord {
        let read = self.shop.one(id).await.unwrap().unwrap();
        let write = WriteItem { version: read.version, now: Some(read.body), ..item(id, body) };
        self.told(self.write_one(UPDATE, write).await).await
    }
}

#[track_caller]
pub fn written(answer: ItemAnswer) -> RemoteRecord {
    match answer {
        ItemAnswer::Written { record, body: true } => *record,
        other => panic!("{other:?}"),
    }
}
