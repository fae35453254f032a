//! `vmx.resourceConfigOverrides`: fields in place of the resource's, for callers whom the envelope plugin allows it.

use witgate_plugin::json::{self, Json};
use witgate_plugin::types::Refusal;
use witgate_plugin::{Problems, Upstreams, typed};

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
    let base = base.cloned().unwrap_or_default();
    let mut resource = base.clone();
    let given: Resource = typed(overrides).map_err(|problems| refusal(&problems))?;
    let names = json::parse(overrides).map_err(|error| wrong("", &error.to_string()))?;
    merge(&mut resource, given, &names);
    let known: Vec<&Place> = base.targets.iter().chain(&base.secondary).collect();
    for place in resource.targets.iter_mut().chain(&mut resource.secondary) {
        place.by_caller = !known.iter().any(|known| known.leads_like(place));
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

/// Replaces the fields that the overrides name. None of them is a table, so nothing is merged within a field.
fn merge(resource: &mut Resource, given: Resource, names: &Json<'_>) {
    let named = |name| names.get(name).is_some();
    if named("targets") {
        resource.targets = given.targets;
    }
    if named("secondary") {
        resource.secondary = given.secondary;
    }
    if named("retry_on") {
        resource.retry_on = given.retry_on;
    }
    if named("retries") {
        resource.retries = given.retries;
    }
    if named("on_client_gone") {
        resource.on_client_gone = given.on_client_gone;
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
