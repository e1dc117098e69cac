//! The practice systems of an example folder, filled with a few records, and what its placeholders stand for.

use std::{collections::BTreeMap, path::Path};

use serde_json::{Value, json};
use url::Url;

use super::gallery::{Shown, With};
use crate::{
    cli::exit::CliError,
    clock::Clock,
    sandbox::{
        PracticeKind, PracticeOptions, PracticeSystem, Refused, SeedPlan, Website, WebsiteOptions, Xero, XeroOptions,
        Xpm, XpmOptions, seed,
    },
};

/// The secret of the address at which proposals are posted.
pub(super) const POSTED: &str = "practice-inbox-0123456789";

/// The app that the owner of a practice system consents to: its id and its secret.
const APP: (&str, &str) = ("practice-app", "practice-app-secret");

/// A website and the system beside it.
#[derive(Debug)]
pub(super) struct Stage {
    website: Website,
    beside: Beside,
    /// Those of an agency's second client.
    second: Option<(Website, Xero)>,
    values: BTreeMap<&'static str, String>,
}

#[derive(Debug)]
enum Beside {
    Xero(Xero),
    Xpm(Xpm),
    Practice(PracticeKind, PracticeSystem),
}

impl Stage {
    /// Starts them on free ports of the loopback address and fills them. `files` is a folder for an example that works
    /// with files.
    pub async fn start(shown: &Shown, clock: &Clock, files: &Path) -> Result<Self, CliError> {
        let failed = |error: std::io::Error| CliError::Other(format!("the practice systems cannot start: {error}"));
        let website = Website::start(WebsiteOptions::new(clock.clone())).await.map_err(failed)?;
        let beside = match shown.with {
            With::Xero => Beside::Xero(Xero::start(XeroOptions::new(clock.clone()).unlimited()).await.map_err(failed)?),
            With::Xpm => Beside::Xpm(Xpm::start(XpmOptions::new(clock.clone()).unlimited()).await.map_err(failed)?),
            With::Practice(kind) => {
                let options = PracticeOptions::new(kind, clock.clone()).unlimited();
                Beside::Practice(kind, PracticeSystem::start(options).await.map_err(failed)?)
            }
        };
        let second = match shown.integrations {
            [_, _, ..] => Some((
                Website::start(WebsiteOptions::new(clock.clone())).await.map_err(failed)?,
                Xero::start(XeroOptions::new(clock.clone()).unlimited()).await.map_err(failed)?,
            )),
            _ => None,
        };
        let mut stage = Self { website, beside, second, values: BTreeMap::new() };
        let refused = |error: Refused| CliError::Other(format!("the practice systems cannot be filled: {error}"));
        stage.name_values(files).map_err(refused)?;
        stage.fill(shown, clock).map_err(refused)?;
        Ok(stage)
    }

    /// What the placeholders of the file stand for.
    fn name_values(&mut self, files: &Path) -> Result<(), Refused> {
        let values = &mut self.values;
        for (address, token) in [("WEBSITE_URL", "WEBSITE_TOKEN"), ("PORTAL_URL", "PORTAL_TOKEN")] {
            values.extend([(address, self.website.url()), (token, self.website.token().to_owned())]);
        }
        let files = files.display().to_string();
        values.extend([("PROPOSALS_TOKEN", POSTED.to_owned()), ("PROPOSALS_FOLDER", files)]);
        match &self.beside {
            Beside::Xero(xero) => {
                let (app, secret) = APP;
                xero.logins().let_in(app, secret);
                values.extend([
                    ("XERO_URL", xero.url()),
                    ("XERO_LOGIN", xero.host()),
                    ("XERO_APP_ID", app.to_owned()),
                    ("XERO_APP_SECRET", secret.to_owned()),
                    ("ACME_URL", self.website.url()),
                    ("ACME_XERO", xero.url()),
                    ("ACME_TENANT", xero.tenant().to_owned()),
                ]);
                if let Some((website, xero)) = &self.second {
                    values.extend([
                        ("BRAVO_URL", website.url()),
                        ("BRAVO_XERO", xero.url()),
                        ("BRAVO_TENANT", xero.tenant().to_owned()),
                    ]);
                }
            }
            Beside::Xpm(xpm) => {
                let manager = xpm.insert("staff", "<Staff><Name>Jo Partner</Name></Staff>")?;
                let (app, secret) = APP;
                xpm.logins().let_in(app, secret);
                values.extend([
                    ("XPM_URL", xpm.url()),
                    ("XPM_LOGIN", xpm.host()),
                    ("XPM_APP_ID", app.to_owned()),
                    ("XPM_APP_SECRET", secret.to_owned()),
                    ("XPM_LEAD_MANAGER", manager),
                    ("XPM_PLAN_LEVEL", xpm.define("Plan level", "Text")),
                ]);
            }
            Beside::Practice(kind, system) => {
                let [address, token, tenant] = names(*kind);
                values.insert(address, system.url());
                if !token.is_empty() {
                    values.insert(token, system.token().to_owned());
                }
                if !tenant.is_empty() {
                    values.insert(tenant, system.tenant().to_owned());
                }
                if let (Some(logins), Some([login, app, secret])) = (system.logins(), app(*kind)) {
                    // MYOB's calls name the app, too.
                    let id = if *kind == PracticeKind::Myob { "myob-key" } else { APP.0 };
                    logins.let_in(id, APP.1);
                    values.extend([(login, system.host()), (app, id.to_owned()), (secret, APP.1.to_owned())]);
                }
                values.extend(more(*kind, system)?);
            }
        }
        Ok(())
    }

