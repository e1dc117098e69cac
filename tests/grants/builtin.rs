//! The built-in connectors whose systems are logged in to by consent: what they ask for, what they learn in passing, and
//! where they go with it.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::{Query, Request, State},
    http::{
        HeaderMap, StatusCode,
        header::{CONTENT_TYPE, LOCATION},
    },
    response::IntoResponse,
    routing::{get, post},
};
use reconciled::{
    clock::Clock,
    config::{Auth, Connection, ConnectionName, Secret, load},
    connector::{Connector, HttpConnector, LimitRegistry, PullCursor},
    grant::{ConnectionState, Keeper, Vault},
    store::MemoryStore,
};
use serde_json::{Value, json};

use crate::browser;

/// A request: its target, its headers, its body.
type Asked = (String, HeaderMap, String);

/// Any system: it consents to everything, and answers each path as it was told to.
#[derive(Clone)]
struct Any {
    /// What it says on the way back, beside the code.
    way_back: &'static str,
    token: Arc<Mutex<Value>>,
    answers: Arc<BTreeMap<&'static str, Value>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

async fn authorize(State(any): State<Any>, Query(asked): Query<HashMap<String, String>>) -> impl IntoResponse {
    let wanted = json!(asked).to_string();
    any.asked.lock().unwrap().push(("/authorize".to_owned(), HeaderMap::new(), wanted));
    let back = format!("{}?code=c&state={}{}", asked["redirect_uri"], asked["state"], any.way_back);
    (StatusCode::SEE_OTHER, [(LOCATION, back)])
}

async fn token(State(any): State<Any>, headers: HeaderMap, body: String) -> impl IntoResponse {
    any.asked.lock().unwrap().push(("/token".to_owned(), headers, body));
    ([(CONTENT_TYPE, "application/json")], any.token.lock().unwrap().to_string())
}

async fn other(State(any): State<Any>, request: Request) -> impl IntoResponse {
    let (path, headers) = (request.uri().path().to_owned(), request.headers().clone());
    any.asked.lock().unwrap().push((request.uri().to_string(), headers, String::new()));
    let answer = any.answers.iter().find(|(known, _)| path.starts_with(*known)).map(|(_, answer)| answer.to_string());
    let status = if answer.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND };
    (status, [("result-pages", "1")], answer.unwrap_or_default())
}

impl Any {
    async fn open(way_back: &'static str, more: Value, answers: &[(&'static str, Value)]) -> (Self, String) {
        let mut token_answer = json!({ "access_token": "canary-access", "refresh_token": "canary-refresh",
            "expires_in": 3600, "token_type": "bearer" });
        for (name, value) in more.as_object().unwrap() {
            token_answer[name] = value.clone();
        }
        let answers = Arc::new(answers.iter().cloned().collect());
        let any = Self { way_back, token: Arc::new(Mutex::new(token_answer)), answers, asked: Arc::default() };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let place = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route("/authorize", get(authorize)).route("/token", post(token)).fallback(other);
        let router = router.with_state(any.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (any, place)
    }

    fn asked(&self, path: &str) -> Asked {
        let asked = self.asked.lock().unwrap().clone();
        asked
            .iter()
            .find(|(target, ..)| target.starts_with(path))
            .cloned()
            .unwrap_or_else(|| panic!("{path}: {asked:#?}"))
    }
}

/// A connection of a built-in connector to it, and its keeper.
fn connect(connector: &str, place: &str, endpoints: &str, more: &str) -> (Arc<Connection>, Arc<Keeper>) {
    let yaml = format!(
        "grants:\n  office:\n    connector: {connector}\n    client_id: app\n    client_secret: canary-app-secret\n\
         \x20   endpoints: {{ authorize: {place}/authorize, token: {place}/token{endpoints} }}\n\
         connections:\n  there: {{ connector: {connector}, grant: office, base_url: {place}/api{more} }}\n"
    );
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("x.yaml"), yaml).unwrap();
    let loaded = load(folder.path(), &HashMap::<String, String>::new());
    assert!(loaded.diagnostics.is_empty(), "{}", loaded.render(false));
    let vault = Vault::new(Some(Secret::Known(super::setup::KEY.to_owned().into())));
    let keeper = Keeper::new(Arc::new(MemoryStore::new()), vault, Clock::manual(super::setup::start()));
    (Arc::clone(&loaded.config.connections[&ConnectionName::parse("there").unwrap()]), Arc::new(keeper))
}

