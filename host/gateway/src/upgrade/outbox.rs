//! The log on the side of the old process: what has happened and has not been acknowledged.
//!
//! Records come from the ledger, under its lock, and from the audit's thread; they leave to the new process, or to the
//! spool once that is gone. What bounds it: the new process acknowledges within the patience of both, else all of it goes
//! to the file.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout_at};
use witgate_audit::Sink;
use witgate_audit::sink::Stopped;
use witgate_ledger::{Change, Step};

use super::PATIENCE;
use super::record::{Event, Record};
use super::spool::Spool;
use super::wire::{Frame, FromNew, FromOld};

/// Bytes of the log that are sent as one frame, about.
const PIECE: usize = 256 * 1024;

/// The log.
#[derive(Debug)]
pub(super) struct Outbox {
    log: Mutex<Log>,
    changed: Notify,
}

#[derive(Debug)]
struct Log {
    /// The number of the last record.
    last: u64,
    /// Records that are not acknowledged, by number and as lines.
    waiting: VecDeque<(u64, Vec<u8>)>,
    /// How many of them were sent.
    sent: usize,
    /// When something was last acknowledged, or had nothing before it to wait for.
    progress: Instant,
    heir: Heir,
    end: End,
}

#[derive(Debug, PartialEq, Eq)]
enum Heir {
    Listens,
    Gone,
}

#[derive(Debug, PartialEq, Eq)]
enum End {
    ToCome,
    /// Nothing comes any more.
    Reached,
}

/// What to do with the log next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Lines to send.
    Send(Vec<u8>),
    /// All is acknowledged, and nothing comes any more.
    Finished,
    /// The new process is gone, or says nothing.
    Gone,
}

/// The sink of the old process's audit: receipts go to the new process, which writes them.
pub(super) struct ToHeir(pub(super) Arc<Outbox>);

// === impl Outbox ===

impl Outbox {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            log: Mutex::new(Log {
                last: 0,
                waiting: VecDeque::new(),
                sent: 0,
                progress: Instant::now(),
                heir: Heir::Listens,
                end: End::ToCome,
            }),
            changed: Notify::new(),
        })
    }

    /// Takes note of a step of a hold.
    pub(super) fn step(&self, step: Step, changes: &[Change]) {
        if let Err(error) = self.push(Event::hold(step, changes)) {
            tracing::error!(%error, "a step of a hold can't be handed over");
        }
    }

    fn push(&self, event: Event) -> io::Result<()> {
        let mut log = self.log();
        let record = Record {
            number: log.last + 1,
            event,
        };
        let line = record.line()?;
        if log.waiting.is_empty() {
            log.progress = Instant::now();
        }
        log.last = record.number;
        log.waiting.push_back((record.number, line));
        drop(log);
        self.changed.notify_one();
        Ok(())
    }

    /// The lines that have not been sent yet, up to a piece; none where all have.
    pub(super) fn unsent(&self) -> Option<Vec<u8>> {
        let mut log = self.log();
        let mut lines = Vec::new();
        while let Some((_, line)) = log.waiting.get(log.sent)
            && lines.len() < PIECE
        {
            lines.extend_from_slice(line);
            log.sent += 1;
        }
        (!lines.is_empty()).then_some(lines)
    }

    /// Nothing comes any more.
    pub(super) fn close(&self) {
        self.log().end = End::Reached;
        self.changed.notify_one();
    }

    /// Forgets what is acknowledged.
    fn acknowledged(&self, through: u64) {
        let mut log = self.log();
        while log.sent > 0
            && log
                .waiting
                .front()
                .is_some_and(|(number, _)| *number <= through)
        {
            log.waiting.pop_front();
            log.sent -= 1;
        }
        log.progress = Instant::now();
        drop(log);
        self.changed.notify_one();
    }

    /// The new process says nothing any more.
    fn lost(&self) {
        self.log().heir = Heir::Gone;
        self.changed.notify_one();
    }

    /// Waits for something to do.
    async fn next(&self) -> Next {
        loop {
            if let Some(lines) = self.unsent() {
                return Next::Send(lines);
            }
            let deadline = {
                let log = self.log();
                if log.heir == Heir::Gone {
                    return Next::Gone;
                }
                match (log.waiting.is_empty(), &log.end) {
                    (true, End::Reached) => return Next::Finished,
                    (true, End::ToCome) => None,
                    (false, _) => Some(log.progress + PATIENCE),
                }
            };
            match deadline {
                None => self.changed.notified().await,
                Some(deadline) => {
                    if timeout_at(deadline, self.changed.notified()).await.is_err() {
                        return Next::Gone;
                    }
                }
            }
        }
    }

    /// Sends the log until its end. Says whether all of it was acknowledged.
    pub(super) async fn send(self: &Arc<Self>, to: &mut (impl AsyncWrite + Unpin)) -> bool {
        loop {
            let frame = match self.next().await {
                Next::Send(lines) => Frame::Log(lines),
                Next::Gone => return false,
                Next::Finished => {
                    // It knows all already; that there is no more it would also learn from the end of the connection.
                    if let Ok(done) = Frame::word(&FromOld::Done) {
                        let _ = done.send(to).await;
                    }
                    return true;
                }
            };
            // A process that does not read stops the writing too.
            let sent = tokio::time::timeout(PATIENCE, frame.send(to)).await;
            if !matches!(sent, Ok(Ok(()))) {
                return false;
            }
        }
    }

    /// Hears acknowledgements until the other side ends.
    pub(super) async fn hear(self: Arc<Self>, mut from: impl AsyncRead + Unpin) {
        loop {
            let word = Frame::receive(&mut from)
                .await
                .and_then(|frame| frame.read());
            match word {
                Ok(FromNew::Ack { through }) => self.acknowledged(through),
                Ok(FromNew::Ready) => {}
                Err(_) => return self.lost(),
            }
        }
    }

    /// Writes what is not acknowledged, and all that still comes, to the spool. Gives the spool back at the end.
    pub(super) async fn spool(&self, mut spool: Spool) -> Spool {
        loop {
            let (lines, end) = {
                let mut log = self.log();
                log.sent = 0;
                let lines = log.waiting.iter().flat_map(|(_, line)| line).copied();
                (lines.collect::<Vec<u8>>(), log.end == End::Reached)
            };
            if lines.is_empty() {
                if end {
                    return spool;
                }
                self.changed.notified().await;
                continue;
            }
            let written = tokio::task::spawn_blocking(move || {
                let written = spool.append(&lines);
                (
                    spool,
                    lines.iter().filter(|byte| **byte == b'\n').count(),
                    written,
                )
            });
            let (back, count, written) = match written.await {
                Ok(done) => done,
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            };
            spool = back;
            match written {
                Ok(()) => self.log().waiting.drain(..count).for_each(drop),
                Err(error) if end => {
                    tracing::error!(%error, count, path = %spool.path().display(), "settlements and receipts are lost: they can't be spooled");
                    return spool;
                }
                Err(error) => {
                    tracing::error!(%error, path = %spool.path().display(), "settlements and receipts can't be spooled; they are kept in memory");
                    sleep(std::time::Duration::from_secs(1)).await;
                }
            }
        }
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock()
    }
}

