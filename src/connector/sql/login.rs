//! How to reach a database, and what its failures mean.

use secrecy::ExposeSecret as _;
use sqlx::{ConnectOptions as _, any::AnyConnectOptions};
use url::Url;

use crate::config::{Auth, Connection, names_certificate};

/// Why a statement has no answer.
#[derive(Debug)]
pub(super) enum Failed {
    /// We are not let in.
    Login(String),
    /// The database cannot be reached, or went away.
    Gone(String),
    /// The database refused the statement.
    Said(String),
}

/// The address with the login, which stays in memory.
///
/// # Errors
///
/// What of the login is missing.
pub(super) async fn options(connection: &Connection) -> Result<AnyConnectOptions, String> {
    let mut url: Url = connection.base_url.clone();
    if url.scheme() == "sqlite" {
        // A file that is not there is a mistake, and no new database.
        url.query_pairs_mut().append_pair("mode", "rw");
    }
    if let Auth::Basic { user, password } = &connection.auth {
        let password = password.reveal().await?;
        log_in(&mut url, user, password.expose_secret())?;
    }
    for (name, path) in url.query_pairs() {
        if names_certificate(&name)
            && let Err(error) = tokio::fs::metadata(&*path).await
        {
            return Err(format!("`{name}` in its `base_url` names {path}, which cannot be read: {error}"));
        }
    }
    let options = AnyConnectOptions::from_url(&url).map_err(|_| "its `base_url` cannot be used".to_owned())?;
    Ok(options.disable_statement_logging())
}

/// Puts a login into an address. The driver reads `%41` in it as `A`, and the address leaves a `%` as it is given.
fn log_in(url: &mut Url, user: &str, password: &str) -> Result<(), String> {
    let kept = |text: &str| text.replace('%', "%25");
    let put = url.set_username(&kept(user)).and_then(|()| url.set_password(Some(&kept(password))));
    put.map_err(|()| "a file of SQLite has no login".to_owned())
}

/// What an error of the driver means.
pub(super) fn failed(error: &sqlx::Error) -> Failed {
    match error {
        sqlx::Error::Database(said) => {
            let code = said.code().unwrap_or_default();
            // Class 28 of SQLSTATE: invalid authorization. MySQL uses 28000, too, and 42000 for a database one may not use.
            if code.starts_with("28") {
                Failed::Login(said.message().to_owned())
            } else {
                Failed::Said(said.message().to_owned())
            }
        }
        // Nothing was said to it yet, not even who we are.
        sqlx::Error::Tls(why) => Failed::Login(untrusted(&why.to_string(), why.downcast_ref())),
        sqlx::Error::Io(why) if let Some(error) = of_tls(why) => {
            Failed::Login(untrusted(&error.to_string(), Some(error)))
        }
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => {
            Failed::Gone(format!("the database cannot be reached: {error}"))
        }
        other => Failed::Said(other.to_string()),
    }
}

fn of_tls(error: &std::io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// Why no encrypted connection came about, and what to do.
fn untrusted(said: &str, error: Option<&rustls::Error>) -> String {
    use rustls::{CertificateError as Bad, Error::InvalidCertificate};
    match error {
        Some(InvalidCertificate(Bad::UnknownIssuer)) => format!(
            "its certificate is signed by nobody who is known here ({said}); name the authority's file in `base_url`: \
             sslrootcert=/etc/reconciled/ca.pem (PostgreSQL) or ssl-ca=… (MySQL)"
        ),
        Some(InvalidCertificate(Bad::NotValidForName | Bad::NotValidForNameContext { .. })) => format!(
            "its certificate is for another name ({said}); write a name of the certificate as the host in `base_url`, or \
             give the server a certificate for this one"
        ),
        Some(InvalidCertificate(Bad::Expired | Bad::ExpiredContext { .. })) => {
            format!("its certificate has run out ({said}); give the server a new one")
        }
        _ => format!(
            "no encrypted connection came about ({said}); switch TLS on at the server, or do without it: sslmode=prefer \
             (PostgreSQL) or ssl-mode=PREFERRED (MySQL)"
        ),
    }
}

/// A failure that has nothing to do with what was asked: another transaction was in the way.
pub(super) fn in_the_way(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(said) = error else { return false };
    let code = said.code().unwrap_or_default();
    // PostgreSQL: serialization, deadlock, lock not available. MySQL: 40001 is its deadlock, HY000 with 1205 a lock
    // that was waited for too long. SQLite: busy and locked, with their extended codes.
    matches!(code.as_ref(), "40001" | "40P01" | "55P03" | "5" | "6" | "261" | "517")
        || said.message().contains("Lock wait timeout")
}

#[cfg(test)]
mod tests {
    use sqlx::{mysql::MySqlConnectOptions, postgres::PgConnectOptions};

    use super::*;

    #[test]
    fn the_drivers_get_the_login_as_it_was_given() {
        for text in ["pa%41ss", "100%", "%25", "a@b:c/d?e#f [g]", "gr\u{fc}ne+ plus"] {
            let address = |kind: &str| {
                let mut url = Url::parse(&format!("{kind}://db.example/shop")).unwrap();
                log_in(&mut url, text, text).unwrap();
                url
            };
            // The password can only be seen so.
            let shown = format!("password: Some({text:?})");
            let options = PgConnectOptions::from_url(&address("postgres")).unwrap();
            assert_eq!(options.get_username(), text);
            assert!(format!("{options:?}").contains(&shown), "{options:?}");
            let options = MySqlConnectOptions::from_url(&address("mysql")).unwrap();
            assert_eq!(options.get_username(), text);
            assert!(format!("{options:?}").contains(&shown), "{options:?}");
        }
        assert!(log_in(&mut Url::parse("sqlite:/srv/shop.db").unwrap(), "app", "secret").is_err());
    }
}
