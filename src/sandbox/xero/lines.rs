//! Line items: their rules, their amounts, their tax.

use rust_decimal::Decimal;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    org::{Org, Rejected, given_id},
    settings::Settings,
    text::{amount, given, given_text, money, places, round},
};

/// One line of an invoice.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Line {
    pub(crate) id: Uuid,
    pub(crate) description: Option<String>,
    pub(crate) quantity: Option<Decimal>,
    pub(crate) unit: Option<Decimal>,
    pub(crate) item_code: Option<String>,
    pub(crate) account: Option<String>,
    pub(crate) tax_type: Option<String>,
    tax_override: Option<Decimal>,
    discount_rate: Option<Decimal>,
    stated: Option<Decimal>,
    pub(crate) tracking: Vec<Value>,
    pub(crate) amount: Decimal,
    pub(crate) tax: Decimal,
}

/// How line amounts stand to tax.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Amounts {
    Exclusive,
    Inclusive,
    NoTax,
}

impl Amounts {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Exclusive, Self::Inclusive, Self::NoTax].into_iter().find(|one| one.text().eq_ignore_ascii_case(text))
    }

    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Exclusive => "Exclusive",
            Self::Inclusive => "Inclusive",
            Self::NoTax => "NoTax",
        }
    }
}

/// Sums of an invoice's lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) sub: Decimal,
    pub(crate) tax: Decimal,
    pub(crate) total: Decimal,
}

impl Line {
    fn blank(id: Uuid) -> Self {
        Self {
            id,
            description: None,
            quantity: None,
            unit: None,
            item_code: None,
            account: None,
            tax_type: None,
            tax_override: None,
            discount_rate: None,
            stated: None,
            tracking: Vec::new(),
            amount: Decimal::ZERO,
            tax: Decimal::ZERO,
        }
    }

    fn set(&mut self, sent: &Map<String, Value>, unit_places: u32, wrong: &mut Rejected) {
        let texts = [
            ("Description", &mut self.description),
            ("ItemCode", &mut self.item_code),
            ("AccountCode", &mut self.account),
            ("TaxType", &mut self.tax_type),
        ];
        for (name, slot) in texts {
            if let Some(text) = given_text(sent, name) {
                *slot = Some(text).filter(|text| !text.is_empty());
            }
        }
        if self.description.as_ref().is_some_and(|text| text.chars().count() > 4_000) {
            wrong.push("Description must not be more than 4000 characters long".to_owned()); // guess
        }
        // A changed amount makes an earlier LineAmount moot.
        if ["Quantity", "UnitAmount", "DiscountRate"].iter().any(|name| given(sent, name).is_some()) {
            self.stated = None;
        }
        let numbers = [
            ("Quantity", &mut self.quantity, 4),
            ("UnitAmount", &mut self.unit, unit_places),
            ("LineAmount", &mut self.stated, 2),
            ("TaxAmount", &mut self.tax_override, 2),
            ("DiscountRate", &mut self.discount_rate, 4),
        ];
        for (name, slot, places) in numbers {
            let Some(value) = given(sent, name) else { continue };
            match amount(value) {
                Some(number) => *slot = Some(round(number, places)),
                None => wrong.push(format!("{name} '{value}' is not a valid number")), // guess
            }
        }
        if let Some(Value::Array(tracking)) = given(sent, "Tracking") {
            self.tracking.clone_from(tracking);
        }
    }

    /// Works out the line's amount and tax.
    fn count(&mut self, amounts: Amounts, rate: Decimal, wrong: &mut Rejected) {
        let discount = (Decimal::ONE_HUNDRED - self.discount_rate.unwrap_or_default()) / Decimal::ONE_HUNDRED;
        // One of the two alone is completed from LineAmount.
        if let Some(line) = self.stated {
            match (self.quantity, self.unit) {
                (None, None) => (self.quantity, self.unit) = (Some(Decimal::ONE), Some(line)),
                (Some(quantity), None) if !quantity.is_zero() => self.unit = Some(round(line / quantity, 4)),
                (None, Some(unit)) if !unit.is_zero() => self.quantity = Some(round(line / unit, 4)),
                _ => {}
            }
        } else if self.unit.is_some() && self.quantity.is_none() {
            self.quantity = Some(Decimal::ONE);
        }
        let product = self.quantity.unwrap_or_default().checked_mul(self.unit.unwrap_or_default());
        let Some(product) = product.and_then(|product| product.checked_mul(discount)) else {
            wrong.push("The line amount is too large".to_owned()); // guess
            return;
        };
        let expected = round(product, 2);
        if let Some(line) = self.stated.filter(|line| (*line - expected).abs() > Decimal::new(1, 2)) {
            wrong.push(format!("The line total {line} does not match the expected line total {expected}"));
        }
        self.amount = self.stated.unwrap_or(expected);
        // 9,999,999,999.99 is the documented most.
        if self.amount.abs() > Decimal::new(999_999_999_999, 2) {
            wrong.push("The line amount is too large".to_owned()); // guess
        }
        let tax = match amounts {
            Amounts::NoTax => Decimal::ZERO,
            Amounts::Exclusive => self.amount * rate / Decimal::ONE_HUNDRED,
            Amounts::Inclusive => self.amount - self.amount * Decimal::ONE_HUNDRED / (Decimal::ONE_HUNDRED + rate),
        };
        self.tax = self.tax_override.unwrap_or_else(|| round(tax, 2));
    }

