//! Who may use the console.

use std::time::Duration;

use super::{At, Named, SecretText, words, written};

words! {
    /// What somebody may do.
    RoleW as "role" { Viewer = "viewer", Operator = "operator", Admin = "admin", }
}

written! {
    /// Who may use the console: people with passwords, programs with tokens.
    AdminW as "admin" {
        /// The role of whoever reaches the console, without a login. Only where it listens on this machine alone.
        may open: At<RoleW>,
        /// How long a login lasts. Default: 12h.
        may session: At<Duration>,
        /// People, by the name they log in with.
        may users: Named<UserW>,
        /// Programs.
        may tokens: Named<TokenW>,
    }
}

written! {
    /// A person.
    UserW as "user" {
        /// The hash of the password: `reconciled access password` makes it.
        need password: SecretText,
        /// What they may do.
        need role: At<RoleW>,
        /// Only these integrations. Default: all.
        may clients: Vec<At<String>>,
    }
}

written! {
    /// A program.
    TokenW as "token" {
        /// The hash of the token: `reconciled access token` makes both.
        need token: SecretText,
        /// What it may do.
        need role: At<RoleW>,
        /// Only these integrations. Default: all.
        may clients: Vec<At<String>>,
    }
}
