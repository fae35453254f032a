//! The new process: takes over from the old one, and counts the results of its remaining exchanges.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use anyhow::Context;
use serde_json::Value;
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use witgate_ledger::Export;

use super::books::Books;
use super::frame::{Frame, FromNew, FromOld, Hello, Offer, PROTOCOL, Socket, TIMEOUT};
use super::inbox::{Inbox, Stage, drain_spool};
use super::socket::{bind, connect};
use super::stop::stopped;

/// The offer of a running process: its sockets, its ledger and the path of its spool.
pub struct Inheritance {
    stream: UnixStream,
    sockets: Vec<(Socket, OwnedFd)>,
    spool: PathBuf,
    export: Export,
    notes: Value,
}

/// A connection to the old process while it drains.
pub struct Predecessor {
    stream: UnixStream,
    inbox: Inbox,
    spool: PathBuf,
    /// True until the old process has ended.
    following: Arc<AtomicBool>,
    stage: Stage,
}

/// Asks the process that listens at `path` to hand over. Returns `None` if no process listens there.
///
/// # Errors
///
/// The process refuses, or breaks the protocol.
pub async fn ask(path: &Path) -> anyhow::Result<Option<Inheritance>> {
    let Some(mut stream) = connect(path).await? else {
        return Ok(None);
    };
    let asked = timeout(TIMEOUT, hear(&mut stream))
        .await
        .context("the running process does not answer on its upgrade socket")?;
    let (offer, fds, export) = asked.context("the running process does not hand over")?;
    anyhow::ensure!(
        fds.len() == offer.sockets.len(),
        "the running process named {} sockets and sent {}",
        offer.sockets.len(),
        fds.len()
    );
    tracing::info!(
        version = offer.version,
        pid = offer.pid,
        open_holds = offer.open_holds,
        "taking over from a running process"
    );
    Ok(Some(Inheritance {
        stream,
        sockets: offer.sockets.into_iter().zip(fds).collect(),
        spool: offer.spool,
        export,
        notes: offer.notes,
    }))
}

/// Sends the greeting and receives the whole offer.
async fn hear(stream: &mut UnixStream) -> anyhow::Result<(Offer, Vec<OwnedFd>, Export)> {
    let hello = Hello {
        witgate_upgrade: PROTOCOL,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
    };
    Frame::message(&hello)?.send(stream).await?;
    let (frame, fds) = Frame::receive_with(stream).await?;
    let offer = match frame.read()? {
        FromOld::Offer(offer) => offer,
        FromOld::Refused { reason } => anyhow::bail!(reason),
        other => anyhow::bail!("protocol error: expected an offer, got {other:?}"),
    };
    let mut export = Export {
        open_holds: offer.open_holds,
        position: offer.position,
        resets: offer.resets.clone(),
        ..Export::default()
    };
    loop {
        match Frame::receive(stream).await?.read()? {
            FromOld::Balances(part) => export.balances.extend(part),
            FromOld::Ready => return Ok((offer, fds, export)),
            other => anyhow::bail!("protocol error: expected balances, got {other:?}"),
        }
    }
}

// === impl Inheritance ===

impl Inheritance {
    /// Returns the socket that clients connect to, or `None` if its address is not `wanted`.
    ///
    /// # Errors
    ///
    /// The system does not accept the socket as a listener.
    pub fn clients(&mut self, wanted: SocketAddr) -> anyhow::Result<Option<TcpListener>> {
        self.tcp(|socket| matches!(socket, Socket::Clients(address) if fits(wanted, *address)))
    }

    /// Returns the socket of the admin pages, or `None` if its address is not `wanted`.
    ///
    /// # Errors
    ///
    /// The system does not accept the socket as a listener.
    pub fn admin(&mut self, wanted: SocketAddr) -> anyhow::Result<Option<TcpListener>> {
        self.tcp(|socket| matches!(socket, Socket::Admin(address) if fits(wanted, *address)))
    }

    /// Returns the upgrade socket: the inherited one if its path is `path`, else a new one.
    ///
    /// # Errors
    ///
    /// The new socket can't be bound.
    pub async fn upgrade_socket(&mut self, path: &Path) -> anyhow::Result<UnixListener> {
        let same = |socket: &Socket| matches!(socket, Socket::Upgrade(given) if given == path);
        match self.take(same) {
            Some(fd) => {
                let listener = StdUnixListener::from(fd);
                listener.set_nonblocking(true)?;
                Ok(UnixListener::from_std(listener)?)
            }
            None => bind(path).await,
        }
    }

