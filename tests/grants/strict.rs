//! Against an authorization server that others wrote, and that forgives nothing: a refresh token that comes a second time
//! ends the whole grant. `tests/run` installs it; where it is not there, nothing is shown here, and this says so.

use std::{
    collections::HashMap,
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use reconciled::{
    clock::Clock,
    config::{Auth, Config, Connection, ConnectionName, Secret, load},
    grant::{ConnectionState, GrantError, Keeper, Leaving, Session, Vault},
    store::MemoryStore,
};
use reqwest::Method;
use secrecy::ExposeSecret as _;
use url::Url;

use crate::browser::Browser;

/// The server in a process of its own, which ends with this.
struct Provider {
    process: Child,
    url: Url,
    /// What it says goes on being taken: it does not live without.
    _said: BufReader<ChildStdout>,
}

impl Provider {
    /// `None` where it is not installed.
    fn start() -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = root.join("target/oidc");
        if !folder.join("node_modules/oidc-provider").exists() {
            assert!(std::env::var_os("RECONCILED_ALL").is_none(), "tests/run has not installed {}", folder.display());
            eprintln!("there is no authorization server in {}: run tests/run", folder.display());
            return None;
        }
        fs::copy(root.join("tests/oidc/server.mjs"), folder.join("server.mjs")).unwrap();
        let mut command = Command::new("node");
        command.arg("server.mjs").current_dir(folder);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().unwrap();
        let mut said = BufReader::new(process.stdout.take().unwrap());
        let url = said.by_ref().lines().map_while(Result::ok).find(|line| line.starts_with("http://127.0.0.1:"));
        let url = Url::parse(&url.expect("the server says where it listens")).unwrap();
        Some(Self { process, url, _said: said })
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A wire to the server that can be cut after the server has answered.
struct Wire {
    port: u16,
    cut: Arc<AtomicBool>,
}

impl Wire {
    fn to(provider: &Provider) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, cut) = (listener.local_addr().unwrap().port(), Arc::new(AtomicBool::new(false)));
        let (there, own_cut) = (provider.url.port().unwrap(), Arc::clone(&cut));
        std::thread::spawn(move || {
            // Ends with the process of the test.
            for near in listener.incoming().map_while(Result::ok) {
                let far = TcpStream::connect(("127.0.0.1", there)).unwrap();
                let cut = Arc::clone(&own_cut);
                let (mut up, mut down) = (near.try_clone().unwrap(), far.try_clone().unwrap());
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut up, &mut down);
                });
                std::thread::spawn(move || carry(far, near, &cut));
            }
        });
        Self { port, cut }
    }

    /// The next answer is lost, whole.
    fn lose_one(&self) {
        self.cut.store(true, Ordering::SeqCst);
    }
}

