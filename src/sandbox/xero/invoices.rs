//! Sales invoices and bills: what a write may do to them. Texts marked "guess" are not documented.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use rust_decimal::Decimal;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    contacts::{BY_NUMBER as CONTACT_NUMBER, no_contact},
    filter::Cell,
    lines::{Amounts, Line, Totals},
    org::{Mode, Org, Rejected, Taken, Write, given_id},
    shelf::Row,
    status::Status,
    text::{fold, given, given_text, parse_day},
};

/// Lookup by folded number, of sales invoices that are not deleted.
pub(crate) const BY_NUMBER: u8 = 0;
/// Lookup by the contact's id.
pub(crate) const BY_CONTACT: u8 = 1;

/// One sales invoice or bill.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Invoice {
    pub(crate) id: Uuid,
    /// `ACCREC` or `ACCPAY`.
    pub(crate) kind: String,
    pub(crate) number: String,
    pub(crate) contact: Uuid,
    pub(crate) status: Status,
    pub(crate) amounts: Amounts,
    pub(crate) lines: Vec<Line>,
    pub(crate) date: NaiveDate,
    pub(crate) due_date: Option<NaiveDate>,
    pub(crate) expected: Option<NaiveDate>,
    pub(crate) reference: String,
    pub(crate) url: Option<String>,
    pub(crate) theme: Option<String>,
    pub(crate) sent: bool,
    pub(crate) totals: Totals,
    pub(crate) paid: Decimal,
    pub(crate) paid_on: Option<NaiveDate>,
    pub(crate) updated: DateTime<Utc>,
}

impl Invoice {
    pub(crate) fn is_sale(&self) -> bool {
        self.kind == "ACCREC"
    }

    pub(crate) fn is_authorised(&self) -> bool {
        self.status == Status::Authorised
    }

    /// What is still to be paid.
    pub(crate) fn due(&self) -> Decimal {
        match self.status {
            Status::Voided | Status::Deleted => Decimal::ZERO,
            _ => self.totals.total - self.paid,
        }
    }

    /// Whether this and `before` differ in a way that does not move the stamp: `DueDate` and `SentToContact` of a
    /// part-paid document (Xero accounting docs, requests-and-responses).
    fn differs_unseen(&self, before: &Self) -> bool {
        let same = Self { due_date: before.due_date, sent: before.sent, ..self.clone() } == *before;
        same && !before.paid.is_zero() && (self.due_date != before.due_date || self.sent != before.sent)
    }

    /// Whether this and `before` differ only in what a paid invoice may still change.
    fn same_but_for_paid_fields(&self, before: &Self) -> bool {
        let lines_fine = self.lines.len() == before.lines.len()
            && self.lines.iter().zip(&before.lines).all(|(new, old)| {
                new.id == old.id
                    && new.quantity == old.quantity
                    && new.unit == old.unit
                    && new.tax_type == old.tax_type
                    && new.item_code == old.item_code
            });
        lines_fine
            && self.date == before.date
            && self.amounts == before.amounts
            && self.totals == before.totals
            && self.status == before.status
    }
}

impl Row for Invoice {
    fn id(&self) -> Uuid {
        self.id
    }

    fn updated(&self) -> DateTime<Utc> {
        self.updated
    }

    fn hidden(&self) -> bool {
        false
    }

    fn keys(&self) -> Vec<(u8, String)> {
        let mut keys = vec![(BY_CONTACT, self.contact.to_string())];
        if self.is_sale() && self.status != Status::Deleted {
            keys.push((BY_NUMBER, fold(&self.number)));
        }
        keys
    }

