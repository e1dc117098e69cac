//! Secrets: where they come from, and reading them when they are used. Nothing of them is ever printed.

mod command;

use secrecy::{ExposeSecret as _, SecretString};

pub use command::SecretCommand;

/// A secret: where it comes from, read when it is used. Never printed.
#[derive(Clone, Debug)]
pub enum Secret {
    /// Known at load (an environment variable, or text in the file).
    Known(SecretString),
    /// A file whose content, less a final line end, is the secret; read at each use so that it can be rotated.
    File(std::path::PathBuf),
    /// A program that prints it.
    Command(SecretCommand),
    /// The environment variable of this name is not set; using the connection says so.
    Missing {
        /// What was asked for, for people (`environment variable SHOP_TOKEN`).
        what: String,
    },
}

impl Secret {
    /// Whether both come from the same place; what is known already is compared itself.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Known(one), Self::Known(two)) => one.expose_secret() == two.expose_secret(),
            (Self::File(one), Self::File(two)) => one == two,
            (Self::Command(one), Self::Command(two)) => one == two,
            (Self::Missing { what: one }, Self::Missing { what: two }) => one == two,
            _ => false,
        }
    }

    /// Where it comes from, for people. Not what stands in a file or comes out of a program.
    #[must_use]
    pub fn place(&self) -> String {
        match self {
            Self::Known(_) => "the configuration or the environment".to_owned(),
            Self::File(path) => format!("file {}", path.display()),
            Self::Command(command) => format!("command {}", command.program()),
            Self::Missing { what } => what.clone(),
        }
    }

    /// Reads it. The error says what is missing and what to do.
    pub(crate) async fn reveal(&self) -> Result<SecretString, String> {
        match self {
            Self::Known(text) => Ok(text.clone()),
            Self::Missing { what } => Err(format!("{what} is not set; set it where reconciled is started")),
            Self::File(path) => {
                let text = tokio::fs::read_to_string(path).await;
                let text =
                    text.map_err(|error| format!("the secret file {} cannot be read: {error}", path.display()))?;
                let line = text.strip_suffix('\n').unwrap_or(&text);
                Ok(SecretString::from(line.strip_suffix('\r').unwrap_or(line).to_owned()))
            }
            Self::Command(command) => command.reveal().await,
        }
    }

    /// A system did not take it: where it was kept from before, it is read anew. Whether another one came of that.
    pub(crate) async fn was_refused(&self) -> bool {
        match self {
            Self::Command(command) => command.was_refused().await,
            // The others are read at each use, or cannot change.
            Self::Known(_) | Self::File(_) | Self::Missing { .. } => false,
        }
    }
}
