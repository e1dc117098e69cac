//! One practice organisation: its records and what every write needs.

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{contacts::Contact, invoices::Invoice, payments::Payment, settings::Settings, shelf::Shelf};

/// Why Xero does not take an element, in its own words.
pub(crate) type Rejected = Vec<String>;

/// An element that was taken.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) id: Uuid,
    pub(crate) warnings: Vec<String>,
}

impl Taken {
    pub(crate) fn new(id: Uuid) -> Self {
        Self { id, warnings: Vec::new() }
    }
}

/// How a write reaches a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// PUT: makes, never changes.
    Create,
    /// POST: changes what it finds, else makes.
    Upsert,
    /// POST to a record's own address.
    Change(Uuid),
}

/// Who writes: rules for a person at the screen are wider in places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Api,
    Person,
}

/// What every write needs to know.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Write {
    pub(crate) mode: Mode,
    pub(crate) who: Who,
    pub(crate) now: DateTime<Utc>,
    /// Decimal places of unit amounts: 2, or 4 with `unitdp=4`.
    pub(crate) unit_places: u32,
}

/// The records of one organisation.
#[derive(Debug)]
pub(crate) struct Org {
    pub(crate) contacts: Shelf<Contact>,
    pub(crate) invoices: Shelf<Invoice>,
    pub(crate) payments: Shelf<Payment>,
    pub(crate) settings: Settings,
    pub(crate) next_number: u64,
    random: fastrand::Rng,
    /// Apart from the records' ids, so that reading more or less changes none of them.
    answers: fastrand::Rng,
}

impl Org {
    pub(crate) fn new(seed: u64, now: DateTime<Utc>) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let settings = Settings::new(now, &mut || new_id(&mut random));
        Self {
            contacts: Shelf::default(),
            invoices: Shelf::default(),
            payments: Shelf::default(),
            settings,
            next_number: 1,
            random,
            answers: fastrand::Rng::with_seed(!seed),
        }
    }

    /// A new random id, from the seed.
    pub(crate) fn id(&mut self) -> Uuid {
        new_id(&mut self.random)
    }

    /// The id of an answer.
    pub(crate) fn answer_id(&mut self) -> Uuid {
        new_id(&mut self.answers)
    }

    /// Today in the organisation's time zone.
    pub(crate) fn today(now: DateTime<Utc>) -> NaiveDate {
        now.with_timezone(&Tz::Pacific__Auckland).date_naive()
    }

    pub(crate) fn mark(&self) -> [usize; 3] {
        [self.contacts.mark(), self.invoices.mark(), self.payments.mark()]
    }

    pub(crate) fn back_to(&mut self, [contacts, invoices, payments]: [usize; 3]) {
        self.contacts.back_to(contacts);
        self.invoices.back_to(invoices);
        self.payments.back_to(payments);
    }

    pub(crate) fn settle(&mut self) {
        self.contacts.settle();
        self.invoices.settle();
        self.payments.settle();
    }

    /// Applies one element, whole or not at all.
    pub(crate) fn write(&mut self, kind: Kind, element: &Map<String, Value>, write: Write) -> Result<Taken, Rejected> {
        let mark = self.mark();
        let done = match kind {
            Kind::Contacts => self.write_contact(element, write),
            Kind::Invoices => self.write_invoice(element, write),
            Kind::Payments => self.write_payment(element, write),
        };
        if done.is_err() {
            self.back_to(mark);
        }
        done
    }
}

/// The kinds of record that are kept on shelves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Contacts,
    Invoices,
    Payments,
}

impl Kind {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        [Self::Contacts, Self::Invoices, Self::Payments]
            .into_iter()
            .find(|kind| kind.plural().eq_ignore_ascii_case(name))
    }

    pub(crate) fn plural(self) -> &'static str {
        match self {
            Self::Contacts => "Contacts",
            Self::Invoices => "Invoices",
            Self::Payments => "Payments",
        }
    }

    pub(crate) fn id_name(self) -> &'static str {
        match self {
            Self::Contacts => "ContactID",
            Self::Invoices => "InvoiceID",
            Self::Payments => "PaymentID",
        }
    }

    /// The property that tells a batch's reader that an element failed.
    pub(crate) fn error_flag(self) -> &'static str {
        match self {
            Self::Invoices => "HasErrors",
            Self::Contacts | Self::Payments => "HasValidationErrors",
        }
    }
}

fn new_id(random: &mut fastrand::Rng) -> Uuid {
    uuid::Builder::from_random_bytes(random.u128(..).to_be_bytes()).into_uuid()
}

/// An id in a property of a write.
pub(crate) fn given_id(object: &Map<String, Value>, name: &str) -> Option<Result<Uuid, Rejected>> {
    let text = super::text::given_text(object, name).filter(|text| !text.is_empty())?;
    // The all-zero id is how .NET says "none".
    match text.parse::<Uuid>() {
        Ok(id) if id.is_nil() => None,
        Ok(id) => Some(Ok(id)),
        Err(_) => Some(Err(vec![format!("{name} '{text}' is not a valid identifier")])),
    }
}