// === impl ToHeir ===

impl Sink for ToHeir {
    fn append(&mut self, lines: &[u8]) -> Result<(), Stopped> {
        let lines = String::from_utf8_lossy(lines).into_owned();
        self.0
            .push(Event::Receipts(lines))
            .map_err(|source| Stopped { taken: 0, source })
    }

    fn reopen(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipts(outbox: &Arc<Outbox>, count: usize) {
        for number in 0..count {
            ToHeir(Arc::clone(outbox))
                .append(format!("{{\"id\":{number}}}\n").as_bytes())
                .unwrap();
        }
    }

    #[tokio::test]
    async fn the_log_ends_when_all_of_it_is_acknowledged() {
        let outbox = Outbox::new();
        receipts(&outbox, 3);
        let (one, mut other) = tokio::io::duplex(1 << 16);
        let (hear, mut send) = tokio::io::split(one);
        tokio::spawn(Arc::clone(&outbox).hear(hear));
        let sending = Arc::clone(&outbox);
        let sending = tokio::spawn(async move { sending.send(&mut send).await });
        let Frame::Log(lines) = Frame::receive(&mut other).await.unwrap() else {
            panic!("the log");
        };
        let numbers: Vec<_> = Record::read_all(&lines)
            .unwrap()
            .iter()
            .map(|record| record.number)
            .collect();
        assert_eq!(numbers, [1, 2, 3], "in order");
        outbox.close();
        let ack = Frame::word(&FromNew::Ack { through: 3 }).unwrap();
        ack.send(&mut other).await.unwrap();
        assert!(sending.await.unwrap(), "all of it is acknowledged");
        let last: FromOld = Frame::receive(&mut other).await.unwrap().read().unwrap();
        assert!(matches!(last, FromOld::Done), "and the other side is told");
    }

    #[tokio::test]
    async fn what_is_not_acknowledged_is_spooled_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("receipts.jsonl.handover-1");
        let outbox = Outbox::new();
        receipts(&outbox, 3);
        assert!(outbox.unsent().is_some(), "sent");
        outbox.acknowledged(2);
        outbox.lost();
        receipts(&outbox, 1);
        let mut nowhere = tokio::io::sink();
        assert!(!outbox.send(&mut nowhere).await, "nobody took it");
        outbox.close();
        let spool = outbox.spool(Spool::create(&path).unwrap()).await;
        let records = Record::read_all(&std::fs::read(spool.path()).unwrap()).unwrap();
        let numbers: Vec<_> = records.iter().map(|record| record.number).collect();
        assert_eq!(numbers, [3, 4], "the rest");
    }
}
