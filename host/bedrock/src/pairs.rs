//! Betas and members that belong together, and what becomes of them on Bedrock.
//!
//! Bedrock refuses a request with a beta that it doesn't know ("invalid beta flag"), and one with a member that it doesn't know
//! ("Extra inputs are not permitted"). So both are checked against lists of what it takes ([`TABLE`], [`TAKEN`]): a name that
//! stands in none counts as refused, unless the operator says that it is taken. A beta and the members that it allows stand in
//! one row, because one without the other is refused, too.

mod body;
mod table;

use std::collections::BTreeSet;

use witgate_messages::{Edit, Head};

use crate::ModelId;
use body::Body;
pub use table::{Beta, Fate, Known, On, Row, TABLE, TAKEN};

/// The policy for what Bedrock refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnRefused {
    /// The request goes on without it.
    Strip,
    /// Bedrock is not asked, so that the caller can ask another upstream.
    Skip,
    /// The request fails, and the client is told the names.
    Fail,
}

/// The operator's settings.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The policy for what Bedrock refuses.
    pub on_refused: OnRefused,
    /// Betas and members that Bedrock takes by the operator's word, whatever the tables say.
    pub taken: BTreeSet<String>,
}

/// The request as Bedrock takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fit {
    /// Edits of the body, without that of the betas.
    pub edits: Vec<Edit>,
    /// Betas that go into the body.
    pub betas: Vec<String>,
    /// Names of what was removed, for a record: betas, and paths of members.
    pub removed: Vec<String>,
}

/// The error of a request with parts that Bedrock refuses, under a policy that does not strip them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Amazon Bedrock does not take {} of this request with {model}", .names.join(", "))]
pub struct Unfit {
    /// The policy: [`OnRefused::Skip`] or [`OnRefused::Fail`].
    pub policy: OnRefused,
    /// The names, as in [`Fit::removed`].
    pub names: Vec<String>,
    /// The model.
    pub model: ModelId,
}

/// Decides what of a request goes to Bedrock.
///
/// # Errors
/// [`Unfit`] if something is refused and the policy doesn't strip it. The client is at fault, or the one who routed the request.
pub fn fit(head: &Head, betas: &[String], model: &ModelId, policy: &Policy) -> Result<Fit, Unfit> {
    let mut body = Body::of(head);
    let (mut kept, mut refused, mut idle) = (Vec::new(), Vec::new(), Vec::new());
    for beta in betas {
        let taken = policy.taken.contains(beta);
        match Row::of_beta(beta).map(|(row, beta)| row.fate(beta, model)) {
            _ if taken => push(&mut kept, beta),
            Some(Fate::Taken) => push(&mut kept, beta),
            Some(Fate::Renamed(name)) => {
                push(&mut kept, name);
                idle.push(beta.clone());
            }
            Some(Fate::Idle) => idle.push(beta.clone()),
            Some(Fate::Refused) | None => refused.push(beta.clone()),
        }
    }
    for name in body.members() {
        if !TAKEN.contains(&name.as_str()) && !policy.taken.contains(&name) {
            body.remove(&name);
            refused.push(name);
        }
    }
    let rows = TABLE.iter().filter(|row| !row.on.holds(model));
    for path in rows.flat_map(|row| row.members) {
        let allowed = policy.taken.contains(*path);
        if !allowed && body.prune(path) {
            refused.push((*path).to_owned());
        }
    }
    if policy.on_refused != OnRefused::Strip && !refused.is_empty() {
        return Err(Unfit {
            policy: policy.on_refused,
            names: refused,
            model: model.clone(),
        });
    }
    refused.append(&mut idle);
    Ok(Fit {
        edits: body.into_edits(),
        betas: kept,
        removed: refused,
    })
}

fn push(betas: &mut Vec<String>, beta: &str) {
    if !betas.iter().any(|other| other == beta) {
        betas.push(beta.to_owned());
    }
}

// === impl Policy ===

impl Policy {
    /// Returns the policy, with nothing that the operator knows better.
    pub fn new(on_refused: OnRefused) -> Self {
        Self {
            on_refused,
            taken: BTreeSet::new(),
        }
    }
}

#[cfg(test)]
mod tests;
