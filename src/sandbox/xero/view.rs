//! Records as Xero shows them: more by id and in pages, less in unpaged lists and inside others.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    contacts::Contact,
    invoices::Invoice,
    org::{Kind, Org},
    payments::{BY_INVOICE, Payment},
    text::{day, day_string, money, places, stamp, stamp_string},
};

/// How much of a record is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// By id.
    Whole,
    /// In a page.
    Paged,
    /// In an unpaged list.
    Unpaged,
    /// With `summaryOnly=true`.
    Summary,
}

/// What a view depends on beside the record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    pub(crate) depth: Depth,
    pub(crate) now: DateTime<Utc>,
    pub(crate) unit_places: u32,
}

impl Org {
    /// One record by its id.
    pub(crate) fn view(&self, kind: Kind, id: Uuid, look: Look) -> Option<Value> {
        match kind {
            Kind::Contacts => self.contacts.get(id).map(|contact| self.view_contact(contact, look)),
            Kind::Invoices => self.invoices.get(id).map(|invoice| self.view_invoice(invoice, look)),
            Kind::Payments => self.payments.get(id).map(|payment| self.view_payment(payment, look)),
        }
    }

    pub(crate) fn view_contact(&self, contact: &Contact, look: Look) -> Value {
        let mut view = contact.fields.clone();
        let mut put = |name: &str, value: Value| view.insert(name.to_owned(), value);
        put("ContactID", contact.id.to_string().into());
        put("ContactStatus", contact.status().into());
        put("IsCustomer", contact.is_customer.into());
        put("IsSupplier", contact.is_supplier.into());
        put("UpdatedDateUTC", stamp(contact.updated));
        put("HasAttachments", false.into());
        put("HasValidationErrors", false.into());
        put("ContactGroups", json!([]));
        if let Some(other) = contact.merged_to
            && look.depth != Depth::Unpaged
        {
            put("MergedToContactID", other.to_string().into());
        }
        let detailed = matches!(look.depth, Depth::Whole | Depth::Paged);
        if detailed && (contact.is_customer || contact.is_supplier) {
            let [[sales, sales_late], [bills, bills_late]] = self.balances(contact.id, look.now);
            put(
                "Balances",
                json!({
                    "AccountsReceivable": { "Outstanding": money(sales), "Overdue": money(sales_late) },
                    "AccountsPayable": { "Outstanding": money(bills), "Overdue": money(bills_late) },
                }),
            );
        }
        if look.depth == Depth::Unpaged {
            // Not null: an array that was left out comes as an empty one.
            put("ContactPersons", json!([]));
        }
        let drop: &[&str] = match look.depth {
            Depth::Whole | Depth::Paged => &[],
            Depth::Unpaged => &[
                "PaymentTerms",
                "SalesDefaultAccountCode",
                "PurchasesDefaultAccountCode",
                "SalesDefaultLineAmountType",
                "PurchasesDefaultLineAmountType",
                "SalesTrackingCategories",
                "PurchasesTrackingCategories",
                "XeroNetworkKey",
            ],
            Depth::Summary => &[
                "Addresses",
                "ContactGroups",
                "ContactPersons",
                "IsCustomer",
                "IsSupplier",
                "SalesDefaultAccountCode",
                "PurchasesDefaultAccountCode",
                "SalesTrackingCategories",
                "PurchasesTrackingCategories",
            ],
        };
        for name in drop {
            view.remove(*name);
        }
        Value::Object(view)
    }

    /// A contact as it appears inside an invoice of a list.
    fn thin_contact(&self, id: Uuid) -> Value {
        let name = self.contacts.get(id).map_or("", |contact| contact.text("Name"));
        json!({
            "ContactID": id.to_string(),
            "Name": name,
            "Addresses": [],
            "Phones": [],
            "ContactGroups": [],
            "ContactPersons": [],
            "HasValidationErrors": false,
        })
    }

