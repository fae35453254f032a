//! One table, and the thread that reads its source.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use parking_lot::{Condvar, Mutex};
use tracing::dispatcher;

use super::content::Content;
use super::source::{Reader, Reading};
use super::{Definition, Fetch, Policy, TableConfig, TableStatus};

/// The time until a source that failed is read again, which doubles with each failure up to the refresh interval.
const RETRY: Duration = Duration::from_secs(1);

/// The time until a file that is being written is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// The time between two log lines about a source that keeps failing in new ways.
const LOG_PAUSE: Duration = Duration::from_secs(60);

/// A table that is kept up to date. Dropping it ends its thread.
pub(crate) struct Table {
    shared: Arc<Shared>,
}

/// The state that the table and its thread share.
struct Shared {
    definition: Definition,
    content: ArcSwapOption<Content>,
    opened: Instant,
    /// The milliseconds from `opened` to the last time that the source had this content, plus one. Zero before that.
    confirmed: AtomicU64,
    progress: Mutex<Progress>,
    changed: Condvar,
}

/// The progress of reading.
struct Progress {
    policy: Policy,
    refreshes: u64,
    failures: u64,
    error: Option<Arc<str>>,
    /// Set to read the source at once.
    due: bool,
    stopped: bool,
}

/// The thread's own state.
struct Refresher {
    shared: Arc<Shared>,
    reader: Reader,
    plugin: Arc<str>,
    table: Box<str>,
    /// The number of failures since the last success.
    in_a_row: u32,
    /// The error and the time of the last line.
    logged: Option<(Arc<str>, Instant)>,
}

// === impl Table ===

impl Table {
    /// Opens a table and starts to read its source.
    ///
    /// # Errors
    ///
    /// The thread can't start.
    pub(super) fn try_start(
        plugin: &Arc<str>,
        config: &TableConfig,
        fetch: Option<Arc<dyn Fetch>>,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            definition: config.definition.clone(),
            content: ArcSwapOption::empty(),
            opened: Instant::now(),
            confirmed: AtomicU64::new(0),
            progress: Mutex::new(Progress {
                policy: config.policy,
                refreshes: 0,
                failures: 0,
                error: None,
                due: false,
                stopped: false,
            }),
            changed: Condvar::new(),
        });
        let mut refresher = Refresher {
            shared: Arc::clone(&shared),
            reader: Reader::new(config.definition.clone(), fetch),
            plugin: Arc::clone(plugin),
            table: config.name.clone(),
            in_a_row: 0,
            logged: None,
        };
        let log = dispatcher::get_default(Clone::clone);
        thread::Builder::new()
            .name("witgate-table".to_owned())
            .spawn(move || dispatcher::with_default(&log, || refresher.run()))?;
        Ok(Self { shared })
    }

    /// Returns whether the content would be the same with another definition.
    pub(super) fn is_of(&self, definition: &Definition) -> bool {
        self.shared.definition == *definition
    }

    /// Changes the policy. A source that failed is read again at once.
    pub(super) fn set_policy(&self, policy: Policy) {
        let mut progress = self.shared.progress.lock();
        if progress.policy == policy && progress.error.is_none() {
            return;
        }
        progress.policy = policy;
        progress.due = true;
        if self.shared.content.load().is_none() {
            // A failure of the past must not answer whoever waits for the next reading.
            progress.error = None;
        }
        self.shared.changed.notify_all();
    }

    /// Waits for content, or for the failure of the reading that is in progress.
    ///
    /// # Errors
    ///
    /// There is no content: the failure, or that the time was not enough.
    pub(super) fn wait(&self, until: Instant) -> Result<(), String> {
        let mut progress = self.shared.progress.lock();
        loop {
            if self.shared.content.load().is_some() {
                return Ok(());
            }
            if let Some(error) = &progress.error {
                return Err(error.to_string());
            }
            if self
                .shared
                .changed
                .wait_until(&mut progress, until)
                .timed_out()
            {
                let timeout = progress.policy.timeout.as_millis();
                return Err(format!("it was not read within {timeout} ms"));
            }
        }
    }

    /// Passes the value of a key to `found`, while the content is borrowed.
    pub(super) fn get<T>(&self, key: &str, found: impl FnOnce(Option<&str>) -> T) -> T {
        let content = self.shared.content.load();
        found(content.as_ref().and_then(|content| content.get(key)))
    }

    /// Returns the time since the source last had this content, or `None` if there was never any.
    pub(super) fn age(&self) -> Option<Duration> {
        self.shared.age()
    }

    pub(super) fn status(&self, config: &TableConfig) -> TableStatus {
        let (age, content) = (self.age(), self.shared.content.load_full());
        let content = content.as_deref();
        let progress = self.shared.progress.lock();
        TableStatus {
            name: config.name.to_string(),
            source: config.definition.source.to_string(),
            entries: content.map_or(0, Content::len),
            bytes: content.map_or(0, Content::bytes),
            age_ms: age.map(millis),
            stale: config
                .policy
                .max_age
                .is_some_and(|max| age.is_none_or(|age| age > max)),
            refreshes: progress.refreshes,
            failures: progress.failures,
            last_error: progress.error.as_deref().map(str::to_owned),
        }
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        // Not waited for: the thread may be in the middle of a reading.
        self.shared.progress.lock().stopped = true;
        self.shared.changed.notify_all();
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("definition", &self.shared.definition)
            .finish_non_exhaustive()
    }
}

