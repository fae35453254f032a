//! The immutable, ordered set of plugins that a request is decided by.
//!
//! A request takes one lineup and keeps it: nothing here changes, and the plugins live as long as somebody holds
//! them. Each hook has one function; what a plugin gives is checked before anybody sees it.

mod audit;
mod headers;
mod returned;
pub(crate) mod sense;

pub use audit::{Audited, Mark};

use crate::contract::{Charge, Envelope, Estimate, Plan, Refusal, Remedy, UpstreamStats};
use crate::fault::{Failure, Fault, FaultKind};
use crate::guest::Guest;
use crate::hook::Hook;
use crate::instance::{Exports, handle, not_exported};
use crate::plugin::Plugin;
use crate::request::Request;
use crate::sidecar::FailPolicy;
use returned::Bounds;
use std::fmt;
use std::sync::Arc;
use wasmtime::Store;

/// The plugins, in order, and the required ones that are not among them.
#[derive(Debug, Default)]
pub struct Lineup {
    generation: u64,
    plugins: Vec<Arc<Plugin>>,
    missing: Vec<Arc<str>>,
}

/// Why a request does not go on.
#[derive(Clone, Debug)]
pub enum Stop {
    /// A plugin decided to answer the client.
    Refusal {
        /// The plugin.
        plugin: Arc<str>,
        /// The hook that it decided in.
        hook: Hook,
        /// The answer.
        refusal: Refusal,
    },
    /// A plugin that fails closed faulted, or a required one is absent.
    Fault(Fault),
}

/// Who took part in one request. It is written by the hook calls and belongs on the receipt.
#[derive(Clone, Debug, Default)]
pub struct Trail {
    /// Each call that gave a value or a refusal, in order.
    pub answered: Vec<(Hook, Arc<str>)>,
    /// Faults of plugins that fail open, in order: the request went on without them.
    pub skipped: Vec<Fault>,
}

/// A charge and the plugin that named it.
#[derive(Clone, Debug)]
pub struct PluginCharge {
    /// The plugin, which is asked again if the charge doesn't fit.
    pub plugin: Arc<Plugin>,
    /// The charge.
    pub charge: Charge,
}

// === impl Stop ===

impl Stop {
    /// The status of an answer in HTTP: the plugin's own, or 503 for a fault.
    pub fn status(&self) -> u16 {
        match self {
            Self::Refusal { refusal, .. } => refusal.status,
            Self::Fault(_) => 503,
        }
    }
}

impl fmt::Display for Stop {
    /// What the client may be told.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refusal { refusal, .. } => f.write_str(&refusal.message),
            Self::Fault(fault) => write!(f, "the plugin `{}` failed: {}", fault.plugin, fault.kind),
        }
    }
}

// === impl Lineup ===

impl Lineup {
    /// Puts plugins in their order: by the sidecar's `order`, then by name. A name in `required` that no plugin has
    /// makes every request stop.
    pub fn new(generation: u64, mut plugins: Vec<Arc<Plugin>>, required: &[String]) -> Self {
        plugins.sort_by(|a, b| (a.order(), a.name()).cmp(&(b.order(), b.name())));
        let missing = required
            .iter()
            .filter(|name| !plugins.iter().any(|plugin| **plugin.name() == ***name))
            .map(|name| Arc::from(name.as_str()))
            .collect();
        Self {
            generation,
            plugins,
            missing,
        }
    }

    /// Number of this lineup, growing with each change.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The plugins, in order.
    pub fn plugins(&self) -> &[Arc<Plugin>] {
        &self.plugins
    }

    /// A plugin by its name.
    pub fn plugin(&self, name: &str) -> Option<&Arc<Plugin>> {
        self.plugins.iter().find(|plugin| &**plugin.name() == name)
    }

    /// Required plugins that are not here.
    pub fn missing(&self) -> &[Arc<str>] {
        &self.missing
    }

    /// Asks every plugin with the envelope hook; the first value of a field stands, lists are joined.
    ///
    /// # Errors
    ///
    /// The first refusal, or the fault of a plugin that fails closed.
    pub fn read_envelope(
        &self,
        request: &Arc<dyn Request>,
        trail: &mut Trail,
    ) -> Result<Envelope, Stop> {
        self.complete(Hook::Envelope)?;
        let mut merged = Envelope::default();
        for plugin in self.with(Hook::Envelope) {
            let bounds = Bounds::of(plugin, Hook::Envelope);
            let given = plugin.ask(
                Hook::Envelope,
                request,
                trail,
                |exports, store| match &exports.envelope {
                    Some(guest) => guest.read(store, handle()),
                    None => Err(not_exported(Hook::Envelope)),
                },
                |envelope| bounds.envelope(envelope),
            )?;
            if let Some(mut envelope) = given {
                plugin.drop_headers(&mut envelope);
                merged.merge(envelope);
            }
        }
        Ok(merged)
    }

