//! The chart of accounts, the tax rates and the organisation itself.

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    filter::Cell,
    org::Rejected,
    text::{day, given, given_text, stamp},
};

/// The organisation's only currency.
pub(crate) const CURRENCY: &str = "NZD";

/// Code, name, type, class, tax type, and whether payments may be made to it.
const ACCOUNTS: [(&str, &str, &str, &str, &str, bool); 9] = [
    ("090", "Business Bank Account", "BANK", "ASSET", "NONE", false),
    ("091", "Card Clearing", "BANK", "ASSET", "NONE", false),
    ("200", "Sales", "REVENUE", "REVENUE", "OUTPUT2", false),
    ("260", "Other Revenue", "REVENUE", "REVENUE", "OUTPUT2", false),
    ("270", "Interest Income", "REVENUE", "REVENUE", "NONE", false),
    ("400", "Advertising", "EXPENSE", "EXPENSE", "INPUT2", false),
    ("404", "Bank Fees", "EXPENSE", "EXPENSE", "NONE", false),
    ("825", "Petty Cash", "CURRLIAB", "LIABILITY", "NONE", true),
    ("860", "Rounding", "CURRLIAB", "LIABILITY", "NONE", false),
];

/// Tax type, name, percent, for income, for expenses.
const TAX_RATES: [(&str, &str, u32, bool, bool); 4] = [
    ("OUTPUT2", "15% GST on Income", 15, true, false),
    ("INPUT2", "15% GST on Expenses", 15, false, true),
    ("ZERORATED", "Zero Rated", 0, true, true),
    ("NONE", "No GST", 0, true, true),
];

/// One account of the chart.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) id: Uuid,
    pub(crate) fields: Map<String, Value>,
    pub(crate) updated: DateTime<Utc>,
}

impl Account {
    pub(crate) fn text(&self, name: &str) -> &str {
        self.fields.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    pub(crate) fn takes_payments(&self) -> bool {
        self.text("Status") == "ACTIVE"
            && (self.text("Type") == "BANK" || self.fields.get("EnablePaymentsToAccount") == Some(&Value::Bool(true)))
    }

    /// The value that `where` sees at a lower-case path.
    pub(crate) fn cell(&self, path: &str) -> Option<Cell> {
        match path {
            "accountid" => Some(Cell::Text(self.id.to_string())),
            "updateddateutc" => Some(Cell::Moment(self.updated.timestamp_millis())),
            "enablepaymentstoaccount" => {
                self.fields.get("EnablePaymentsToAccount").and_then(Value::as_bool).map(Cell::Flag)
            }
            "code" | "name" | "type" | "status" | "class" | "taxtype" | "description" => {
                let text = self.fields.iter().find(|(name, _)| name.eq_ignore_ascii_case(path));
                Some(text.and_then(|(_, value)| value.as_str()).map_or(Cell::Null, |text| Cell::Text(text.to_owned())))
            }
            _ => None,
        }
    }

    pub(crate) fn view(&self) -> Value {
        let mut view = self.fields.clone();
        view.insert("AccountID".to_owned(), self.id.to_string().into());
        view.insert("UpdatedDateUTC".to_owned(), stamp(self.updated));
        view.insert("HasAttachments".to_owned(), false.into());
        Value::Object(view)
    }
}

/// Reference data of one organisation.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) accounts: Vec<Account>,
    pub(crate) organisation: Uuid,
    pub(crate) created: DateTime<Utc>,
    pub(crate) period_lock: Option<NaiveDate>,
    pub(crate) year_lock: Option<NaiveDate>,
}

impl Settings {
    pub(crate) fn new(now: DateTime<Utc>, id: &mut dyn FnMut() -> Uuid) -> Self {
        let account = |(code, name, kind, class, tax, payments): (&str, &str, &str, &str, &str, bool)| {
            let mut fields = Map::new();
            for (name, value) in [
                ("Code", code),
                ("Name", name),
                ("Type", kind),
                ("Class", class),
                ("TaxType", tax),
                ("Status", "ACTIVE"),
            ] {
                fields.insert(name.to_owned(), value.into());
            }
            fields.insert("EnablePaymentsToAccount".to_owned(), payments.into());
            fields.insert("ShowInExpenseClaims".to_owned(), false.into());
            if kind == "BANK" {
                fields.insert("BankAccountNumber".to_owned(), format!("01-0001-{code}0001-00").into());
                fields.insert("BankAccountType".to_owned(), "BANK".into());
                fields.insert("CurrencyCode".to_owned(), CURRENCY.into());
            }
            fields
        };
        let accounts =
            ACCOUNTS.map(|row| Account { id: id(), fields: account(row), updated: now }).into_iter().collect();
        Self { accounts, organisation: id(), created: now, period_lock: None, year_lock: None }
    }

    /// The account with this id or code.
    pub(crate) fn find_account(&self, id: Option<&str>, code: Option<&str>) -> Option<&Account> {
        self.accounts.iter().find(|account| match (id, code) {
            (Some(id), _) => account.id.to_string().eq_ignore_ascii_case(id),
            (None, Some(code)) => account.text("Code") == code,
            (None, None) => false,
        })
    }