// === impl Shared ===

impl Shared {
    fn age(&self) -> Option<Duration> {
        let confirmed = self.confirmed.load(Ordering::Acquire).checked_sub(1)?;
        let now = self.opened.elapsed();
        Some(now.saturating_sub(Duration::from_millis(confirmed)))
    }
}

// === impl Refresher ===

impl Refresher {
    /// Reads the source again and again, until the table is dropped.
    fn run(&mut self) {
        let mut timeout = self.shared.progress.lock().policy.timeout;
        loop {
            let begun = Instant::now();
            let read = catch_unwind(AssertUnwindSafe(|| self.reader.read(timeout)));
            let read = read.unwrap_or_else(|_| Err("internal error of the host".to_owned()));
            let pause = self.record(begun, read);
            let mut progress = self.shared.progress.lock();
            let until = Instant::now() + pause.unwrap_or(progress.policy.refresh);
            while !progress.due && !progress.stopped {
                let waited = self.shared.changed.wait_until(&mut progress, until);
                if waited.timed_out() {
                    break;
                }
            }
            if progress.stopped {
                return;
            }
            progress.due = false;
            timeout = progress.policy.timeout;
        }
    }

    /// Records a reading. Returns the time until the next one, or `None` for the refresh interval.
    fn record(&mut self, begun: Instant, read: Result<Reading, String>) -> Option<Duration> {
        let shared = Arc::clone(&self.shared);
        let content = match read {
            Ok(Reading::New(content)) => Some(content),
            Ok(Reading::Unchanged) => None,
            Ok(Reading::Moving) => {
                let refresh = shared.progress.lock().policy.refresh;
                return Some(refresh.min(LOOK_AGAIN));
            }
            Err(error) => return Some(self.failed(error)),
        };
        if let Some(content) = content {
            shared.content.store(Some(Arc::new(content)));
        }
        let confirmed = millis(begun.saturating_duration_since(shared.opened));
        shared.confirmed.store(confirmed + 1, Ordering::Release);
        let mut progress = shared.progress.lock();
        progress.refreshes += 1;
        progress.error = None;
        drop(progress);
        shared.changed.notify_all();
        if self.logged.take().is_some() {
            tracing::info!(plugin = %self.plugin, table = %self.table, "the table is read again");
        }
        self.in_a_row = 0;
        None
    }

    /// Records a failure. Returns the time until the next reading.
    fn failed(&mut self, error: String) -> Duration {
        let error: Arc<str> = error.into();
        self.log(&error);
        let mut progress = self.shared.progress.lock();
        progress.failures += 1;
        progress.error = Some(error);
        let refresh = progress.policy.refresh;
        drop(progress);
        self.shared.changed.notify_all();
        let pause = RETRY.saturating_mul(1 << self.in_a_row.min(16));
        self.in_a_row = self.in_a_row.saturating_add(1);
        pause.min(refresh)
    }

    /// Logs the first failure in a row, and each new one after a pause.
    fn log(&mut self, error: &Arc<str>) {
        let now = Instant::now();
        let known = self.logged.as_ref().is_some_and(|(known, at)| {
            known == error || now.saturating_duration_since(*at) < LOG_PAUSE
        });
        if known {
            return;
        }
        let effect = match self.shared.age() {
            Some(age) => format!("its content from {} s ago stays", age.as_secs()),
            None => "it has no content".to_owned(),
        };
        tracing::warn!(
            plugin = %self.plugin,
            table = %self.table,
            "the table can't be read: {error}; {effect}"
        );
        self.logged = Some((Arc::clone(error), now));
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
