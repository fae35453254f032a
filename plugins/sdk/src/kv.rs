//! A key-value store in the host's memory that all instances of a plugin share.
//!
//! It survives replacing the plugin or its settings, but not the end of the host's process. It needs the grant `kv = true` in
//! the sidecar, whose `[limits]` set the maximum number of entries and bytes.
//!
//! Each function is atomic. In native tests each thread has a store of its own, and entries expire by
//! [`testing::set_clock`](crate::testing).

use std::fmt;
use std::time::Duration;

/// The reason why nothing was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// Key and value together are larger than this maximum, in bytes.
    TooLarge(u64),
    /// The plugin has no entries or bytes left. Expiry and deletion make room; nothing is evicted.
    Full,
    /// The value that [`increment`] found is not a number, or the sum does not fit into 64 bits.
    NotANumber,
}

/// Calls a function of the host, or of the store of a native test.
macro_rules! ask {
    ($function:ident($($argument:expr),*)) => {{
        #[cfg(target_arch = "wasm32")]
        let given = crate::bindings::witgate::plugin::kv::$function($($argument),*);
        #[cfg(not(target_arch = "wasm32"))]
        let given = crate::testing::kv::$function($($argument),*);
        given
    }};
}

/// Returns the value of a key, or `None` if it was never set, was deleted or has expired.
#[must_use]
pub fn get(key: &str) -> Option<Vec<u8>> {
    ask!(get(key))
}

/// Sets a key. The entry expires after `ttl`, rounded down to milliseconds, or never for `None`.
///
/// # Errors
///
/// Returns [`Error::TooLarge`] or [`Error::Full`].
pub fn set(key: &str, value: &[u8], ttl: Option<Duration>) -> Result<(), Error> {
    Ok(ask!(set(key, value, ttl.map(millis)))?)
}

/// Deletes a key, and returns whether it existed.
pub fn delete(key: &str) -> bool {
    ask!(delete(key))
}

/// Adds to a number, which starts at zero, and returns the sum. The value is stored as decimal text.
///
/// `ttl` counts from the call that creates the entry. Later calls do not extend it, as a counting window needs it.
///
/// # Errors
///
/// Returns any [`Error`].
pub fn increment(key: &str, by: i64, ttl: Option<Duration>) -> Result<i64, Error> {
    Ok(ask!(increment(key, by, ttl.map(millis)))?)
}

/// Sets a key if its value is `expected`, where `None` means that the key does not exist. Returns whether it did so.
///
/// # Errors
///
/// Returns [`Error::TooLarge`] or [`Error::Full`].
pub fn compare_and_set(
    key: &str,
    expected: Option<&[u8]>,
    value: &[u8],
    ttl: Option<Duration>,
) -> Result<bool, Error> {
    Ok(ask!(compare_and_set(
        key,
        expected,
        value,
        ttl.map(millis)
    ))?)
}

fn millis(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX)
}

// === impl Error ===

#[cfg(target_arch = "wasm32")]
impl From<crate::bindings::witgate::plugin::kv::Error> for Error {
    fn from(error: crate::bindings::witgate::plugin::kv::Error) -> Self {
        use crate::bindings::witgate::plugin::kv::Error as Wit;
        match error {
            Wit::TooLarge(limit) => Self::TooLarge(limit),
            Wit::Full => Self::Full,
            Wit::NotANumber => Self::NotANumber,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge(limit) => write!(f, "the entry is larger than {limit} bytes"),
            Self::Full => f.write_str("the plugin's key-value store is full"),
            Self::NotANumber => f.write_str("the value is not a number, or the sum is too large"),
        }
    }
}

impl std::error::Error for Error {}
