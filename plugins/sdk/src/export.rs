//! The `export!` macro, which turns a plugin into a component, and the code behind it.
//!
//! An instance has one plugin value, made by `lifecycle.configure`, or by the first hook if a host skipped that.

use std::cell::OnceCell;
use std::marker::PhantomData;

use crate::bindings::{self, witgate::plugin::types as wit};
use crate::{Audit, Budget, Envelope, Plugin, Problem, Problems, Request, Route, log, settings};

/// Exports a plugin with its hooks: `witgate_plugin::export!(MyPlugin: Route + Envelope);`
///
/// Each hook is the name of one of this crate's hook traits, which the type must implement besides
/// [`Plugin`](crate::Plugin). `lifecycle` is always exported. Use the macro once per crate. On targets other than wasm32 it
/// only checks the traits, so one native test can link several plugins.
#[macro_export]
macro_rules! export {
    ($plugin:ty: $hook:ident $(+ $more:ident)*) => {
        const _: () = {
            const fn has_hooks<T: $crate::Plugin + $crate::$hook $(+ $crate::$more)*>() {}
            has_hooks::<$plugin>();
        };

        #[cfg(target_arch = "wasm32")]
        #[allow(unsafe_code, reason = "generated code: the exports of the component ABI")]
        const _: () = {
            struct Instance;

            impl $crate::export::Instance for Instance {
                type Plugin = $plugin;

                fn with_cell<R>(call: impl FnOnce(&::std::cell::OnceCell<$plugin>) -> R) -> R {
                    ::std::thread_local! {
                        static PLUGIN: ::std::cell::OnceCell<$plugin> = const { ::std::cell::OnceCell::new() };
                    }
                    PLUGIN.with(call)
                }
            }

            type Component = $crate::export::Component<Instance>;

            $crate::bindings::lifecycle::export!(Component with_types_in $crate::bindings::lifecycle);
            $crate::__export_hook!($hook Component);
            $($crate::__export_hook!($more Component);)*
        };
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __export_hook {
    (Envelope $component:ident) => {
        $crate::bindings::envelope::export!($component with_types_in $crate::bindings::envelope);
    };
    (Route $component:ident) => {
        $crate::bindings::route::export!($component with_types_in $crate::bindings::route);
    };
    (Budget $component:ident) => {
        $crate::bindings::budget::export!($component with_types_in $crate::bindings::budget);
    };
    (Audit $component:ident) => {
        $crate::bindings::audit::export!($component with_types_in $crate::bindings::audit);
    };
}

/// The storage of an instance's plugin. `export!` implements it, because a `static` cannot be generic.
pub trait Instance: 'static {
    /// The exported plugin.
    type Plugin: Plugin;

    /// Lends the cell that holds the plugin.
    fn with_cell<R>(call: impl FnOnce(&OnceCell<Self::Plugin>) -> R) -> R;
}

/// The exports of an instance.
pub struct Component<I>(PhantomData<I>);

// === impl Component ===

impl<I: Instance> Component<I> {
    fn configure() -> Result<(), Problems> {
        I::with_cell(|cell| {
            if cell.get().is_none() {
                std::panic::set_hook(Box::new(log::panicked));
                let plugin = settings::configure(&bindings::witgate::plugin::settings::json())?;
                // The cell was empty a moment ago and an instance has one thread.
                let _ = cell.set(plugin);
            }
            Ok(())
        })
    }

    /// Calls a hook of the configured plugin.
    fn with<R>(call: impl FnOnce(&I::Plugin) -> R) -> R {
        I::with_cell(|cell| match cell.get() {
            Some(plugin) => call(plugin),
            None => Self::with_late(call),
        })
    }

    #[cold]
    #[allow(
        clippy::panic,
        reason = "a hook can't answer with wrong settings; the host reports the message"
    )]
    fn with_late<R>(call: impl FnOnce(&I::Plugin) -> R) -> R {
        if let Err(problems) = Self::configure() {
            panic!("{problems}");
        }
        I::with_cell(|cell| match cell.get() {
            Some(plugin) => call(plugin),
            None => unreachable!("just configured"),
        })
    }
}

impl<I: Instance> bindings::lifecycle::exports::witgate::plugin::lifecycle::Guest for Component<I> {
    fn configure()
    -> Result<(), Vec<bindings::lifecycle::exports::witgate::plugin::lifecycle::Problem>> {
        Self::configure().map_err(|problems| {
            let into = |Problem { path, message }| {
                bindings::lifecycle::exports::witgate::plugin::lifecycle::Problem { path, message }
            };
            problems.into_iter().map(into).collect()
        })
    }
}

impl<I: Instance<Plugin: Envelope>> bindings::envelope::exports::witgate::plugin::envelope::Guest
    for Component<I>
{
    fn read(request: &wit::Request) -> Result<wit::Envelope, wit::Refusal> {
        Self::with(|plugin| plugin.read(&Request::of_host(request)))
    }
}

impl<I: Instance<Plugin: Route>> bindings::route::exports::witgate::plugin::route::Guest
    for Component<I>
{
    fn decide(
        request: &wit::Request,
        envelope: wit::Envelope,
        upstreams: Vec<wit::UpstreamStats>,
    ) -> Result<Option<wit::Plan>, wit::Refusal> {
        Self::with(|plugin| plugin.decide(&Request::of_host(request), &envelope, &upstreams))
    }
}

impl<I: Instance<Plugin: Budget>> bindings::budget::exports::witgate::plugin::budget::Guest
    for Component<I>
{
    fn charges(
        request: &wit::Request,
        envelope: wit::Envelope,
        plan: wit::Plan,
        estimate: wit::Estimate,
    ) -> Result<Vec<wit::Charge>, wit::Refusal> {
        Self::with(|plugin| plugin.charges(&Request::of_host(request), &envelope, &plan, &estimate))
    }

    fn exhausted(request: &wit::Request, charge: wit::Charge, remaining: u64) -> wit::Remedy {
        Self::with(|plugin| plugin.exhausted(&Request::of_host(request), &charge, remaining))
    }
}

impl<I: Instance<Plugin: Audit>> bindings::audit::exports::witgate::plugin::audit::Guest
    for Component<I>
{
    fn entries(receipts: Vec<wit::Receipt>) -> Vec<wit::Receipt> {
        Self::with(|plugin| plugin.entries(receipts))
    }
}