    /// A few records on either side.
    fn fill(&self, shown: &Shown, clock: &Clock) -> Result<(), Refused> {
        match (&self.beside, shown.name) {
            (Beside::Xero(xero), "website-xero") => {
                seed(
                    &self.website,
                    xero,
                    clock.now(),
                    &SeedPlan { contacts: 20, invoices: 20, ..SeedPlan::default() },
                )?;
            }
            (Beside::Xero(xero), "agency") => {
                let plan = SeedPlan { contacts: 12, invoices: 8, ..SeedPlan::default() };
                seed(&self.website, xero, clock.now(), &plan)?;
                if let Some((website, xero)) = &self.second {
                    seed(website, xero, clock.now(), &SeedPlan { seed: 11, ..plan })?;
                }
            }
            (Beside::Xero(xero), _) => {
                xero.insert("Contacts", json!({ "Name": "Kea Ltd", "EmailAddress": "accounts@kea.example" }))?;
            }
            (Beside::Xpm(xpm), name) => {
                let kea = "<Contact><Name>Rua Kea</Name><Email>rua@kea.example</Email><IsPrimary>Yes</IsPrimary></Contact>\
                           <Contact><Name>Ana Kea</Name><Email>ana@kea.example</Email><IsPrimary>No</IsPrimary></Contact>";
                xpm.insert("clients", &format!("<Client><Name>Kea Ltd</Name><Contacts>{kea}</Contacts></Client>"))?;
                if name == "website-xpm" {
                    let company =
                        json!({ "company": "Site Ltd", "phone": "03 555 0101", "postal": { "city": "Nelson" } });
                    self.contact("Jane", company)?;
                }
                if name == "xpm-website" {
                    let lead = json!({ "first_name": "Sam", "last_name": "Lee", "email": "sam@lee.example", "form": "contact-us" });
                    self.website.insert("leads", lead)?;
                }
            }
            (Beside::Practice(kind, system), _) => self.fill_practice(*kind, system, clock)?,
        }
        Ok(())
    }

    fn fill_practice(&self, kind: PracticeKind, system: &PracticeSystem, clock: &Clock) -> Result<(), Refused> {
        match kind {
            PracticeKind::Cliniko => {
                let phones = json!([{ "phone_type": "Mobile", "number": "021 555 0101" }]);
                for first in ["Ana", "Rua"] {
                    let email = format!("{}@patient.example", first.to_lowercase());
                    system.insert("patients", json!({ "first_name": first, "last_name": "Kea", "email": email, "patient_phone_numbers": phones }))?;
                }
            }
            PracticeKind::Eventbrite => {
                for first in ["Ana", "Rua"] {
                    let email = format!("{}@kea.example", first.to_lowercase());
                    let profile = json!({ "name": format!("{first} Kea"), "first_name": first, "last_name": "Kea", "email": email });
                    system.insert("attendees", json!({ "order_id": "1", "event_id": "77", "ticket_class_name": "Early bird", "profile": profile }))?;
                }
                let gross = json!({ "currency": "NZD", "value": 4350, "major_value": "43.50" });
                system.insert("orders", json!({ "name": "Rua Kea", "email": "rua@kea.example", "status": "placed", "event_id": "77", "costs": { "gross": gross } }))?;
            }
            PracticeKind::GoSweetSpot => {
                for (number, status) in [("S-1", "open"), ("S-2", "paid")] {
                    let delivery =
                        json!({ "name": "Jane Doe", "line1": "9 High St", "city": "Nelson", "country": "NZ" });
                    self.website
                        .insert("sales", json!({ "number": number, "status": status, "delivery": delivery }))?;
                }
                system.insert("shipments", json!({ "ConsignmentNo": "SSPOT1", "PackingSlipNo": "S-2", "Status": "In transit", "Tracking": "https://track.example/1" }))?;
            }
            PracticeKind::Myob | PracticeKind::QuickBooks => {
                let jane = self.contact("Jane", json!({ "postal": { "line1": "9 High St", "city": "Nelson" } }))?;
                self.contact("Nobody", json!({}))?;
                self.sale("S-1", &jane, clock)?;
                let kea = if kind == PracticeKind::Myob {
                    json!({ "CompanyName": "Kea Ltd", "IsIndividual": false, "Addresses": [{ "Location": 1, "Email": "rua@kea.example" }] })
                } else {
                    json!({ "DisplayName": "Kea Ltd", "CompanyName": "Kea Ltd", "PrimaryEmailAddr": { "Address": "rua@kea.example" } })
                };
                system.insert("customers", kea)?;
            }
            PracticeKind::Simpro => {
                self.contact("Jane", json!({ "mobile": "021 555 0101" }))?;
                let lead = json!({ "first_name": "Sam", "last_name": "Lee", "email": "sam@lee.example", "message": "a quote, please", "form": "quote" });
                self.website.insert("leads", lead)?;
                system.insert(
                    "individuals",
                    json!({ "GivenName": "Rua", "FamilyName": "Kea", "Email": "rua@kea.example" }),
                )?;
                system.insert("customer-tags", json!({ "Name": "VIP" }))?;
            }
            PracticeKind::ZohoCrm => {
                self.contact("Jane", json!({ "phone": "03 555 0101" }))?;
                system.insert("contacts", json!({ "First_Name": "Rua", "Last_Name": "Kea", "Email": "rua@kea.example", "Mailing_City": "Nelson" }))?;
            }
        }
        Ok(())
    }

