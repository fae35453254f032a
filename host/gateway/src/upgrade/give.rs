//! The old process: it offers everything it has to a new one, lets go, and drains.

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
use witgate_ledger::{Export, Ledger};

use super::outbox::{Outbox, ToHeir};
use super::record::CarriedRecord;
use super::socket::check_peer;
use super::spool::Spool;
use super::wire::{Frame, FromNew, FromOld, Hello, Offer, PROTOCOL, Socket};
use super::{PATIENCE, spool_base, spool_path};
use crate::clock::now;
use crate::gateway::Gateway;
use crate::listen::stopped;

/// Balances in one frame.
const PART: usize = 1024;

/// The listening sockets. They belong to the doors that accept on them; a door that is shut has nothing to give.
pub(crate) struct Sockets {
    pub(crate) clients: Weak<TcpListener>,
    pub(crate) admin: Option<Weak<TcpListener>>,
}

/// Whoever hands a gateway over.
pub(crate) struct Giver {
    pub(crate) gateway: Arc<Gateway>,
    /// Where new processes ask, and its path.
    pub(crate) door: UnixListener,
    pub(crate) path: PathBuf,
    pub(crate) sockets: Sockets,
    /// Whether the process before this one is still finishing.
    pub(crate) following: Arc<AtomicBool>,
    /// Stops the listeners.
    pub(crate) stop: Weak<watch::Sender<bool>>,
    pub(crate) admin_stop: Weak<watch::Sender<bool>>,
    /// Told when everything has been handed over.
    pub(crate) superseded: watch::Sender<bool>,
}

/// A hand-over that may still come to nothing: dropping it undoes what was begun.
struct Undecided {
    ledger: Arc<Ledger>,
    outbox: Arc<Outbox>,
    spool: Option<Spool>,
}

/// A new process has it all.
struct Given {
    stream: UnixStream,
    outbox: Arc<Outbox>,
    spool: Spool,
}

// === impl Undecided ===

impl Undecided {
    fn decide(mut self) -> anyhow::Result<(Arc<Outbox>, Spool)> {
        let spool = self.spool.take().context("a hand-over is decided once")?;
        Ok((Arc::clone(&self.outbox), spool))
    }
}

impl Drop for Undecided {
    fn drop(&mut self) {
        if let Some(spool) = self.spool.take() {
            self.ledger.close_journal();
            spool.leave();
        }
    }
}

// === impl Giver ===

