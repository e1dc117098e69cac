//! Data for the demo and for tests: the same people and sales on both sides, and some on one side only.
//!
//! Everything follows from the plan's seed and the clock's present, so two runs make the same records. A pair that
//! exists on both sides holds equal values, except for the [`Oddity`]s that the plan asks for.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::{Refused, Website, Xero};

/// Something that a careful sync must not decide by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oddity {
    /// Two contacts of the website share name and e-mail with one contact of Xero.
    Namesakes,
    /// A pair whose phone numbers differ, with nothing to say which is right.
    DifferingPhone,
    /// A sale with a line whose `income` (`vouchers`) stands for no account.
    UnknownIncome,
}

/// How much to make.
#[derive(Clone, Debug)]
pub struct SeedPlan {
    /// People in all: 60 % on both sides, 15 % on the website with sales, 10 % there without, 10 % customers in Xero
    /// only, 5 % suppliers and bare contacts in Xero only.
    pub contacts: usize,
    /// Sales and invoices in all: 50 % on both sides, 30 % on the website only, 20 % in Xero only.
    pub invoices: usize,
    /// Drives every choice.
    pub seed: u64,
    /// What to add that shows parking.
    pub oddities: Vec<Oddity>,
}

impl Default for SeedPlan {
    fn default() -> Self {
        let oddities = vec![Oddity::Namesakes, Oddity::DifferingPhone, Oddity::UnknownIncome];
        Self { contacts: 300, invoices: 400, seed: 7, oddities }
    }
}

impl SeedPlan {
    /// So many people and invoices, nothing odd.
    #[must_use]
    pub fn plain(contacts: usize, invoices: usize) -> Self {
        Self { contacts, invoices, oddities: Vec::new(), ..Self::default() }
    }
}

/// What was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seeded {
    /// People on both sides.
    pub shared_contacts: usize,
    /// People on the website only who have sales.
    pub website_customers: usize,
    /// People on the website only without sales.
    pub website_others: usize,
    /// Customers in Xero only.
    pub xero_customers: usize,
    /// Suppliers and bare contacts in Xero only.
    pub xero_others: usize,
    /// Sales that are invoices already.
    pub shared_sales: usize,
    /// Sales that are not.
    pub website_sales: usize,
    /// Sales invoices in Xero only.
    pub xero_invoices: usize,
    /// Bills, in Xero only.
    pub xero_bills: usize,
    /// Payments in Xero.
    pub xero_payments: usize,
}

const FIRST: [&str; 32] = [
    "Aroha",
    "Ben",
    "Charlotte",
    "Daniel",
    "Emma",
    "Finn",
    "Grace",
    "Hemi",
    "Isla",
    "Jack",
    "Kiri",
    "Liam",
    "Mere",
    "Noah",
    "Olivia",
    "Piripi",
    "Quentin",
    "Ruby",
    "Sam",
    "Tama",
    "Una",
    "Victor",
    "Wiremu",
    "Xanthe",
    "Yasmin",
    "Zoe",
    "Anahera",
    "Blair",
    "Chloé",
    "Dmitri",
    "Esther",
    "Felix",
];
const LAST: [&str; 31] = [
    "Anderson",
    "Brown",
    "Clarke",
    "Davies",
    "Edwards",
    "Fletcher",
    "Green",
    "Harris",
    "Irwin",
    "Jones",
    "Kereama",
    "Lee",
    "Mitchell",
    "Ngata",
    "O'Connor",
    "Patel",
    "Quinn",
    "Reid",
    "Smith",
    "Taylor",
    "Umaga",
    "Vaughan",
    "Wilson",
    "Xu",
    "Young",
    "Zhang",
    "Te Kanawa",
    "McDonald",
    "Singh",
    "Müller",
    "Walker",
];
const STREETS: [&str; 6] =
    ["High Street", "Trafalgar Street", "Bridge Street", "Rutherford Road", "Main Road", "The Parade"];
