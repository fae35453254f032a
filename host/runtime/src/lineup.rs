//! The plugins that decide about a request, in order.

mod audit;
mod bounds;
mod guards;
mod headers;
mod receipt_edits;
mod session;
mod translation;
pub(crate) mod validate;

pub use audit::{AuditNote, Audited, FinishedExchange};
pub use guards::{GuardCalls, GuardTrace, Guards, Passage, PassedText, Stopped};
pub use session::{CallTrace, HookSession, PluginCharge, Rejection};
pub use translation::Translation;

use std::sync::Arc;

use crate::fault::{Fault, FaultKind};
use crate::hook::{Hook, PerHook};
use crate::plugin::Plugin;
use crate::request::Request;

/// An immutable, ordered set of plugins.
///
/// A request takes one lineup at its start and keeps it to its end, so a reload never changes the rules halfway. The
/// plugins live for as long as a lineup has them.
#[derive(Debug, Default)]
pub struct Lineup {
    generation: u64,
    plugins: Vec<Arc<Plugin>>,
    /// The plugins that have each hook, in order.
    by_hook: PerHook<Box<[Arc<Plugin>]>>,
    missing: Vec<Arc<str>>,
}

// === impl Lineup ===

impl Lineup {
    /// Sorts plugins by the `order` of their sidecars, then by name. While a plugin named in `required` is not among
    /// them, every hook call returns a [`Rejection::Fault`].
    pub fn new(generation: u64, mut plugins: Vec<Arc<Plugin>>, required: &[String]) -> Self {
        plugins.sort_by(|a, b| (a.order(), a.name()).cmp(&(b.order(), b.name())));
        let missing = required
            .iter()
            .filter(|name| !plugins.iter().any(|plugin| **plugin.name() == ***name))
            .map(|name| Arc::from(name.as_str()))
            .collect();
        let by_hook = PerHook::from_fn(|hook| {
            let having = plugins.iter().filter(|plugin| plugin.has(hook));
            having.cloned().collect()
        });
        Self {
            generation,
            plugins,
            by_hook,
            missing,
        }
    }

    /// Returns the number of this lineup, which grows with each change.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Returns the plugins, in order.
    pub fn plugins(&self) -> &[Arc<Plugin>] {
        &self.plugins
    }

    /// Returns the plugin with this name, or `None` if the lineup has no such plugin.
    pub fn plugin(&self, name: &str) -> Option<&Arc<Plugin>> {
        self.plugins.iter().find(|plugin| &**plugin.name() == name)
    }

    /// Returns the names of required plugins that are not loaded.
    pub fn missing(&self) -> &[Arc<str>] {
        &self.missing
    }

    /// Starts the hook calls of one request.
    pub fn begin(&self, request: Arc<dyn Request>) -> HookSession<'_> {
        self.resume(request, CallTrace::default())
    }

    /// Continues the hook calls of a request after [`HookSession::finish`], with the record that it returned.
    ///
    /// Finish a session to let go of the request, and of what its body holds, while the embedder does something else.
    pub fn resume(&self, request: Arc<dyn Request>, trace: CallTrace) -> HookSession<'_> {
        HookSession::new(self, request, trace)
    }

    /// Returns the plugins that have a hook, in order.
    fn with(&self, hook: Hook) -> &[Arc<Plugin>] {
        self.by_hook.of(hook)
    }

    /// Checks that no required plugin is missing.
    fn complete(&self, hook: Hook) -> Result<(), Rejection> {
        match self.missing.first() {
            None => Ok(()),
            Some(name) => Err(Rejection::Fault(Fault {
                plugin: Arc::clone(name),
                sha256: Arc::from(""),
                hook: Some(hook),
                kind: FaultKind::Absent,
                message: Some("this plugin is required and isn't loaded".to_owned()),
                backtrace: Vec::new(),
            })),
        }
    }
}
