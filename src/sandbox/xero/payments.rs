//! Payments: made and deleted, never changed. Texts marked "guess" are not documented.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use rust_decimal::Decimal;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    filter::Cell,
    invoices::Invoice,
    org::{Mode, Org, Rejected, Taken, Write, given_id},
    shelf::Row,
    status::Status,
    text::{amount, given, given_text, parse_day, round},
};

/// Lookup by the invoice's id.
pub(crate) const BY_INVOICE: u8 = 0;

/// One payment of an invoice.
#[derive(Clone, Debug)]
pub(crate) struct Payment {
    pub(crate) id: Uuid,
    pub(crate) invoice: Uuid,
    /// `ACCRECPAYMENT` or `ACCPAYPAYMENT`.
    pub(crate) kind: &'static str,
    pub(crate) account: Uuid,
    pub(crate) date: NaiveDate,
    pub(crate) amount: Decimal,
    pub(crate) reference: String,
    pub(crate) reconciled: bool,
    pub(crate) deleted: bool,
    pub(crate) updated: DateTime<Utc>,
}

impl Payment {
    pub(crate) fn status(&self) -> &'static str {
        if self.deleted { "DELETED" } else { "AUTHORISED" }
    }
}

impl Row for Payment {
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
        vec![(BY_INVOICE, self.invoice.to_string())]
    }

    fn cell(&self, path: &str) -> Option<Cell> {
        Some(match path {
            "paymentid" => Cell::Text(self.id.to_string()),
            "paymenttype" => Cell::Text(self.kind.to_owned()),
            "status" => Cell::Text(self.status().to_owned()),
            "date" => Cell::Moment(self.date.and_time(NaiveTime::MIN).and_utc().timestamp_millis()),
            "invoice.invoiceid" => Cell::Text(self.invoice.to_string()),
            "reference" => Cell::Text(self.reference.clone()),
            "amount" => Cell::Number(self.amount),
            "updateddateutc" => Cell::Moment(self.updated.timestamp_millis()),
            _ => return None,
        })
    }
}

impl Org {
    pub(crate) fn write_payment(&mut self, element: &Map<String, Value>, write: Write) -> Result<Taken, Rejected> {
        let id = match write.mode {
            Mode::Change(id) => Some(id),
            Mode::Upsert => given_id(element, "PaymentID").transpose()?,
            Mode::Create => None,
        };
        match id {
            Some(id) if given_text(element, "Status").as_deref() == Some("DELETED") => self.delete_payment(id, write),
            Some(_) => Err(vec!["Payments cannot be changed, only created and deleted".to_owned()]), // guess
            None => self.create_payment(element, write),
        }
    }

    fn create_payment(&mut self, element: &Map<String, Value>, write: Write) -> Result<Taken, Rejected> {
        let invoice = self.paid_invoice(element)?;
        if !matches!(invoice.status, Status::Authorised | Status::Paid) {
            return Err(vec!["Payments can only be made against Authorised documents".to_owned()]);
        }
        let mut wrong = Vec::new();
        let account = self.bank_account(element).map_err(|reason| wrong.push(reason)).unwrap_or_default();
        let date = match given_text(element, "Date") {
            None => Self::today(write.now),
            Some(text) => parse_day(&text).unwrap_or_else(|| {
                wrong.push(format!("Date '{text}' is not a valid date")); // guess
                NaiveDate::default()
            }),
        };
        if self.settings.lock_date().is_some_and(|lock| date <= lock) {
            // guess
            wrong
                .push("The payment date cannot be before the end of year lock date or the period lock date".to_owned());
        }
        let amount = given(element, "Amount").and_then(amount).map(|amount| round(amount, 2)).unwrap_or_default();
        if amount <= Decimal::ZERO {
            wrong.push("The Payment amount must be greater than 0".to_owned()); // guess
        } else if amount > invoice.due() {
            wrong.push("Payment amount exceeds the amount outstanding on this document".to_owned());
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let payment = Payment {
            id: self.id(),
            invoice: invoice.id,
            kind: if invoice.is_sale() { "ACCRECPAYMENT" } else { "ACCPAYPAYMENT" },
            account,
            date,
            amount,
            reference: given_text(element, "Reference").unwrap_or_default(),
            reconciled: given(element, "IsReconciled").and_then(Value::as_bool).unwrap_or(false),
            deleted: false,
            updated: write.now,
        };
        let id = payment.id;
        self.pay(invoice, payment.amount, date, write.now);
        self.payments.put(payment);
        Ok(Taken::new(id))
    }

    fn delete_payment(&mut self, id: Uuid, write: Write) -> Result<Taken, Rejected> {
        let payment = self.payments.get(id).cloned();
        let Some(mut payment) = payment else {
            return Err(vec!["An existing Payment with the specified PaymentID could not be found".to_owned()]);
        };
        if payment.deleted {
            return Err(vec!["The payment has already been deleted".to_owned()]); // guess
        }
        if let Some(invoice) = self.invoices.get(payment.invoice).cloned() {
            self.pay(invoice, -payment.amount, payment.date, write.now);
        }
        payment.deleted = true;
        payment.updated = write.now;
        self.payments.put(payment);
        Ok(Taken::new(id))
    }

    /// Moves an invoice's amounts and, with them, its status.
    fn pay(&mut self, mut invoice: Invoice, amount: Decimal, date: NaiveDate, now: DateTime<Utc>) {
        invoice.paid += amount;
        let settled = invoice.due() <= Decimal::ZERO;
        invoice.status = if settled { Status::Paid } else { Status::Authorised };
        invoice.paid_on = settled.then_some(date);
        invoice.updated = now;
        self.invoices.put(invoice);
    }

    /// The one document that a payment names; credit notes and the like are not kept here.
    fn paid_invoice(&self, element: &Map<String, Value>) -> Result<Invoice, Rejected> {
        let block = given(element, "Invoice").and_then(Value::as_object);
        let others = ["CreditNote", "Prepayment", "Overpayment"].iter().filter(|name| given(element, name).is_some());
        if usize::from(block.is_some()) + others.count() != 1 && given(element, "InvoiceNumber").is_none() {
            // guess
            return Err(vec![
                "A payment must name exactly one Invoice, CreditNote, Prepayment or Overpayment".to_owned(),
            ]);
        }
        let id = if let Some(id) = block.and_then(|block| given_id(block, "InvoiceID")) {
            Some(id?)
        } else {
            let number = block.and_then(|block| given_text(block, "InvoiceNumber"));
            let number = number.or_else(|| given_text(element, "InvoiceNumber"));
            number.and_then(|number| self.invoice_numbered(&number))
        };
        let missing = || vec!["An existing Invoice with the specified InvoiceID could not be found".to_owned()];
        id.and_then(|id| self.invoices.get(id)).cloned().ok_or_else(missing)
    }

    fn bank_account(&self, element: &Map<String, Value>) -> Result<Uuid, String> {
        let block = given(element, "Account").and_then(Value::as_object);
        let id = block.and_then(|block| given_text(block, "AccountID"));
        let code = block.and_then(|block| given_text(block, "Code")).or_else(|| given_text(element, "Code"));
        let found = self.settings.find_account(id.as_deref(), code.as_deref());
        let Some(account) = found else { return Err("Account could not be found".to_owned()) }; // guess
        if account.takes_payments() {
            Ok(account.id)
        } else {
            // guess
            Err("The account must be a bank account or have payments enabled to it".to_owned())
        }
    }
}
