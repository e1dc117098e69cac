//! Where a listing stands, as the engine keeps it between pages.

use std::fmt;

use chrono::NaiveDate;

/// Begins every spot that is more than a remote's own page; no page number, cursor or address begins so.
const MARK: char = '\u{1}';

/// Where a listing stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Spot {
    /// A page of the remote's, perhaps in a window of dates.
    Page {
        /// The first day of the window.
        window: Option<NaiveDate>,
        /// The page within; `None` is the first.
        inner: Option<String>,
    },
    /// A portion of a large answer that is kept here.
    Portion {
        /// Which answer.
        ticket: String,
        /// Its first record.
        from: usize,
    },
    /// A page of the feed of deleted records; `None` is the first.
    Deleted(Option<String>),
}

impl Spot {
    /// Reads what [`Spot::to_string`] wrote; anything else is a remote's own page.
    pub(super) fn parse(page: Option<&str>) -> Self {
        let whole = || Self::Page { window: None, inner: page.map(str::to_owned) };
        let Some(marked) = page.and_then(|page| page.strip_prefix(MARK)) else { return whole() };
        let mut parts = marked.splitn(3, MARK);
        match (parts.next(), parts.next(), parts.next()) {
            (Some("deleted"), None, None) => Self::Deleted(None),
            (Some("deleted"), Some(_), _) => Self::Deleted(marked.split_once(MARK).map(|(_, inner)| inner.to_owned())),
            (Some("portion"), Some(ticket), Some(from)) => match from.parse() {
                Ok(from) => Self::Portion { ticket: ticket.to_owned(), from },
                Err(_) => whole(),
            },
            (Some("window"), Some(day), inner) => match day.parse() {
                Ok(day) => Self::Page { window: Some(day), inner: inner.map(str::to_owned) },
                Err(_) => whole(),
            },
            _ => whole(),
        }
    }

    /// The remote's own page.
    pub(super) fn inner(&self) -> Option<&str> {
        match self {
            Self::Page { inner, .. } | Self::Deleted(inner) => inner.as_deref(),
            Self::Portion { .. } => None,
        }
    }

    /// Whether the listing begins here.
    pub(super) const fn is_first(&self) -> bool {
        matches!(self, Self::Page { window: None, inner: None })
    }
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Page { window: None, inner } => f.write_str(inner.as_deref().unwrap_or_default()),
            Self::Page { window: Some(day), inner: None } => write!(f, "{MARK}window{MARK}{day}"),
            Self::Page { window: Some(day), inner: Some(inner) } => write!(f, "{MARK}window{MARK}{day}{MARK}{inner}"),
            Self::Portion { ticket, from } => write!(f, "{MARK}portion{MARK}{ticket}{MARK}{from}"),
            Self::Deleted(None) => write!(f, "{MARK}deleted"),
            Self::Deleted(Some(inner)) => write!(f, "{MARK}deleted{MARK}{inner}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spot_is_found_again() {
        let day = NaiveDate::from_ymd_opt(2026, 6, 1);
        for spot in [
            Spot::Page { window: None, inner: Some("a\u{1}b".to_owned()) },
            Spot::Page { window: day, inner: None },
            Spot::Page { window: day, inner: Some("\u{1}x\u{1}".to_owned()) },
            Spot::Portion { ticket: "3".to_owned(), from: 17 },
            Spot::Deleted(None),
            Spot::Deleted(Some("2\u{1}x".to_owned())),
        ] {
            assert_eq!(Spot::parse(Some(&spot.to_string())), spot);
        }
        assert!(Spot::parse(None).is_first());
        assert_eq!(Spot::parse(Some("\u{1}odd")).inner(), Some("\u{1}odd"));
    }
}
