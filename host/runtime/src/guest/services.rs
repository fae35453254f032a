//! The imports of a guest other than the request: log, metrics, settings, clock and kv.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use wasmtime::Result;

use super::{Breach, Guest, shorten};
use crate::contract::{kv, log};
use crate::kv::{KvStore, Refused};
use crate::spec::PluginSpec;
use crate::tables::{Look, NoAnswer};

type Written<T> = Result<std::result::Result<T, kv::Error>>;

// === impl Guest ===

#[allow(
    clippy::needless_pass_by_value,
    reason = "the linker lifts arguments for the callee to have"
)]
impl Guest {
    pub(crate) fn log(&mut self, level: log::Level, message: String) -> Result<()> {
        self.enter(message.len())?;
        let message = self.redacted(message);
        self.log_line(level, &shorten(message));
        Ok(())
    }

    /// Writes a line to the plugin's log, within the plugin's limit.
    pub(crate) fn log_line(&self, level: log::Level, message: &str) {
        self.spec.log_line(level, message);
    }

    /// Redacts the secrets in a text before it is cut, which could leave a part of one.
    fn redacted(&self, text: String) -> String {
        match self.spec.settings.secrets.redact(&text) {
            Cow::Owned(redacted) => redacted,
            Cow::Borrowed(_) => text,
        }
    }

    pub(crate) fn failure(&mut self, message: String) -> Result<()> {
        self.enter(message.len())?;
        self.failure = Some(shorten(self.redacted(message)));
        Ok(())
    }

    pub(crate) fn count(&mut self, name: String, by: u64) -> Result<()> {
        self.enter_granted(name.len(), "metrics")?;
        let name = self.redacted(name);
        let PluginSpec { limits, stats, .. } = &*self.spec;
        stats.count(&name, by, limits.metric_names);
        Ok(())
    }

    pub(crate) fn gauge(&mut self, name: String, value: i64) -> Result<()> {
        self.enter_granted(name.len(), "metrics")?;
        let name = self.redacted(name);
        let PluginSpec { limits, stats, .. } = &*self.spec;
        stats.gauge(&name, value, limits.metric_names);
        Ok(())
    }

    pub(crate) fn settings(&mut self) -> Result<String> {
        let spec = Arc::clone(&self.spec);
        self.enter(0)?;
        self.tally.text(&spec.settings.json)
    }

    pub(crate) fn unix_ms(&mut self) -> Result<u64> {
        self.enter_granted(0, "clock")?;
        Ok(u64::try_from(since_epoch().as_millis()).unwrap_or(u64::MAX))
    }

    pub(crate) fn monotonic_ns(&mut self) -> Result<u64> {
        self.enter_granted(0, "clock")?;
        Ok(monotonic_ns())
    }

    pub(crate) fn kv_get(&mut self, key: String) -> Result<Option<Vec<u8>>> {
        let value = self.kv(key.len())?.get(&key, Instant::now());
        self.tally.copy(value.as_ref().map_or(0, Vec::len))?;
        Ok(value)
    }

    pub(crate) fn kv_set(
        &mut self,
        key: String,
        value: Vec<u8>,
        ttl_ms: Option<u64>,
    ) -> Written<()> {
        let store = self.kv(key.len() + value.len())?;
        let limits = &self.spec.limits.kv;
        Ok(store
            .set(&key, value, ttl(ttl_ms), limits, Instant::now())
            .map_err(kv::Error::from))
    }

    pub(crate) fn kv_delete(&mut self, key: String) -> Result<bool> {
        Ok(self.kv(key.len())?.delete(&key, Instant::now()))
    }

    pub(crate) fn kv_increment(
        &mut self,
        key: String,
        by: i64,
        ttl_ms: Option<u64>,
    ) -> Written<i64> {
        let store = self.kv(key.len())?;
        let limits = &self.spec.limits.kv;
        Ok(store
            .increment(&key, by, ttl(ttl_ms), limits, Instant::now())
            .map_err(kv::Error::from))
    }

    pub(crate) fn kv_compare_and_set(
        &mut self,
        key: String,
        expected: Option<Vec<u8>>,
        value: Vec<u8>,
        ttl_ms: Option<u64>,
    ) -> Written<bool> {
        let compared = expected.as_ref().map_or(0, Vec::len);
        let store = self.kv(key.len() + compared + value.len())?;
        let limits = &self.spec.limits.kv;
        let expected = expected.as_deref();
        Ok(store
            .compare_and_set(&key, expected, value, ttl(ttl_ms), limits, Instant::now())
            .map_err(kv::Error::from))
    }

    pub(crate) fn table_get(&mut self, table: String, key: String) -> Result<Option<String>> {
        self.tally.enter_hook(table.len() + key.len(), "tables")?;
        let look = match self.tally.collects_missing_grants() {
            true => Look::Test,
            false => Look::Service,
        };
        let found = |value: Option<&str>| value.map(str::to_owned);
        let value = match self.spec.tables.get(&table, &key, look, found) {
            Ok(value) => value,
            Err(no) => return self.no_table(table, no).map(|()| None),
        };
        self.tally.copy(value.as_ref().map_or(0, String::len))?;
        Ok(value)
    }

    pub(crate) fn table_age(&mut self, table: String) -> Result<Option<u64>> {
        self.tally.enter_hook(table.len(), "tables")?;
        match self.spec.tables.age(&table) {
            Ok(age) => Ok(age.map(|age| age.as_secs())),
            Err(no) => self.no_table(table, no).map(|()| None),
        }
    }

    /// Ends the call because a table has no answer, or records in a smoke test that the sidecar doesn't declare it.
    fn no_table(&mut self, table: String, no: NoAnswer) -> Result<()> {
        match no {
            NoAnswer::Undeclared => self.tally.missing_grant(Breach::Table(table)),
            NoAnswer::Stale(max) => Err(self.tally.breached(Breach::StaleTable { table, max })),
        }
    }

    fn kv(&mut self, bytes: usize) -> Result<Arc<KvStore>> {
        self.enter_granted(bytes, "kv")?;
        Ok(Arc::clone(&self.spec.kv))
    }

    /// Counts a call to an interface that needs a grant. Admission checks imports too; this is the second line of defense.
    fn enter_granted(&mut self, bytes: usize, interface: &'static str) -> Result<()> {
        self.tally.enter_hook(bytes, interface)?;
        self.granted(interface)
    }

    /// Ends the call unless the interface is granted.
    pub(crate) fn granted(&mut self, interface: &'static str) -> Result<()> {
        if self.spec.grants.has_interface(interface) {
            return Ok(());
        }
        Err(self.tally.breached(Breach::Interface(interface)))
    }
}

/// Returns the time since 1970, or zero if the system clock is set before that.
pub(crate) fn since_epoch() -> Duration {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default()
}

/// Returns the nanoseconds since the first call of this function.
pub(crate) fn monotonic_ns() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let nanos = START.get_or_init(Instant::now).elapsed().as_nanos();
    u64::try_from(nanos).unwrap_or(u64::MAX)
}

fn ttl(ms: Option<u64>) -> Option<Duration> {
    ms.map(Duration::from_millis)
}

// === impl Error ===

impl From<Refused> for kv::Error {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::TooLarge(limit) => Self::TooLarge(u64::try_from(limit).unwrap_or(u64::MAX)),
            Refused::Full => Self::Full,
            Refused::NotANumber => Self::NotANumber,
        }
    }
}