    fn cell(&self, path: &str) -> Option<Cell> {
        let date = |date: NaiveDate| Cell::Moment(date.and_time(NaiveTime::MIN).and_utc().timestamp_millis());
        Some(match path {
            "invoiceid" => Cell::Text(self.id.to_string()),
            "invoicenumber" => Cell::Text(self.number.clone()),
            "type" => Cell::Text(self.kind.clone()),
            "status" => Cell::Text(self.status.text().to_owned()),
            "reference" => Cell::Text(self.reference.clone()),
            "contact.contactid" => Cell::Text(self.contact.to_string()),
            "date" => date(self.date),
            "duedate" => self.due_date.map_or(Cell::Null, date),
            "total" => Cell::Number(self.totals.total),
            "amountdue" => Cell::Number(self.due()),
            "amountpaid" => Cell::Number(self.paid),
            "updateddateutc" => Cell::Moment(self.updated.timestamp_millis()),
            _ => return None,
        })
    }
}

impl Org {
    pub(crate) fn write_invoice(&mut self, element: &Map<String, Value>, write: Write) -> Result<Taken, Rejected> {
        let before = self.target_invoice(element, write.mode)?;
        let mut wrong = Vec::new();
        let mut invoice = match &before {
            Some(before) => {
                if matches!(before.status, Status::Voided | Status::Deleted) {
                    return Err(not_modifiable());
                }
                before.clone()
            }
            None => self.blank_invoice(element, write.now)?,
        };
        self.set_contact(&mut invoice, element, write)?;
        let mut warnings = Vec::new();
        set_plain(&mut invoice, element, &mut wrong, &mut warnings);
        let next = given_text(element, "Status");
        set_status(&mut invoice, before.as_ref(), next.as_deref(), &mut wrong);
        match given(element, "LineItems") {
            Some(Value::Array(sent)) => {
                let old = std::mem::take(&mut invoice.lines);
                invoice.lines = self.set_lines(&old, sent, write.unit_places, &mut wrong);
            }
            Some(_) => wrong.push("LineItems must be a list".to_owned()), // guess
            None => {}
        }
        if invoice.lines.is_empty() {
            wrong.push("One or more line items must be specified".to_owned());
        }
        let recount = before.as_ref().is_none_or(|before| {
            before.lines != invoice.lines || before.amounts != invoice.amounts || before.status != invoice.status
        });
        if recount && !matches!(invoice.status, Status::Voided | Status::Deleted) {
            let complete = invoice.status != Status::Draft;
            let mut lines = std::mem::take(&mut invoice.lines);
            invoice.totals = self.count_lines(&mut lines, invoice.amounts, complete, &mut wrong);
            invoice.lines = lines;
        }
        self.check_number(&mut invoice, before.as_ref(), &mut wrong);
        self.check_locks(&invoice, before.as_ref(), &mut wrong);
        if let Some(before) = before.as_ref().filter(|before| !before.paid.is_zero())
            && !invoice.same_but_for_paid_fields(before)
        {
            wrong = not_modifiable();
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        if !before.as_ref().is_some_and(|before| invoice.differs_unseen(before)) {
            invoice.updated = write.now;
        }
        let (id, contact, sale) = (invoice.id, invoice.contact, invoice.is_sale());
        self.invoices.put(invoice);
        self.mark_contact(contact, sale);
        Ok(Taken { id, warnings })
    }

    fn target_invoice(&self, element: &Map<String, Value>, mode: Mode) -> Result<Option<Invoice>, Rejected> {
        let missing = || vec!["An existing Invoice with the specified InvoiceID could not be found".to_owned()];
        match mode {
            Mode::Create => Ok(None),
            Mode::Change(id) => self.invoices.get(id).cloned().map(Some).ok_or_else(missing),
            Mode::Upsert => {
                if let Some(id) = given_id(element, "InvoiceID").transpose()? {
                    self.invoices.get(id).cloned().map(Some).ok_or_else(missing)
                } else {
                    let number = given_text(element, "InvoiceNumber").filter(|text| !text.is_empty());
                    // The number of a bill is not unique, so it finds nothing.
                    let sale = given_text(element, "Type").is_none_or(|kind| kind == "ACCREC");
                    let id = number.filter(|_| sale).and_then(|number| self.invoice_numbered(&number));
                    Ok(id.and_then(|id| self.invoices.get(id)).cloned())
                }
            }
        }
    }

    /// The sales invoice with this number.
    pub(crate) fn invoice_numbered(&self, number: &str) -> Option<Uuid> {
        self.invoices.with_key(BY_NUMBER, &fold(number)).next()
    }

    fn blank_invoice(&mut self, element: &Map<String, Value>, now: DateTime<Utc>) -> Result<Invoice, Rejected> {
        let kind = match given_text(element, "Type") {
            Some(kind) if kind == "ACCREC" || kind == "ACCPAY" => kind,
            Some(other) => return Err(vec![format!("Invoice Type '{other}' is not valid")]), // guess
            None => return Err(vec!["Invoice Type must be specified".to_owned()]),           // guess
        };
        Ok(Invoice {
            id: self.id(),
            kind,
            number: String::new(),
            contact: Uuid::nil(),
            status: Status::Draft,
            amounts: Amounts::Exclusive,
            lines: Vec::new(),
            date: Self::today(now),
            due_date: None,
            expected: None,
            reference: String::new(),
            url: None,
            theme: None,
            sent: false,
            totals: Totals::default(),
            paid: Decimal::ZERO,
            paid_on: None,
            updated: now,
        })
    }

    /// Finds, makes or edits the contact that the `Contact` block names: anything in it beside the id edits the
    /// contact itself, and drops the persons that are not sent again.
    fn set_contact(
        &mut self,
        invoice: &mut Invoice,
        element: &Map<String, Value>,
        write: Write,
    ) -> Result<(), Rejected> {
        let Some(block) = given(element, "Contact").and_then(Value::as_object) else {
            if invoice.contact.is_nil() {
                return Err(vec!["A Contact must be specified for this type of transaction".to_owned()]);
            }
            return Ok(());
        };
        let id = given_id(block, "ContactID").transpose()?;
        let only_id = id.is_some() && block.len() == 1;
        let id = if only_id {
            id
        } else {
            let mut edit = block.clone();
            edit.entry("ContactPersons").or_insert_with(|| Value::Array(Vec::new()));
            let number = given_text(block, "ContactNumber").map(|number| fold(&number));
            let known = id.or_else(|| self.contacts.with_key(CONTACT_NUMBER, &number?).next());
            let known = known.or_else(|| self.contact_named(&given_text(block, "Name")?));
            let mode = known.map_or(Mode::Upsert, Mode::Change);
            Some(self.write_contact(&edit, Write { mode, ..write })?.id)
        };
        let contact = id.and_then(|id| self.contacts.get(id)).ok_or_else(no_contact)?;
        if contact.archived && contact.id != invoice.contact {
            return Err(vec!["The Contact is archived and cannot be used on a new document".to_owned()]); // guess
        }
        invoice.contact = contact.id;
        Ok(())
    }

    fn check_number(&mut self, invoice: &mut Invoice, before: Option<&Invoice>, wrong: &mut Rejected) {
        if !invoice.is_sale() {
            return;
        }
        if invoice.number.is_empty() {
            loop {
                invoice.number = format!("INV-{:04}", self.next_number);
                self.next_number += 1;
                if self.invoice_numbered(&invoice.number).is_none() {
                    return;
                }
            }
        }
        let unchanged = before.is_some_and(|before| before.number == invoice.number);
        if !unchanged && self.invoice_numbered(&invoice.number).is_some_and(|other| other != invoice.id) {
            wrong.push("Invoice # must be unique.".to_owned());
        }
    }

    fn check_locks(&self, invoice: &Invoice, before: Option<&Invoice>, wrong: &mut Rejected) {
        let Some(lock) = self.settings.lock_date() else { return };
        if invoice.date <= lock || before.is_some_and(|before| before.date <= lock) {
            // guess
            wrong.push(
                "The document date cannot be before the end of year lock date or the period lock date".to_owned(),
            );
        }
    }

    /// A contact's flags turn with its first invoice; its stamp does not (a documented blind spot).
    fn mark_contact(&mut self, contact: Uuid, sale: bool) {
        let Some(contact) = self.contacts.get(contact) else { return };
        let known = if sale { contact.is_customer } else { contact.is_supplier };
        if !known {
            let mut contact = contact.clone();
            contact.is_customer |= sale;
            contact.is_supplier |= !sale;
            self.contacts.put(contact);
        }
    }
}

pub(crate) fn not_modifiable() -> Rejected {
    vec!["Invoice not of valid status for modification".to_owned()]
}

fn set_plain(invoice: &mut Invoice, element: &Map<String, Value>, wrong: &mut Rejected, warnings: &mut Vec<String>) {
    let mut day = |name: &str| {
        let text = given_text(element, name)?;
        let date = parse_day(&text);
        if date.is_none() {
            wrong.push(format!("{name} '{text}' is not a valid date")); // guess
        }
        date
    };
    if let Some(date) = day("Date") {
        invoice.date = date;
    }
    if let Some(date) = day("DueDate") {
        invoice.due_date = Some(date);
    }
    if let Some(date) = day(if invoice.is_sale() { "ExpectedPaymentDate" } else { "PlannedPaymentDate" }) {
        invoice.expected = Some(date);
    }
    if let Some(number) = given_text(element, "InvoiceNumber") {
        if number.chars().count() > 255 || !number.chars().all(|c| c == ' ' || c.is_ascii_graphic()) {
            wrong.push("Invoice # must be at most 255 printable characters".to_owned()); // guess
        }
        invoice.number = number;
    }
    if let Some(reference) = given_text(element, "Reference").filter(|_| invoice.is_sale()) {
        if reference.chars().count() > 255 {
            wrong.push("Reference must not be more than 255 characters long".to_owned()); // guess
        }
        invoice.reference = reference;
    }
    if let Some(amounts) = given_text(element, "LineAmountTypes") {
        match Amounts::parse(&amounts) {
            Some(amounts) => invoice.amounts = amounts,
            None => wrong.push(format!("LineAmountTypes '{amounts}' is not valid")), // guess
        }
    }
    if let Some(currency) = given_text(element, "CurrencyCode").filter(|code| code != super::settings::CURRENCY) {
        wrong.push(format!("Organisation is not subscribed to currency {currency}"));
    }
    if let Some(url) = given_text(element, "Url") {
        if fold(&url).contains("xero") {
            wrong.push("Url must not contain xero".to_owned()); // guess
        }
        invoice.url = Some(url).filter(|url| !url.is_empty());
    }
    if let Some(theme) = given_text(element, "BrandingThemeID") {
        invoice.theme = Some(theme).filter(|theme| !theme.is_empty());
    }
    if let Some(sent) = given(element, "SentToContact").and_then(Value::as_bool) {
        let status = given_text(element, "Status");
        let authorised = status.as_deref().map_or(invoice.is_authorised(), |status| status == "AUTHORISED");
        if authorised {
            invoice.sent = sent;
        } else if sent != invoice.sent {
            warnings.push("Only AUTHORISED invoices may have SentToContact updated.".to_owned());
        }
    }
}

fn set_status(invoice: &mut Invoice, before: Option<&Invoice>, next: Option<&str>, wrong: &mut Rejected) {
    let Some(next) = next else { return };
    let Some(next) = Status::parse(next) else {
        wrong.push(format!("Invoice status '{next}' is not valid")); // guess
        return;
    };
    let fine = match before {
        Some(before) => before.status.may_become(next, !before.paid.is_zero()),
        None => matches!(next, Status::Draft | Status::Submitted | Status::Authorised),
    };
    if fine {
        invoice.status = next;
    } else {
        wrong.extend(not_modifiable());
    }
}