async fn consent(connection: &Connection, keeper: &Arc<Keeper>) -> Result<(), String> {
    let Auth::Grant(grant) = &connection.auth else { panic!("no grant") };
    let url = keeper.begin(grant, grant.redirect.clone(), None).await.unwrap();
    keeper.finish(&browser::consent(&url).await).await.map(drop).map_err(|error| error.to_string())
}

/// Lists a resource with the login.
async fn list(connection: &Arc<Connection>, keeper: &Arc<Keeper>, resource: &str) -> Result<usize, String> {
    // Real time: what is not carried out is tried again after a pause.
    let clock = Clock::system();
    let connector =
        HttpConnector::new(connection.clone(), clock.clone(), &Arc::new(LimitRegistry::new(clock))).unwrap();
    let connector = connector.with_grants(keeper.clone());
    let resource = connector.resource(resource).unwrap();
    let page = connector.pull(resource, &PullCursor { since: None, page: None }).await;
    page.map(|page| page.records.len()).map_err(|error| error.to_string())
}

#[tokio::test]
async fn quickbooks_speaks_to_the_company_that_the_way_back_names() {
    let found = json!({ "QueryResponse": { "Customer": [ { "Id": "1", "DisplayName": "Kea" } ] } });
    let (any, place) = Any::open("&realmId=9130", json!({}), &[("/api/9130/query", found)]).await;
    let (connection, keeper) = connect("quickbooks", &place, "", "");
    consent(&connection, &keeper).await.unwrap();
    assert_eq!(list(&connection, &keeper, "customers").await, Ok(1));
    let (_, headers, _) = any.asked("/token");
    assert!(headers["authorization"].to_str().unwrap().starts_with("Basic "), "{headers:?}");
    let (_, headers, _) = any.asked("/api/9130/query");
    assert_eq!(headers["authorization"], "Bearer canary-access");
    assert!(any.asked("/authorize").2.contains("com.intuit.quickbooks.accounting"));
}

#[tokio::test]
async fn a_way_back_that_names_no_company_connects_nothing() {
    let (any, place) = Any::open("", json!({}), &[]).await;
    let (connection, keeper) = connect("quickbooks", &place, "", "");
    let error = consent(&connection, &keeper).await.unwrap_err();
    assert!(error.contains("did not say which account"), "{error}");
    assert!(list(&connection, &keeper, "customers").await.is_err());
    assert!(any.asked.lock().unwrap().iter().all(|(target, ..)| !target.starts_with("/api")), "nothing was asked");
}

#[tokio::test]
async fn myob_speaks_to_the_file_that_the_way_back_names_with_both_keys() {
    let found = json!({ "Items": [ { "UID": "u-1", "CompanyName": "Kea" } ], "NextPageLink": null, "Count": 1 });
    let answers = [("/api/f-77/Contact/Customer", found)];
    let (any, place) = Any::open("&businessId=f-77&businessName=Kea", json!({}), &answers).await;
    let more = ", settings: { key: app }, auth: { header: canary-file-login }";
    let (connection, keeper) = connect("myob", &place, "", more);
    consent(&connection, &keeper).await.unwrap();
    assert_eq!(list(&connection, &keeper, "customers").await, Ok(1));
    let wanted: Value = serde_json::from_str(&any.asked("/authorize").2).unwrap();
    assert_eq!(wanted["prompt"], "consent", "else the file is not named");
    let (_, headers, body) = any.asked("/token");
    assert!(!headers.contains_key("authorization") && body.contains("client_secret=canary-app-secret"), "{body}");
    let (_, headers, _) = any.asked("/api/f-77");
    assert_eq!(
        (&headers["x-myobapi-key"], &headers["x-myobapi-cftoken"]),
        (&"app".parse().unwrap(), &"canary-file-login".parse().unwrap())
    );
}

