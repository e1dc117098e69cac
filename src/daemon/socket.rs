//! The daemon's end of the unix socket: who may connect, and line after line of requests and frames.

use std::{
    io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use thiserror::Error;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream, unix::OwnedWriteHalf},
    sync::{Semaphore, mpsc},
    task::JoinSet,
};

use super::{
    answer::answer,
    control::{Shared, Stop},
    person::Person,
    protocol::{DEADLINE, Failure, FailureKind, Frame, LONGEST_REQUEST, Progress, Request},
};

/// Clients served at once.
const CLIENTS: usize = 64;
/// How long the end of the daemon waits for clients that still read their answer.
const FAREWELL: Duration = Duration::from_secs(1);
/// How long a client may be connected without asking anything: its place is needed by others.
const IDLE: Duration = Duration::from_mins(5);
/// How long a line may take to be sent to a client that does not read.
const UNREAD: Duration = DEADLINE;
/// After so long without a line the client is told that the daemon is there; well within the silence it bears.
const ALIVE: Duration = Duration::from_secs(5);
/// Owner and group may connect.
const MODE: u32 = 0o660;

/// Why the daemon has no socket.
#[derive(Debug, Error)]
pub enum SocketError {
    /// Another daemon answers there.
    #[error("another daemon answers at {path}; stop it first, or give this one its own `socket` and `state_dir`")]
    Taken {
        /// The socket.
        path: PathBuf,
    },
    /// It cannot be made.
    #[error("the socket {path} cannot be made")]
    Failed {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A bound socket.
#[derive(Debug)]
pub(super) struct Listener {
    listener: UnixListener,
    path: PathBuf,
}

impl Listener {
    /// Binds the socket. One left behind by a daemon that was killed is replaced.
    pub async fn bind(path: &Path) -> Result<Self, SocketError> {
        let failed = |source| SocketError::Failed { path: path.to_owned(), source };
        if UnixStream::connect(path).await.is_ok() {
            return Err(SocketError::Taken { path: path.to_owned() });
        }
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        // Under another name first: the socket is never seen with wider rights than it shall have, and replacing a
        // stale one is one step.
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{}", std::process::id()));
        let fresh = PathBuf::from(name);
        let _ = std::fs::remove_file(&fresh);
        let listener = UnixListener::bind(&fresh).map_err(failed)?;
        std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(MODE)).map_err(failed)?;
        std::fs::rename(&fresh, path).map_err(failed)?;
        Ok(Self { listener, path: path.to_owned() })
    }

    /// Serves until the daemon has stopped; then the socket is gone.
    pub async fn serve(self, shared: Arc<Shared>) {
        let mut clients = JoinSet::new();
        let places = Arc::new(Semaphore::new(CLIENTS));
        loop {
            let accepted = tokio::select! {
                () = shared.stopped(Stop::Done) => break,
                accepted = async {
                    // Never closed, so there is a place sooner or later.
                    let place = places.clone().acquire_owned().await.ok();
                    (place, self.listener.accept().await)
                } => accepted,
                Some(_) = clients.join_next() => continue,
            };
            match accepted {
                (place, Ok((stream, _))) => {
                    let (shared, path) = (shared.clone(), self.path.clone());
                    clients.spawn(async move {
                        let _place = place;
                        if let Err(error) = serve(&shared, stream, &path).await {
                            tracing::debug!(event = "socket.client_lost", %error);
                        }
                    });
                }
                (_, Err(error)) => {
                    // Out of file descriptors, mostly: others must end first.
                    tracing::warn!(event = "socket.accept_failed", %error);
                    tokio::time::sleep(FAREWELL).await;
                }
            }
        }
        let _ = std::fs::remove_file(&self.path);
        // Answers that were under way when the daemon stopped are ready by now; those who do not read them lose them.
        let _ = tokio::time::timeout(FAREWELL, async { while clients.join_next().await.is_some() {} }).await;
    }
}

async fn serve(shared: &Arc<Shared>, stream: UnixStream, path: &Path) -> io::Result<()> {
    let person = Person::of(&stream.peer_cred()?);
    let (read, mut write) = stream.into_split();
    let own = std::fs::metadata(path)?;
    if !person.may(own.uid(), own.gid()) {
        tracing::warn!(event = "socket.refused", uid = person.uid, user = person.name());
        let text = format!(
            "{} may not give commands to this daemon; root, the daemon's own user and members of the group of {} may",
            person.name(),
            path.display()
        );
        return send(&mut write, &Frame::Failed(Failure::new(FailureKind::NotPossible, text))).await;
    }
    let mut lines = BufReader::new(read);
    loop {
        let mut line = String::new();
        let mut limited = (&mut lines).take(LONGEST_REQUEST);
        let read = tokio::select! {
            read = tokio::time::timeout(IDLE, limited.read_line(&mut line)) => read??,
            () = shared.stopped(Stop::Done) => return Ok(()),
        };
        if read == 0 {
            return Ok(());
        }
        if !line.ends_with('\n') && read as u64 >= LONGEST_REQUEST {
            let text = format!("a request is a line of at most {LONGEST_REQUEST} bytes");
            return send(&mut write, &Frame::Failed(Failure::new(FailureKind::BadRequest, text))).await;
        }
        match Request::from_line(&line) {
            Ok(request) => {
                if !is_look(&request) {
                    let (user, asked) = (person.name(), request.without_secrets());
                    tracing::info!(event = "socket.request", uid = person.uid, user, request = %asked);
                }
                carry_out(shared, request.asked_by(&person.name()), &mut write).await?;
            }
            Err(failure) => send(&mut write, &Frame::Failed(failure)).await?,
        }
    }
}

/// A request that changes nothing.
const fn is_look(request: &Request) -> bool {
    matches!(
        request,
        Request::Ping
            | Request::Status
            | Request::Explain { .. }
            | Request::Links { .. }
            | Request::Parked { .. }
            | Request::Conflicts { .. }
            | Request::Held
            | Request::Runs { .. }
            | Request::ConfigDiff { .. }
            | Request::LastGood { .. }
            | Request::LogLevel { directive: None }
    )
}

async fn carry_out(shared: &Arc<Shared>, request: Request, write: &mut OwnedWriteHalf) -> io::Result<()> {
    let (sender, mut progress) = mpsc::unbounded_channel();
    let work = answer(shared, request, sender);
    tokio::pin!(work);
    let outcome = loop {
        tokio::select! {
            biased;
            Some(step) = progress.recv() => send(write, &Frame::Progress(step)).await?,
            outcome = &mut work => break outcome,
            () = tokio::time::sleep(ALIVE) => send(write, &Frame::Progress(Progress::Alive)).await?,
        }
    };
    while let Ok(step) = progress.try_recv() {
        send(write, &Frame::Progress(step)).await?;
    }
    send(write, &outcome.map_or_else(Frame::Failed, Frame::Done)).await
}

/// Sends a line, to a client that takes it.
async fn send(write: &mut OwnedWriteHalf, frame: &Frame) -> io::Result<()> {
    let mut line = serde_json::to_vec(frame)?;
    line.push(b'\n');
    tokio::time::timeout(UNREAD, write.write_all(&line)).await?
}