const CITIES: [(&str, &str, &str); 6] = [
    ("Nelson", "Nelson", "7010"),
    ("Auckland", "Auckland", "1010"),
    ("Wellington", "Wellington", "6011"),
    ("Christchurch", "Canterbury", "8011"),
    ("Dunedin", "Otago", "9016"),
    ("Hamilton", "Waikato", "3204"),
];
const GOODS: [(&str, &str, i64); 6] = [
    ("Garden chair", "goods", 8_900),
    ("Workshop, half a day", "services", 24_000),
    ("Seed packet", "goods", 495),
    ("Delivery", "freight", 1_250),
    ("Advice by the hour", "services", 15_000),
    ("Planter box", "goods", 6_450),
];

/// The Xero account behind a website line's `income`.
#[must_use]
pub fn income_account(income: &str) -> Option<&'static str> {
    match income {
        "goods" | "services" => Some("200"),
        "freight" => Some("260"),
        _ => None,
    }
}

/// Fills both systems.
///
/// # Errors
///
/// When a system refuses a record, which it does only when it was not empty.
pub fn seed(website: &Website, xero: &Xero, now: DateTime<Utc>, plan: &SeedPlan) -> Result<Seeded, Refused> {
    let mut seeder = Seeder { website, xero, now, random: fastrand::Rng::with_seed(plan.seed), people: 0, sales: 0 };
    let share = |of: usize, percent: usize| of * percent / 100;
    let mut made = Seeded {
        website_customers: share(plan.contacts, 15),
        website_others: share(plan.contacts, 10),
        xero_customers: share(plan.contacts, 10),
        xero_others: share(plan.contacts, 5),
        website_sales: share(plan.invoices, 30),
        ..Seeded::default()
    };
    made.shared_contacts =
        plan.contacts - made.website_customers - made.website_others - made.xero_customers - made.xero_others;
    let xero_only = share(plan.invoices, 20);
    made.shared_sales = plan.invoices - made.website_sales - xero_only;

    let mut shared = Vec::new();
    for _ in 0..made.shared_contacts {
        let person = seeder.person();
        shared.push((seeder.on_website(&person)?, seeder.in_xero(&person)?));
    }
    for number in 0..made.shared_sales {
        let Some((here, there)) = seeder.pick(&shared, number).cloned() else { break };
        let sale = seeder.sale();
        seeder.sell(&here, &sale)?;
        let invoice = seeder.invoice(&there, &sale)?;
        if number % 3 == 0 {
            seeder.pay(&invoice, &sale)?;
            made.xero_payments += 1;
        }
    }
    let mut customers = Vec::new();
    for _ in 0..made.website_customers {
        let person = seeder.person();
        customers.push(seeder.on_website(&person)?);
    }
    for number in 0..made.website_sales {
        let Some(here) = seeder.pick(&customers, number).cloned() else { break };
        let sale = seeder.sale();
        seeder.sell(&here, &sale)?;
    }
    for _ in 0..made.website_others {
        let person = seeder.person();
        seeder.on_website(&person)?;
    }
    seeder.only_in_xero(&mut made, xero_only)?;
    for oddity in &plan.oddities {
        seeder.odd(*oddity)?;
    }
    Ok(made)
}

struct Person {
    first: String,
    last: String,
    email: String,
    phone: String,
    mobile: Option<String>,
    company: Option<String>,
    street: String,
    place: (&'static str, &'static str, &'static str),
    account: String,
    since: DateTime<Utc>,
}

struct Sale {
    number: String,
    at: DateTime<Utc>,
    lines: Vec<(&'static str, &'static str, i64, i64)>,
}

impl Sale {
    fn date(&self) -> chrono::NaiveDate {
        self.at.with_timezone(&Tz::Pacific__Auckland).date_naive()
    }

    fn total(&self) -> Decimal {
        Decimal::new(self.lines.iter().map(|(_, _, quantity, cents)| quantity * cents).sum(), 2)
    }
}

struct Seeder<'a> {
    website: &'a Website,
    xero: &'a Xero,
    now: DateTime<Utc>,
    random: fastrand::Rng,
    people: usize,
    sales: usize,
}

