//! The hook calls of one request.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use wasmtime::Store;

use super::Lineup;
use super::bounds::Bounds;
use super::guards::Guards;
use crate::call_facts::CallFacts;
use crate::contract::{Charge, Envelope, Estimate, Plan, Refusal, Remedy, Upstreams};
use crate::fault::{Failure, Fault};
use crate::guest::Guest;
use crate::hook::Hook;
use crate::instance::Exports;
use crate::plugin::Plugin;
use crate::request::Request;
use crate::sidecar::FailPolicy;

/// The hook calls of one request, made by [`Lineup::begin`].
///
/// Call the hooks in the order of the methods: [`envelope`](Self::envelope), [`route`](Self::route),
/// [`charges`](Self::charges), and [`exhausted`](Self::exhausted) for a charge that its account can't cover. The session
/// records the plugins that took part, and [`finish`](Self::finish) returns that record. [`guards`](Self::guards) returns the
/// guards of the exchange after the envelope hooks; they live on for its texts.
///
/// Each method blocks the calling thread while plugins run; see the [crate documentation](crate#threads-and-blocking). A
/// session is [`Send`], holds no plugin instance between two calls, and may be kept across `await` points.
pub struct HookSession<'a> {
    lineup: &'a Lineup,
    facts: CallFacts,
    trace: CallTrace,
}

/// The plugins that took part in one request.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct CallTrace {
    /// Each call that returned a value or a refusal, in order.
    pub answered: Vec<(Hook, Arc<str>)>,
    /// Faults of plugins whose fail policy is `open`, in order. The request went on without these plugins.
    pub skipped: Vec<Fault>,
}

/// The reason that a request must not go on.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Rejection {
    /// A plugin decided to answer the client.
    Refusal {
        /// The plugin's name.
        plugin: Arc<str>,
        /// The hook that returned the refusal.
        hook: Hook,
        /// The answer for the client.
        refusal: Refusal,
    },
    /// A plugin whose fail policy is `closed` faulted, or a required plugin is not loaded.
    Fault(Fault),
}

/// A charge and the plugin that returned it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PluginCharge {
    /// The plugin, which [`HookSession::exhausted`] asks if its account can't cover the charge.
    pub plugin: Arc<Plugin>,
    /// The charge.
    pub charge: Charge,
}

// === impl HookSession ===

impl<'a> HookSession<'a> {
    pub(super) fn new(lineup: &'a Lineup, request: Arc<dyn Request>, trace: CallTrace) -> Self {
        Self {
            lineup,
            facts: CallFacts::of_request(request),
            trace,
        }
    }

    /// Replaces the request that the next calls lend to plugins, such as by the one with the envelope's edits applied.
    pub fn set_request(&mut self, request: Arc<dyn Request>) {
        self.facts.request = Some(request);
    }

    /// Sets what [`exhausted`](Self::exhausted) tells a plugin besides the request, in a session that did not ask for the
    /// charges itself.
    pub fn set_context(&mut self, envelope: &Arc<Envelope>, plan: &Arc<Plan>) {
        self.facts.context = Some(Arc::clone(envelope));
        self.facts.plan = Some(Arc::clone(plan));
    }

    /// Calls the envelope hook of every plugin and merges the results with [`Envelope::merge`].
    ///
    /// # Errors
    ///
    /// The first refusal, or the first fault of a plugin whose fail policy is `closed`.
    pub fn envelope(&mut self) -> Result<Envelope, Rejection> {
        self.facts.context = None;
        let mut merged = Envelope::default();
        for plugin in self.plugins(Hook::Envelope)? {
            if !self.wants(plugin, Hook::Envelope) {
                continue;
            }
            let given = self.ask(
                plugin,
                Hook::Envelope,
                |exports, store| exports.envelope()?.read(store),
                |bounds, _, envelope| bounds.envelope(envelope),
            )?;
            if let Some(mut envelope) = given {
                plugin.drop_headers(&mut envelope);
                merged.merge(envelope);
            }
        }
        self.return_correlation_id(&mut merged);
        Ok(merged)
    }

