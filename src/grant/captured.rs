//! What a remote says of a login in passing: which account it is, where its API is, and where its tokens are made.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::Value;
use url::Url;

use super::Account;
use crate::{
    connector::{AccountIn, OAuth},
    record::Path,
};

/// The one account of a login, where the way back or the token answer names it.
pub(super) fn account(
    login: &OAuth,
    way_back: &[(String, String)],
    (access, answer): (&str, &Value),
) -> Option<Result<Account, String>> {
    let found = match login.account_in.as_ref()? {
        AccountIn::Redirect(name) => way_back.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()),
        AccountIn::Token(path) => text_at(path, answer),
        AccountIn::Claim(path) => claims(access).and_then(|claims| text_at(path, &claims)),
    };
    let found = found.filter(|id| !id.is_empty());
    let account = found.map(|id| Account { name: id.clone(), id, handle: None });
    Some(account.ok_or_else(|| "the remote did not say which account this is".to_owned()))
}

fn text_at(path: &Path, among: &Value) -> Option<String> {
    match path.find(among)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// What a JSON Web Token says. Its signature is not looked at: it came from the authorization server itself, and tells only
/// which account to ask for, not what may be done.
fn claims(token: &str) -> Option<Value> {
    let mut parts = token.split('.').skip(1);
    let (claims, Some(_)) = (parts.next()?, parts.next()) else { return None };
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
}

/// Where the API is for a login, where the token answer says so. Tokens go there, so it must be one of the hosts that the
/// connector names, or the server that made them.
pub(super) fn host(login: &OAuth, answer: &Value) -> Result<Option<String>, String> {
    let Some(place) = &login.host_in else { return Ok(None) };
    let Some(named) = place.path.find(answer).and_then(Value::as_str) else { return Ok(None) };
    known_host(named, "its API is", (login, &place.hosts)).map(Some)
}

/// Where codes and tokens of a login go, where the way back says so. Anybody can make up a way back, so it must be one of the
/// hosts that the connector names, or where they go anyway.
pub(super) fn server(login: &OAuth, way_back: &[(String, String)]) -> Result<Option<String>, String> {
    let Some(place) = &login.token_host_in else { return Ok(None) };
    let named = way_back.iter().find(|(key, value)| *key == place.redirect && !value.is_empty());
    named.map(|(_, named)| known_host(named, "its tokens are made", (login, &place.hosts))).transpose()
}

/// The origin of an address, if it is at a known host.
fn known_host(named: &str, what: &str, (login, hosts): (&OAuth, &[String])) -> Result<String, String> {
    let wrong = || format!("the remote says that {what} at `{named}`, which is none of its known hosts");
    let url = Url::parse(named).map_err(|_| wrong())?;
    let own = login.token.as_ref().and_then(|token| Url::parse(token).ok());
    if own.is_some_and(|own| own.origin() == url.origin()) {
        return Ok(url.origin().ascii_serialization());
    }
    let host = url.host_str().unwrap_or_default().to_lowercase();
    let known =
        |known: &String| host == *known || host.strip_suffix(known.as_str()).is_some_and(|left| left.ends_with('.'));
    let safe =
        url.scheme() == "https" || (url.scheme() == "http" && matches!(host.as_str(), "localhost" | "127.0.0.1"));
    if !safe || !hosts.iter().any(known) {
        return Err(wrong());
    }
    Ok(url.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::connector::{ClientAuth, HostIn, TokenHostIn};

    fn login(account_in: Option<AccountIn>) -> OAuth {
        let hosts = vec!["zohoapis.com".to_owned(), "zohoapis.eu".to_owned()];
        OAuth {
            authorize: None,
            authorize_query: Vec::new(),
            token: None,
            revoke: None,
            client: ClientAuth::Basic,
            scopes: Vec::new(),
            scheme: "Bearer".to_owned(),
            refresh_lives: None,
            accounts: None,
            account_in,
            host_in: Some(HostIn { path: Path::parse("$.api_domain").unwrap(), hosts: hosts.clone() }),
            token_host_in: Some(TokenHostIn { redirect: "accounts-server".to_owned(), hosts }),
        }
    }

    #[test]
    fn tokens_go_to_known_hosts_alone() {
        let host = |named: &str| host(&login(None), &json!({ "api_domain": named }));
        assert_eq!(host("https://www.zohoapis.eu"), Ok(Some("https://www.zohoapis.eu".to_owned())));
        assert_eq!(host("https://zohoapis.com/crm/v8"), Ok(Some("https://zohoapis.com".to_owned())));
        for bad in [
            "https://evil.example",
            "https://evilzohoapis.com",
            "http://www.zohoapis.eu",
            "zohoapis.com",
            "https://zohoapis.com.evil.example",
            "",
        ] {
            assert!(host(bad).is_err(), "{bad}");
        }
        assert_eq!(super::host(&login(None), &json!({})), Ok(None));
        let made_there = OAuth { token: Some("http://127.0.0.1:8081/oauth/v2/token".to_owned()), ..login(None) };
        let host = |named: &str| super::host(&made_there, &json!({ "api_domain": named }));
        assert_eq!(host("http://127.0.0.1:8081"), Ok(Some("http://127.0.0.1:8081".to_owned())), "it made the token");
        assert!(host("http://127.0.0.1:8082").is_err() && host("https://127.0.0.1:8081").is_err());
        let back = |named: &str| server(&login(None), &[("accounts-server".to_owned(), named.to_owned())]);
        assert_eq!(back("https://accounts.zohoapis.eu"), Ok(Some("https://accounts.zohoapis.eu".to_owned())));
        assert_eq!(back(""), Ok(None), "the usual one");
        assert!(back("https://evil.example").is_err() && back("http://accounts.zohoapis.eu").is_err());
    }

    #[test]
    fn an_account_is_named_by_the_way_back_or_by_the_answer() {
        let way_back = [("code".to_owned(), "x".to_owned()), ("realmId".to_owned(), "9130".to_owned())];
        let id = |place: AccountIn| {
            let claims = BASE64_URL_SAFE_NO_PAD.encode(json!({ "org_ids": ["o-1"] }).to_string());
            let answer = (format!("h.{claims}.s"), json!({ "business": 7 }));
            account(&login(Some(place)), &way_back, (&answer.0, &answer.1)).unwrap().map(|account| account.id)
        };
        assert_eq!(id(AccountIn::Redirect("realmId".to_owned())), Ok("9130".to_owned()));
        assert_eq!(id(AccountIn::Token(Path::parse("$.business").unwrap())), Ok("7".to_owned()));
        assert!(id(AccountIn::Redirect("businessId".to_owned())).is_err());
        assert_eq!(id(AccountIn::Claim(Path::parse("$.org_ids[0]").unwrap())), Ok("o-1".to_owned()));
        assert!(id(AccountIn::Claim(Path::parse("$.org_id").unwrap())).is_err());
        let opaque = AccountIn::Claim(Path::parse("$.org_ids[0]").unwrap());
        for token in ["", "opaque", "a.b", "a.!.c", "a.e30.c"] {
            let account = account(&login(Some(opaque.clone())), &way_back, (token, &json!({})));
            assert!(account.unwrap().is_err(), "{token}");
        }
        assert!(account(&login(None), &way_back, ("", &json!({}))).is_none());
    }
}