fn carry(mut far: TcpStream, mut near: TcpStream, cut: &AtomicBool) {
    let mut bytes = [0; 8192];
    while let Ok(count @ 1..) = far.read(&mut bytes) {
        if cut.swap(false, Ordering::SeqCst) || near.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = near.shutdown(std::net::Shutdown::Both);
    let _ = far.shutdown(std::net::Shutdown::Both);
}

/// A login at the server.
struct Login {
    config: Config,
    keeper: Arc<Keeper>,
    wire: Wire,
    provider: Provider,
}

impl Login {
    fn open() -> Option<Self> {
        let provider = Provider::start()?;
        let wire = Wire::to(&provider);
        let (issuer, wired) = (provider.url.as_str(), format!("http://127.0.0.1:{}", wire.port));
        let yaml = format!(
            "connectors:\n  shopkeeper:\n    base_url: https://shop.example\n    auth:\n      kind: oauth2\n      authorize: {issuer}auth\n\
             \x20     authorize_query: {{ prompt: consent }}\n      token: {wired}/token\n      revoke: {issuer}token/revocation\n\
             \x20     scopes: [ openid, offline_access ]\n    resources:\n      customers:\n        id: $.id\n        fields: {{ id: {{ type: id, read_only: true }} }}\n\
             \x20       list: {{ get: /customers, records: $.items, page: {{ kind: none }} }}\n\
             grants:\n  office: {{ connector: shopkeeper, client_id: app, client_secret: canary-app-secret }}\n\
             connections:\n  shop: {{ connector: shopkeeper, grant: office }}\n"
        );
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("x.yaml"), yaml).unwrap();
        let loaded = load(folder.path(), &HashMap::<String, String>::new());
        assert!(loaded.diagnostics.is_empty(), "{}", loaded.render(false));
        let vault = Vault::new(Some(Secret::Known(super::setup::KEY.to_owned().into())));
        let clock = Clock::manual(super::setup::start());
        let keeper = Arc::new(Keeper::new(Arc::new(MemoryStore::new()), vault, clock.clone()));
        Some(Self { config: loaded.config, keeper, wire, provider })
    }

    fn connection(&self) -> &Arc<Connection> {
        &self.config.connections[&ConnectionName::parse("shop").unwrap()]
    }

    /// A person logs in at the server and consents.
    async fn consent(&self) {
        let Auth::Grant(grant) = &self.connection().auth else { panic!("no grant") };
        let mut url = self.keeper.begin(grant, grant.redirect.clone(), None).await.unwrap();
        let browser = Browser::new();
        while url.origin() == self.provider.url.origin() {
            url = browser.led_to(Method::GET, &url).await;
        }
        let parameters: Vec<_> = url.query_pairs().into_owned().collect();
        self.keeper.finish(&parameters).await.unwrap();
    }

    async fn session(&self) -> Result<Session, GrantError> {
        let Auth::Grant(grant) = &self.connection().auth else { panic!("no grant") };
        self.keeper.session(grant, self.connection()).await
    }

    /// The remote refuses the access token.
    async fn refuse(&self, session: &Session) {
        let Auth::Grant(grant) = &self.connection().auth else { panic!("no grant") };
        self.keeper.refused(grant, &session.token).await;
    }
}

#[tokio::test]
async fn a_strict_server_is_served_as_long_as_no_answer_is_lost() {
    let Some(login) = Login::open() else { return };
    login.consent().await;
    let mut tokens = Vec::new();
    for _ in 0..5 {
        let session = login.session().await.unwrap();
        tokens.push(session.token.expose_secret().to_owned());
        login.refuse(&session).await;
    }
    tokens.sort();
    tokens.dedup();
    assert_eq!(tokens.len(), 5, "each renewal took the token of the one before");
}

#[tokio::test]
async fn an_answer_that_a_strict_server_gave_and_nobody_got_ends_in_please_authorise_again() {
    let Some(login) = Login::open() else { return };
    login.consent().await;
    let session = login.session().await.unwrap();
    login.refuse(&session).await;
    login.wire.lose_one();
    let error = login.session().await.unwrap_err();
    assert!(matches!(&error, GrantError::Person(text) if text.contains("authorise again")), "{error}");
    let now = login.keeper.look(login.connection()).await.unwrap();
    assert_eq!(now.state, ConnectionState::Broken);
    assert!(now.todo.unwrap().contains("reconciled connect office"));
    login.consent().await;
    login.session().await.unwrap();
}

#[tokio::test]
async fn what_is_given_back_is_worth_nothing_at_the_server_any_more() {
    let Some(login) = Login::open() else { return };
    login.consent().await;
    login.session().await.unwrap();
    let Auth::Grant(grant) = &login.connection().auth else { panic!("no grant") };
    let told = login
        .keeper
        .disconnect(grant, Leaving { connection: None, others: &["shop".to_owned()], by: "jane" })
        .await
        .unwrap();
    assert!(told.contains("given back"), "{told}");
    assert!(login.session().await.is_err());
    login.consent().await;
    login.session().await.unwrap();
}