    /// A contact of the website, with more of it.
    fn contact(&self, first: &str, more: Value) -> Result<String, Refused> {
        let email = format!("{}@site.example", first.to_lowercase());
        let mut contact = json!({ "first_name": first, "last_name": "Site", "email": email });
        if let (Some(contact), Value::Object(more)) = (contact.as_object_mut(), more) {
            contact.extend(more);
        }
        self.website.insert("contacts", contact)
    }

    fn sale(&self, number: &str, contact: &str, clock: &Clock) -> Result<String, Refused> {
        let lines = json!([
            { "line_no": 1, "title": "Honey", "quantity": 3, "cents": 1_250, "income": "goods" },
            { "line_no": 2, "title": "Freight", "quantity": 1, "cents": 600, "income": "goods" },
        ]);
        let sale = json!({ "number": number, "contact_id": contact, "sold_at": clock.now().to_rfc3339(), "total": 43.5, "status": "open", "lines": lines });
        self.website.insert("sales", sale)
    }

    /// The file, with what its placeholders stand for here.
    pub fn filled(&self, yaml: &str) -> String {
        let (mut filled, mut rest) = (String::with_capacity(yaml.len()), yaml);
        while let Some((before, after)) = rest.split_once("${env:") {
            filled.push_str(before);
            let (inside, behind) = after.split_once('}').unwrap_or((after, ""));
            let name = inside.split_once(":-").map_or(inside, |(name, _)| name);
            match self.values.get(name) {
                Some(value) => filled.push_str(value),
                None => filled.extend(["${env:", inside, "}"]),
            }
            rest = behind;
        }
        filled.push_str(rest);
        // A practice system counts no calls, and whoever watches does not want to wait a minute.
        let (counted, free) = ("connector: xpm\n    base_url", "connector: xpm\n    unlimited: true\n    base_url");
        filled.replace(counted, free)
    }

    /// Where the owner's browser is led to after consenting at `url`; `None` where nobody can consent.
    pub fn consent(&self, url: &Url) -> Option<Url> {
        match &self.beside {
            Beside::Xpm(xpm) => xpm.logins().consent(url),
            Beside::Xero(xero) => xero.logins().consent(url),
            Beside::Practice(_, system) => system.logins().and_then(|logins| logins.consent(url)),
        }
    }

    /// Writes that all of them have received.
    pub fn writes(&self) -> u64 {
        let beside = match &self.beside {
            Beside::Xero(xero) => xero.log().writes(),
            Beside::Xpm(xpm) => xpm.log().writes(),
            Beside::Practice(_, system) => system.log().writes(),
        };
        let second = self.second.as_ref().map_or(0, |(website, xero)| website.log().writes() + xero.log().writes());
        self.website.log().writes() + beside + second
    }

    /// The tokens that an agency keeps in files, client by client.
    pub fn secrets(&self) -> Vec<(String, String)> {
        let (Some((website, xero)), Beside::Xero(first)) = (&self.second, &self.beside) else { return Vec::new() };
        [
            ("acme/website", self.website.token()),
            ("acme/xero", first.token()),
            ("bravo/website", website.token()),
            ("bravo/xero", xero.token()),
        ]
        .map(|(name, token)| (format!("secrets/{name}"), format!("{token}\n")))
        .into()
    }