    /// The default tax type of an active account; `None` when there is no such account.
    pub(crate) fn account_tax(&self, code: &str) -> Option<&str> {
        let account = self.find_account(None, Some(code)).filter(|account| account.text("Status") == "ACTIVE")?;
        // A bank account cannot stand on a line.
        (account.text("Type") != "BANK").then(|| account.text("TaxType"))
    }

    /// A tax type's rate in percent.
    pub(crate) fn tax_rate(tax: &str) -> Option<Decimal> {
        TAX_RATES.iter().find(|row| row.0 == tax).map(|row| Decimal::from(row.2))
    }

    /// No document on or before this day may be made or changed.
    pub(crate) fn lock_date(&self) -> Option<NaiveDate> {
        self.period_lock.max(self.year_lock)
    }

    pub(crate) fn tax_rates() -> Vec<Value> {
        let view = |(tax, name, percent, income, expense): (&str, &str, u32, bool, bool)| {
            json!({
                "Name": name,
                "TaxType": tax,
                "Status": "ACTIVE",
                "ReportTaxType": if income && expense { "NONE" } else { tax },
                "CanApplyToAssets": true,
                "CanApplyToEquity": true,
                "CanApplyToExpenses": expense,
                "CanApplyToLiabilities": true,
                "CanApplyToRevenue": income,
                "DisplayTaxRate": percent,
                "EffectiveRate": percent,
                "TaxComponents": [{ "Name": "GST", "Rate": percent, "IsCompound": false, "IsNonRecoverable": false }],
            })
        };
        TAX_RATES.map(view).into_iter().collect()
    }

    pub(crate) fn organisation(&self) -> Value {
        let mut view = json!({
            "OrganisationID": self.organisation.to_string(),
            "Name": "Practice Company (NZ)",
            "LegalName": "Practice Company (NZ)",
            "PaysTax": true,
            "Version": "NZ",
            "OrganisationType": "COMPANY",
            "OrganisationEntityType": "COMPANY",
            "BaseCurrency": CURRENCY,
            "CountryCode": "NZ",
            "IsDemoCompany": true,
            "OrganisationStatus": "ACTIVE",
            "FinancialYearEndDay": 31,
            "FinancialYearEndMonth": 3,
            "DefaultSalesTax": "Tax Exclusive",
            "DefaultPurchasesTax": "Tax Exclusive",
            "CreatedDateUTC": stamp(self.created),
            "Timezone": "NEWZEALANDSTANDARDTIME",
            "ShortCode": "!practice",
        });
        for (name, date) in [("PeriodLockDate", self.period_lock), ("EndOfYearLockDate", self.year_lock)] {
            if let (Some(date), Some(view)) = (date, view.as_object_mut()) {
                view.insert(name.to_owned(), day(date));
            }
        }
        view
    }

    /// Makes an account (`at` absent) or changes one, and gives its place.
    pub(crate) fn write_account(
        &mut self,
        at: Option<usize>,
        sent: &Map<String, Value>,
        now: DateTime<Utc>,
        id: Uuid,
    ) -> Result<usize, Rejected> {
        let mut wrong = Vec::new();
        let code = given_text(sent, "Code");
        let name = given_text(sent, "Name");
        let other = |name: &str, text: &str| {
            self.accounts.iter().enumerate().any(|(place, account)| Some(place) != at && account.text(name) == text)
        };
        if code.as_deref().is_some_and(|code| code.is_empty() || code.len() > 10 || other("Code", code)) {
            wrong.push("Please enter a unique Code.".to_owned());
        }
        if name.as_deref().is_some_and(|name| name.is_empty() || name.len() > 150 || other("Name", name)) {
            wrong.push("Please enter a unique Name.".to_owned());
        }
        if at.is_none() && (name.is_none() || given_text(sent, "Type").is_none()) {
            wrong.push("Name and Type must be specified".to_owned()); // guess
        }
        if at.is_some() && given(sent, "Status").is_some() && (code.is_some() || name.is_some()) {
            wrong.push("An account can only be archived in a request of its own".to_owned()); // guess
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let mut account = at.and_then(|at| self.accounts.get(at)).cloned().unwrap_or_else(|| {
            let mut fields = Map::new();
            for (name, value) in [("Status", "ACTIVE"), ("TaxType", "NONE")] {
                fields.insert(name.to_owned(), value.into());
            }
            fields.insert("EnablePaymentsToAccount".to_owned(), false.into());
            Account { id, fields, updated: now }
        });
        for name in ["Code", "Name", "Type", "Status", "TaxType", "Description", "BankAccountNumber"] {
            if let Some(text) = given_text(sent, name) {
                account.fields.insert(name.to_owned(), text.into());
            }
        }
        if let Some(flag) = given(sent, "EnablePaymentsToAccount").and_then(Value::as_bool) {
            account.fields.insert("EnablePaymentsToAccount".to_owned(), flag.into());
        }
        account.updated = now;
        match at.and_then(|at| self.accounts.get_mut(at)) {
            Some(old) => *old = account,
            None => self.accounts.push(account),
        }
        Ok(at.unwrap_or(self.accounts.len() - 1))
    }
}
