//! The exports of an instance, which call the plugin's hooks.

use super::{Component, Instance};
use crate::bindings::audit::exports::witgate::plugin::audit;
use crate::bindings::budget::exports::witgate::plugin::budget;
use crate::bindings::envelope::exports::witgate::plugin::envelope;
use crate::bindings::guard::exports::witgate::plugin::guard;
use crate::bindings::lifecycle::exports::witgate::plugin::lifecycle;
use crate::bindings::route::exports::witgate::plugin::route;
use crate::bindings::translate::exports::witgate::plugin::translate;
use crate::bindings::witgate::plugin::{settings as host_settings, types as wit};
use crate::call_memory::CallMemory;
use crate::host::Facts;
use crate::types::Rest;
use crate::{
    Audit, Budget, Envelope, Guard, Plugin, Problem, Problems, Receipts, Request, Route, Translate,
    log, settings,
};

// === impl Component ===

impl<I: Instance> Component<I> {
    fn configure() -> Result<(), Problems> {
        let cell = I::cell();
        if cell.get().is_none() {
            std::panic::set_hook(Box::new(log::panicked));
            let plugin = settings::configure(&host_settings::json())?;
            // The cell was empty a moment ago and an instance has one thread.
            let _ = cell.set(plugin);
        }
        Ok(())
    }

    /// Calls a hook of the configured plugin with the facts of the call, and forgets these.
    fn with<R>(call: impl FnOnce(&I::Plugin, Facts<'_>) -> R) -> R {
        let memory = CallMemory::begin();
        let plugin = I::cell().get().unwrap_or_else(Self::late);
        call(plugin, Facts::of(&memory))
    }

    #[cold]
    #[allow(
        clippy::panic,
        reason = "a hook can't answer with wrong settings; the host reports the message"
    )]
    fn late() -> &'static I::Plugin {
        if let Err(problems) = Self::configure() {
            panic!("{problems}");
        }
        match I::cell().get() {
            Some(plugin) => plugin,
            None => unreachable!("just configured"),
        }
    }
}

impl<I: Instance> lifecycle::Guest for Component<I> {
    fn configure() -> Result<lifecycle::Configured, Vec<lifecycle::Problem>> {
        let into = |Problem { path, message }| lifecycle::Problem { path, message };
        Self::configure().map_err(|problems| problems.into_iter().map(into).collect::<Vec<_>>())?;
        Ok(Self::with(|plugin, _| lifecycle::Configured {
            interests: plugin.interests(),
            content: plugin.content(),
            correlation_header: plugin.correlation_header().map(str::to_owned),
            windows: plugin.windows(),
            dialect: plugin.dialect(),
        }))
    }
}

impl<I: Instance<Plugin: Envelope>> envelope::Guest for Component<I> {
    fn read() -> Result<wit::Envelope, wit::Refusal> {
        Self::with(|plugin, facts| plugin.read(&Request(facts)))
    }
}

impl<I: Instance<Plugin: Guard>> guard::Guest for Component<I> {
    fn inspect(piece: guard::Piece) -> guard::Verdict {
        Self::with(|plugin, facts| plugin.inspect(&Request(facts), &piece))
    }
}

impl<I: Instance<Plugin: Translate>> translate::Guest for Component<I> {
    fn request(body: String) -> Result<translate::Asked, wit::Refusal> {
        Self::with(|plugin, facts| plugin.request(&Request(facts), &body))
    }

    fn answer(response: translate::Response) -> translate::Response {
        Self::with(|plugin, _| plugin.answer(response))
    }

    fn event(data: String) -> String {
        Self::with(|plugin, _| plugin.event(&data))
    }
}

impl<I: Instance<Plugin: Route>> route::Guest for Component<I> {
    fn decide() -> Result<Option<wit::Plan>, wit::Refusal> {
        Self::with(|plugin, facts| plugin.decide(&Request(facts)))
    }
}

impl<I: Instance<Plugin: Budget>> budget::Guest for Component<I> {
    fn charges(estimate: wit::Estimate) -> Result<Vec<wit::Charge>, wit::Refusal> {
        Self::with(|plugin, facts| plugin.charges(&Request(facts), &estimate))
    }

    fn exhausted(charge: wit::Charge, remaining: u64, resets_in_ms: Option<u64>) -> wit::Remedy {
        let rest = Rest {
            remaining,
            resets_in_ms,
        };
        Self::with(|plugin, facts| plugin.exhausted(&Request(facts), &charge, rest))
    }
}

impl<I: Instance<Plugin: Audit>> audit::Guest for Component<I> {
    fn edit(count: u32) -> Option<Vec<audit::Edits>> {
        let edits = Self::with(|plugin, facts| plugin.edit(&Receipts { facts, count }));
        (!edits.is_empty()).then_some(edits)
    }
}
