//! The old process: offers its sockets and books to a new one, lets go, and drains.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Weak};

use anyhow::Context;
use serde_json::Value;
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use witgate_ledger::{Entry, Export, Ledger};

use super::books::{Books, spool_base};
use super::frame::{Frame, FromNew, FromOld, Hello, Offer, PROTOCOL, Socket, TIMEOUT};
use super::outbox::{Outbox, SuccessorSink, keep};
use super::socket::check_peer;
use super::spool::{Spool, spool_path};
use super::stop::stopped;

/// The number of balances in one frame.
const BALANCES_PER_FRAME: usize = 1024;

/// The listening sockets. The listeners own them; a closed listener has nothing to hand over.
pub struct Sockets {
    /// The socket that clients connect to.
    pub clients: Weak<TcpListener>,
    /// The socket of the admin pages, if there is one.
    pub admin: Option<Weak<TcpListener>>,
}

/// A handover to come: waits for a new process and gives it everything.
pub struct Handover {
    /// The ledger and the receipts.
    pub books: Arc<dyn Books>,
    /// The socket on which new processes ask.
    pub listener: UnixListener,
    /// The path of `listener`.
    pub path: PathBuf,
    /// The listening sockets.
    pub sockets: Sockets,
    /// True while the predecessor of this process is still draining.
    pub following: Arc<AtomicBool>,
    /// Runs at the commit, before the listeners stop.
    pub supersede: Box<dyn FnOnce() + Send + Sync>,
    /// Stops the listener of clients.
    pub stop: Weak<watch::Sender<bool>>,
    /// Stops the listener of the admin pages.
    pub admin_stop: Weak<watch::Sender<bool>>,
    /// Turns true when everything has been handed over.
    pub superseded: watch::Sender<bool>,
}

/// A handover before its commit. Dropping it closes the journal and leaves the spool.
struct PendingHandover {
    ledger: Arc<Ledger>,
    books: Arc<dyn Books>,
    outbox: Arc<Outbox>,
    spool: Option<Spool>,
}

/// A handover after its commit.
struct Committed {
    stream: UnixStream,
    outbox: Arc<Outbox>,
    spool: Spool,
}

// === impl PendingHandover ===

impl PendingHandover {
    fn commit(mut self) -> anyhow::Result<(Arc<Outbox>, Spool)> {
        let spool = self
            .spool
            .take()
            .context("the handover was committed before")?;
        Ok((Arc::clone(&self.outbox), spool))
    }
}

impl Drop for PendingHandover {
    fn drop(&mut self) {
        if let Some(spool) = self.spool.take() {
            self.ledger.close_journal();
            self.books.unmark();
            spool.leave();
        }
    }
}

// === impl Handover ===

