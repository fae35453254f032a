//! The new process: it takes over what the old one has, and counts what that one still comes to.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use anyhow::Context;
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use witgate_ledger::Export;

use super::inbox::{Inbox, outlive};
use super::socket::connect;
use super::wire::{Frame, FromNew, FromOld, Hello, Offer, PROTOCOL, Socket};
use super::{PATIENCE, bind};
use crate::clock::now;
use crate::gateway::Gateway;
use crate::listen::stopped;

/// What a running process offers.
pub(crate) struct Inheritance {
    stream: UnixStream,
    sockets: Vec<(Socket, OwnedFd)>,
    spool: PathBuf,
    export: Export,
}

/// A connection to the old process, which drains.
pub(crate) struct Follower {
    stream: UnixStream,
    inbox: Inbox,
    spool: PathBuf,
    /// True until the old process has ended.
    following: Arc<AtomicBool>,
}

/// Asks the process that listens at `path`; none where nobody does.
///
/// # Errors
///
/// It refuses, or does not keep to the protocol.
pub(crate) async fn ask(path: &Path) -> anyhow::Result<Option<Inheritance>> {
    let Some(mut stream) = connect(path).await? else {
        return Ok(None);
    };
    let asked = timeout(PATIENCE, hear(&mut stream))
        .await
        .context("the running process does not answer")?;
    let (offer, fds, export) = asked.context("the running process keeps what it has")?;
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
    }))
}

/// Says hello and hears all that is offered.
async fn hear(stream: &mut UnixStream) -> anyhow::Result<(Offer, Vec<OwnedFd>, Export)> {
    let hello = Hello {
        witgate_upgrade: PROTOCOL,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
    };
    Frame::word(&hello)?.send(stream).await?;
    let (frame, fds) = Frame::receive_with(stream).await?;
    let offer = match frame.read()? {
        FromOld::Offer(offer) => offer,
        FromOld::Refused { reason } => anyhow::bail!(reason),
        other => anyhow::bail!("it says {other:?} where an offer was due"),
    };
    let mut export = Export {
        open_holds: offer.open_holds,
        ..Export::default()
    };
    loop {
        match Frame::receive(stream).await?.read()? {
            FromOld::Balances(part) => {
                for carried in &part {
                    export.balances.push(carried.read()?);
                }
            }
            FromOld::Ready => return Ok((offer, fds, export)),
            other => anyhow::bail!("it says {other:?} where balances were due"),
        }
    }
}

// === impl Inheritance ===

impl Inheritance {
    /// The socket that clients connect to, if it is the one that the configuration wants.
    pub(crate) fn clients(&mut self, wanted: SocketAddr) -> anyhow::Result<Option<TcpListener>> {
        self.tcp(|socket| matches!(socket, Socket::Clients(address) if fits(wanted, *address)))
    }

    /// The socket of the admin pages, if it is the one that the configuration wants.
    pub(crate) fn admin(&mut self, wanted: SocketAddr) -> anyhow::Result<Option<TcpListener>> {
        self.tcp(|socket| matches!(socket, Socket::Admin(address) if fits(wanted, *address)))
    }

    /// The socket that the next process asks on: the one that is there, or one at another path.
    pub(crate) async fn door(&mut self, path: &Path) -> anyhow::Result<UnixListener> {
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

    /// Takes the ledger over, says that all is ready, and waits until the old process has let go. When this is back, the
    /// gateway may serve, and has to.
    pub(crate) async fn take_over(self, gateway: &Arc<Gateway>) -> anyhow::Result<Follower> {
        let Self {
            mut stream,
            sockets,
            spool,
            export,
        } = self;
        // Those that the configuration does not name any more close with the old process.
        drop(sockets);
        let ledger = Arc::clone(&gateway.ledger);
        let homeless = spawn_blocking(move || ledger.inherit(&export, now())).await?;
        anyhow::ensure!(
            homeless == 0,
            "the ledger has no room for {homeless} balances of the running process: raise `ledger.accounts`"
        );
        let mut follower = {
            Frame::word(&FromNew::Ready)?.send(&mut stream).await?;
            Follower {
                stream,
                inbox: Inbox::new(Arc::clone(gateway)),
                spool,
                following: Arc::new(AtomicBool::new(true)),
            }
        };
        loop {
            let frame = timeout(PATIENCE, Frame::receive(&mut follower.stream))
                .await
                .context("the running process does not let go")?
                .context("the running process went on by itself")?;
            match frame {
                Frame::Log(lines) => follower.count(lines).await?,
                word @ Frame::Word(_) => match word.read()? {
                    FromOld::Commit => return Ok(follower),
                    other => anyhow::bail!("it says {other:?} where it should let go"),
                },
            }
        }
    }
}

// === impl Follower ===

impl Follower {
    /// True until the old process has ended.
    pub(crate) fn following(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.following)
    }

    /// Counts what the old process comes to, until its end or the stop of this one.
    pub(crate) async fn follow(mut self, stop: watch::Receiver<bool>) {
        let mut stop_seen = stop.clone();
        loop {
            // Dropped half-way only to be dropped for good.
            let frame = tokio::select! {
                () = stopped(&mut stop_seen) => return,
                frame = Frame::receive(&mut self.stream) => frame,
            };
            match frame {
                Ok(Frame::Log(lines)) => {
                    if let Err(error) = self.count(lines).await {
                        tracing::error!(error = %format!("{error:#}"), "the old process's log can't be read; the rest is taken from its spool");
                        break;
                    }
                }
                // It is done, or it is gone.
                Ok(Frame::Word(_)) | Err(_) => break,
            }
        }
        let Self {
            stream,
            inbox,
            spool,
            following,
        } = self;
        drop(stream);
        outlive(inbox, spool, stop).await;
        following.store(false, Relaxed);
        tracing::info!("the old process has ended");
    }

    /// Counts a piece of the log, and acknowledges it.
    async fn count(&mut self, lines: Vec<u8>) -> anyhow::Result<()> {
        let gateway = self.inbox.gateway();
        let inbox = std::mem::replace(&mut self.inbox, Inbox::new(gateway));
        let (inbox, counted) = spawn_blocking(move || {
            let mut inbox = inbox;
            let counted = inbox.take(&lines);
            (inbox, counted)
        })
        .await?;
        self.inbox = inbox;
        let ack = FromNew::Ack { through: counted? };
        Frame::word(&ack)?.send(&mut self.stream).await?;
        Ok(())
    }
}

/// Whether a socket at `address` is what the configuration means by `wanted`, whose port may be any.
fn fits(wanted: SocketAddr, address: SocketAddr) -> bool {
    wanted == address || (wanted.port() == 0 && wanted.ip() == address.ip())
}
