//! `vmx.resourceConfigOverrides`: fields in place of the resource's, for callers whom the envelope plugin allows it.

use std::mem::swap;

use witgate_plugin::json::{self, Json};
use witgate_plugin::settings::of_json;
use witgate_plugin::types::Refusal;
use witgate_plugin::{Problems, Upstreams};

use crate::resource::{Place, Resource};

/// The envelope attribute that carries the overrides, as JSON text of an object.
pub(crate) const ATTRIBUTE: &str = "vmx.resource-config-overrides";

/// Maximum number of elements in a list of a caller's override.
const MAX_ELEMENTS: usize = 32;

/// Merges the overrides over a resource, or over an empty one if the model has none.
///
/// # Errors
///
/// Returns a 400 that names the first wrong field.
pub(crate) fn apply(
    base: Option<&Resource>,
    overrides: &str,
    upstreams: Upstreams<'_>,
) -> Result<Resource, Refusal> {
    let mut resource = base.cloned().unwrap_or_default();
    let names = json::parse(overrides).map_err(|error| wrong("", &error.to_string()))?;
    let mut given: Resource = of_json(&names).map_err(|problems| refusal(&problems))?;
    if names.get("name").is_some() {
        return Err(wrong("name", "unknown key"));
    }
    merge(&mut resource, &mut given, &names);
    let is_known = |place: &Place| {
        let has = |places: &[Place]| places.iter().any(|known| known.leads_like(place));
        base.is_some_and(|base| has(&base.targets) || has(&base.secondary))
    };
    for places in [&mut resource.targets, &mut resource.secondary] {
        for place in places {
            place.by_caller = !is_known(place);
        }
    }

    let mut problems = Problems::default();
    for (list, len) in [
        ("targets", resource.targets.len()),
        ("secondary", resource.secondary.len()),
        ("retry_on", resource.retry_on.len()),
    ] {
        if len > MAX_ELEMENTS {
            return Err(wrong(
                list,
                &format!("must have at most {MAX_ELEMENTS} elements"),
            ));
        }
    }
    resource.check("", &mut problems);
    for (list, places) in [
        ("targets", &resource.targets),
        ("secondary", &resource.secondary),
    ] {
        for (index, place) in places.iter().enumerate() {
            if upstreams.stats(&place.upstream).is_none() {
                let message = format!("there is no upstream `{}`", place.upstream);
                problems.push(format!("{list}[{index}].upstream"), message);
            }
            if place.model.as_deref() == Some("") {
                problems.push(format!("{list}[{index}].model"), "name a model");
            }
        }
    }
    if problems.is_empty() {
        Ok(resource)
    } else {
        Err(refusal(&problems))
    }
}

/// Swaps in the fields that the overrides name. None of them is a table, so nothing is merged within a field.
fn merge(resource: &mut Resource, given: &mut Resource, names: &Json<'_>) {
    let named = |name| names.get(name).is_some();
    if named("targets") {
        swap(&mut resource.targets, &mut given.targets);
    }
    if named("secondary") {
        swap(&mut resource.secondary, &mut given.secondary);
    }
    if named("retry_on") {
        swap(&mut resource.retry_on, &mut given.retry_on);
    }
    if named("retries") {
        resource.retries = given.retries;
    }
    if named("on_client_gone") {
        swap(&mut resource.on_client_gone, &mut given.on_client_gone);
    }
}

fn refusal(problems: &Problems) -> Refusal {
    match problems.iter().next() {
        Some(problem) => wrong(&problem.path, &problem.message),
        None => wrong("", "not a valid override"),
    }
}

fn wrong(path: &str, message: &str) -> Refusal {
    let path = path.trim_start_matches('.');
    let dot = if path.is_empty() { "" } else { "." };
    Refusal::invalid(format!("vmx.resourceConfigOverrides{dot}{path}: {message}"))
}
