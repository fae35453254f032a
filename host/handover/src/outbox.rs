//! The sending end of the log: records that the new process has not acknowledged.
//!
//! Records come from the ledger, under its lock, and from the audit's thread. They go to the new process, or to the spool
//! once that process is gone. The timeout bounds the log: a new process that acknowledges nothing for that long counts as
//! gone, and all records go to the file.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout_at};
use witgate_audit::Sink;
use witgate_audit::sink::Stopped;
use witgate_ledger::{Entry, Step};

use super::books::Books;
use super::frame::{Frame, FromNew, FromOld, TIMEOUT};
use super::record::{Event, Record};
use super::spool::Spool;

/// The size from which a frame of log lines is sent, in bytes.
const FRAME_BYTES: usize = 256 * 1024;

/// The log of an old process.
#[derive(Debug)]
pub(crate) struct Outbox {
    log: Mutex<Log>,
    changed: Notify,
}

#[derive(Debug)]
struct Log {
    /// The number of the last record.
    last: u64,
    /// Unacknowledged records: their numbers and their lines.
    waiting: VecDeque<(u64, Vec<u8>)>,
    /// The number of records of `waiting` that were sent.
    sent: usize,
    /// The time of the last acknowledgement, or of the first record after an empty log.
    progress: Instant,
    successor: Successor,
    end: End,
}

#[derive(Debug, PartialEq, Eq)]
enum Successor {
    Connected,
    Gone,
}

#[derive(Debug, PartialEq, Eq)]
enum End {
    /// The log may still grow.
    Open,
    /// The log is complete.
    Closed,
}

/// The next thing to do with the log.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Lines to send.
    Send(Vec<u8>),
    /// The log is complete and acknowledged.
    Finished,
    /// The new process is gone or silent.
    Gone,
}

/// A sink for the receipts of the old process: the new process writes them to the file.
pub struct SuccessorSink(pub(crate) Arc<Outbox>);

// === impl Outbox ===

