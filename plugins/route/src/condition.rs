//! Conditions of rules: a field with a test, or a group of conditions.

mod field;

use std::borrow::Cow;

use serde::Deserialize;
use witgate_plugin::{Glob, Problems};

use self::field::Field;
use crate::facts::{Facts, Model};
use crate::network::Network;

/// A condition as it is written: exactly one of `field`, `all`, `any` and `not`.
#[derive(Debug, Deserialize)]
pub(crate) struct ConditionFile {
    field: Option<String>,
    /// Patterns, one of which must match.
    is: Option<Vec<Glob>>,
    at_least: Option<u64>,
    below: Option<u64>,
    present: Option<bool>,
    /// Networks, one of which must contain the address.
    within: Option<Vec<Network>>,
    all: Option<Vec<ConditionFile>>,
    any: Option<Vec<ConditionFile>>,
    not: Option<Box<ConditionFile>>,
}

/// A condition. If the request lacks the field, the condition is false, except for `present = false`.
#[derive(Debug)]
pub(crate) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Is(Field, Vec<Glob>),
    /// Minimum, and exclusive maximum if there is one.
    Within(Field, u64, Option<u64>),
    Present(Field),
    /// Networks, one of which contains the client's address.
    From(Vec<Network>),
}

// === impl ConditionFile ===

impl ConditionFile {
    /// Returns the condition, or `None` after adding its problems.
    pub(crate) fn check(self, path: &str, problems: &mut Problems) -> Option<Condition> {
        let tested = self.is.is_some()
            || self.at_least.is_some()
            || self.below.is_some()
            || self.present.is_some()
            || self.within.is_some();
        match (self.field, self.all, self.any, self.not) {
            (None, Some(all), None, None) if !tested => {
                check_all(all, &format!("{path}.all"), problems).map(Condition::All)
            }
            (None, None, Some(any), None) if !tested => {
                check_all(any, &format!("{path}.any"), problems).map(Condition::Any)
            }
            (None, None, None, Some(not)) if !tested => {
                let not = not.check(&format!("{path}.not"), problems)?;
                Some(Condition::Not(Box::new(not)))
            }
            (Some(name), None, None, None) => {
                let Some(field) = Field::named(&name) else {
                    problems.push(
                        format!("{path}.field"),
                        format!("unknown field `{name}`; {}", field::KNOWN),
                    );
                    return None;
                };
                if let Some(networks) = self.within {
                    let alone = (&self.is, self.at_least, self.below, self.present)
                        == (&None, None, None, None);
                    if field == Field::Address && alone {
                        return Some(Condition::From(networks));
                    }
                    problems.push(
                        path,
                        "`within = […]` tests only the field `address`, and can't be combined with other tests",
                    );
                    return None;
                }
                match (self.is, self.at_least, self.below, self.present) {
                    (Some(globs), None, None, None) if !field.is_number() => {
                        Some(Condition::Is(field, globs))
                    }
                    (None, None, None, Some(true)) => Some(Condition::Present(field)),
                    (None, None, None, Some(false)) => {
                        Some(Condition::Not(Box::new(Condition::Present(field))))
                    }
                    (None, least, below, None)
                        if field.is_number() && (least, below) != (None, None) =>
                    {
                        Some(Condition::Within(field, least.unwrap_or_default(), below))
                    }
                    _ => {
                        let tests = if field.is_number() {
                            "`at_least`, `below` or both"
                        } else {
                            "`is = […]`"
                        };
                        problems.push(
                            path,
                            format!("test `{name}` with {tests}, or with `present`"),
                        );
                        None
                    }
                }
            }
            _ => {
                problems.push(
                    path,
                    "name one of `field` (with a test), `all`, `any` and `not`",
                );
                None
            }
        }
    }
}

/// Checks a list of conditions to its end. Returns `None` if any of them has a problem.
pub(crate) fn check_all(
    files: Vec<ConditionFile>,
    path: &str,
    problems: &mut Problems,
) -> Option<Vec<Condition>> {
    let conditions: Vec<Option<Condition>> = files
        .into_iter()
        .enumerate()
        .map(|(index, file)| file.check(&format!("{path}[{index}]"), problems))
        .collect();
    conditions.into_iter().collect()
}

// === impl Condition ===

impl Condition {
    /// Returns whether the condition holds for the request, if it were for `model`.
    pub(crate) fn holds(&self, facts: &Facts<'_>, model: Model<'_>) -> bool {
        let holds = |condition: &Self| condition.holds(facts, model);
        match self {
            Self::All(conditions) => conditions.iter().all(holds),
            Self::Any(conditions) => conditions.iter().any(holds),
            Self::Not(condition) => !holds(condition),
            Self::Is(Field::Tools, globs) => facts.tools().iter().any(|tool| matches(globs, tool)),
            Self::Is(field, globs) => field
                .text(facts, model)
                .is_some_and(|text: Cow<'_, str>| matches(globs, &text)),
            Self::Within(field, least, below) => field
                .number(facts)
                .is_some_and(|number| number >= *least && below.is_none_or(|below| number < below)),
            Self::Present(Field::Tools) => !facts.tools().is_empty(),
            Self::Present(field) if field.is_number() => field.number(facts).is_some(),
            Self::Present(field) => field.text(facts, model).is_some(),
            Self::From(networks) => Field::Address
                .text(facts, model)
                .is_some_and(|address| networks.iter().any(|network| network.holds(&address))),
        }
    }

    /// Returns whether the condition depends on a top-level member of the body.
    pub(crate) fn tests(&self, member: &str) -> bool {
        match self {
            Self::All(conditions) | Self::Any(conditions) => {
                conditions.iter().any(|condition| condition.tests(member))
            }
            Self::Not(condition) => condition.tests(member),
            Self::Is(field, _) | Self::Within(field, _, _) | Self::Present(field) => {
                field.member() == Some(member)
            }
            Self::From(_) => false,
        }
    }
}

fn matches(globs: &[Glob], text: &str) -> bool {
    globs.iter().any(|glob| glob.matches(text))
}
