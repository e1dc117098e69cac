//! Speaking to an authorization server: codes and refresh tokens for tokens.

use std::{error::Error, fmt, pin::Pin, time::Duration};

use oauth2::{
    AsyncHttpClient, AuthType, AuthUrl, AuthorizationCode, Client, ClientId, ClientSecret, CsrfToken, EndpointNotSet,
    EndpointSet, ExtraTokenFields, HttpRequest, HttpResponse, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl,
    RefreshToken, RequestTokenError, Scope, StandardRevocableToken, StandardTokenResponse, TokenResponse as _,
    TokenUrl,
    basic::{
        BasicErrorResponse, BasicErrorResponseType, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse,
        BasicTokenType,
    },
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};
use url::Url;

use super::GrantError;
use crate::{
    config::Grant,
    connector::{ClientAuth, http_client},
};

/// What an authorization server said.
pub(super) struct Tokens {
    pub access: String,
    pub refresh: Option<String>,
    pub lives: Option<std::time::Duration>,
    /// What else the answer held.
    pub rest: Value,
}

/// Why there are no tokens.
pub(super) enum NoTokens {
    /// The code or refresh token is worth nothing (any more): a person has to consent.
    Dead(String),
    /// The remote refused for another reason; the token is as good as it was.
    Refused(String),
    /// It is not known whether the remote took the token.
    Lost(String),
    /// Certainly nothing was sent.
    NotSent(String),
}

/// Further fields of an answer. Some hold secrets (`id_token`), so they are not shown.
#[derive(serde::Serialize, serde::Deserialize)]
struct Further {
    #[serde(flatten)]
    fields: Map<String, Value>,
}

impl fmt::Debug for Further {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Further")
    }
}

impl ExtraTokenFields for Further {}

type Answer = StandardTokenResponse<Further, BasicTokenType>;
type OAuth<A, T> = Client<
    BasicErrorResponse,
    Answer,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    A,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    T,
>;

/// The HTTP under the exchange failed.
#[derive(Debug)]
struct Failed {
    sent: bool,
    message: String,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Failed {}

/// Makes the requests of the exchange; waits so long for an answer.
struct Agent(Duration);

impl<'c> AsyncHttpClient<'c> for Agent {
    type Error = Failed;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, Failed>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(send(self.0, request))
    }
}

/// Where a person consents.
pub(super) struct Ask {
    pub url: Url,
    pub state: String,
    pub verifier: PkceCodeVerifier,
}

fn address(text: Option<&String>, what: &str, grant: &Grant) -> Result<String, NoTokens> {
    let missing = || format!("the grant `{}` has no {what}: give endpoints: {{ {what}: https://… }}", grant.name);
    text.cloned().ok_or_else(|| NoTokens::Refused(missing()))
}

/// An address at the host that the way back from a consent named, if it named one.
fn at(server: Option<&str>, address: String) -> String {
    let moved = server.and_then(|server| {
        let (url, server) = (Url::parse(&address).ok()?, Url::parse(server).ok()?);
        server.join(&url[url::Position::BeforePath..]).ok()
    });
    moved.map_or(address, String::from)
}

async fn client(grant: &Grant, server: Option<&str>) -> Result<OAuth<EndpointNotSet, EndpointSet>, NoTokens> {
    let token = at(server, address(grant.login.token.as_ref(), "token", grant)?);
    let token = TokenUrl::new(token).map_err(|error| NoTokens::Refused(format!("`token` is no address: {error}")))?;
    let mut client: OAuth<EndpointNotSet, EndpointNotSet> = Client::new(ClientId::new(grant.client_id.clone()));
    if let Some(secret) = &grant.client_secret {
        let secret = secret.reveal().await.map_err(|what| NoTokens::NotSent(format!("`client_secret`: {what}")))?;
        client = client.set_client_secret(ClientSecret::new(secret.expose_secret().to_owned()));
    }
    let auth = match grant.login.client {
        ClientAuth::Basic => AuthType::BasicAuth,
        ClientAuth::Body => AuthType::RequestBody,
    };
    Ok(client.set_auth_type(auth).set_token_uri(token))
}

/// Makes the address where a person consents, with PKCE.
pub(super) fn ask(grant: &Grant, redirect: &Url) -> Result<Ask, GrantError> {
    let wrong = |what: &str| GrantError::Person(format!("the grant `{}` has no usable {what}", grant.name));
    let authorize = grant.login.authorize.clone().ok_or_else(|| wrong("`endpoints: { authorize }`"))?;
    let authorize = AuthUrl::new(authorize).map_err(|_| wrong("`endpoints: { authorize }`"))?;
    let redirect = RedirectUrl::new(redirect.to_string()).map_err(|_| wrong("`redirect`"))?;
    let client: OAuth<EndpointNotSet, EndpointNotSet> = Client::new(ClientId::new(grant.client_id.clone()));
    let client = client.set_auth_uri(authorize).set_redirect_uri(redirect);
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let mut request = client.authorize_url(CsrfToken::new_random).set_pkce_challenge(challenge);
    for (name, value) in &grant.login.authorize_query {
        request = request.add_extra_param(name.clone(), value.clone());
    }
    let (url, state) = request.add_scopes(grant.scopes.iter().cloned().map(Scope::new)).url();
    Ok(Ask { url, state: state.into_secret(), verifier })
}

