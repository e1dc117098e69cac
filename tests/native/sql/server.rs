//! A database server with a data folder of its own, on a port given by the system, that ends with the test.

use std::{
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

pub struct Server {
    pub kind: &'static str,
    port: u16,
    child: Option<Child>,
    folder: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // A fast shutdown: it ends its own helpers, too.
            let _ = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
            if self.kind == "mariadb" {
                let _ = child.kill();
            }
            let _ = child.wait();
        }
    }
}

fn quiet(command: &mut Command, folder: &Path) {
    let log = std::fs::File::options().create(true).append(true).open(folder.join("log")).unwrap();
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
}

fn program(names: &[&str], package: &str) -> PathBuf {
    let mut places = vec![PathBuf::from("/usr/sbin"), PathBuf::from("/usr/bin")];
    if let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") {
        places.extend(versions.map(|version| version.unwrap().path().join("bin")));
    }
    let found = names.iter().flat_map(|name| places.iter().map(move |place| place.join(name))).find(|at| at.exists());
    found.unwrap_or_else(|| panic!("{names:?} is not installed: apt-get install -y {package} (tests/run does)"))
}

/// PostgreSQL does not run as root.
fn as_postgres(program: PathBuf) -> Command {
    let root = std::fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0);
    if !root {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
    command
}

impl Server {
    /// A server with a certificate for `127.0.0.1`, signed by the authority in `ca.pem`; another one is in `other.pem`.
    pub async fn start_encrypted(kind: &'static str) -> Self {
        let (folder, port) = place();
        certificates(folder.path());
        let child = if kind == "postgres" {
            postgres(folder.path(), port, &["ssl=on", "ssl_cert_file=../server.pem", "ssl_key_file=../server.key"])
        } else {
            let file = |name: &str| folder.path().join(name).display().to_string();
            let tls = [format!("--ssl-cert={}", file("server.pem")), format!("--ssl-key={}", file("server.key"))];
            mariadb(folder.path(), port, &tls)
        };
        Self { kind, port, child: Some(child), folder }.ready().await
    }

    pub fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    pub async fn start(kind: &str) -> Self {
        let (folder, port) = place();
        match kind {
            "postgres" => {
                Self { kind: "postgres", port, child: Some(postgres(folder.path(), port, &[])), folder }.ready().await
            }
            "mariadb" => {
                Self {
                    kind: "mariadb",
                    port,
                    child: Some(mariadb(folder.path(), port, &["--skip-ssl".to_owned()])),
                    folder,
                }
                .ready()
                .await
            }
            _ => {
                std::fs::File::create(folder.path().join("shop.db")).unwrap();
                Self { kind: "sqlite", port, child: None, folder }
            }
        }
    }

