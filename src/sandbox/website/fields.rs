//! The website's resources and their properties, as `schemas/website.openapi.yaml` words them.

/// What a property may hold; every property may also be null.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// Text of at most so many characters.
    Text(usize),
    Email,
    Flag,
    Integer,
    /// A JSON number with at most four decimal places.
    Decimal,
    /// `2026-06-01`
    Day,
    /// RFC 3339 with an offset.
    Moment,
    Choice(&'static [&'static str]),
    /// The id of a record in that resource.
    Link(&'static str),
    /// A list of ids of records in that resource.
    Links(&'static str),
    Object(&'static [Field]),
    /// An object of texts of at most so many characters, under names that the site chooses.
    Custom(usize),
    /// A list of objects, replaced as a whole by a write.
    Lines(&'static [Field]),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
}

#[derive(Debug)]
pub(crate) struct Resource {
    pub(crate) name: &'static str,
    /// Ids are this letter and a number.
    pub(crate) letter: char,
    pub(crate) fields: &'static [Field],
    /// Properties that a list can be asked for by equal value.
    pub(crate) keys: &'static [&'static str],
}

const fn field(name: &'static str, kind: Kind) -> Field {
    Field { name, kind }
}

const NAME: Kind = Kind::Text(255);
const SHORT: Kind = Kind::Text(50);
const LONG: Kind = Kind::Text(10_000);
const CURRENCY: Kind = Kind::Text(3);
const CONTACT: Field = field("contact_id", Kind::Link("contacts"));
const XERO: Field = field("xero_id", SHORT);

const POSTAL: &[Field] = &[
    field("line1", Kind::Text(500)),
    field("line2", Kind::Text(500)),
    field("city", NAME),
    field("region", NAME),
    field("postcode", SHORT),
    field("country", SHORT),
];

const LINES: &[Field] = &[
    field("line_no", Kind::Integer),
    field("title", Kind::Text(4_000)),
    field("quantity", Kind::Decimal),
    field("cents", Kind::Integer),
    field("income", SHORT),
];

const CONTACTS: &[Field] = &[
    field("first_name", NAME),
    field("last_name", NAME),
    field("company", NAME),
    field("email", Kind::Email),
    field("phone", SHORT),
    field("mobile", SHORT),
    field("account", SHORT),
    field("tax_number", SHORT),
    field("postal", Kind::Object(POSTAL)),
    field("notes", LONG),
    field("subscribed", Kind::Flag),
    XERO,
    field("xpm_id", SHORT),
    field("xpm_contact_id", SHORT),
    field("primary", Kind::Flag),
    field("custom", Kind::Custom(1_000)),
];

const GROUPS: &[Field] = &[
    field("name", NAME),
    field("description", LONG),
    field("contact_ids", Kind::Links("contacts")),
    field("xpm_id", SHORT),
];

const DELIVERY: &[Field] = &[
    field("name", NAME),
    field("line1", Kind::Text(500)),
    field("line2", Kind::Text(500)),
    field("suburb", NAME),
    field("city", NAME),
    field("postcode", SHORT),
    field("country", Kind::Text(2)),
    field("phone", SHORT),
    field("email", NAME),
    field("instructions", NAME),
    field("status", NAME),
    field("tracking", Kind::Text(500)),
];

const SALES: &[Field] = &[
    field("number", SHORT),
    CONTACT,
    field("reference", NAME),
    field("sold_at", Kind::Moment),
    field("due_on", Kind::Day),
    field("currency", CURRENCY),
    field("lines", Kind::Lines(LINES)),
    field("total", Kind::Decimal),
    field("status", Kind::Choice(&["open", "paid", "cancelled"])),
    field("notes", LONG),
    field("delivery", Kind::Object(DELIVERY)),
    XERO,
];

const RECEIPTS: &[Field] = &[
    field("number", SHORT),
    CONTACT,
    field("sale_id", Kind::Link("sales")),
    field("received_at", Kind::Moment),
    field("amount", Kind::Decimal),
    field("currency", CURRENCY),
    field("method", Kind::Choice(&["card", "bank", "cash", "cheque", "voucher"])),
    field("reference", NAME),
    XERO,
];

const INVOICES: &[Field] = &[
    XERO,
    field("number", NAME),
    CONTACT,
    field("reference", NAME),
    field("date", Kind::Day),
    field("due_date", Kind::Day),
    field("currency", CURRENCY),
    field("total", Kind::Decimal),
    field("tax", Kind::Decimal),
    field("amount_paid", Kind::Decimal),
    field("amount_due", Kind::Decimal),
    field("status", SHORT),
];

const PAYMENTS: &[Field] = &[
    XERO,
    CONTACT,
    field("invoice_id", Kind::Link("invoices")),
    field("sale_id", Kind::Link("sales")),
    field("date", Kind::Day),
    field("amount", Kind::Decimal),
    field("currency", CURRENCY),
    field("account", SHORT),
    field("reference", NAME),
];

const LEADS: &[Field] = &[
    field("first_name", NAME),
    field("last_name", NAME),
    field("company", NAME),
    field("email", Kind::Email),
    field("phone", SHORT),
    field("message", LONG),
    field("form", NAME),
    field("status", Kind::Choice(&["new", "open", "won", "lost"])),
    CONTACT,
    field("xpm_id", SHORT),
];

const PROPOSALS: &[Field] = &[
    field("number", SHORT),
    CONTACT,
    field("title", NAME),
    field("status", Kind::Choice(&["draft", "sent", "accepted", "declined"])),
    field("sent_at", Kind::Moment),
    field("accepted_at", Kind::Moment),
    field("currency", CURRENCY),
    field("lines", Kind::Lines(LINES)),
    field("total", Kind::Decimal),
];

/// All resources of the contract.
pub(crate) static RESOURCES: [Resource; 8] = [
    Resource { name: "contacts", letter: 'c', fields: CONTACTS, keys: &["email", "account", "xero_id", "xpm_id"] },
    Resource { name: "groups", letter: 'g', fields: GROUPS, keys: &["name", "xpm_id"] },
    Resource { name: "sales", letter: 's', fields: SALES, keys: &["number", "contact_id", "xero_id"] },
    Resource { name: "receipts", letter: 'r', fields: RECEIPTS, keys: &["number", "sale_id", "xero_id"] },
    Resource { name: "invoices", letter: 'i', fields: INVOICES, keys: &["number", "contact_id", "xero_id"] },
    Resource { name: "payments", letter: 'p', fields: PAYMENTS, keys: &["invoice_id", "xero_id"] },
    Resource { name: "leads", letter: 'l', fields: LEADS, keys: &["email", "xpm_id"] },
    Resource { name: "proposals", letter: 'o', fields: PROPOSALS, keys: &["number", "contact_id"] },
];
