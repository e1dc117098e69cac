//! A small mail server that takes every mail: in the clear, with STARTTLS, or over TLS from the first byte.

use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

/// Who signs certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate, for those who trust it.
    pub pem: String,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// What a server of this name shows.
    pub fn certify(&self, name: &str) -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let chain = vec![certificate.der().clone()];
        Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap())
    }
}

/// How a server speaks.
#[derive(Clone)]
pub enum Speaks {
    Plain,
    StartTls(Arc<ServerConfig>),
    Tls(Arc<ServerConfig>),
}

/// A server, and what it was told.
pub struct MailServer {
    pub port: u16,
    told: Arc<Mutex<Told>>,
}

/// What a server was told.
#[derive(Default)]
struct Told {
    /// Each mail with the lines before it.
    mails: Vec<String>,
    /// Every line that came in the clear.
    clear: Vec<String>,
}

impl MailServer {
    pub async fn start() -> Self {
        Self::speaking(Speaks::Plain).await
    }

    pub async fn speaking(speaks: Speaks) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let told: Arc<Mutex<Told>> = Arc::default();
        let telling = Arc::clone(&told);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (telling, speaks) = (Arc::clone(&telling), speaks.clone());
                tokio::spawn(async move {
                    match speaks {
                        Speaks::Plain => drop(talk(stream, &telling, Over::Clear { offers: false }).await),
                        Speaks::StartTls(config) => {
                            let Some(stream) = talk(stream, &telling, Over::Clear { offers: true }).await else {
                                return;
                            };
                            // A client that does not trust it goes away.
                            if let Ok(stream) = TlsAcceptor::from(config).accept(stream).await {
                                talk(stream, &telling, Over::Tls { greets: false }).await;
                            }
                        }
                        Speaks::Tls(config) => {
                            if let Ok(stream) = TlsAcceptor::from(config).accept(stream).await {
                                talk(stream, &telling, Over::Tls { greets: true }).await;
                            }
                        }
                    }
                });
            }
        });
        Self { port, told }
    }

    pub fn mails(&self) -> Vec<String> {
        self.told.lock().unwrap().mails.clone()
    }

    /// Every line that came in the clear.
    pub fn in_the_clear(&self) -> Vec<String> {
        self.told.lock().unwrap().clear.clone()
    }
}

/// How a conversation goes.
#[derive(Clone, Copy)]
enum Over {
    Clear { offers: bool },
    Tls { greets: bool },
}

/// Talks until the client goes away; gives the stream back for TLS, if it asks for that.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(stream: S, told: &Mutex<Told>, over: Over) -> Option<S> {
    let mut stream = BufReader::new(stream);
    if !matches!(over, Over::Tls { greets: false }) {
        stream.write_all(b"220 test\r\n").await.ok()?;
        stream.flush().await.ok()?;
    }
    let mut mail = String::new();
    loop {
        let line = read(&mut stream).await?;
        if let Over::Clear { .. } = over {
            told.lock().unwrap().clear.push(line.clone());
        }
        let offers = matches!(over, Over::Clear { offers: true });
        let answer: &[u8] = match line.split([' ', ':']).next().unwrap() {
            "EHLO" if offers => b"250-test\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n",
            "EHLO" => b"250-test\r\n250 AUTH PLAIN\r\n",
            "STARTTLS" if offers => b"220 go on\r\n",
            "AUTH" => b"235 welcome\r\n",
            "MAIL" | "RCPT" => b"250 ok\r\n",
            "DATA" => b"354 go on\r\n",
            "QUIT" => b"221 bye\r\n",
            _ => b"500 what\r\n",
        };
        mail.push_str(&line);
        mail.push('\n');
        stream.write_all(answer).await.ok()?;
        stream.flush().await.ok()?;
        if line == "STARTTLS" && offers {
            // The client waits for the answer before it goes on, so nothing is read too far.
            return Some(stream.into_inner());
        }
        if line == "DATA" {
            loop {
                let line = read(&mut stream).await?;
                if line == "." {
                    break;
                }
                mail.push_str(&line);
                mail.push('\n');
            }
            stream.write_all(b"250 taken\r\n").await.ok()?;
            stream.flush().await.ok()?;
            told.lock().unwrap().mails.push(std::mem::take(&mut mail));
        }
    }
}

/// A line; `None` at the end.
async fn read<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut BufReader<S>) -> Option<String> {
    let mut line = String::new();
    let count = stream.read_line(&mut line).await.ok()?;
    (count > 0).then(|| line.trim_end().to_owned())
}