impl Outbox {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            log: Mutex::new(Log {
                last: 0,
                waiting: VecDeque::new(),
                sent: 0,
                progress: Instant::now(),
                successor: Successor::Connected,
                end: End::Open,
            }),
            changed: Notify::new(),
        })
    }

    /// Records a step of a hold.
    pub(crate) fn step(&self, entry: &Entry<'_>) {
        let event = Event::Hold {
            step: entry.step,
            changes: entry.to_changes(),
            name: match entry.step {
                Step::Reset => entry.name.to_owned(),
                Step::Opened | Step::Extended | Step::Ended => String::new(),
            },
            position: (entry.position.epoch > 0).then_some(entry.position),
        };
        if let Err(error) = self.push(event) {
            tracing::error!(%error, "could not hand over a step of a hold");
        }
    }

    fn push(&self, event: Event) -> io::Result<()> {
        let mut log = self.log.lock();
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

    /// Returns the next unsent lines, about [`FRAME_BYTES`] of them, or `None` if all were sent.
    pub(crate) fn unsent(&self) -> Option<Vec<u8>> {
        let mut log = self.log.lock();
        let mut lines = Vec::new();
        while let Some((_, line)) = log.waiting.get(log.sent)
            && lines.len() < FRAME_BYTES
        {
            lines.extend_from_slice(line);
            log.sent += 1;
        }
        (!lines.is_empty()).then_some(lines)
    }

    /// Ends the log: no more records come.
    pub(crate) fn close(&self) {
        self.log.lock().end = End::Closed;
        self.changed.notify_one();
    }

    /// Drops the records up to number `through`.
    fn acknowledged(&self, through: u64) {
        let mut log = self.log.lock();
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

    /// Notes that the new process is gone.
    fn lost(&self) {
        self.log.lock().successor = Successor::Gone;
        self.changed.notify_one();
    }

    /// Waits until there is something to do.
    async fn next(&self) -> Next {
        loop {
            if let Some(lines) = self.unsent() {
                return Next::Send(lines);
            }
            let deadline = {
                let log = self.log.lock();
                if log.successor == Successor::Gone {
                    return Next::Gone;
                }
                match (log.waiting.is_empty(), &log.end) {
                    (true, End::Closed) => return Next::Finished,
                    (true, End::Open) => None,
                    (false, _) => Some(log.progress + TIMEOUT),
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

    /// Sends the log until its end, and returns whether all of it was acknowledged. Nothing leaves before `books` keep it.
    pub(crate) async fn send(
        self: &Arc<Self>,
        to: &mut (impl AsyncWrite + Unpin),
        books: &Arc<dyn Books>,
    ) -> bool {
        loop {
            let frame = match self.next().await {
                Next::Send(lines) => {
                    keep(books).await;
                    Frame::Log(lines)
                }
                Next::Gone => return false,
                Next::Finished => {
                    // If this is lost, the end of the connection tells the new process the same.
                    if let Ok(done) = Frame::message(&FromOld::Done) {
                        let _ = done.send(to).await;
                    }
                    return true;
                }
            };
            // A process that does not read blocks the write.
            let sent = tokio::time::timeout(TIMEOUT, frame.send(to)).await;
            if !matches!(sent, Ok(Ok(()))) {
                return false;
            }
        }
    }

    /// Receives acknowledgements until the new process ends.
    pub(crate) async fn hear(self: Arc<Self>, mut from: impl AsyncRead + Unpin) {
        loop {
            let message = Frame::receive(&mut from)
                .await
                .and_then(|frame| frame.read());
            match message {
                Ok(FromNew::Ack { through }) => self.acknowledged(through),
                Ok(FromNew::Ready) => {}
                Err(_) => return self.lost(),
            }
        }
    }

    /// Writes all unacknowledged and all further records to the spool once `books` keep them, and returns it at the end of the log.
    pub(crate) async fn spool(&self, mut spool: Spool, books: &Arc<dyn Books>) -> Spool {
        loop {
            let (lines, end) = {
                let mut log = self.log.lock();
                log.sent = 0;
                let lines = log.waiting.iter().flat_map(|(_, line)| line).copied();
                (lines.collect::<Vec<u8>>(), log.end == End::Closed)
            };
            if lines.is_empty() {
                if end {
                    return spool;
                }
                self.changed.notified().await;
                continue;
            }
            keep(books).await;
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
                Ok(()) => drop(self.log.lock().waiting.drain(..count)),
                Err(error) if end => {
                    tracing::error!(%error, count, path = %spool.path().display(), "lost settlements and receipts: the spool can't be written");
                    return spool;
                }
                Err(error) => {
                    tracing::error!(%error, path = %spool.path().display(), "the spool can't be written; keeping settlements and receipts in memory");
                    sleep(std::time::Duration::from_secs(1)).await;
                }
            }
        }
    }
}

/// Makes every step so far survive this process. What another process writes of it has to be in this one's own journal first: it is
/// the one in which an exchange is found by its name after a crash.
pub(crate) async fn keep(books: &Arc<dyn Books>) {
    let books = Arc::clone(books);
    // What the disk refuses is reported where it happens. The other process has it then.
    let _kept = tokio::task::spawn_blocking(move || books.keep()).await;
}

// === impl SuccessorSink ===

impl Sink for SuccessorSink {
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
    use crate::books::tests::Blank;

    fn receipts(outbox: &Arc<Outbox>, count: usize) {
        for number in 0..count {
            SuccessorSink(Arc::clone(outbox))
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
        let books = Blank::books();
        let sending = tokio::spawn(async move { sending.send(&mut send, &books).await });
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
        let ack = Frame::message(&FromNew::Ack { through: 3 }).unwrap();
        ack.send(&mut other).await.unwrap();
        assert!(sending.await.unwrap(), "all of it is acknowledged");
        let last: FromOld = Frame::receive(&mut other).await.unwrap().read().unwrap();
        assert!(
            matches!(last, FromOld::Done),
            "and the other side learns it"
        );
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
        let books = Blank::books();
        let all = outbox.send(&mut nowhere, &books).await;
        assert!(!all, "not all was acknowledged");
        outbox.close();
        let spool = outbox.spool(Spool::create(&path).unwrap(), &books).await;
        let records = Record::read_all(&std::fs::read(spool.path()).unwrap()).unwrap();
        let numbers: Vec<_> = records.iter().map(|record| record.number).collect();
        assert_eq!(numbers, [3, 4], "the rest");
    }
}
