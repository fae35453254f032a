//! The `plugin!` macro: plugins made of plain functions.

/// Makes a plugin of functions, one per hook, and exports it.
///
/// A function has the parameters of its hook's method after `self`. With `SETTINGS =>` in front, a reference to the settings
/// comes first. Settings are read strictly by serde; if they need checks that serde can't make, implement
/// [`Plugin`](crate::Plugin) instead. Use the macro once per crate.
///
/// A guard names the kinds of texts that it subscribes to: `Guard(Text, ToolInput): inspect`.
///
/// ```
/// use witgate_plugin::prelude::*;
///
/// #[derive(serde::Deserialize)]
/// struct Settings {
///     cheap: String,
/// }
///
/// witgate_plugin::plugin!(Settings => Route: decide);
///
/// /// Sends small requests to a cheap model.
/// fn decide(settings: &Settings, request: &Request) -> Result<Option<Plan>, Refusal> {
///     let small = request.head().prompt_tokens < 2_000;
///     Ok(small.then(|| Plan::to("default").model(&settings.cheap).rule("small")))
/// }
/// ```
#[macro_export]
macro_rules! plugin {
    ($settings:ty => $($hook:ident $(($($kind:ident),+))?: $function:path),+ $(,)?) => {
        $crate::__functions!([settings] $settings; $($hook $(($($kind),+))?: $function),+);
    };
    ($($hook:ident $(($($kind:ident),+))?: $function:path),+ $(,)?) => {
        $crate::__functions!([] $crate::NoSettings; $($hook $(($($kind),+))?: $function),+);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __functions {
    ($pass:tt $settings:ty; $($hook:ident $(($($kind:ident),+))?: $function:path),+) => {
        /// The settings of a plugin made of functions.
        struct FunctionsPlugin(#[allow(dead_code, reason = "functions may ignore the settings")] $settings);

        impl $crate::Plugin for FunctionsPlugin {
            type Settings = $settings;

            fn configure(settings: $settings) -> ::core::result::Result<Self, $crate::Problems> {
                Ok(Self(settings))
            }

            fn content(&self) -> ::std::vec::Vec<$crate::types::ContentKind> {
                ::std::vec![$($($($crate::types::ContentKind::$kind,)+)?)+]
            }
        }

        $($crate::__function!($pass $hook $(($($kind)+))?: $function);)+
        $crate::__export_functions!($($hook)+);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __export_functions {
    ($hook:ident $($more:ident)*) => {
        $crate::export!(FunctionsPlugin: $hook $(+ $more)*);
    };
}

/// Implements a hook's method by its function.
#[doc(hidden)]
#[macro_export]
macro_rules! __function {
    ($pass:tt Envelope: $function:path) => {
        impl $crate::Envelope for FunctionsPlugin {
            fn read(
                &self,
                request: &$crate::Request<'_>,
            ) -> ::core::result::Result<$crate::types::Envelope, $crate::types::Refusal> {
                $crate::__call!($pass $function, self, request)
            }
        }
    };
    ($pass:tt Guard ($($kind:ident)+): $function:path) => {
        impl $crate::Guard for FunctionsPlugin {
            fn inspect(
                &self,
                request: &$crate::Request<'_>,
                piece: &$crate::types::Piece,
            ) -> $crate::types::Verdict {
                $crate::__call!($pass $function, self, request, piece)
            }
        }
    };
    ($pass:tt Route: $function:path) => {
        impl $crate::Route for FunctionsPlugin {
            fn decide(
                &self,
                request: &$crate::Request<'_>,
            ) -> ::core::result::Result<
                ::core::option::Option<$crate::types::Plan>,
                $crate::types::Refusal,
            > {
                $crate::__call!($pass $function, self, request)
            }
        }
    };
    ($pass:tt Budget: $function:path) => {
        impl $crate::Budget for FunctionsPlugin {
            fn charges(
                &self,
                request: &$crate::Request<'_>,
                estimate: &$crate::types::Estimate,
            ) -> ::core::result::Result<
                ::std::vec::Vec<$crate::types::Charge>,
                $crate::types::Refusal,
            > {
                $crate::__call!($pass $function, self, request, estimate)
            }
        }
    };
    ($pass:tt Audit: $function:path) => {
        impl $crate::Audit for FunctionsPlugin {
            fn edit(
                &self,
                receipts: &$crate::Receipts<'_>,
            ) -> ::std::vec::Vec<$crate::types::ReceiptEdits> {
                $crate::__call!($pass $function, self, receipts)
            }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __call {
    ([settings] $function:path, $plugin:ident, $($argument:ident),+) => {
        $function(&$plugin.0, $($argument),+)
    };
    ([] $function:path, $plugin:ident, $($argument:ident),+) => {
        $function($($argument),+)
    };
}