    pub(crate) fn view(&self, unit_places: u32) -> Value {
        let mut view = Map::new();
        view.insert("LineItemID".to_owned(), self.id.to_string().into());
        let texts = [
            ("Description", &self.description),
            ("ItemCode", &self.item_code),
            ("AccountCode", &self.account),
            ("TaxType", &self.tax_type),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                view.insert(name.to_owned(), text.clone().into());
            }
        }
        if let Some(quantity) = self.quantity {
            view.insert("Quantity".to_owned(), places(quantity, 4));
        }
        if let Some(unit) = self.unit {
            view.insert("UnitAmount".to_owned(), places(unit, unit_places));
        }
        if let Some(rate) = self.discount_rate {
            view.insert("DiscountRate".to_owned(), places(rate, 2));
        }
        view.insert("LineAmount".to_owned(), money(self.amount));
        view.insert("TaxAmount".to_owned(), money(self.tax));
        view.insert("Tracking".to_owned(), json!(self.tracking));
        Value::Object(view)
    }
}

impl Org {
    /// The lines after a write: an item with a known id changes that line, one without makes a line, and a line whose
    /// id was not sent is gone (Xero accounting docs, invoices).
    pub(crate) fn set_lines(
        &mut self,
        old: &[Line],
        sent: &[Value],
        unit_places: u32,
        wrong: &mut Rejected,
    ) -> Vec<Line> {
        let mut lines = Vec::with_capacity(sent.len());
        for sent in sent.iter().filter_map(Value::as_object) {
            let mut line = match given_id(sent, "LineItemID") {
                None => Line::blank(self.id()),
                Some(Ok(id)) => {
                    if let Some(line) = old.iter().find(|line| line.id == id) {
                        line.clone()
                    } else {
                        wrong.push(format!("The LineItemID '{id}' does not belong to this document")); // guess
                        continue;
                    }
                }
                Some(Err(reasons)) => {
                    wrong.extend(reasons);
                    continue;
                }
            };
            line.set(sent, unit_places, wrong);
            lines.push(line);
        }
        lines
    }

    /// Checks lines against the chart of accounts and the tax rates, and sums them.
    pub(crate) fn count_lines(
        &self,
        lines: &mut [Line],
        amounts: Amounts,
        complete: bool,
        wrong: &mut Rejected,
    ) -> Totals {
        let mut totals = Totals::default();
        for line in lines {
            if line.description.is_none() && line.item_code.is_none() {
                wrong.push("Description must not be empty".to_owned()); // guess
            }
            let account = line.account.as_deref().map(|code| (code, self.settings.account_tax(code)));
            match account {
                Some((code, None)) => {
                    wrong.push(format!("Account code '{code}' is not a valid code for this document."));
                }
                None if complete && line.unit.is_some() => {
                    wrong.push("Account code must be specified".to_owned()); // guess
                }
                Some((_, Some(tax))) if line.tax_type.is_none() => line.tax_type = Some(tax.to_owned()),
                _ => {}
            }
            let rate = match line.tax_type.as_deref() {
                None => Decimal::ZERO,
                Some(tax) => Settings::tax_rate(tax).unwrap_or_else(|| {
                    wrong.push(format!(
                        "The TaxType code '{tax}' does not exist or cannot be used for this type of transaction."
                    ));
                    Decimal::ZERO
                }),
            };
            line.count(amounts, rate, wrong);
            totals.sub += line.amount;
            totals.tax += line.tax;
        }
        match amounts {
            Amounts::Inclusive => {
                totals.total = totals.sub;
                totals.sub -= totals.tax;
            }
            Amounts::Exclusive | Amounts::NoTax => totals.total = totals.sub + totals.tax,
        }
        totals
    }
}
