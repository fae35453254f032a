//! Records one request in so many, off the request path, up to a number of bytes.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use bytes::Bytes;
use parking_lot::Mutex;

use super::Captured;
use crate::config::CaptureConfig;
use crate::view::View;

/// Requests that wait for the thread. Each holds its body; one more is passed over.
const QUEUE: usize = 16;

/// Longest body that is recorded. Recording copies it, which no share of memory pays for.
const LONGEST_BODY: usize = 1 << 20;

/// Records requests until it is dropped, which waits for what is queued.
pub(crate) struct Capture {
    config: CaptureConfig,
    seen: AtomicU64,
    counts: Arc<Counts>,
    queue: Option<SyncSender<Due>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What became of the requests that were meant to be recorded.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) written: AtomicU64,
    /// There was no room for them: `max_bytes`.
    pub(crate) full: AtomicU64,
    /// Their body was too long, the thread was busy, or the file could not be written.
    pub(crate) passed_over: AtomicU64,
}

/// A request whose turn has come, and when it came, in milliseconds since 1970.
type Due = (Arc<View>, u64);

/// What the thread owns.
struct Writer {
    config: CaptureConfig,
    counts: Arc<Counts>,
    /// Bytes of all capture files in the directory.
    bytes: u64,
    file: Option<File>,
    is_full: bool,
}

// === impl Capture ===

impl Capture {
    /// Makes the directory, if it is not there, and starts the thread.
    ///
    /// # Errors
    ///
    /// When the directory can't be made or read, or the system has no thread to give.
    pub(crate) fn start(config: &CaptureConfig) -> io::Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&config.directory)?;
        let counts = Arc::new(Counts::default());
        let writer = Writer {
            config: config.clone(),
            counts: Arc::clone(&counts),
            bytes: recorded_bytes(&config.directory)?,
            file: None,
            is_full: false,
        };
        let (queue, requests) = sync_channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("capture".to_owned())
            .spawn(move || writer.run(&requests))?;
        Ok(Self {
            config: config.clone(),
            seen: AtomicU64::new(0),
            counts,
            queue: Some(queue),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// What it was started with.
    pub(crate) fn config(&self) -> &CaptureConfig {
        &self.config
    }

    /// What became of the requests.
    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Records the request that came then, in milliseconds since 1970, if its turn has come. Never waits.
    pub(crate) fn offer(&self, view: &Arc<View>, unix_ms: u64) {
        if !self
            .seen
            .fetch_add(1, Relaxed)
            .is_multiple_of(self.config.sample.get())
        {
            return;
        }
        let sent = !is_long(view)
            && self
                .queue
                .as_ref()
                .is_some_and(|queue| queue.try_send((Arc::clone(view), unix_ms)).is_ok());
        if !sent {
            self.counts.passed_over.fetch_add(1, Relaxed);
        }
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.get_mut().take() {
            // If it panicked, that has been logged.
            let _ = thread.join();
        }
    }
}

// === impl Writer ===

impl Writer {
    fn run(mut self, requests: &Receiver<Due>) {
        while let Ok((view, unix_ms)) = requests.recv() {
            let captured = Captured::of(&view, unix_ms, &self.config);
            drop(view);
            match self.write(&captured) {
                Ok(true) => self.counts.written.fetch_add(1, Relaxed),
                Ok(false) => self.counts.full.fetch_add(1, Relaxed),
                Err(error) => {
                    tracing::warn!(
                        directory = %self.config.directory.display(), %error,
                        "a request could not be recorded"
                    );
                    self.counts.passed_over.fetch_add(1, Relaxed)
                }
            };
        }
    }

    /// Whether there was room for it.
    fn write(&mut self, captured: &Captured) -> io::Result<bool> {
        let mut line = serde_json::to_vec(captured)?;
        line.push(b'\n');
        let bytes = self.bytes.saturating_add(line.len() as u64);
        if bytes > self.config.max_bytes.get() {
            if !self.is_full {
                self.is_full = true;
                tracing::warn!(
                    directory = %self.config.directory.display(),
                    max_bytes = self.config.max_bytes,
                    "no more requests are recorded: move the files away, or raise `max_bytes` in [capture]"
                );
            }
            // Whoever makes room moves the file away: the next line begins another one.
            self.file = None;
            self.bytes = recorded_bytes(&self.config.directory)?;
            return Ok(false);
        }
        let mut file = match self.file.take() {
            Some(file) => file,
            None => OpenOptions::new()
                .append(true)
                .create(true)
                .mode(0o600)
                .open(self.path())?,
        };
        file.write_all(&line)?;
        self.file = Some(file);
        self.bytes = bytes;
        self.is_full = false;
        Ok(true)
    }

    fn path(&self) -> PathBuf {
        let name = format!("capture-{}.jsonl", std::process::id());
        self.config.directory.join(name)
    }
}

/// Bytes of the capture files in a directory.
fn recorded_bytes(directory: &Path) -> io::Result<u64> {
    let mut bytes = 0_u64;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.path().extension().is_some_and(|it| it == "jsonl") {
            bytes = bytes.saturating_add(entry.metadata()?.len());
        }
    }
    Ok(bytes)
}

/// Whether a request has a body that is too long, as it came or unpacked.
fn is_long(view: &View) -> bool {
    let unpacked = view.head.as_ref().map_or(0, |head| head.body().len());
    let sent = view.sent.as_ref().map_or(0, Bytes::len);
    unpacked.max(sent) > LONGEST_BODY
}