impl Giver {
    /// Answers new processes until one of them has taken over and all is told, or until the gateway stops. `finished`
    /// says that the gateway has drained and written its receipts.
    pub(crate) async fn run(
        self,
        mut stop: watch::Receiver<bool>,
        mut finished: watch::Receiver<bool>,
    ) {
        let given = loop {
            let stream = tokio::select! {
                () = stopped(&mut stop) => return self.close(),
                accepted = self.door.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        tracing::warn!(%error, "a new process could not be heard");
                        continue;
                    }
                },
            };
            if let Err(error) = check_peer(&stream) {
                tracing::error!(error = %format!("{error:#}"), "a process asks for this gateway and is not heard");
                continue;
            }
            let agreed = tokio::select! {
                biased;
                agreed = self.agree(stream) => agreed,
                () = stopped(&mut stop) => return self.close(),
            };
            match agreed {
                Ok(Some(given)) => break given,
                // Somebody looked whether there is anybody.
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(error = %format!("{error:#}"), "the hand-over failed; this process goes on");
                }
            }
        };

        let Given {
            stream,
            outbox,
            spool,
        } = given;
        // The socket is the new process's from here on.
        let Self {
            gateway,
            door,
            stop,
            admin_stop,
            superseded,
            ..
        } = self;
        drop(door);
        gateway.supersede();
        let sink = ToHeir(Arc::clone(&outbox));
        let audited = Arc::clone(&gateway);
        // A panic of the audit's has been logged by the audit.
        let _ = spawn_blocking(move || audited.audit.switch(sink)).await;
        for listeners in [stop, admin_stop].iter().filter_map(Weak::upgrade) {
            let _ = listeners.send(true);
        }
        superseded.send_replace(true);
        tracing::info!("a new process serves; this one finishes what it has");

        let (hear, mut send) = stream.into_split();
        let hearing = tokio::spawn(Arc::clone(&outbox).hear(hear));
        let closing = Arc::clone(&outbox);
        let closed = async move {
            let _ = finished.wait_for(|finished| *finished).await;
            closing.close();
        };
        let told = async {
            let all = outbox.send(&mut send).await;
            // An end that the new process sees, so that it looks for the spool.
            drop(send);
            hearing.abort();
            let spool = if all {
                spool
            } else {
                tracing::error!(path = %spool.path().display(), "the new process is gone; settlements and receipts go to a file that the next start takes in");
                outbox.spool(spool).await
            };
            let _ = spawn_blocking(move || spool.leave()).await;
        };
        tokio::join!(closed, told);
    }

    /// Ends without a successor.
    fn close(self) {
        drop(self.door);
        // It may be gone already, with its folder.
        let _ = std::fs::remove_file(&self.path);
    }

    /// Comes to terms with whoever asked; none where nobody did.
    async fn agree(&self, mut stream: UnixStream) -> anyhow::Result<Option<Given>> {
        let Ok(frame) = timeout(PATIENCE, Frame::receive(&mut stream)).await? else {
            return Ok(None);
        };
        let hello = match self.judge(&frame) {
            Ok(hello) => hello,
            Err(reason) => {
                let refused = FromOld::Refused {
                    reason: reason.clone(),
                };
                // Whoever asked may be gone.
                let _ = Frame::word(&refused)?.send(&mut stream).await;
                anyhow::bail!(reason);
            }
        };
        tracing::info!(
            version = hello.version,
            pid = hello.pid,
            "a new process asks to take over"
        );

        let (undecided, export) = self.begin().await?;
        let spool = undecided
            .spool
            .as_ref()
            .map(|spool| spool.path().to_owned())
            .unwrap_or_default();
        timeout(PATIENCE, self.offer(&mut stream, spool, &export))
            .await
            .context("the new process does not read")??;
        drop(export);
        let word: FromNew = timeout(PATIENCE, Frame::receive(&mut stream))
            .await
            .context("the new process does not get ready")?
            .context("the new process gave up")?
            .read()?;
        anyhow::ensure!(
            word == FromNew::Ready,
            "the new process said something else than that it is ready"
        );

        // What has happened since the export goes before the word that makes it serve.
        let commit = async {
            while let Some(lines) = undecided.outbox.unsent() {
                Frame::Log(lines).send(&mut stream).await?;
            }
            Frame::word(&FromOld::Commit)?.send(&mut stream).await
        };
        timeout(PATIENCE, commit)
            .await
            .context("the new process does not read")??;
        let (outbox, spool) = undecided.decide()?;
        Ok(Some(Given {
            stream,
            outbox,
            spool,
        }))
    }

    /// Whether whoever says this may take over.
    fn judge(&self, frame: &Frame) -> Result<Hello, String> {
        let strange = |_| "this is no process that wants to take over".to_owned();
        let word: Value = frame.read().map_err(strange)?;
        let spoken = word.get("witgate_upgrade").and_then(Value::as_u64);
        if spoken != Some(u64::from(PROTOCOL)) {
            return Err(format!(
                "the new process speaks version {} of the upgrade protocol and this one, witgate {}, speaks {PROTOCOL}: stop this one to start the new one",
                spoken.map_or("(none)".to_owned(), |spoken| spoken.to_string()),
                env!("CARGO_PKG_VERSION"),
            ));
        }
        let hello = serde_json::from_value(word).map_err(|error| error.to_string())?;
        if self.following.load(Relaxed) {
            return Err("the process before this one is still finishing its exchanges: try again when it has ended".to_owned());
        }
        Ok(hello)
    }

    /// Opens the spool, and copies the ledger at the moment from which the log goes on.
    async fn begin(&self) -> anyhow::Result<(Undecided, Export)> {
        let snapshot = self.gateway.snapshot();
        let base = spool_base(&snapshot.config).unwrap_or(&self.path);
        let path = spool_path(base);
        let ledger = Arc::clone(&self.gateway.ledger);
        spawn_blocking(move || {
            let spool = Spool::create(&path)
                .with_context(|| format!("the spool {} can't be made", path.display()))?;
            let outbox = Outbox::new();
            let undecided = Undecided {
                ledger: Arc::clone(&ledger),
                outbox: Arc::clone(&outbox),
                spool: Some(spool),
            };
            let export = ledger.export(
                move |step, changes: Vec<_>| outbox.step(step, &changes),
                now(),
            );
            Ok((undecided, export))
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
            .context("the listener is closed")?;
        let admin = self.sockets.admin.as_ref().and_then(Weak::upgrade);
        let mut sockets = vec![
            Socket::Clients(clients.local_addr()?),
            Socket::Upgrade(self.path.clone()),
        ];
        let mut fds: Vec<BorrowedFd<'_>> = vec![clients.as_fd(), self.door.as_fd()];
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
        };
        Frame::word(&FromOld::Offer(offer))?
            .send_with(&fds, stream)
            .await?;
        for part in export.balances.chunks(PART) {
            let part = part.iter().map(CarriedRecord::of).collect();
            Frame::word(&FromOld::Balances(part))?.send(stream).await?;
        }
        Frame::word(&FromOld::Ready)?.send(stream).await?;
        Ok(())
    }
}
