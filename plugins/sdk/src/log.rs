//! Lines in the host's log, under the plugin's name. The host limits their rate per plugin, and counts those it drops.
//!
//! In native tests the lines are kept for [`testing::logged`](crate::testing).

#[cfg(target_arch = "wasm32")]
use std::panic::PanicHookInfo;

pub use crate::bindings::witgate::plugin::log::Level;

/// Logs a single step.
pub fn trace(message: impl AsRef<str>) {
    write(Level::Trace, message.as_ref());
}

/// Logs a detail for the plugin's author.
pub fn debug(message: impl AsRef<str>) {
    write(Level::Debug, message.as_ref());
}

/// Logs a normal event for the operator.
pub fn info(message: impl AsRef<str>) {
    write(Level::Info, message.as_ref());
}

/// Logs a condition that the operator should look at.
pub fn warn(message: impl AsRef<str>) {
    write(Level::Warn, message.as_ref());
}

/// Logs an error that the operator has to fix.
pub fn error(message: impl AsRef<str>) {
    write(Level::Error, message.as_ref());
}

fn write(level: Level, message: &str) {
    #[cfg(target_arch = "wasm32")]
    crate::bindings::witgate::plugin::log::write(level, message);
    #[cfg(not(target_arch = "wasm32"))]
    crate::testing::log(level, message);
}

/// The panic hook: sends the message and location of a panic to the host before the guest traps.
#[cfg(target_arch = "wasm32")]
pub(crate) fn panicked(info: &PanicHookInfo<'_>) {
    let text = info.payload_as_str().unwrap_or("a panic without a message");
    let message = match info.location() {
        Some(place) => format!("panicked at {place}: {text}"),
        None => format!("panicked: {text}"),
    };
    crate::bindings::witgate::plugin::log::failure(&message);
}