    /// Where they are, for people.
    pub fn addresses(&self, shown: &Shown) -> String {
        let name = match shown.with {
            With::Xero => "Xero".to_owned(),
            With::Xpm => "Xero Practice Manager".to_owned(),
            With::Practice(kind) => format!("{kind:?}"),
        };
        let address = match &self.beside {
            Beside::Xero(xero) => xero.url(),
            Beside::Xpm(xpm) => xpm.url(),
            Beside::Practice(_, system) => system.url(),
        };
        let first = format!("a website at {}, a practice {name} at {address}", self.website.url());
        match &self.second {
            Some((website, xero)) => {
                format!("{first}; another website at {}, another Xero at {}", website.url(), xero.url())
            }
            None => first,
        }
    }
}

/// What is posted, where the example is fed by posts: resource and body.
pub(super) fn posts(shown: &Shown, clock: &Clock) -> Vec<(&'static str, Value)> {
    let today = clock.now().date_naive();
    let day = |days: u64| today.checked_add_days(chrono::Days::new(days)).unwrap_or(today).to_string();
    let client = json!({ "id": "C-1", "name": "Tui Ltd", "email": "office@tui.example", "phone": "09 555 0101" });
    let lines = json!([{ "line_no": 1, "title": "Annual accounts", "quantity": "1", "price": "1200.00", "service": "accounts" }]);
    let dates = json!({ "accepted_on": day(0), "due_on": day(20), "ends_on": day(90) });
    let mut proposal =
        json!({ "number": "P-1", "client_id": "C-1", "title": "Year end", "status": "accepted", "upfront": lines });
    if let (Some(proposal), Value::Object(dates)) = (proposal.as_object_mut(), dates) {
        proposal.extend(dates);
    }
    if shown.name.starts_with("proposals-") { vec![("clients", client), ("proposals", proposal)] } else { Vec::new() }
}

/// The variables of a system: its address, its secret, its account; none where a person consents.
const fn names(kind: PracticeKind) -> [&'static str; 3] {
    match kind {
        PracticeKind::Cliniko => ["CLINIKO_URL", "CLINIKO_KEY", ""],
        PracticeKind::Eventbrite => ["EVENTBRITE_URL", "EVENTBRITE_TOKEN", "EVENTBRITE_ORGANISATION"],
        PracticeKind::GoSweetSpot => ["GOSWEETSPOT_URL", "GOSWEETSPOT_KEY", ""],
        PracticeKind::Myob => ["MYOB_URL", "", ""],
        PracticeKind::QuickBooks => ["QUICKBOOKS_URL", "", ""],
        PracticeKind::Simpro => ["SIMPRO_URL", "SIMPRO_KEY", "SIMPRO_COMPANY"],
        PracticeKind::ZohoCrm => ["ZOHO_URL", "", ""],
    }
}

/// The variables of a login by consent: where, the app's id and its secret.
const fn app(kind: PracticeKind) -> Option<[&'static str; 3]> {
    match kind {
        PracticeKind::Myob => Some(["MYOB_LOGIN", "MYOB_APP_ID", "MYOB_APP_SECRET"]),
        PracticeKind::QuickBooks => Some(["QUICKBOOKS_LOGIN", "QUICKBOOKS_APP_ID", "QUICKBOOKS_APP_SECRET"]),
        PracticeKind::ZohoCrm => Some(["ZOHO_LOGIN", "ZOHO_APP_ID", "ZOHO_APP_SECRET"]),
        PracticeKind::Cliniko | PracticeKind::Eventbrite | PracticeKind::GoSweetSpot | PracticeKind::Simpro => None,
    }
}

/// Further variables.
fn more(kind: PracticeKind, system: &PracticeSystem) -> Result<Vec<(&'static str, String)>, Refused> {
    let account = |id: &str, name: &str| system.insert("accounts", json!({ "DisplayID": id, "Name": name }));
    Ok(match kind {
        PracticeKind::Cliniko => vec![("CLINIKO_CONTACT", "me@clinic.example".to_owned())],
        PracticeKind::GoSweetSpot => vec![("GOSWEETSPOT_CONTACT", "me@shop.example".to_owned())],
        PracticeKind::Myob => vec![
            ("MYOB_TAX_CODE", system.insert("tax-codes", json!({ "Code": "GST" }))?),
            ("MYOB_INCOME", account("4-1000", "Sales")?),
            ("MYOB_BANK", account("1-1110", "Bank")?),
        ],
        PracticeKind::QuickBooks => vec![("QUICKBOOKS_ITEM", system.insert("items", json!({ "Name": "Goods" }))?)],
        PracticeKind::Eventbrite | PracticeKind::Simpro | PracticeKind::ZohoCrm => Vec::new(),
    })
}
