//! Lines in the host's log, marked with the plugin's name. Volume is limited per plugin; what is over is counted.
//!
//! In native tests the lines are kept for [`testing::logged`](crate::testing).

pub use crate::bindings::witgate::plugin::log::Level;
use std::panic::PanicHookInfo;

/// Every step.
pub fn trace(message: impl AsRef<str>) {
    write(Level::Trace, message.as_ref());
}

/// For the plugin's author.
pub fn debug(message: impl AsRef<str>) {
    write(Level::Debug, message.as_ref());
}

/// For the operator, in normal work.
pub fn info(message: impl AsRef<str>) {
    write(Level::Info, message.as_ref());
}

/// Something to look at.
pub fn warn(message: impl AsRef<str>) {
    write(Level::Warn, message.as_ref());
}

/// Something to mend.
pub fn error(message: impl AsRef<str>) {
    write(Level::Error, message.as_ref());
}

fn write(level: Level, message: &str) {
    #[cfg(target_arch = "wasm32")]
    crate::bindings::witgate::plugin::log::write(level, message);
    #[cfg(not(target_arch = "wasm32"))]
    crate::testing::log(level, message);
}

/// The panic hook: tells the host what panicked and where, before the guest traps.
pub(crate) fn panicked(info: &PanicHookInfo<'_>) {
    let text = info.payload_as_str().unwrap_or("a panic without a text");
    let message = match info.location() {
        Some(place) => format!("panicked at {place}: {text}"),
        None => format!("panicked: {text}"),
    };
    crate::bindings::witgate::plugin::log::failure(&message);
}
