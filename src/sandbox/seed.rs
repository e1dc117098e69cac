//! Data for the demo and for tests: the same people and sales on both sides, and some on one side only.
//!
//! Everything follows from the plan's seed and the clock's present, so two runs make the same records. A pair that
//! exists on both sides holds equal values, except for the [`Oddity`]s that the plan asks for.

mod people;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use self::people::{Person, Sale};
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
        if number.is_multiple_of(3) {
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
                    let contact = self.on_website(&Person { account, ..person.clone() })?;
                    let sale = self.sale();
                    self.sell(&contact, &sale)?;
                }
                self.in_xero(&person)?;
            }
            Oddity::DifferingPhone => {
                let person = self.person();
                let contact = self.on_website(&person)?;
                let there = self.in_xero(&Person { phone: "03 555 9999".to_owned(), ..person.clone() })?;
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
}

#[cfg(test)]
mod tests;