impl Seeder<'_> {
    /// The first round gives everybody one, later rounds anybody.
    fn pick<'b, T>(&mut self, from: &'b [T], number: usize) -> Option<&'b T> {
        if number < from.len() { from.get(number) } else { self.random.choice(from) }
    }

    fn of<T: Copy>(&mut self, from: &[T], otherwise: T) -> T {
        self.random.choice(from).copied().unwrap_or(otherwise)
    }

    fn person(&mut self) -> Person {
        let number = self.people;
        self.people += 1;
        // 331 shares no factor with 32 * 31, so every name comes once before any comes again.
        let combination = number * 331 % (FIRST.len() * LAST.len());
        let first = FIRST.get(combination % FIRST.len()).copied().unwrap_or("Ada");
        let mut last = LAST.get(combination / FIRST.len()).copied().unwrap_or("Moore").to_owned();
        let again = number / (FIRST.len() * LAST.len());
        if again > 0 {
            last = format!("{last} {}", again + 1);
        }
        let company = self.random.bool().then(|| format!("{last} & Co"));
        Person {
            first: first.to_owned(),
            email: format!("person{}@example.com", number + 1),
            phone: format!("03 555 {:04}", 100 + number % 9_000),
            mobile: (number % 4 == 0).then(|| format!("021 555 {:04}", 200 + number % 9_000)),
            company,
            street: format!("{} {}", self.random.u32(1..300), self.of(&STREETS, "High Street")),
            place: self.of(&CITIES, ("Nelson", "Nelson", "7010")),
            account: format!("C{:05}", number + 1),
            since: self.now - TimeDelta::hours(self.random.i64(24 * 220..24 * 600)),
            last,
        }
    }

    fn sale(&mut self) -> Sale {
        self.sales += 1;
        let at = self.now - TimeDelta::minutes(self.random.i64(60..60 * 24 * 200));
        let count = self.random.usize(1..4);
        let lines = (0..count).map(|_| {
            let (title, income, cents) = self.of(&GOODS, ("Seed packet", "goods", 495));
            (title, income, self.random.i64(1..5), cents)
        });
        let lines = lines.collect();
        Sale { number: format!("S-{}", 5000 + self.sales), at, lines }
    }

    fn on_website(&self, person: &Person) -> Result<String, Refused> {
        let (city, region, postcode) = person.place;
        let record = json!({
            "first_name": person.first,
            "last_name": person.last,
            "email": person.email,
            "phone": person.phone,
            "mobile": person.mobile,
            "company": person.company,
            "account": person.account,
            "subscribed": true,
            "postal": {
                "line1": person.street,
                "city": city,
                "region": region,
                "postcode": postcode,
                "country": "New Zealand",
            },
        });
        self.website.insert_at("contacts", record, person.since)
    }

    fn in_xero(&self, person: &Person) -> Result<String, Refused> {
        let (city, region, postcode) = person.place;
        let mut phones = vec![json!({ "PhoneType": "DEFAULT", "PhoneNumber": person.phone })];
        if let Some(mobile) = &person.mobile {
            phones.push(json!({ "PhoneType": "MOBILE", "PhoneNumber": mobile }));
        }
        let record = json!({
            "Name": format!("{} {}", person.first, person.last),
            "FirstName": person.first,
            "LastName": person.last,
            "EmailAddress": person.email,
            "AccountNumber": person.account,
            "Phones": phones,
            "Addresses": [{
                "AddressType": "POBOX",
                "AddressLine1": person.street,
                "City": city,
                "Region": region,
                "PostalCode": postcode,
                "Country": "New Zealand",
            }],
        });
        self.xero.insert_at("Contacts", record, person.since)
    }

    /// Prices include tax, on both sides.
    fn sell(&self, contact: &str, sale: &Sale) -> Result<String, Refused> {
        let lines = sale.lines.iter().zip(1..).map(|((title, income, quantity, cents), number)| {
            json!({ "line_no": number, "title": title, "quantity": quantity, "cents": cents, "income": income })
        });
        let record = json!({
            "number": sale.number,
            "contact_id": contact,
            "sold_at": sale.at.to_rfc3339(),
            "due_on": (sale.date() + TimeDelta::days(20)).to_string(),
            "currency": "NZD",
            "lines": lines.collect::<Value>(),
            "status": "open",
        });
        self.website.insert_at("sales", record, sale.at)
    }

    fn invoice(&self, contact: &str, sale: &Sale) -> Result<String, Refused> {
        let lines = sale.lines.iter().map(|(title, income, quantity, cents)| {
            json!({
                "Description": title,
                "Quantity": quantity,
                "UnitAmount": Decimal::new(*cents, 2).to_string(),
                "AccountCode": income_account(income),
            })
        });
        let record = json!({
            "Type": "ACCREC",
            "Status": "AUTHORISED",
            "Contact": { "ContactID": contact },
            "InvoiceNumber": sale.number,
            "Date": sale.date().to_string(),
            "DueDate": (sale.date() + TimeDelta::days(20)).to_string(),
            "LineAmountTypes": "Inclusive",
            "LineItems": lines.collect::<Value>(),
        });
        self.xero.insert_at("Invoices", record, sale.at)
    }

    fn pay(&self, invoice: &str, sale: &Sale) -> Result<String, Refused> {
        let at = sale.at + (self.now - sale.at) / 2;
        let record = json!({
            "Invoice": { "InvoiceID": invoice },
            "Account": { "Code": "090" },
            "Date": at.with_timezone(&Tz::Pacific__Auckland).date_naive().to_string(),
            "Amount": sale.total().to_string(),
            "Reference": "Direct deposit",
        });
        self.xero.insert_at("Payments", record, at)
    }

    fn only_in_xero(&mut self, made: &mut Seeded, invoices: usize) -> Result<(), Refused> {
        let mut customers = Vec::new();
        for _ in 0..made.xero_customers {
            let person = self.person();
            customers.push(self.in_xero(&person)?);
        }
        let mut others = Vec::new();
        for _ in 0..made.xero_others {
            let person = self.person();
            others.push(self.in_xero(&person)?);
        }
        let bills = if others.is_empty() { 0 } else { invoices / 10 };
        for number in 0..invoices - bills {
            let Some(customer) = self.pick(&customers, number).cloned() else { break };
            let sale = Sale { number: format!("INV-{:04}", 7000 + number), ..self.sale() };
            self.invoice(&customer, &sale)?;
            made.xero_invoices += 1;
        }
        // Half of the others are suppliers, half never traded.
        others.truncate(others.len().div_ceil(2));
        for number in 0..bills {
            let Some(supplier) = self.pick(&others, number).cloned() else { break };
            let at = self.now - TimeDelta::days(self.random.i64(1..200));
            let record = json!({
                "Type": "ACCPAY",
                "Status": "AUTHORISED",
                "Contact": { "ContactID": supplier },
                "InvoiceNumber": format!("BILL-{number}"),
                "Date": at.date_naive().to_string(),
                "LineItems": [{ "Description": "Advertising", "UnitAmount": 120, "AccountCode": "400" }],
            });
            self.xero.insert_at("Invoices", record, at)?;
            made.xero_bills += 1;
        }
        Ok(())
    }

    fn odd(&mut self, oddity: Oddity) -> Result<(), Refused> {
        match oddity {
            Oddity::Namesakes => {
                let person = self.person();
                for account in [person.account.clone(), format!("{}-B", person.account)] {
                    let contact = self.on_website(&Person { account, ..self.person_like(&person) })?;
                    let sale = self.sale();
                    self.sell(&contact, &sale)?;
                }
                self.in_xero(&person)?;
            }
            Oddity::DifferingPhone => {
                let person = self.person();
                let contact = self.on_website(&person)?;
                let there = self.in_xero(&Person { phone: "03 555 9999".to_owned(), ..self.person_like(&person) })?;
                let sale = self.sale();
                self.sell(&contact, &sale)?;
                self.invoice(&there, &sale)?;
            }
            Oddity::UnknownIncome => {
                let person = self.person();
                let contact = self.on_website(&person)?;
                let mut sale = self.sale();
                sale.lines.push(("Gift voucher", "vouchers", 1, 5_000));
                self.sell(&contact, &sale)?;
            }
        }
        Ok(())
    }

    fn person_like(&self, person: &Person) -> Person {
        Person {
            first: person.first.clone(),
            last: person.last.clone(),
            email: person.email.clone(),
            phone: person.phone.clone(),
            mobile: person.mobile.clone(),
            company: person.company.clone(),
            street: person.street.clone(),
            place: person.place,
            account: person.account.clone(),
            since: person.since,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{
        clock::Clock,
        sandbox::{WebsiteOptions, XeroOptions},
    };

    async fn both(plan: &SeedPlan) -> (Website, Xero, Seeded) {
        let clock = Clock::manual("2026-06-01T00:00:00Z".parse().unwrap());
        let website = Website::start(WebsiteOptions::new(clock.clone())).await.unwrap();
        let xero = Xero::start(XeroOptions::new(clock.clone())).await.unwrap();
        let made = seed(&website, &xero, clock.now(), plan).unwrap();
        (website, xero, made)
    }

    #[tokio::test]
    async fn the_same_plan_makes_the_same_records() {
        let plan = SeedPlan { contacts: 40, invoices: 60, ..SeedPlan::default() };
        let (website, xero, made) = both(&plan).await;
        let (website2, xero2, made2) = both(&plan).await;
        assert_eq!(made, made2);
        assert_eq!(website.list("sales"), website2.list("sales"));
        assert_eq!(xero.list("Invoices"), xero2.list("Invoices"));
    }

    #[tokio::test]
    async fn pairs_are_equal_and_counts_are_as_planned() {
        let (website, xero, made) = both(&SeedPlan::plain(300, 400)).await;
        assert_eq!((made.shared_contacts, made.shared_sales), (180, 200));
        assert_eq!(website.count("contacts"), 255);
        assert_eq!(xero.count("Contacts"), 225);
        assert_eq!((website.count("sales"), xero.count("Invoices")), (320, 280));
        assert_eq!(xero.count("Payments"), made.xero_payments);
        let by_email: BTreeMap<String, Value> = xero
            .list("Contacts")
            .into_iter()
            .map(|contact| (contact["EmailAddress"].as_str().unwrap().to_owned(), contact))
            .collect();
        let mut pairs = 0;
        for contact in website.list("contacts") {
            let Some(other) = by_email.get(contact["email"].as_str().unwrap()) else { continue };
            pairs += 1;
            assert_eq!(contact["first_name"], other["FirstName"]);
            assert_eq!(contact["account"], other["AccountNumber"]);
            let phone = other["Phones"].as_array().unwrap().iter().find(|phone| phone["PhoneType"] == "DEFAULT");
            assert_eq!(contact["phone"], phone.unwrap()["PhoneNumber"]);
            assert_eq!(other["IsCustomer"], true);
        }
        assert_eq!(pairs, 180);
        let invoices: BTreeMap<String, Value> = xero
            .list("Invoices")
            .into_iter()
            .map(|invoice| (invoice["InvoiceNumber"].as_str().unwrap().to_owned(), invoice))
            .collect();
        let shared: Vec<Value> = website
            .list("sales")
            .into_iter()
            .filter(|sale| invoices.contains_key(sale["number"].as_str().unwrap()))
            .collect();
        assert_eq!(shared.len(), 200);
        for sale in shared {
            let invoice = &invoices[sale["number"].as_str().unwrap()];
            assert_eq!(sale["total"].to_string(), invoice["Total"].to_string());
            assert_eq!(sale["due_on"], invoice["DueDateString"].as_str().unwrap()[..10]);
        }
        let paid = invoices.values().filter(|invoice| invoice["Status"] == "PAID").count();
        assert_eq!(paid, made.xero_payments);
    }

    #[tokio::test]
    async fn oddities_are_added_when_asked_for() {
        let (website, xero, _) = both(&SeedPlan { contacts: 20, invoices: 20, ..SeedPlan::default() }).await;
        let contacts = website.list("contacts");
        let same = |a: &Value, b: &Value| a["email"] == b["email"] && a["id"] != b["id"];
        let namesakes = contacts.iter().filter(|a| contacts.iter().any(|b| same(a, b))).count();
        assert_eq!(namesakes, 2);
        assert!(website.list("sales").iter().any(|sale| sale["lines"].to_string().contains("vouchers")));
        assert!(xero.list("Contacts").iter().any(|contact| contact["Phones"].to_string().contains("03 555 9999")));
        assert_eq!((income_account("goods"), income_account("vouchers")), (Some("200"), None));
    }
}
