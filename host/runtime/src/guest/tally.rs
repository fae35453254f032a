//! The count of what a guest asks for during one call, which ends the call at its limits.

use super::breach::Breach;
use crate::contract::Attribute;
use crate::limits::CallLimits;

/// The counts of a call and its limits.
pub(crate) struct Tally {
    stage: Stage,
    /// The limits of the running call.
    limits: CallLimits,
    host_calls: u32,
    copied: usize,
    /// The part of `copied` whose size the request determines.
    lent: usize,
    body_read: usize,
    breach: Option<Breach>,
    /// Missing grants, collected in the smoke test, where the guest gets its answers all the same.
    missing_grants: Option<Vec<Breach>>,
}

/// The stage of an instance's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Instantiation and `lifecycle.configure`: only `settings` and `log` are available.
    Configure,
    /// A hook.
    Call,
}

// === impl Tally ===

impl Tally {
    pub(super) fn new(limits: CallLimits) -> Self {
        Self {
            stage: Stage::Configure,
            limits,
            host_calls: 0,
            copied: 0,
            lent: 0,
            body_read: 0,
            breach: None,
            missing_grants: None,
        }
    }

    /// Starts a call with all counters at zero.
    pub(super) fn begin(&mut self, stage: Stage, limits: CallLimits) {
        self.stage = stage;
        self.limits = limits;
        self.host_calls = 0;
        self.copied = 0;
        self.lent = 0;
        self.body_read = 0;
        self.breach = None;
    }

    /// Collects missing grants from now on instead of ending the call, so that one message can list all of them.
    pub(crate) fn collect_missing_grants(&mut self) {
        self.missing_grants = Some(Vec::new());
    }

    /// Returns whether missing grants are collected, as in the smoke test.
    pub(super) fn collects_missing_grants(&self) -> bool {
        self.missing_grants.is_some()
    }

    /// Takes the missing grants that were collected since the last time.
    pub(crate) fn take_missing_grants(&mut self) -> Vec<Breach> {
        self.missing_grants
            .as_mut()
            .map(std::mem::take)
            .unwrap_or_default()
    }

    pub(super) fn limits(&self) -> &CallLimits {
        &self.limits
    }

    pub(super) fn breach(&self) -> Option<&Breach> {
        self.breach.as_ref()
    }

    /// Returns the message for a call that missed its deadline.
    pub(super) fn overtime(&self) -> String {
        let key = match self.stage {
            Stage::Configure => "configure_ms",
            Stage::Call => "deadline_ms",
        };
        format!(
            "ran longer than {} ms; do less work, or raise `{key}` in [limits] of the sidecar",
            self.limits.deadline.as_millis()
        )
    }

    /// Returns the breach of the copy limit.
    pub(super) fn copy_limit(&self) -> Breach {
        Breach::Copy(self.limits.copy_bytes)
    }

    /// Counts a call from the guest and the bytes of its arguments.
    pub(super) fn enter(&mut self, bytes: usize) -> wasmtime::Result<()> {
        self.host_calls = self.host_calls.saturating_add(1);
        if self.host_calls > self.limits.host_calls {
            return Err(self.breached(Breach::HostCalls(self.limits.host_calls)));
        }
        self.copy(bytes)
    }

    /// Counts a call to an import that is not available while the instance starts.
    pub(super) fn enter_hook(&mut self, bytes: usize, what: &'static str) -> wasmtime::Result<()> {
        if self.stage == Stage::Configure {
            return Err(self.breached(Breach::NotAvailable(what)));
        }
        self.enter(bytes)
    }

    /// Counts bytes that are about to be copied.
    pub(super) fn copy(&mut self, bytes: usize) -> wasmtime::Result<()> {
        self.copied = self.copied.saturating_add(bytes);
        if self.copied > self.limits.copy_bytes {
            let breach = self.copy_limit();
            return Err(self.breached(breach));
        }
        Ok(())
    }

    /// Counts bytes of a named part of the body. Returns how many such bytes there were.
    pub(super) fn lend(&mut self, bytes: usize) -> usize {
        self.lent = self.lent.saturating_add(bytes);
        self.lent
    }

    /// Returns the bytes of the body that the guest has read.
    pub(super) fn body_read(&self) -> usize {
        self.body_read
    }

    /// Counts bytes of the body that the guest reads.
    pub(super) fn read(&mut self, bytes: usize) -> wasmtime::Result<()> {
        self.body_read = self.body_read.saturating_add(bytes);
        if self.body_read > self.limits.body_bytes {
            return Err(self.breached(Breach::Body(self.limits.body_bytes)));
        }
        Ok(())
    }

    /// Ends the call because of a missing grant, or records it in a smoke test.
    pub(super) fn missing_grant(&mut self, breach: Breach) -> wasmtime::Result<()> {
        match &mut self.missing_grants {
            Some(missing) => {
                if !missing.contains(&breach) {
                    missing.push(breach);
                }
                Ok(())
            }
            None => Err(self.breached(breach)),
        }
    }

    /// Refuses a value of the request that alone is larger than `limit`. The caller determines its size, so asking for it
    /// does not count against the plugin.
    pub(super) fn fit(&mut self, what: &str, bytes: usize, limit: usize) -> wasmtime::Result<()> {
        if bytes <= limit {
            return Ok(());
        }
        let what = what.to_owned();
        Err(self.breached(Breach::Request { what, bytes, limit }))
    }

    #[cold]
    pub(super) fn breached(&mut self, breach: Breach) -> wasmtime::Error {
        self.breach = Some(breach.clone());
        wasmtime::Error::from(breach)
    }

    /// Copies a text.
    pub(super) fn text(&mut self, text: &str) -> wasmtime::Result<String> {
        self.copy(text.len())?;
        Ok(text.to_owned())
    }

    /// Copies a text, if there is one.
    pub(super) fn optional_text(&mut self, text: Option<&str>) -> wasmtime::Result<Option<String>> {
        text.map(|text| self.text(text)).transpose()
    }

    /// Copies pairs, or returns `None` if there are none.
    pub(super) fn pairs(
        &mut self,
        pairs: &[Attribute],
    ) -> wasmtime::Result<Option<Vec<Attribute>>> {
        self.copy(attribute_bytes(pairs))?;
        Ok(filled(pairs.to_vec()))
    }
}

pub(super) fn attribute_bytes(list: &[Attribute]) -> usize {
    list.iter()
        .map(|(name, value)| name.len() + value.len())
        .sum()
}

/// Returns a list that has elements, or `None`: an empty one costs a guest as much as a full one.
pub(super) fn filled<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}
