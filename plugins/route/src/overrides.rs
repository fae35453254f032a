//! `vmx.resourceConfigOverrides`: a deep merge over the resource, for the callers that the envelope plugin let through.

use crate::resource::{Place, Resource};
use serde_json::Value;
use witgate_plugin::types::{Refusal, UpstreamStats};
use witgate_plugin::{Problems, typed};

/// The envelope attribute that carries them, as JSON text of an object.
pub(crate) const ATTRIBUTE: &str = "vmx.resource-config-overrides";

/// Most elements of a list that a caller may name.
const MOST: usize = 32;

/// The resource with the overrides merged over it, or a 400 that names the offending field. A model that has no
/// resource starts from an empty one.
pub(crate) fn apply(
    base: Option<&Resource>,
    overrides: &str,
    upstreams: &[UpstreamStats],
) -> Result<Resource, Refusal> {
    let base = base.cloned().unwrap_or_default();
    let merged = serde_json::to_value(&base).and_then(|mut merged| {
        merge(&mut merged, serde_json::from_str(overrides)?);
        serde_json::to_string(&merged)
    });
    let merged = merged.map_err(|error| wrong("", &error.to_string()))?;
    let mut resource: Resource = typed(&merged).map_err(|problems| refusal(&problems))?;
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
        if len > MOST {
            return Err(wrong(list, &format!("has to be at most {MOST} elements")));
        }
    }
    resource.check("", &mut problems);
    for (list, places) in [
        ("targets", &resource.targets),
        ("secondary", &resource.secondary),
    ] {
        for (index, place) in places.iter().enumerate() {
            if !upstreams.iter().any(|stats| stats.name == place.upstream) {
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

/// Objects are merged member by member; everything else is replaced, also lists.
fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

fn refusal(problems: &Problems) -> Refusal {
    match problems.iter().next() {
        Some(problem) => wrong(&problem.path, &problem.message),
        None => wrong("", "not acceptable"),
    }
}

fn wrong(path: &str, message: &str) -> Refusal {
    let path = path.trim_start_matches('.');
    let dot = if path.is_empty() { "" } else { "." };
    Refusal::invalid(format!("vmx.resourceConfigOverrides{dot}{path}: {message}"))
}
