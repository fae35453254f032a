//! Betas and members that belong together, and what becomes of them on their way to a service.
//!
//! A service refuses a request with a beta that it doesn't know, and one with a member that it doesn't know. So both are checked
//! against its [`Table`]. A beta and the members that it allows stand in one row, because one without the other is refused, too. An
//! operator's word wins over the table.

mod row;

use std::collections::BTreeSet;

use witgate_messages::{Edit, Head};

use crate::body::Body;

pub use row::{Beta, Fate, Known, On, Row, idle, refused, renamed, taken};

/// The betas and members that a service takes.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// The service, as errors name it.
    pub service: &'static str,
    /// The rows.
    pub rows: &'static [Row],
    /// The fate of betas in no row.
    pub unlisted: Fate,
    /// The members of a body.
    pub members: Members,
}

/// The members that a service takes, as far as no row says otherwise.
#[derive(Debug, Clone, Copy)]
pub enum Members {
    /// These.
    Listed(&'static [&'static str]),
    /// All.
    All,
}

/// The policy for what a service refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnRefused {
    /// The request goes on without it.
    Strip,
    /// The service is not asked, so that the caller can ask another upstream.
    Skip,
    /// The request fails, and the client is told the names.
    Fail,
}

/// The operator's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The policy for what the service refuses.
    pub on_refused: OnRefused,
    /// Betas and members that the service takes by the operator's word, whatever the tables say.
    pub taken: BTreeSet<String>,
}

/// The request as the service takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fit {
    /// Edits of the body, without that of the betas.
    pub edits: Vec<Edit>,
    /// Betas that are sent.
    pub betas: Vec<String>,
    /// Names of what was removed, for a record: betas, and paths of members.
    pub removed: Vec<String>,
}

/// The error of a request with parts that the service refuses, under a policy that does not strip them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{service} does not take {} of this request with {model}", .names.join(", "))]
pub struct Unfit {
    /// The service.
    pub service: &'static str,
    /// The policy: [`OnRefused::Skip`] or [`OnRefused::Fail`].
    pub policy: OnRefused,
    /// The names, as in [`Fit::removed`].
    pub names: Vec<String>,
    /// The model, as the service calls it.
    pub model: String,
}

/// Decides what of a request goes to a service. `model` is its own name of the model.
///
/// # Errors
/// [`Unfit`] if something is refused and the policy doesn't strip it. The client is at fault, or the one who routed the request.
pub fn fit(
    table: &Table,
    head: &Head,
    betas: &[String],
    model: &str,
    policy: &Policy,
) -> Result<Fit, Unfit> {
    let mut body = Body::of(head);
    let (mut kept, mut refused, mut idle) = (Vec::new(), Vec::new(), Vec::new());
    for beta in betas {
        let taken = policy.taken.contains(beta);
        match table.fate(beta, model) {
            _ if taken => push(&mut kept, beta),
            Fate::Taken => push(&mut kept, beta),
            Fate::Renamed(name) => {
                push(&mut kept, name);
                idle.push(beta.clone());
            }
            Fate::Idle => idle.push(beta.clone()),
            Fate::Refused => refused.push(beta.clone()),
        }
    }
    if let Members::Listed(listed) = table.members {
        for name in body.members() {
            if !listed.contains(&name.as_str()) && !policy.taken.contains(&name) {
                body.remove(&name);
                refused.push(name);
            }
        }
    }
    let rows = table.rows.iter().filter(|row| !row.on.holds(model));
    for path in rows.flat_map(|row| row.members) {
        let allowed = policy.taken.contains(*path);
        if !allowed && body.prune(path) {
            refused.push((*path).to_owned());
        }
    }
    if policy.on_refused != OnRefused::Strip && !refused.is_empty() {
        return Err(Unfit {
            service: table.service,
            policy: policy.on_refused,
            names: refused,
            model: model.to_owned(),
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

// === impl Table ===

impl Table {
    /// Returns the row of a beta.
    pub fn row_of(&self, name: &str) -> Option<(&'static Row, &'static Beta)> {
        self.rows.iter().find_map(|row| {
            let beta = row.betas.iter().find(|beta| beta.name == name)?;
            Some((row, beta))
        })
    }

    /// Returns the fate of a beta with this model.
    pub fn fate(&self, name: &str, model: &str) -> Fate {
        self.row_of(name)
            .map_or(self.unlisted, |(row, beta)| row.fate(beta, model))
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