    /// Adds the response headers in which plugins want the correlation id, unless a plugin has set them itself.
    fn return_correlation_id(&self, envelope: &mut Envelope) {
        for plugin in self.lineup.with(Hook::Envelope) {
            let own = self.facts.request.as_deref().map_or("", Request::id);
            let id = envelope.correlation_id.as_deref().unwrap_or(own);
            let Some(name) = plugin.correlation_header(id) else {
                continue;
            };
            let mut set = envelope.response_headers.iter();
            if !set.any(|(known, _)| known.eq_ignore_ascii_case(name)) {
                let header = (name.to_owned(), id.to_owned());
                envelope.response_headers.push(header);
            }
        }
    }

    /// Calls the route hooks, one plugin after the other, and returns the first plan, or `None` if no plugin has one.
    ///
    /// A plan must name at least one of `upstreams`; otherwise it is a fault of its plugin. Without `upstreams`, it may name
    /// any.
    ///
    /// # Errors
    ///
    /// The first refusal, or the first fault of a plugin whose fail policy is `closed`.
    pub fn route(
        &mut self,
        envelope: &Arc<Envelope>,
        upstreams: Option<Arc<dyn Upstreams>>,
    ) -> Result<Option<Plan>, Rejection> {
        self.facts.context = Some(Arc::clone(envelope));
        self.facts.plan = None;
        self.facts.upstreams = upstreams;
        let plan = self.first_plan();
        self.facts.upstreams = None;
        plan
    }

    fn first_plan(&mut self) -> Result<Option<Plan>, Rejection> {
        for plugin in self.plugins(Hook::Route)? {
            if !self.wants(plugin, Hook::Route) {
                continue;
            }
            let given = self.ask(
                plugin,
                Hook::Route,
                |exports, store| exports.route()?.decide(store),
                |bounds, facts, plan| {
                    let told = facts.upstreams.as_deref();
                    plan.as_ref().map_or(Ok(()), |plan| bounds.plan(plan, told))
                },
            )?;
            if let Some(Some(plan)) = given {
                return Ok(Some(plan));
            }
        }
        Ok(None)
    }

    /// Calls the budget hook of every plugin and returns all charges.
    ///
    /// # Errors
    ///
    /// The first refusal, or the first fault of a plugin whose fail policy is `closed`.
    pub fn charges(
        &mut self,
        envelope: &Arc<Envelope>,
        plan: &Arc<Plan>,
        estimate: &Estimate,
    ) -> Result<Vec<PluginCharge>, Rejection> {
        self.facts.context = Some(Arc::clone(envelope));
        self.facts.plan = Some(Arc::clone(plan));
        let mut all = Vec::new();
        for plugin in self.plugins(Hook::Budget)? {
            if !self.wants(plugin, Hook::Budget) {
                continue;
            }
            let given = self.ask(
                plugin,
                Hook::Budget,
                |exports, store| exports.budget()?.charges(store, *estimate),
                |bounds, _, charges| bounds.charges(charges),
            )?;
            all.extend(given.into_iter().flatten().map(|charge| PluginCharge {
                plugin: Arc::clone(plugin),
                charge,
            }));
        }
        Ok(all)
    }

    /// Returns the guards that are to inspect the texts of this exchange, or `None` if no plugin subscribed to texts and is
    /// interested in this request.
    ///
    /// # Errors
    ///
    /// A required plugin is missing.
    pub fn guards(&self, envelope: &Arc<Envelope>) -> Result<Option<Guards>, Rejection> {
        self.lineup.complete(Hook::Guard)?;
        let Some(request) = &self.facts.request else {
            return Ok(None);
        };
        let guards = self.lineup.with(Hook::Guard);
        if guards.is_empty() {
            return Ok(None);
        }
        let subscribed = guards.iter().filter(|plugin| {
            !plugin.subscription().is_empty()
                && plugin.wants(Hook::Guard, &**request, Some(envelope))
        });
        let facts = CallFacts {
            context: Some(Arc::clone(envelope)),
            ..CallFacts::of_request(Arc::clone(request))
        };
        Ok(Guards::of(subscribed, facts))
    }

