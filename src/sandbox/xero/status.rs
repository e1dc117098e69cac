//! Where an invoice stands, and where it may go; pure.

/// Where an invoice stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Draft,
    Submitted,
    Authorised,
    Paid,
    Voided,
    Deleted,
}

impl Status {
    const ALL: [Self; 6] = [Self::Draft, Self::Submitted, Self::Authorised, Self::Paid, Self::Voided, Self::Deleted];

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.text() == text)
    }

    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Draft => "DRAFT",
            Self::Submitted => "SUBMITTED",
            Self::Authorised => "AUTHORISED",
            Self::Paid => "PAID",
            Self::Voided => "VOIDED",
            Self::Deleted => "DELETED",
        }
    }

    /// Whether a POST may move an invoice there (Xero accounting docs, invoices).
    pub(crate) fn may_become(self, next: Self, paid: bool) -> bool {
        match (self, next) {
            (Self::Draft | Self::Submitted, Self::Draft | Self::Submitted | Self::Authorised | Self::Deleted)
            | (Self::Authorised, Self::Authorised)
            | (Self::Paid, Self::Paid) => true,
            (Self::Authorised, Self::Voided) => !paid,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_documented_moves_are_allowed() {
        let allowed = [
            "DRAFT DRAFT",
            "DRAFT SUBMITTED",
            "DRAFT AUTHORISED",
            "DRAFT DELETED",
            "SUBMITTED SUBMITTED",
            "SUBMITTED AUTHORISED",
            "SUBMITTED DRAFT",
            "SUBMITTED DELETED",
            "AUTHORISED AUTHORISED",
            "AUTHORISED VOIDED",
            "PAID PAID",
        ];
        for from in Status::ALL {
            for to in Status::ALL {
                let words = format!("{} {}", from.text(), to.text());
                assert_eq!(from.may_become(to, false), allowed.contains(&words.as_str()), "{words}");
            }
        }
        assert!(!Status::Authorised.may_become(Status::Voided, true));
    }
}
