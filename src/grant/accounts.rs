//! Which accounts a grant covers, as the remote tells.

use reqwest::Method;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use url::Url;

use super::Account;
use crate::{
    config::Grant,
    connector::{Accounts, http_client},
};

/// Asks the remote for the accounts of a login.
pub(super) async fn list(grant: &Grant, token: &SecretString) -> Result<Vec<Account>, String> {
    let Some(accounts) = &grant.login.accounts else { return Ok(Vec::new()) };
    let answer = call(grant, Method::GET, &accounts.url, token).await?;
    if !answer.status().is_success() {
        return Err(format!("the list of accounts was answered with {}", answer.status()));
    }
    let bytes = answer.bytes().await.map_err(|error| error.without_url().to_string())?;
    let body: Value = serde_json::from_slice(&bytes).map_err(|error| format!("the list of accounts: {error}"))?;
    Ok(read(accounts, &body))
}

fn read(accounts: &Accounts, body: &Value) -> Vec<Account> {
    let items = accounts.items.as_ref().map_or(Some(body), |items| items.find(body));
    let items = items.and_then(Value::as_array).into_iter().flatten();
    let wanted = |item: &&Value| {
        accounts.only.as_ref().is_none_or(|(path, value)| path.find(item).and_then(text).as_ref() == Some(value))
    };
    let account = |item: &Value| {
        let id = accounts.id.find(item).and_then(text)?;
        let name = accounts.name.as_ref().and_then(|name| name.find(item)).and_then(text);
        let handle = accounts.handle.as_ref().and_then(|handle| handle.find(item)).and_then(text);
        Some(Account { name: name.unwrap_or_else(|| id.clone()), id, handle })
    };
    items.filter(wanted).filter_map(account).collect()
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Disconnects one account. `None` where the remote only knows how to end everything.
pub(super) async fn remove(grant: &Grant, token: &SecretString, account: &Account) -> Option<Result<(), String>> {
    let template = grant.login.accounts.as_ref()?.remove.as_ref()?;
    let handle = account.handle.as_deref().unwrap_or(&account.id);
    let encoded: String = url::form_urlencoded::byte_serialize(handle.as_bytes()).collect();
    let answer = call(grant, Method::DELETE, &template.replace("{id}", &encoded), token).await;
    Some(answer.and_then(|answer| match answer.status().as_u16() {
        // One that is not there (any more) is as good.
        200..=299 | 404 => Ok(()),
        status => Err(format!("it answered {status}")),
    }))
}

async fn call(grant: &Grant, method: Method, url: &str, token: &SecretString) -> Result<reqwest::Response, String> {
    let url = Url::parse(url).map_err(|error| format!("`{url}` is no address: {error}"))?;
    let request = http_client(&url)?.request(method, url).header("accept", "application/json");
    let request = request.header("authorization", format!("{} {}", grant.login.scheme, token.expose_secret()));
    request.timeout(grant.timeout()).send().await.map_err(|error| error.without_url().to_string())
}
