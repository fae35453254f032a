//! The `export!` macro, which turns a plugin into a component, and the code behind it.
//!
//! An instance has one plugin value, made by `lifecycle.configure`, or by the first hook if a host skipped that.

use std::cell::OnceCell;
use std::marker::PhantomData;

use crate::Plugin;

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

#[cfg(target_arch = "wasm32")]
mod component;
