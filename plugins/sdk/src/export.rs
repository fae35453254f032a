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

                fn cell() -> &'static ::std::cell::OnceCell<$plugin> {
                    static PLUGIN: $crate::export::Storage<$plugin> = $crate::export::Storage::new();
                    PLUGIN.cell()
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
    (Guard $component:ident) => {
        $crate::bindings::guard::export!($component with_types_in $crate::bindings::guard);
    };
    (Translate $component:ident) => {
        $crate::bindings::translate::export!($component with_types_in $crate::bindings::translate);
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

    /// Returns the cell that holds the plugin.
    fn cell() -> &'static OnceCell<Self::Plugin>;
}

/// The cell that holds the plugin of an instance, which has one thread.
#[cfg(target_arch = "wasm32")]
pub struct Storage<T>(OnceCell<T>);

// SAFETY: an instance has one thread.
#[cfg(target_arch = "wasm32")]
#[allow(unsafe_code, reason = "a static has to be shared between threads")]
unsafe impl<T> Sync for Storage<T> {}

#[cfg(target_arch = "wasm32")]
impl<T> Storage<T> {
    /// Creates an empty cell.
    #[must_use]
    pub const fn new() -> Self {
        Self(OnceCell::new())
    }

    /// Returns the cell.
    pub const fn cell(&self) -> &OnceCell<T> {
        &self.0
    }
}

/// The exports of an instance.
pub struct Component<I>(PhantomData<I>);

#[cfg(target_arch = "wasm32")]
mod component;