/// Changes a code for tokens.
pub(super) async fn redeem(
    (grant, server): (&Grant, Option<&str>),
    redirect: &Url,
    code: String,
    verifier: PkceCodeVerifier,
) -> Result<Tokens, NoTokens> {
    let redirect = RedirectUrl::new(redirect.to_string()).map_err(|error| NoTokens::Refused(error.to_string()))?;
    let client = client(grant, server).await?.set_redirect_uri(redirect);
    let (code, http) = (AuthorizationCode::new(code), Agent(grant.timeout()));
    let work = client.exchange_code(code).set_pkce_verifier(verifier).request_async(&http);
    let work: Work<'_> = Box::pin(work);
    tokens(work.await)
}

/// Uses a refresh token.
pub(super) async fn renew(grant: &Grant, server: Option<&str>, refresh: &str) -> Result<Tokens, NoTokens> {
    let client = client(grant, server).await?;
    let token = RefreshToken::new(refresh.to_owned());
    let http = Agent(grant.timeout());
    let work: Work<'_> = Box::pin(client.exchange_refresh_token(&token).request_async(&http));
    tokens(work.await)
}

/// Asks for tokens with the client's own login.
pub(super) async fn own(grant: &Grant) -> Result<Tokens, NoTokens> {
    let client = client(grant, None).await?;
    let http = Agent(grant.timeout());
    let scopes: Vec<Scope> = grant.scopes.iter().cloned().map(Scope::new).collect();
    let work = client.exchange_client_credentials().add_scopes(scopes).request_async(&http);
    let work: Work<'_> = Box::pin(work);
    tokens(work.await)
}

type Outcome = Result<Answer, RequestTokenError<Failed, BasicErrorResponse>>;
type Work<'w> = Pin<Box<dyn Future<Output = Outcome> + Send + 'w>>;

fn tokens(answer: Outcome) -> Result<Tokens, NoTokens> {
    match answer {
        Ok(answer) => Ok(Tokens {
            access: answer.access_token().secret().clone(),
            refresh: answer.refresh_token().map(|token| token.secret().clone()),
            lives: answer.expires_in(),
            rest: Value::Object(answer.extra_fields().fields.clone()),
        }),
        Err(RequestTokenError::ServerResponse(said)) => {
            let words = said.error_description().map_or_else(|| said.error().to_string(), Clone::clone);
            Err(match said.error() {
                BasicErrorResponseType::InvalidGrant => NoTokens::Dead(words),
                _ => NoTokens::Refused(words),
            })
        }
        Err(RequestTokenError::Request(failed)) if failed.sent => Err(NoTokens::Lost(failed.message)),
        Err(RequestTokenError::Request(failed)) => Err(NoTokens::NotSent(failed.message)),
        // The body may hold tokens: it is not shown.
        Err(RequestTokenError::Parse(..)) => Err(NoTokens::Lost("its answer cannot be understood".to_owned())),
        Err(RequestTokenError::Other(message)) => Err(NoTokens::Lost(message)),
    }
}

/// Makes the request, once. Redirects are not followed: the secret goes nowhere else.
async fn send(patience: Duration, request: HttpRequest) -> Result<HttpResponse, Failed> {
    let (parts, body) = request.into_parts();
    let not_sent = |message: String| Failed { sent: false, message };
    let url = Url::parse(&parts.uri.to_string()).map_err(|error| not_sent(error.to_string()))?;
    let place = url.origin().ascii_serialization();
    let client = http_client(&url).map_err(not_sent)?;
    let request = client.request(parts.method, url).headers(parts.headers).body(body).timeout(patience);
    let lost = |error: reqwest::Error| Failed {
        sent: !(error.is_connect() || error.is_builder()),
        message: format!("no answer from {place}{}", if error.is_timeout() { " in time" } else { "" }),
    };
    let response = request.send().await.map_err(lost)?;
    let status = response.status();
    // A gateway's error says nothing about what became of the token.
    if status.is_server_error() || matches!(status.as_u16(), 408 | 429) {
        return Err(Failed { sent: status.as_u16() != 429, message: format!("{place} answered {status}") });
    }
    let body = response
        .bytes()
        .await
        .map_err(|_| Failed { sent: true, message: format!("the answer of {place} broke off") })?;
    let mut answer = HttpResponse::new(body.to_vec());
    // Some say no with a 200 (Zoho).
    let refuses = status.is_success()
        && serde_json::from_slice::<serde_json::Value>(answer.body())
            .is_ok_and(|body| body.get("error").is_some() && body.get("access_token").is_none());
    *answer.status_mut() = if refuses { axum::http::StatusCode::BAD_REQUEST } else { status };
    Ok(answer)
}

/// Tells the remote that a token is given back. The error says what went wrong, for people.
pub(super) async fn revoke(grant: &Grant, server: Option<&str>, token: &SecretString) -> Result<(), String> {
    let Some(revoke) = &grant.login.revoke else { return Ok(()) };
    let url = Url::parse(&at(server, revoke.clone())).map_err(|error| format!("`revoke` is no address: {error}"))?;
    let mut form = vec![("token", token.expose_secret().to_owned())];
    let mut request = http_client(&url)?.post(url);
    let secret = match &grant.client_secret {
        Some(secret) => Some(secret.reveal().await?),
        None => None,
    };
    match (grant.login.client, &secret) {
        (ClientAuth::Basic, Some(secret)) => {
            request = request.basic_auth(&grant.client_id, Some(secret.expose_secret()));
        }
        (_, secret) => {
            form.push(("client_id", grant.client_id.clone()));
            form.extend(secret.iter().map(|secret| ("client_secret", secret.expose_secret().to_owned())));
        }
    }
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let request = request.header("content-type", "application/x-www-form-urlencoded").body(body);
    let answer = request.timeout(grant.timeout()).send().await.map_err(|error| error.without_url().to_string())?;
    if answer.status().is_success() { Ok(()) } else { Err(format!("it answered {}", answer.status())) }
}
