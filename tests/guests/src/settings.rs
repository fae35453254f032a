//! The hostile guest's settings, read as loosely as possible: a hostile guest is not the place to be strict.

use serde_json::Value;

use crate::behaviour::Behaviour;
use crate::bindings::witgate::plugin::settings;

/// The value under `name` in the settings.
pub(crate) fn value(name: &str) -> Option<Value> {
    let settings: Value = serde_json::from_str(&settings::json()).ok()?;
    settings.get(name).cloned()
}

/// The text under `name` in the settings.
pub(crate) fn text(name: &str) -> Option<String> {
    Some(value(name)?.as_str()?.to_owned())
}

/// The behaviour that the settings ask for in a hook.
pub(crate) fn behaviour(hook: &str) -> Option<Behaviour> {
    Behaviour::named(&text(hook)?)
}
