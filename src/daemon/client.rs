//! The commands' end of the socket.

use std::{io, path::Path, time::Duration};

use thiserror::Error;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use super::protocol::{Failure, Frame, Progress, Request, Response, SILENCE};

/// Why there is no answer from a daemon.
#[derive(Debug, Error)]
pub enum ClientError {
    /// No daemon listens there.
    #[error("no daemon answers at {path}")]
    NoDaemon {
        /// The socket.
        path: String,
    },
    /// The socket is there but may not be used.
    #[error("the daemon's socket {path} cannot be used")]
    Unusable {
        /// The socket.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The daemon is there and says nothing.
    #[error(
        "the daemon has said nothing for {} s; it may be stopped or hang (`kill -CONT`, or a look at its log), and what \
         was asked for may still take effect",
        .patience.as_secs()
    )]
    Silent {
        /// How long it was waited for.
        patience: Duration,
    },
    /// The connection ended or brought something else than an answer.
    #[error("the daemon went away before it answered")]
    Lost(#[source] io::Error),
    /// The answer is of a form this program does not know: the daemon is of another version.
    #[error("the daemon's answer cannot be understood; is it of another version?")]
    Unreadable(#[source] serde_json::Error),
    /// The daemon's answer is no.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// A connection to a running daemon.
#[derive(Debug)]
pub struct Client {
    lines: BufReader<OwnedReadHalf>,
    write: OwnedWriteHalf,
    patience: Duration,
}

impl Client {
    /// Connects to the daemon that listens at `path`.
    ///
    /// # Errors
    ///
    /// [`ClientError::NoDaemon`] when none does, so that the command may open the store itself.
    pub async fn connect(path: &Path) -> Result<Self, ClientError> {
        let name = || path.display().to_string();
        match UnixStream::connect(path).await {
            Ok(stream) => {
                let (read, write) = stream.into_split();
                Ok(Self { lines: BufReader::new(read), write, patience: SILENCE })
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
                Err(ClientError::NoDaemon { path: name() })
            }
            Err(source) => Err(ClientError::Unusable { path: name(), source }),
        }
    }

    /// Gives up when the daemon says nothing for so long; [`SILENCE`] unless it is said here.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Asks and waits for the answer.
    ///
    /// # Errors
    ///
    /// When the daemon goes away, or says no ([`ClientError::Failed`]).
    pub async fn call(&mut self, request: &Request) -> Result<Response, ClientError> {
        self.stream(request, |_| {}).await
    }

    /// Asks, and hands over what comes before the answer.
    ///
    /// # Errors
    ///
    /// As [`Client::call`].
    pub async fn stream(
        &mut self,
        request: &Request,
        mut progress: impl FnMut(Progress),
    ) -> Result<Response, ClientError> {
        let mut line = serde_json::to_vec(request).map_err(ClientError::Unreadable)?;
        line.push(b'\n');
        let silent = |_| ClientError::Silent { patience: self.patience };
        let sent = tokio::time::timeout(self.patience, self.write.write_all(&line)).await.map_err(silent)?;
        // Who is refused is told so and turned away, maybe before the request was sent: what is there to read says why.
        let mut unsent = sent.err();
        loop {
            let mut line = String::new();
            let read = tokio::time::timeout(self.patience, self.lines.read_line(&mut line)).await.map_err(silent)?;
            let read = read.map_err(|error| ClientError::Lost(unsent.take().unwrap_or(error)))?;
            if read == 0 {
                return Err(ClientError::Lost(unsent.unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into())));
            }
            match serde_json::from_str(&line).map_err(ClientError::Unreadable)? {
                Frame::Progress(step) => progress(step),
                Frame::Done(response) => return Ok(response),
                Frame::Failed(failure) => return Err(failure.into()),
            }
        }
    }
}
