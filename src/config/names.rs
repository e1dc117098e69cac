//! Names that people give to things. Each is made only by its `parse`, so that a name in hand is a valid one.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why a text is not a name.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("`{name}` is not a name: {reason}")]
pub struct NameError {
    /// The text.
    pub name: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

fn check_part(name: &str, part: &str) -> Result<(), NameError> {
    let fail = |reason| Err(NameError { name: name.to_owned(), reason });
    if part.is_empty() {
        return fail("it is empty");
    }
    if part.len() > 63 {
        return fail("it is longer than 63 characters");
    }
    if !part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        return fail("names may hold only lowercase letters, digits and `-`");
    }
    Ok(())
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $parts:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(Arc<str>);

        impl $type {
            /// Checks a text and makes it a name.
            ///
            /// # Errors
            ///
            /// When it is empty, too long, or holds other characters than names may.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                let mut parts = 0;
                for part in text.split('/') {
                    check_part(text, part)?;
                    parts += 1;
                }
                if parts > $parts {
                    return Err(NameError { name: text.to_owned(), reason: "it has too many parts" });
                }
                Ok(Self(text.into()))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $type {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::parse(&text)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0.as_ref().to_owned()
            }
        }
    };
}

name!(
    /// The name of a connection: one account on one system. Those of a template are each client's own:
    /// `acme/website`.
    ConnectionName, 2
);
name!(
    /// The name of a grant: a login that a person consented to.
    GrantName, 1
);
name!(
    /// The name of an integration: the unit a person switches on and off.
    IntegrationName, 1
);
name!(
    /// The full name of a pipeline: `contacts` at the top level, `acme/contacts` inside an integration.
    PipelineName, 2
);

/// Whether something has a client's name before its own: `acme/website` is below `acme`.
pub(crate) fn is_below(name: &str, client: &str) -> bool {
    name.strip_prefix(client).is_some_and(|rest| rest.starts_with('/'))
}

impl PipelineName {
    /// The integration it belongs to; a pipeline of the top level is an integration of its own.
    #[must_use]
    pub fn integration(&self) -> IntegrationName {
        IntegrationName(self.0.split('/').next().unwrap_or_default().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_is_wrong_with_them() {
        assert_eq!(PipelineName::parse("acme/contacts").unwrap().as_str(), "acme/contacts");
        assert!(PipelineName::parse("a/b/c").is_err());
        assert!(ConnectionName::parse("acme/x/y").is_err());
        assert!(PipelineName::parse("Acme").unwrap_err().to_string().contains("lowercase"));
        assert!(PipelineName::parse("acme/").unwrap_err().to_string().contains("empty"));
    }
}
