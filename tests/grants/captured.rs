//! What a remote says in passing: which account a login is for, and where its API is; and a key beside a login.

use std::{
    collections::HashMap,
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

/// A system whose API is on another host than its logins; both are told apart by their ports.
#[derive(Clone, Default)]
struct Till {
    api: Arc<Mutex<String>>,
    /// What the way back says of where tokens are made.
    server: Arc<Mutex<String>>,
    asked: Arc<Mutex<Vec<(String, HeaderMap)>>>,
}

async fn authorize(State(till): State<Till>, Query(asked): Query<HashMap<String, String>>) -> impl IntoResponse {
    let server = till.server.lock().unwrap().clone();
    let back = format!("{}?code=c&state={}&realmId=91%2F30&server={server}", asked["redirect_uri"], asked["state"]);
    (StatusCode::SEE_OTHER, [(LOCATION, back)])
}

fn json_of(body: &Value) -> impl IntoResponse + use<> {
    ([(CONTENT_TYPE, "application/json")], body.to_string())
}

async fn token(State(till): State<Till>) -> impl IntoResponse {
    let api = till.api.lock().unwrap().clone();
    json_of(&json!({ "access_token": "canary-access", "refresh_token": "canary-refresh", "expires_in": 3600,
        "token_type": "bearer", "api_domain": api, "id_token": "canary-id" }))
}

async fn customers(State(till): State<Till>, request: Request) -> impl IntoResponse {
    till.asked.lock().unwrap().push((request.uri().to_string(), request.headers().clone()));
    json_of(&json!({ "items": [ { "id": "1" } ] }))
}

impl Till {
    /// Starts it: the address of its logins.
    async fn open() -> (Self, String) {
        let till = Self::default();
        let logins = Router::new().route("/authorize", get(authorize)).route("/token", post(token));
        let api = Router::new().fallback(customers);
        let mut places = Vec::new();
        for router in [logins.with_state(till.clone()), api.with_state(till.clone())] {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            places.push(format!("http://{}", listener.local_addr().unwrap()));
            tokio::spawn(async move { axum::serve(listener, router).await });
        }
        *till.api.lock().unwrap() = places.pop().unwrap();
        (till, places.pop().unwrap())
    }
}

/// A connection to the till, and its keeper; the API may be on these hosts.
fn connect(logins: &str, hosts: &str) -> (Arc<Connection>, Arc<Keeper>) {
    let yaml = format!(
        "connectors:\n  till:\n    base_url: {logins}/nowhere\n    auth:\n      - kind: oauth2\n        authorize: {logins}/authorize\n        token: {logins}/token\n\
         \x20       account_in: {{ redirect: realmId }}\n        host_in: {{ path: $.api_domain, hosts: [ {hosts} ] }}\n        token_host_in: {{ redirect: server, hosts: [ 127.0.0.1 ] }}\n      - {{ kind: header, header: x-file, beside: true }}\n\
         \x20   resources:\n      customers:\n        id: $.id\n        fields: {{ id: {{ type: id, read_only: true }} }}\n\
         \x20       list: {{ get: \"/company/${{tenant}}/customers\", records: $.items, page: {{ kind: none }} }}\n\
         grants:\n  office: {{ connector: till, client_id: app, client_secret: canary-app-secret }}\n\
         connections:\n  shop: {{ connector: till, grant: office, auth: {{ header: canary-file-key }} }}\n"
    );
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("x.yaml"), yaml).unwrap();
    let loaded = load(folder.path(), &HashMap::<String, String>::new());
    assert!(loaded.diagnostics.is_empty(), "{}", loaded.render(false));
    let vault = Vault::new(Some(Secret::Known(super::setup::KEY.to_owned().into())));
    let keeper = Keeper::new(Arc::new(MemoryStore::new()), vault, Clock::manual(super::setup::start()));
    (Arc::clone(&loaded.config.connections[&ConnectionName::parse("shop").unwrap()]), Arc::new(keeper))
}

async fn consent(connection: &Connection, keeper: &Arc<Keeper>) -> Result<(), String> {
    let Auth::Grant(grant) = &connection.auth else { panic!("no grant") };
    let url = keeper.begin(grant, grant.redirect.clone(), None).await.unwrap();
    keeper.finish(&browser::consent(&url).await).await.map(drop).map_err(|error| error.to_string())
}

#[tokio::test]
async fn the_account_of_the_way_back_and_the_host_of_the_answer_are_spoken_to_with_both_keys() {
    let (till, logins) = Till::open().await;
    let (connection, keeper) = connect(&logins, "127.0.0.1");
    consent(&connection, &keeper).await.unwrap();
    let clock = Clock::manual(super::setup::start());
    let connector =
        HttpConnector::new(connection.clone(), clock.clone(), &Arc::new(LimitRegistry::new(clock))).unwrap();
    let connector = connector.with_grants(keeper.clone());
    let resource = connector.resource("customers").unwrap();
    let page = connector.pull(resource, &PullCursor { since: None, page: None }).await.unwrap();
    assert_eq!(page.records.len(), 1);
    let asked = till.asked.lock().unwrap().clone();
    let [(target, headers)] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!(target, "/nowhere/company/91%2F30/customers", "at the other host, under the path of the base URL");
    assert_eq!(
        (&headers["authorization"], &headers["x-file"]),
        (&"Bearer canary-access".parse().unwrap(), &"canary-file-key".parse().unwrap())
    );
    let now = keeper.look(&connection).await.unwrap();
    assert_eq!((now.state, now.account.as_deref()), (ConnectionState::Connected, Some("91/30")));
    assert!(!format!("{connection:?} {keeper:?} {now:?}").contains("canary"));
}

#[tokio::test]
async fn a_host_that_the_connector_does_not_name_gets_no_token() {
    let (till, logins) = Till::open().await;
    let (connection, keeper) = connect(&logins, "till.example");
    let error = consent(&connection, &keeper).await.unwrap_err();
    assert!(error.contains("none of its known hosts"), "{error}");
    assert_eq!(keeper.look(&connection).await.unwrap().state, ConnectionState::NeedsConsent);
    assert!(till.asked.lock().unwrap().is_empty());
}

/// What comes to a server: a token call of any kind is answered like the till's.
async fn other_server(till: &Till) -> String {
    let app = Router::new().route("/token", post(counted)).with_state(till.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

async fn counted(State(till): State<Till>, request: Request) -> impl IntoResponse {
    till.asked.lock().unwrap().push((request.uri().to_string(), request.headers().clone()));
    token(State(till)).await
}

#[tokio::test]
async fn codes_and_tokens_go_to_the_server_of_the_way_back_if_the_connector_names_it() {
    let (till, logins) = Till::open().await;
    let (connection, keeper) = connect(&logins, "127.0.0.1");
    *till.server.lock().unwrap() = other_server(&till).await;
    consent(&connection, &keeper).await.unwrap();
    assert_eq!(till.asked.lock().unwrap().len(), 1, "the code was changed there");
    let Auth::Grant(grant) = &connection.auth else { panic!("no grant") };
    keeper.refused(grant, &"canary-access".to_owned().into()).await;
    keeper.session(grant, &connection).await.unwrap();
    assert_eq!(till.asked.lock().unwrap().len(), 2, "and so is the refresh token");
    // Anybody can make up a way back.
    *till.server.lock().unwrap() = "https://evil.example".to_owned();
    let error = consent(&connection, &keeper).await.unwrap_err();
    assert!(
        error.contains("its tokens are made at `https://evil.example`, which is none of its known hosts"),
        "{error}"
    );
    assert_eq!(till.asked.lock().unwrap().len(), 2);
}
