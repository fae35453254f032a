//! Whether a value that a plugin returned can be used at all, whatever its size. One that can't is a fault, when a hook
//! serves and when it is rehearsed.

use crate::contract::{Charge, Envelope, Plan, Target, UpstreamStats};
use crate::fault::{Failure, FaultKind};
use crate::vocabulary::Vocabulary;

/// Most names that a text lists.
const NAMES: usize = 16;

pub(crate) fn envelope(vocabulary: &dyn Vocabulary, envelope: &Envelope) -> Result<(), Failure> {
    vocabulary.envelope(envelope).map_err(nonsense)
}

/// Checks a plan of a plugin that was told of these upstreams; of none, where the embedder has no list.
pub(crate) fn plan(
    vocabulary: &dyn Vocabulary,
    plan: &Plan,
    told: &[UpstreamStats],
) -> Result<(), Failure> {
    if plan.targets.is_empty() {
        return Err(nonsense(
            "a plan without targets; to have no opinion, give no plan",
        ));
    }
    for target in &plan.targets {
        if let Some(model) = &target.model {
            self::model(model, "a target")?;
        }
    }
    let known = |target: &Target| told.iter().any(|stats| stats.name == target.upstream);
    if !told.is_empty() && !plan.targets.iter().any(known) {
        let planned = names(plan.targets.iter().map(|target| target.upstream.as_str()));
        let told = names(told.iter().map(|stats| stats.name.as_str()));
        return Err(nonsense(format!(
            "a plan whose targets, {planned}, are not among the host's upstreams; it has {told}"
        )));
    }
    vocabulary.plan(plan).map_err(nonsense)
}

pub(crate) fn charges(vocabulary: &dyn Vocabulary, charges: &[Charge]) -> Result<(), Failure> {
    charges
        .iter()
        .try_for_each(|charge| vocabulary.charge(charge))
        .map_err(nonsense)
}

/// Checks a model that `whoever` asks for in the place of the request's own.
pub(crate) fn model(model: &str, whoever: &str) -> Result<(), Failure> {
    if model.is_empty() {
        return Err(nonsense(format!(
            "{whoever} with an empty model; name one, or leave it out to keep the request's own"
        )));
    }
    Ok(())
}

fn nonsense(text: impl Into<String>) -> Failure {
    Failure::new(FaultKind::Contract, text.into())
}

fn names<'a>(all: impl Iterator<Item = &'a str>) -> String {
    let mut seen: Vec<&str> = Vec::new();
    for name in all {
        if !seen.contains(&name) {
            seen.push(name);
        }
    }
    let more = seen.len().saturating_sub(NAMES);
    let listed: Vec<_> = seen
        .iter()
        .take(NAMES)
        .map(|name| format!("`{name}`"))
        .collect();
    let listed = listed.join(", ");
    match more {
        0 => listed,
        more => format!("{listed} and {more} more"),
    }
}