    fn tcp(&mut self, wanted: impl Fn(&Socket) -> bool) -> anyhow::Result<Option<TcpListener>> {
        let Some(fd) = self.take(wanted) else {
            return Ok(None);
        };
        let listener = std::net::TcpListener::from(fd);
        listener.set_nonblocking(true)?;
        Ok(Some(TcpListener::from_std(listener)?))
    }

    fn take(&mut self, wanted: impl Fn(&Socket) -> bool) -> Option<OwnedFd> {
        let at = self.sockets.iter().position(|(socket, _)| wanted(socket))?;
        Some(self.sockets.swap_remove(at).1)
    }

    /// Takes over the ledger, announces that this process is ready, and waits for the commit. Once it returns, this
    /// process has to serve.
    ///
    /// # Errors
    ///
    /// The ledger has no room for all balances, or the old process went on by itself.
    pub async fn take_over(self, books: Arc<dyn Books>) -> anyhow::Result<Predecessor> {
        let Self {
            mut stream,
            sockets,
            spool,
            export,
            notes,
        } = self;
        // Sockets that the configuration no longer names close with the old process.
        drop(sockets);
        books.take_notes(&notes);
        let inheriting = Arc::clone(&books);
        let rejected =
            spawn_blocking(move || inheriting.ledger().inherit(&export, inheriting.now())).await?;
        anyhow::ensure!(
            rejected == 0,
            "the ledger has no room for {rejected} balances of the running process: raise `ledger.accounts`"
        );
        let mut predecessor = {
            Frame::message(&FromNew::Ready)?.send(&mut stream).await?;
            Predecessor {
                stream,
                inbox: Inbox::new(books),
                spool,
                following: Arc::new(AtomicBool::new(true)),
                stage: Stage::Offered,
            }
        };
        loop {
            let frame = timeout(TIMEOUT, Frame::receive(&mut predecessor.stream))
                .await
                .context("the running process did not commit in time")?
                .context("the running process went on by itself")?;
            match frame {
                Frame::Log(lines) => predecessor.count(lines).await?,
                message @ Frame::Message(_) => match message.read()? {
                    FromOld::Commit => {
                        predecessor.stage = Stage::Committed;
                        return Ok(predecessor);
                    }
                    other => anyhow::bail!("protocol error: expected a commit, got {other:?}"),
                },
            }
        }
    }
}

// === impl Predecessor ===

impl Predecessor {
    /// Returns a flag that is true until the old process has ended.
    #[must_use]
    pub fn following(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.following)
    }

    /// Counts the results of the old process until it ends or this process stops.
    pub(crate) async fn follow(mut self, stop: watch::Receiver<bool>) {
        let mut stop_seen = stop.clone();
        loop {
            // The frame is dropped half-read only when the connection is dropped, too.
            let frame = tokio::select! {
                () = stopped(&mut stop_seen) => return,
                frame = Frame::receive(&mut self.stream) => frame,
            };
            match frame {
                Ok(Frame::Log(lines)) => {
                    if let Err(error) = self.count(lines).await {
                        tracing::error!(error = %format!("{error:#}"), "the log of the old process can't be read; the rest is recovered from its spool");
                        break;
                    }
                }
                // The old process is done, or gone.
                Ok(Frame::Message(_)) | Err(_) => break,
            }
        }
        let Self {
            stream,
            inbox,
            spool,
            following,
            ..
        } = self;
        drop(stream);
        drain_spool(inbox, spool, stop).await;
        following.store(false, Relaxed);
        tracing::info!("the old process has ended");
    }

    /// Counts lines of the log and acknowledges them.
    async fn count(&mut self, lines: Vec<u8>) -> anyhow::Result<()> {
        let (mut inbox, stage) = (self.inbox.clone(), self.stage);
        let (inbox, counted) = spawn_blocking(move || {
            let counted = inbox.take(&lines, stage);
            (inbox, counted)
        })
        .await?;
        self.inbox = inbox;
        let ack = FromNew::Ack { through: counted? };
        Frame::message(&ack)?.send(&mut self.stream).await?;
        Ok(())
    }
}

/// Returns whether a socket at `address` satisfies `wanted`, whose port may be 0 for any.
fn fits(wanted: SocketAddr, address: SocketAddr) -> bool {
    wanted == address || (wanted.port() == 0 && wanted.ip() == address.ip())
}
