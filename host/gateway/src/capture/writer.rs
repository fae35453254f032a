//! Records a sample of the requests on a thread of its own, up to a total size.

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
use crate::exchange::view::View;

/// Maximum number of requests that wait for the thread, each with its body. Further requests are skipped.
const QUEUE: usize = 16;

/// Maximum size in bytes of a body that is recorded. The copy is charged to no memory limit.
const MAX_BODY: usize = 1 << 20;

/// A recorder of requests. Dropping it waits for the queued requests.
pub(crate) struct Capture {
    config: CaptureConfig,
    seen: AtomicU64,
    counts: Arc<Counts>,
    queue: Option<SyncSender<Due>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// The results for the requests in the sample.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) written: AtomicU64,
    /// Skipped because `max_bytes` was reached.
    pub(crate) full: AtomicU64,
    /// Skipped because the body was too long, the thread was busy, or the file could not be written.
    pub(crate) passed_over: AtomicU64,
}

/// A request to record, with its time of arrival in milliseconds since 1970.
type Due = (Arc<View>, u64);

/// The state of the thread.
struct Writer {
    config: CaptureConfig,
    counts: Arc<Counts>,
    /// Size of all capture files in the directory in bytes.
    bytes: u64,
    file: Option<File>,
    is_full: bool,
}

// === impl Capture ===

impl Capture {
    /// Creates the directory if it does not exist, and starts the thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the directory cannot be created or read, or the thread cannot be started.
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

    /// Returns the configuration.
    pub(crate) fn config(&self) -> &CaptureConfig {
        &self.config
    }

    /// Returns the counts of results.
    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Queues a request if it belongs to the sample. Never waits.
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
            // A panic has been logged.
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
                        "could not record a request"
                    );
                    self.counts.passed_over.fetch_add(1, Relaxed)
                }
            };
        }
    }

    /// Writes a request. Returns `false` if `max_bytes` leaves no room for it.
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
                    "stopped recording requests: `max_bytes` of [capture] is reached; raise it, or move the files away"
                );
            }
            // The operator makes room by moving files away, so the next line starts a new file.
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

/// Returns the size of the capture files in a directory in bytes.
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

/// Returns whether the body is too long, as received or decompressed.
fn is_long(view: &View) -> bool {
    let unpacked = view.head.as_ref().map_or(0, |head| head.body().len());
    let sent = view.sent.as_ref().map_or(0, Bytes::len);
    unpacked.max(sent) > MAX_BODY
}
