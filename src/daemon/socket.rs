//! The daemon's end of the unix socket: who may connect, and line after line of requests and frames.

use std::{
    collections::BTreeSet,
    io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use thiserror::Error;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{
        UnixListener, UnixStream,
        unix::{OwnedWriteHalf, UCred},
    },
    sync::{Semaphore, mpsc},
    task::JoinSet,
};

use super::{
    answer::answer,
    control::{Shared, Stop},
    protocol::{Failure, FailureKind, Frame, LONGEST_REQUEST, Progress, Request},
};

/// Clients served at once.
const CLIENTS: usize = 64;
/// How often a run tells the requests it has made.
const TELL: Duration = Duration::from_secs(1);
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
                    tokio::time::sleep(TELL).await;
                }
            }
        }
        let _ = std::fs::remove_file(&self.path);
        // Answers that were under way when the daemon stopped are ready by now; those who do not read them lose them.
        let _ = tokio::time::timeout(TELL, async { while clients.join_next().await.is_some() {} }).await;
    }
}

async fn serve(shared: &Arc<Shared>, stream: UnixStream, path: &Path) -> io::Result<()> {
    let peer = stream.peer_cred()?;
    let (read, mut write) = stream.into_split();
    let own = std::fs::metadata(path)?;
    if !may(&peer, own.uid(), own.gid()) {
        tracing::warn!(event = "socket.refused", uid = peer.uid(), gid = peer.gid());
        let text = "only root, the daemon's user and the group of its socket may give it commands";
        return send(&mut write, &Frame::Failed(Failure::new(FailureKind::NotPossible, text))).await;
    }
    let mut lines = BufReader::new(read);
    loop {
        let mut line = String::new();
        let mut limited = (&mut lines).take(LONGEST_REQUEST);
        let read = tokio::select! {
            read = limited.read_line(&mut line) => read?,
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
                    tracing::info!(event = "socket.request", uid = peer.uid(), request = line.trim_end());
                }
                carry_out(shared, request, &mut write).await?;
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
    )
}

async fn carry_out(shared: &Arc<Shared>, request: Request, write: &mut OwnedWriteHalf) -> io::Result<()> {
    let (sender, mut progress) = mpsc::unbounded_channel();
    let runs = matches!(request, Request::Run(_));
    let work = answer(shared, request, sender);
    tokio::pin!(work);
    let mut tick = tokio::time::interval(TELL);
    let mut told = None;
    let outcome = loop {
        tokio::select! {
            biased;
            Some(step) = progress.recv() => send(write, &Frame::Progress(step)).await?,
            outcome = &mut work => break outcome,
            _ = tick.tick(), if runs => {
                let requests: Vec<_> = shared
                    .engine()
                    .connectors
                    .iter()
                    .map(|(name, connector)| (name.clone(), connector.requests()))
                    .filter(|(_, requests)| *requests != crate::connector::Requests::default())
                    .collect();
                let step = Progress::Working { requests };
                if told.as_ref() != Some(&step) {
                    send(write, &Frame::Progress(step.clone())).await?;
                    told = Some(step);
                }
            }
        }
    };
    while let Ok(step) = progress.try_recv() {
        send(write, &Frame::Progress(step)).await?;
    }
    send(write, &outcome.map_or_else(Frame::Failed, Frame::Done)).await
}

async fn send(write: &mut OwnedWriteHalf, frame: &Frame) -> io::Result<()> {
    let mut line = serde_json::to_vec(frame)?;
    line.push(b'\n');
    write.write_all(&line).await
}

/// Root, the daemon's user, and members of the socket's group. The kernel has checked the file's mode already; this
/// holds also where a file system or an operator gave the file wider rights.
fn may(peer: &UCred, uid: u32, gid: u32) -> bool {
    peer.uid() == 0
        || peer.uid() == uid
        || peer.gid() == gid
        || peer.pid().is_some_and(|pid| supplementary(pid).contains(&gid))
}

/// The further groups of a process, as Linux tells them.
fn supplementary(pid: i32) -> BTreeSet<u32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Groups:")).unwrap_or_default();
    line.split_whitespace().filter_map(|group| group.parse().ok()).collect()
}
