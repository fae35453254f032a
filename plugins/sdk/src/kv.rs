//! A memory that all instances of the plugin share, kept when the plugin or its settings are replaced and gone with the
//! host's process. It has to be granted: `kv = true` in `[grants]` of the sidecar, whose `[limits]` say how many entries
//! and bytes it may hold.
//!
//! A call sees the whole effect of another one or nothing of it. In native tests each thread has a memory of its own, and
//! time passes as [`testing::set_clock`](crate::testing) says.

use std::fmt;
use std::time::Duration;

/// Why nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The key with its value is larger than this many bytes.
    TooLarge(u64),
    /// The plugin's entries or bytes are used up. What expires or is deleted makes room; nothing is evicted.
    Full,
    /// From [`increment`]: the value that is there is no number, or the sum doesn't fit into 64 bits.
    NotANumber,
}

/// The same call to the host, or to the memory of a native test.
macro_rules! ask {
    ($function:ident($($argument:expr),*)) => {{
        #[cfg(target_arch = "wasm32")]
        let given = crate::bindings::witgate::plugin::kv::$function($($argument),*);
        #[cfg(not(target_arch = "wasm32"))]
        let given = crate::testing::kv::$function($($argument),*);
        given
    }};
}

/// The value of a key; none when it was never set, is deleted or has expired.
#[must_use]
pub fn get(key: &str) -> Option<Vec<u8>> {
    ask!(get(key))
}

/// Set a key. It lives for `ttl` from now, to the millisecond, or until it is deleted.
///
/// # Errors
/// [`Error::TooLarge`] and [`Error::Full`].
pub fn set(key: &str, value: &[u8], ttl: Option<Duration>) -> Result<(), Error> {
    Ok(ask!(set(key, value, ttl.map(millis)))?)
}

/// Delete a key. Says whether it was there.
pub fn delete(key: &str) -> bool {
    ask!(delete(key))
}

/// Add to a number, which starts at zero, and give the sum. `ttl` counts from the call that made the entry: later calls add
/// to it and leave its end where it is, as a window that counts wants it. The value is kept as decimal text.
///
/// # Errors
/// All of [`Error`].
pub fn increment(key: &str, by: i64, ttl: Option<Duration>) -> Result<i64, Error> {
    Ok(ask!(increment(key, by, ttl.map(millis)))?)
}

/// Set a key if its value is `expected`, none meaning that it is absent. Says whether it was.
///
/// # Errors
/// [`Error::TooLarge`] and [`Error::Full`].
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
            Self::Full => f.write_str("the plugin's memory is full"),
            Self::NotANumber => f.write_str("the value is no number, or becomes too large"),
        }
    }
}

impl std::error::Error for Error {}
