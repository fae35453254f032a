//! Notes, by which the calls of the hook [`Translate`](crate::Translate) for one exchange tell each other something.
//!
//! All notes of an exchange together may have at most 4 MiB; more is a fault. In native tests each thread has one exchange,
//! which [`testing::forget_notes`](crate::testing) ends.

/// Calls a function of the host, or of the notes of a native test.
macro_rules! ask {
    ($function:ident($($argument:expr),*)) => {{
        #[cfg(target_arch = "wasm32")]
        let given = crate::bindings::witgate::plugin::notes::$function($($argument),*);
        #[cfg(not(target_arch = "wasm32"))]
        let given = crate::testing::notes::$function($($argument),*);
        given
    }};
}

/// Returns a note, or `None` if no call has set it.
#[must_use]
pub fn get(name: &str) -> Option<String> {
    ask!(get(name))
}

/// Sets a note.
pub fn set(name: &str, text: &str) {
    ask!(set(name, text));
}

/// Adds to the end of a note, which begins empty.
pub fn append(name: &str, text: &str) {
    ask!(append(name, text));
}
