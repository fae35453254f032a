//! The hostile guest's settings, read as loosely as possible: a hostile guest is not the place to be strict.

use crate::behaviour::Behaviour;
use crate::bindings::witgate::plugin::settings;
use serde_json::Value;

/// The text under `name` in the settings.
pub(crate) fn text(name: &str) -> Option<String> {
    let settings: Value = serde_json::from_str(&settings::json()).ok()?;
    Some(settings.get(name)?.as_str()?.to_owned())
}

/// The behaviour that the settings ask for in a hook.
pub(crate) fn behaviour(hook: &str) -> Option<Behaviour> {
    Behaviour::named(&text(hook)?)
}
