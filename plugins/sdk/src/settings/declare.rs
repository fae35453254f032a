//! The macros `settings!` and `words!`: types of settings that are read without serde.

/// Declares tables of settings that are read without serde, which takes a third of the room in a component.
///
/// A key without a default is required, unless its type is an [`Option`], a list or a [`Table`](crate::Table). Fields behind
/// `..` are no keys. The texts of problems are those of types that serde
/// reads. A table needs a [`Default`], and so do the types of its values, which implement
/// [`Setting`](crate::settings::Setting): texts, whole numbers, `bool`, [`Glob`](crate::Glob), [`Table`](crate::Table), lists
/// and options of them, other tables, and [`words!`](crate::words!).
///
/// ```
/// witgate_plugin::settings! {
///     /// The settings of a plugin.
///     #[derive(Debug, Default)]
///     pub struct Settings {
///         /// Model for small requests.
///         cheap: String,
///         /// Size from which a request is not small.
///         most_tokens: u64 = 2_000,
///         /// Upstream to use, or the default one.
///         upstream: Option<String>,
///     }
/// }
///
/// let settings: Settings = witgate_plugin::typed(r#"{"cheap": "claude-haiku-5-5"}"#).unwrap();
/// assert_eq!((settings.most_tokens, settings.upstream), (2_000, None));
/// ```
#[macro_export]
macro_rules! settings {
    ($(
        $(#[$about:meta])*
        $see:vis struct $name:ident {$(
            $(#[$note:meta])*
            $access:vis $key:ident: $type:ty $(= $absent:expr)?
        ),+ $(, .. $(
            $(#[$more_note:meta])*
            $more_access:vis $more:ident: $more_type:ty
        ),+)? $(,)?}
    )+) => {$(
        $(#[$about])*
        $see struct $name {$(
            $(#[$note])*
            $access $key: $type,
        )+ $($(
            $(#[$more_note])*
            $more_access $more: $more_type,
        )+)?}

        impl $crate::settings::Setting for $name {
            fn read(
                value: &$crate::json::Json<'_>,
                path: &str,
                problems: &mut $crate::Problems,
            ) -> ::core::option::Option<Self> {
                const KEYS: &[&str] = &[$(stringify!($key)),+];
                let mut fields = $crate::settings::Fields::of(value, KEYS, path, problems);
                let read = Self {$(
                    $key: fields.take(stringify!($key), $crate::__absent!($($absent)?)),
                )+ $($(
                    $more: ::core::default::Default::default(),
                )+)?};
                fields.are_there().then_some(read)
            }
        }

        impl $crate::settings::Typed for $name {
            fn read_json(
                json: &str,
            ) -> ::core::result::Result<(Self, $crate::Problems), $crate::Problems> {
                $crate::settings::read(json)
            }
        }
    )+};
}

#[doc(hidden)]
#[macro_export]
macro_rules! __absent {
    () => {
        ::core::option::Option::None
    };
    ($absent:expr) => {
        ::core::option::Option::Some($absent)
    };
}

/// Declares an enum whose variants are words of the settings. It needs a [`Default`].
///
/// ```
/// witgate_plugin::words! {
///     /// Treatment of requests that nothing matches.
///     #[derive(Debug, Default, PartialEq)]
///     pub enum Unmatched {
///         /// Lets them pass.
///         #[default]
///         Pass = "pass",
///         /// Refuses them.
///         Refuse = "refuse",
///     }
/// }
/// # let _ = Unmatched::Refuse;
/// ```
#[macro_export]
macro_rules! words {
    (
        $(#[$about:meta])*
        $see:vis enum $name:ident {$(
            $(#[$note:meta])*
            $variant:ident = $word:literal
        ),+ $(,)?}
    ) => {
        $(#[$about])*
        $see enum $name {$(
            $(#[$note])*
            $variant,
        )+}

        impl $crate::settings::Setting for $name {
            fn read(
                value: &$crate::json::Json<'_>,
                path: &str,
                problems: &mut $crate::Problems,
            ) -> ::core::option::Option<Self> {
                const WORDS: &[&str] = &[$($word),+];
                let index = $crate::settings::choice(value, WORDS, path, problems)?;
                [$(|| Self::$variant),+].get(index).map(|variant| variant())
            }
        }
    };
}