    /// Its address, with the login if wanted; on another port if it is given.
    pub fn url(&self, login: bool, port: Option<u16>) -> String {
        let login = if login { "app:canary-pass@" } else { "" };
        let port = port.unwrap_or(self.port);
        match self.kind {
            "postgres" => format!("postgres://{login}127.0.0.1:{port}/shop?sslmode=disable"),
            "mariadb" => format!("mysql://{login}127.0.0.1:{port}/shop?ssl-mode=disabled"),
            _ => format!("sqlite:{}", self.folder.path().join("shop.db").display()),
        }
    }

    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Waits until it lets us in.
    async fn ready(mut self) -> Self {
        use sqlx::Connection as _;
        let url = self.url(true, None);
        let begin = std::time::Instant::now();
        loop {
            let error = match sqlx::AnyConnection::connect(&url).await {
                Ok(_) => return self,
                Err(error) => error,
            };
            let ended = self.child.as_mut().unwrap().try_wait().unwrap();
            if ended.is_some() || begin.elapsed() > Duration::from_secs(120) {
                let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
                panic!("{} is not ready: {error}; {ended:?}\n{log}", self.kind);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// A folder that whoever the server runs as may write, and a free port.
fn place() -> (tempfile::TempDir, u16) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    (folder, TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port())
}

fn certificates(folder: &Path) {
    let openssl = |arguments: &str| {
        let mut command = as_postgres(program(&["openssl"], "openssl"));
        command.current_dir(folder).args(arguments.split(' '));
        quiet(&mut command, folder);
        assert!(command.status().unwrap().success(), "{}", std::fs::read_to_string(folder.join("log")).unwrap());
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    for name in ["ca", "other"] {
        openssl(&format!("req -x509 {key} -keyout {name}.key -out {name}.pem -days 2 -subj /CN=practice-{name}"));
    }
    std::fs::write(folder.join("names"), "subjectAltName=IP:127.0.0.1\n").unwrap();
    openssl(&format!("req {key} -keyout server.key -out server.csr -subj /CN=practice"));
    openssl("x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out server.pem -days 2 -extfile names");
}

fn postgres(folder: &Path, port: u16, settings: &[&str]) -> Child {
    let data = folder.join("data");
    let secret = folder.join("secret");
    std::fs::write(&secret, "canary-pass").unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o644)).unwrap();
    let mut made = as_postgres(program(&["initdb"], "postgresql"));
    made.args(["--no-sync", "-U", "app", "-E", "UTF8", "--locale=C.UTF-8", "-A", "scram-sha-256", "--pwfile"])
        .arg(&secret)
        .arg("-D")
        .arg(&data);
    quiet(&mut made, folder);
    assert!(made.status().unwrap().success(), "{}", std::fs::read_to_string(folder.join("log")).unwrap());
    // The database is made by a server without a network, which needs no password.
    let mut single = as_postgres(program(&["postgres"], "postgresql"));
    single.args(["--single", "-F", "-D"]).arg(&data).arg("postgres");
    quiet(&mut single, folder);
    let mut child = single.stdin(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"CREATE DATABASE shop;\n").unwrap();
    assert!(child.wait().unwrap().success());
    let mut server = as_postgres(program(&["postgres"], "postgresql"));
    server.arg("-D").arg(&data).args(["-F", "-h", "127.0.0.1", "-p", &port.to_string(), "-k"]).arg(folder);
    server.args(["-c", "shared_buffers=16MB", "-c", "max_connections=20", "-c", "timezone=Pacific/Auckland"]);
    server.args(settings.iter().flat_map(|setting| ["-c", *setting]));
    quiet(&mut server, folder);
    server.spawn().unwrap()
}

fn mariadb(folder: &Path, port: u16, settings: &[String]) -> Child {
    let data = folder.join("data");
    let mut made = Command::new(program(&["mariadb-install-db"], "mariadb-server"));
    made.args(["--no-defaults", "--user=root", "--skip-test-db", "--skip-log-bin"])
        .arg(format!("--datadir={}", data.display()));
    quiet(&mut made, folder);
    assert!(made.status().unwrap().success(), "{}", std::fs::read_to_string(folder.join("log")).unwrap());
    let begin = folder.join("begin.sql");
    std::fs::write(
        &begin,
        "CREATE DATABASE shop CHARACTER SET utf8mb4;\nCREATE USER app@'127.0.0.1' IDENTIFIED BY 'canary-pass';\n\
         CREATE USER app@localhost IDENTIFIED BY 'canary-pass';\n\
         GRANT ALL ON shop.* TO app@'127.0.0.1';\nGRANT ALL ON shop.* TO app@localhost;\n\
         GRANT PROCESS ON *.* TO app@'127.0.0.1', app@localhost;\n",
    )
    .unwrap();
    let mut server = Command::new(program(&["mariadbd", "mysqld"], "mariadb-server"));
    server.args(["--no-defaults", "--user=root", "--bind-address=127.0.0.1", "--innodb-buffer-pool-size=16M"]);
    server.args(["--innodb-flush-log-at-trx-commit=0", "--default-time-zone=+12:00", &format!("--port={port}")]);
    server.arg(format!("--datadir={}", data.display()));
    server.arg(format!("--socket={}", folder.join("socket").display()));
    server.arg(format!("--init-file={}", begin.display())).args(settings);
    quiet(&mut server, folder);
    server.spawn().unwrap()
}