#[tokio::test]
async fn zoho_says_its_own_word_before_the_token_and_is_believed_about_its_own_hosts_alone() {
    let found = json!({ "data": [ { "id": "1", "Last_Name": "Kea" } ], "info": { "more_records": false } });
    let (any, place) = Any::open("", json!({}), &[("/api/Contacts", found)]).await;
    let (connection, keeper) = connect("zoho-crm", &place, "", "");
    consent(&connection, &keeper).await.unwrap();
    assert_eq!(list(&connection, &keeper, "contacts").await, Ok(1));
    assert_eq!(any.asked("/api/Contacts").1["authorization"], "Zoho-oauthtoken canary-access");
    let wanted: Value = serde_json::from_str(&any.asked("/authorize").2).unwrap();
    assert_eq!((&wanted["access_type"], &wanted["prompt"]), (&json!("offline"), &json!("consent")));
    assert_eq!(wanted["scope"], "ZohoCRM.modules.contacts.ALL,ZohoCRM.modules.leads.ALL");
    let (any, place) = Any::open("", json!({ "api_domain": "https://zohoapis.evil.example" }), &[]).await;
    let (connection, keeper) = connect("zoho-crm", &place, "", "");
    let error = consent(&connection, &keeper).await.unwrap_err();
    assert!(error.contains("none of its known hosts"), "{error}");
    assert_eq!(any.asked.lock().unwrap().len(), 2, "nobody got the token");
}

#[tokio::test]
async fn eventbrite_speaks_to_the_organisation_of_the_login() {
    let organisations = json!({ "organizations": [ { "id": "o-5", "name": "Kea Events" } ] });
    let found = json!({ "attendees": [ { "id": "1", "changed": "2026-06-01T00:00:00Z" } ], "pagination": { "has_more_items": false } });
    let answers = [("/organizations/mine", organisations), ("/api/organizations/o-5/attendees", found)];
    let (any, place) = Any::open("", json!({ "refresh_token": null }), &answers).await;
    let endpoints = format!(", accounts: {place}/organizations/mine");
    let (connection, keeper) = connect("eventbrite", &place, &endpoints, "");
    consent(&connection, &keeper).await.unwrap();
    assert_eq!(list(&connection, &keeper, "attendees").await, Ok(1));
    assert_eq!(any.asked("/api/organizations/o-5").1["authorization"], "Bearer canary-access");
    assert_eq!(keeper.look(&connection).await.unwrap().account.as_deref(), Some("Kea Events"));
}

#[tokio::test]
async fn simpro_is_logged_in_to_where_the_grant_says() {
    let (any, place) = Any::open("", json!({}), &[("/api/companies/0/leads", json!([]))]).await;
    let (connection, keeper) = connect("simpro", &place, "", ", settings: { build: kea }, tenant: \"0\"");
    consent(&connection, &keeper).await.unwrap();
    assert_eq!(list(&connection, &keeper, "leads").await, Ok(0));
    assert_eq!(any.asked("/api/companies/0/leads").1["authorization"], "Bearer canary-access");
}

#[tokio::test]
async fn an_app_that_logs_in_by_itself_asks_again_whatever_it_was_refused_with() {
    let (any, place) = Any::open("", json!({}), &[]).await;
    // The rest of the line is a comment.
    let (connection, _) =
        connect("simpro", &place, " }\n    flow: client-credentials # ", ", settings: { build: kea }");
    let Auth::Grant(grant) = &connection.auth else { panic!("no grant") };
    let clock = Clock::manual(super::setup::start());
    let vault = Vault::new(Some(Secret::Known(super::setup::KEY.to_owned().into())));
    let keeper = Arc::new(Keeper::new(Arc::new(MemoryStore::new()), vault, clock.clone()));
    let sound = any.token.lock().unwrap().clone();
    *any.token.lock().unwrap() = json!({ "error": "invalid_grant", "error_description": "not now" });
    let error = keeper.session(grant, &connection).await.unwrap_err().to_string();
    assert!(error.contains("not now") && error.contains("client_secret"), "{error}");
    let now = keeper.look(&connection).await.unwrap();
    assert_eq!(now.state, ConnectionState::Connected, "nothing ended");
    assert!(now.todo.unwrap().contains("not now"));
    *any.token.lock().unwrap() = sound;
    clock.advance(std::time::Duration::from_secs(11));
    keeper.session(grant, &connection).await.unwrap();
    assert_eq!(keeper.look(&connection).await.unwrap().todo, None);
}