    /// Asks the plugin of a charge what to do about an account that can't cover it. `remaining` is the amount that the
    /// account's window has left, in the unit of the charge, and `resets_in` the time until it covers the charge, or `None` if that is
    /// not known.
    ///
    /// # Errors
    ///
    /// The plugin's fault, whatever its fail policy is. The account still can't cover the charge, so refuse the request.
    pub fn exhausted(
        &self,
        charge: &PluginCharge,
        remaining: u64,
        resets_in: Option<Duration>,
    ) -> Result<Remedy, Fault> {
        let resets_in = resets_in.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
        let bounds = Bounds::of(&charge.plugin, Hook::Budget);
        charge.plugin.call(
            Hook::Budget,
            &mut self.facts.clone(),
            |exports, store| {
                exports
                    .budget()?
                    .exhausted(store, &charge.charge, remaining, resets_in)
            },
            |_, remedy| bounds.remedy(remedy),
        )
    }

    /// Returns the plugins that have a hook.
    ///
    /// # Errors
    ///
    /// A required plugin is missing.
    fn plugins(&self, hook: Hook) -> Result<&'a [Arc<Plugin>], Rejection> {
        self.lineup.complete(hook)?;
        Ok(self.lineup.with(hook))
    }

    /// Returns whether a plugin is interested in the request at a hook.
    fn wants(&self, plugin: &Plugin, hook: Hook) -> bool {
        let context = self.facts.context.as_deref();
        let request = self.facts.request.as_deref();
        request.is_some_and(|request| plugin.wants(hook, request, context))
    }

    /// Ends the session and returns the record of its calls. To go on later, pass it to [`Lineup::resume`].
    pub fn finish(self) -> CallTrace {
        self.trace
    }

    /// Calls a hook and applies the fail policy. Returns `None` if the plugin was skipped.
    fn ask<R>(
        &mut self,
        plugin: &Plugin,
        hook: Hook,
        call: impl FnOnce(&Exports, &mut Store<Guest>) -> wasmtime::Result<Result<R, Refusal>>,
        check: impl FnOnce(Bounds<'_>, &CallFacts, &R) -> Result<(), Failure>,
    ) -> Result<Option<R>, Rejection> {
        let bounds = Bounds::of(plugin, hook);
        let given = plugin.call(hook, &mut self.facts, call, |facts, given| match given {
            Ok(value) => check(bounds, facts, value),
            Err(refusal) => bounds.refusal(refusal),
        });
        match given {
            Ok(decision) => {
                let name = plugin.name();
                self.trace.answered.push((hook, Arc::clone(name)));
                decision.map(Some).map_err(|refusal| Rejection::Refusal {
                    plugin: Arc::clone(name),
                    hook,
                    refusal,
                })
            }
            Err(fault) => match plugin.fail_policy(hook) {
                FailPolicy::Closed => Err(Rejection::Fault(fault)),
                FailPolicy::Open => {
                    plugin.skipped(hook);
                    self.trace.skipped.push(fault);
                    Ok(None)
                }
            },
        }
    }
}

impl fmt::Debug for HookSession<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HookSession")
            .field("request", &self.facts.request.as_deref().map(Request::id))
            .field("trace", &self.trace)
            .finish_non_exhaustive()
    }
}

// === impl PluginCharge ===

impl PluginCharge {
    /// Creates a charge of a plugin, for example one that was stored.
    pub fn new(plugin: Arc<Plugin>, charge: Charge) -> Self {
        Self { plugin, charge }
    }
}

// === impl Rejection ===

impl Rejection {
    /// Returns the HTTP status for the client: the plugin's own, or 503 for a fault.
    pub fn status(&self) -> u16 {
        match self {
            Self::Refusal { refusal, .. } => refusal.status,
            Self::Fault(_) => 503,
        }
    }
}

impl fmt::Display for Rejection {
    /// Writes a text that is safe to send to the client.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refusal { refusal, .. } => f.write_str(&refusal.message),
            Self::Fault(fault) => write!(f, "the plugin `{}` failed: {}", fault.plugin, fault.kind),
        }
    }
}

impl std::error::Error for Rejection {}