    pub(crate) fn view_invoice(&self, invoice: &Invoice, look: Look) -> Value {
        let mut view = Map::new();
        let mut put = |name: &str, value: Value| view.insert(name.to_owned(), value);
        put("InvoiceID", invoice.id.to_string().into());
        put("Type", invoice.kind.clone().into());
        put("InvoiceNumber", invoice.number.clone().into());
        put("Reference", invoice.reference.clone().into());
        put("Status", invoice.status.text().into());
        put("LineAmountTypes", invoice.amounts.text().into());
        put("Date", day(invoice.date));
        put("DateString", day_string(invoice.date));
        if let Some(due) = invoice.due_date {
            put("DueDate", day(due));
            put("DueDateString", day_string(due));
        }
        if let Some(expected) = invoice.expected {
            put(if invoice.is_sale() { "ExpectedPaymentDate" } else { "PlannedPaymentDate" }, day(expected));
        }
        if let Some(on) = invoice.paid_on {
            put("FullyPaidOnDate", day(on));
        }
        if let Some(url) = &invoice.url {
            put("Url", url.clone().into());
        }
        if let Some(theme) = &invoice.theme {
            put("BrandingThemeID", theme.clone().into());
        }
        put("SubTotal", money(invoice.totals.sub));
        put("TotalTax", money(invoice.totals.tax));
        put("Total", money(invoice.totals.total));
        put("AmountDue", money(invoice.due()));
        put("AmountPaid", money(invoice.paid));
        put("AmountCredited", money(0.into()));
        put("CurrencyCode", super::settings::CURRENCY.into());
        put("CurrencyRate", places(1.into(), 6));
        put("SentToContact", invoice.sent.into());
        put("IsDiscounted", false.into());
        put("HasErrors", false.into());
        put("UpdatedDateUTC", stamp(invoice.updated));
        put("UpdatedDateUTCString", stamp_string(invoice.updated));
        for name in ["CreditNotes", "Prepayments", "Overpayments"] {
            put(name, json!([]));
        }
        let contact = match (look.depth, self.contacts.get(invoice.contact)) {
            (Depth::Whole, Some(contact)) => self.view_contact(contact, Look { depth: Depth::Unpaged, ..look }),
            _ => self.thin_contact(invoice.contact),
        };
        put("Contact", contact);
        let lines = match look.depth {
            Depth::Whole | Depth::Paged => invoice.lines.iter().map(|line| line.view(look.unit_places)).collect(),
            Depth::Unpaged | Depth::Summary => Vec::new(),
        };
        put("LineItems", Value::Array(lines));
        put("Payments", Value::Array(self.payments_of(invoice.id)));
        put("HasAttachments", false.into());
        if look.depth == Depth::Summary {
            for name in ["Payments", "HasAttachments", "LineItems"] {
                view.remove(name);
            }
        }
        Value::Object(view)
    }

    fn payments_of(&self, invoice: Uuid) -> Vec<Value> {
        let payments = self.payments.with_key(BY_INVOICE, &invoice.to_string());
        let payments = payments.filter_map(|id| self.payments.get(id)).filter(|payment| !payment.deleted);
        let view = |payment: &Payment| {
            json!({
                "PaymentID": payment.id.to_string(),
                "Date": day(payment.date),
                "Amount": money(payment.amount),
                "Reference": payment.reference,
                "CurrencyRate": places(1.into(), 6),
                "HasAccount": false,
                "HasValidationErrors": false,
            })
        };
        payments.map(view).collect()
    }

    pub(crate) fn view_payment(&self, payment: &Payment, look: Look) -> Value {
        let account = self.settings.accounts.iter().find(|account| account.id == payment.account);
        let code = account.map_or("", |account| account.text("Code"));
        let invoice = match (look.depth, self.invoices.get(payment.invoice)) {
            (Depth::Whole, Some(invoice)) => self.view_invoice(invoice, Look { depth: Depth::Paged, ..look }),
            (_, Some(invoice)) => json!({
                "InvoiceID": invoice.id.to_string(),
                "InvoiceNumber": invoice.number,
                "Type": invoice.kind,
                "CurrencyCode": super::settings::CURRENCY,
                "Contact": self.thin_contact(invoice.contact),
                "Payments": [],
                "CreditNotes": [],
                "Prepayments": [],
                "Overpayments": [],
                "LineItems": [],
                "HasErrors": false,
            }),
            (_, None) => Value::Null,
        };
        json!({
            "PaymentID": payment.id.to_string(),
            "Date": day(payment.date),
            "Amount": money(payment.amount),
            "BankAmount": money(payment.amount),
            "Reference": payment.reference,
            "CurrencyRate": places(1.into(), 6),
            "PaymentType": payment.kind,
            "Status": payment.status(),
            "IsReconciled": payment.reconciled,
            "Account": { "AccountID": payment.account.to_string(), "Code": code },
            "Invoice": invoice,
            "HasAccount": true,
            "HasValidationErrors": false,
            "UpdatedDateUTC": stamp(payment.updated),
            "UpdatedDateUTCString": stamp_string(payment.updated),
        })
    }
}
