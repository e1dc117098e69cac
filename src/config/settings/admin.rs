//! Who may use the console, and where it is.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use secrecy::ExposeSecret as _;

use super::outside_url;
use crate::config::{
    Account, AdminSettings, IntegrationName, Role, Secret,
    diagnostic::{Report, error},
    placeholders::{self, EnvSource},
    written::{AdminW, At, ListenW, Named, RoleW, SecretText},
};

/// Where proofs may come from.
pub(super) struct Proofs<'a> {
    pub env: &'a dyn EnvSource,
    pub dir: &'a Path,
    /// The folder of the store, where changes are remembered, too.
    pub state_dir: &'a Path,
}

/// How long a login lasts unless it is said.
const SESSION: Duration = Duration::from_hours(12);

/// The console; `None` where none listens, or its settings hold a mistake.
pub(super) fn admin(
    listen: Option<&ListenW>,
    written: Option<&AdminW>,
    proofs: &Proofs<'_>,
    report: &Report,
) -> Option<AdminSettings> {
    let url = listen.and_then(|listen| listen.admin_url.as_ref());
    let Some(address) = listen.and_then(|listen| listen.admin.as_ref()) else {
        // Of an address that cannot be read something was said already.
        if listen.is_some_and(|listen| listen.broken.contains(&"admin")) {
            return None;
        }
        let unused = url.map(|at| (at.span, "`admin_url`")).or(written.map(|written| (written.span, "[admin]")));
        if let Some((span, what)) = unused {
            report.add(
                error("config::missing_key", span, format!("{what} is of no use: no console listens"))
                    .help("add admin = \"127.0.0.1:8080\" below [listen]"),
            );
        }
        return None;
    };
    let errors = report.errors();
    let users = written.and_then(|written| written.users.as_ref());
    let tokens = written.and_then(|written| written.tokens.as_ref());
    let open = written.and_then(|written| written.open.as_ref());
    let settings = AdminSettings {
        listen: address.value,
        url: url.and_then(|at| outside_url(at, report)),
        open: open.map(|at| role(at.value)),
        session: written.and_then(|written| written.session.as_ref()).map_or(SESSION, |at| at.value),
        audit: proofs.state_dir.join("audit.jsonl"),
        users: users.map(|users| accounts(users, Kind::User, proofs, report)).unwrap_or_default(),
        tokens: tokens.map(|tokens| accounts(tokens, Kind::Token, proofs, report)).unwrap_or_default(),
    };
    if let Some(at) = open.filter(|_| url.is_some() || !address.value.ip().is_loopback()) {
        report.add(
            error("config::open_console", at.span, "a console that others can reach is open to everybody")
                .help("remove `open` and give [admin.users]; or listen on 127.0.0.1 and remove `admin_url`"),
        );
    }
    let nobody = settings.users.is_empty() && settings.tokens.is_empty() && settings.open.is_none();
    let broken = written.is_some_and(|written| {
        !written.broken.is_empty()
            || users.is_some_and(|users| users.errors > 0)
            || tokens.is_some_and(|tokens| tokens.errors > 0)
    });
    if nobody && report.errors() == errors && !broken {
        report.add(error("config::missing_key", address.span, "nobody may use the console").help(
            "add people below [admin.users] (`reconciled access password` makes what is to be written), or, on your own \
             machine, [admin] with open = \"viewer\"",
        ));
    }
    (report.errors() == errors && !broken).then_some(settings)
}

const fn role(written: RoleW) -> Role {
    match written {
        RoleW::Viewer => Role::Viewer,
        RoleW::Operator => Role::Operator,
        RoleW::Admin => Role::Admin,
    }
}

/// Who an account is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    User,
    Token,
}

/// What the written forms of both kinds of accounts have in common.
trait AccountW {
    fn proof(&self) -> Option<&SecretText>;
    fn role(&self) -> Option<&At<RoleW>>;
    fn clients(&self) -> Option<&[At<String>]>;
}

macro_rules! account {
    ($type:ident, $proof:ident) => {
        impl AccountW for crate::config::written::$type {
            fn proof(&self) -> Option<&SecretText> {
                self.$proof.as_ref()
            }
            fn role(&self) -> Option<&At<RoleW>> {
                self.role.as_ref()
            }
            fn clients(&self) -> Option<&[At<String>]> {
                self.clients.as_deref()
            }
        }
    };
}
account!(UserW, password);
account!(TokenW, token);

fn accounts<W: AccountW>(
    written: &Named<W>,
    kind: Kind,
    proofs: &Proofs<'_>,
    report: &Report,
) -> BTreeMap<String, Account> {
    let mut found = BTreeMap::new();
    for entry in &written.entries {
        let (Some(proof), Some(role_at)) = (entry.value.proof(), entry.value.role()) else { continue };
        let clients = entry.value.clients().map(|names| clients(names, report));
        let Some(secret) = placeholders::secret(&proof.scalar, proof.span, proofs.env, proofs.dir, report) else {
            continue;
        };
        if let Secret::Known(text) = &secret
            && !is_hash(text.expose_secret(), kind)
        {
            let (what, make) = match kind {
                Kind::User => {
                    ("the hash of a password", "`reconciled access password` makes one: password = '$argon2id$…'")
                }
                Kind::Token => ("the hash of a token", "`reconciled access token` makes both: token = \"sha256:…\""),
            };
            report.add(error("config::no_hash", proof.span, format!("this is not {what}")).help(make));
            continue;
        }
        found.insert(entry.name.value.clone(), Account { proof: secret, role: role(role_at.value), clients });
    }
    found
}

fn is_hash(text: &str, kind: Kind) -> bool {
    match kind {
        Kind::User => argon2::password_hash::phc::PasswordHash::new(text)
            .is_ok_and(|hash| hash.algorithm.as_str().starts_with("argon2") && hash.hash.is_some()),
        Kind::Token => text
            .strip_prefix("sha256:")
            .is_some_and(|digits| digits.len() == 64 && digits.bytes().all(|digit| digit.is_ascii_hexdigit())),
    }
}

fn clients(names: &[At<String>], report: &Report) -> BTreeSet<IntegrationName> {
    let mut found = BTreeSet::new();
    for name in names {
        match IntegrationName::parse(&name.value) {
            Ok(parsed) => drop(found.insert(parsed)),
            Err(cause) => report.add(
                error("config::bad_value", name.span, format!("this names no integration: {cause}"))
                    .help("write the names of integrations: [\"acme\"]"),
            ),
        }
    }
    found
}