    /// Asks the plugins with the route hook, one after the other, until one gives a plan. A plan has to name at least one
    /// of `upstreams`, unless that list is empty.
    ///
    /// # Errors
    ///
    /// The first refusal, or the fault of a plugin that fails closed.
    pub fn decide_route(
        &self,
        request: &Arc<dyn Request>,
        envelope: &Envelope,
        upstreams: &[UpstreamStats],
        trail: &mut Trail,
    ) -> Result<Option<Plan>, Stop> {
        self.complete(Hook::Route)?;
        for plugin in self.with(Hook::Route) {
            let bounds = Bounds::of(plugin, Hook::Route);
            let given = plugin.ask(
                Hook::Route,
                request,
                trail,
                |exports, store| match &exports.route {
                    Some(guest) => guest.decide(store, handle(), envelope, upstreams),
                    None => Err(not_exported(Hook::Route)),
                },
                |plan| {
                    plan.as_ref()
                        .map_or(Ok(()), |plan| bounds.plan(plan, upstreams))
                },
            )?;
            if let Some(Some(plan)) = given {
                return Ok(Some(plan));
            }
        }
        Ok(None)
    }

    /// Asks every plugin with the budget hook for its charges.
    ///
    /// # Errors
    ///
    /// The first refusal, or the fault of a plugin that fails closed.
    pub fn charges(
        &self,
        request: &Arc<dyn Request>,
        envelope: &Envelope,
        plan: &Plan,
        estimate: &Estimate,
        trail: &mut Trail,
    ) -> Result<Vec<PluginCharge>, Stop> {
        self.complete(Hook::Budget)?;
        let mut all = Vec::new();
        for plugin in self.with(Hook::Budget) {
            let bounds = Bounds::of(plugin, Hook::Budget);
            let given = plugin.ask(
                Hook::Budget,
                request,
                trail,
                |exports, store| match &exports.budget {
                    Some(guest) => guest.charges(store, handle(), envelope, plan, *estimate),
                    None => Err(not_exported(Hook::Budget)),
                },
                |charges| bounds.charges(charges),
            )?;
            all.extend(given.into_iter().flatten().map(|charge| PluginCharge {
                plugin: Arc::clone(plugin),
                charge,
            }));
        }
        Ok(all)
    }

    /// Asks the plugin of a charge of this request what happens now that it doesn't fit. `remaining` is what the window still has,
    /// in units.
    ///
    /// # Errors
    ///
    /// The plugin's fault, whatever its fail policy: without a remedy the charge still doesn't fit, so the caller
    /// refuses the request.
    pub fn exhausted(
        &self,
        request: &Arc<dyn Request>,
        charge: &PluginCharge,
        remaining: u64,
    ) -> Result<Remedy, Fault> {
        let bounds = Bounds::of(&charge.plugin, Hook::Budget);
        charge.plugin.call(
            Hook::Budget,
            Some(request),
            |exports, store| match &exports.budget {
                Some(guest) => guest.exhausted(store, handle(), &charge.charge, remaining),
                None => Err(not_exported(Hook::Budget)),
            },
            |remedy| bounds.remedy(remedy),
        )
    }

    fn with(&self, hook: Hook) -> impl Iterator<Item = &Arc<Plugin>> {
        self.plugins.iter().filter(move |plugin| plugin.has(hook))
    }

    /// Stops when a required plugin is absent.
    fn complete(&self, hook: Hook) -> Result<(), Stop> {
        match self.missing.first() {
            None => Ok(()),
            Some(name) => Err(Stop::Fault(Fault {
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

// === impl Plugin ===

impl Plugin {
    /// Calls a hook on the path of a request and applies the fail policy: none when the plugin was skipped.
    fn ask<R>(
        &self,
        hook: Hook,
        request: &Arc<dyn Request>,
        trail: &mut Trail,
        call: impl FnOnce(&Exports, &mut Store<Guest>) -> wasmtime::Result<Result<R, Refusal>>,
        check: impl FnOnce(&R) -> Result<(), Failure>,
    ) -> Result<Option<R>, Stop> {
        let bounds = Bounds::of(self, hook);
        let given = self.call(hook, Some(request), call, |given| match given {
            Ok(value) => check(value),
            Err(refusal) => bounds.refusal(refusal),
        });
        match given {
            Ok(decision) => {
                trail.answered.push((hook, Arc::clone(self.name())));
                decision.map(Some).map_err(|refusal| Stop::Refusal {
                    plugin: Arc::clone(self.name()),
                    hook,
                    refusal,
                })
            }
            Err(fault) => match self.fail_policy(hook) {
                FailPolicy::Closed => Err(Stop::Fault(fault)),
                FailPolicy::Open => {
                    self.skipped(hook);
                    trail.skipped.push(fault);
                    Ok(None)
                }
            },
        }
    }
}