impl Handover {
    /// Answers new processes until one has taken over and has received all records, or until the gateway stops.
    /// `finished` turns true once the gateway has drained and written its receipts.
    pub async fn run(self, mut stop: watch::Receiver<bool>, mut finished: watch::Receiver<bool>) {
        let given = loop {
            let stream = tokio::select! {
                () = stopped(&mut stop) => return self.close(),
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        tracing::warn!(%error, "could not accept a connection on the upgrade socket");
                        continue;
                    }
                },
            };
            if let Err(error) = check_peer(&stream) {
                tracing::error!(error = %format!("{error:#}"), "refused a process that asked to take over");
                continue;
            }
            let agreed = tokio::select! {
                biased;
                agreed = self.agree(stream) => agreed,
                () = stopped(&mut stop) => return self.close(),
            };
            match agreed {
                Ok(Some(given)) => break given,
                // A probe: another process looked whether the socket is in use.
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(error = %format!("{error:#}"), "the handover failed; this process keeps serving");
                }
            }
        };

        let Committed {
            stream,
            outbox,
            spool,
        } = given;
        // The upgrade socket belongs to the new process from here on.
        let Self {
            books,
            listener,
            supersede,
            stop,
            admin_stop,
            superseded,
            ..
        } = self;
        drop(listener);
        supersede();
        let (sink, switching) = (SuccessorSink(Arc::clone(&outbox)), Arc::clone(&books));
        // The audit logs its own panics.
        let _ = spawn_blocking(move || switching.switch(sink)).await;
        for listeners in [stop, admin_stop].iter().filter_map(Weak::upgrade) {
            let _ = listeners.send(true);
        }
        superseded.send_replace(true);
        tracing::info!("a new process serves; draining");

        let (hear, mut send) = stream.into_split();
        let hearing = tokio::spawn(Arc::clone(&outbox).hear(hear));
        let closing = Arc::clone(&outbox);
        let closed = async move {
            let _ = finished.wait_for(|finished| *finished).await;
            closing.close();
        };
        let told = async {
            let all = outbox.send(&mut send, &books).await;
            // The new process sees the end of the stream and looks for the spool.
            drop(send);
            hearing.abort();
            let spool = if all {
                spool
            } else {
                tracing::error!(path = %spool.path().display(), "the new process is gone; spooling settlements and receipts to a file, which the next start recovers");
                outbox.spool(spool, &books).await
            };
            let leaving = move || {
                if all {
                    books.counted();
                }
                spool.leave();
            };
            let _ = spawn_blocking(leaving).await;
        };
        tokio::join!(closed, told);
    }

    /// Ends without a successor, and removes the socket.
    fn close(self) {
        drop(self.listener);
        // The file may be gone already, with its folder.
        let _ = std::fs::remove_file(&self.path);
    }

    /// Agrees on a handover with the process that connected. Returns `None` if the connection was only a probe.
    async fn agree(&self, mut stream: UnixStream) -> anyhow::Result<Option<Committed>> {
        let Ok(frame) = timeout(TIMEOUT, Frame::receive(&mut stream)).await? else {
            return Ok(None);
        };
        let hello = match self.check_hello(&frame) {
            Ok(hello) => hello,
            Err(reason) => {
                let refused = FromOld::Refused {
                    reason: reason.clone(),
                };
                // The other process may be gone.
                let _ = Frame::message(&refused)?.send(&mut stream).await;
                anyhow::bail!(reason);
            }
        };
        tracing::info!(
            version = hello.version,
            pid = hello.pid,
            "a new process asks to take over"
        );

        let (pending, export) = self.begin().await?;
        let spool = pending
            .spool
            .as_ref()
            .map(|spool| spool.path().to_owned())
            .unwrap_or_default();
        timeout(TIMEOUT, self.offer(&mut stream, spool, &export))
            .await
            .context("the new process does not read its socket")??;
        drop(export);
        let message: FromNew = timeout(TIMEOUT, Frame::receive(&mut stream))
            .await
            .context("the new process did not get ready in time")?
            .context("the new process gave up")?
            .read()?;
        anyhow::ensure!(
            message == FromNew::Ready,
            "protocol error: the new process sent something other than `ready`"
        );

        // Everything since the export goes before the commit, which makes the new process serve.
        let commit = async {
            while let Some(lines) = pending.outbox.unsent() {
                keep(&self.books).await;
                Frame::Log(lines).send(&mut stream).await?;
            }
            Frame::message(&FromOld::Commit)?.send(&mut stream).await
        };
        timeout(TIMEOUT, commit)
            .await
            .context("the new process does not read its socket")??;
        let (outbox, spool) = pending.commit()?;
        Ok(Some(Committed {
            stream,
            outbox,
            spool,
        }))
    }

    /// Returns the greeting of a process that may take over, or the reason why it may not.
    fn check_hello(&self, frame: &Frame) -> Result<Hello, String> {
        let unexpected =
            |_| "protocol error: expected a greeting from a new witgate process".to_owned();
        let message: Value = frame.read().map_err(unexpected)?;
        let spoken = message.get("witgate_upgrade").and_then(Value::as_u64);
        if spoken != Some(u64::from(PROTOCOL)) {
            return Err(format!(
                "the new process speaks version {} of the upgrade protocol, and this one, witgate {}, speaks {PROTOCOL}; stop this process, then start the new one",
                spoken.map_or("(none)".to_owned(), |spoken| spoken.to_string()),
                env!("CARGO_PKG_VERSION"),
            ));
        }
        let hello = serde_json::from_value(message).map_err(|error| error.to_string())?;
        if self.following.load(Relaxed) {
            return Err(
                "the predecessor of this process is still draining; try again once it has ended"
                    .to_owned(),
            );
        }
        Ok(hello)
    }

    /// Opens the spool, turns the journal on and exports the ledger as of that moment.
    async fn begin(&self) -> anyhow::Result<(PendingHandover, Export)> {
        let base = spool_base(&*self.books, Some(&self.path));
        let path = spool_path(base.as_deref().unwrap_or(&self.path));
        let books = Arc::clone(&self.books);
        spawn_blocking(move || {
            let spool = Spool::create(&path)
                .with_context(|| format!("cannot create the spool {}", path.display()))?;
            let outbox = Outbox::new();
            let ledger = Arc::clone(books.ledger());
            let pending = PendingHandover {
                ledger: Arc::clone(&ledger),
                outbox: Arc::clone(&outbox),
                books: Arc::clone(&books),
                spool: Some(spool),
            };
            books
                .mark()
                .context("the ledger's journal can't be marked for a hand-over")?;
            let export = ledger.export(move |entry: &Entry<'_>| outbox.step(entry), books.now());
            Ok((pending, export))
        })
        .await?
    }

    async fn offer(
        &self,
        stream: &mut UnixStream,
        spool: PathBuf,
        export: &Export,
    ) -> anyhow::Result<()> {
        let clients = self
            .sockets
            .clients
            .upgrade()
            .context("the listener of clients is closed")?;
        let admin = self.sockets.admin.as_ref().and_then(Weak::upgrade);
        let mut sockets = vec![
            Socket::Clients(clients.local_addr()?),
            Socket::Upgrade(self.path.clone()),
        ];
        let mut fds: Vec<BorrowedFd<'_>> = vec![clients.as_fd(), self.listener.as_fd()];
        if let Some(admin) = &admin {
            sockets.push(Socket::Admin(admin.local_addr()?));
            fds.push(admin.as_fd());
        }
        let offer = Offer {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            sockets,
            spool,
            open_holds: export.open_holds,
            position: export.position,
            resets: export.resets.clone(),
            notes: self.books.notes(),
        };
        Frame::message(&FromOld::Offer(offer))?
            .send_with(&fds, stream)
            .await?;
        for part in export.balances.chunks(BALANCES_PER_FRAME) {
            Frame::message(&FromOld::Balances(part.to_vec()))?
                .send(stream)
                .await?;
        }
        Frame::message(&FromOld::Ready)?.send(stream).await?;
        Ok(())
    }
}
