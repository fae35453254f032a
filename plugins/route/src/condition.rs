//! Conditions of rules: a field with a test, or a group of conditions.

use crate::facts::{Facts, Model};
use serde::Deserialize;
use std::borrow::Cow;
use witgate_plugin::{Glob, Problems};

mod field;

use field::Field;

/// A condition as it is written: exactly one of `field`, `all`, `any` and `not`.
#[derive(Debug, Deserialize)]
pub(crate) struct ConditionFile {
    field: Option<String>,
    /// Texts that may have `*`; one of them has to match.
    is: Option<Vec<Glob>>,
    at_least: Option<u64>,
    below: Option<u64>,
    present: Option<bool>,
    all: Option<Vec<ConditionFile>>,
    any: Option<Vec<ConditionFile>>,
    not: Option<Box<ConditionFile>>,
}

/// A condition. One about a field that the request does not have is false, but for `present = false`.
#[derive(Debug)]
pub(crate) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Is(Field, Vec<Glob>),
    /// At least the first, and below the second.
    Within(Field, u64, u64),
    Present(Field),
}

// === impl ConditionFile ===

impl ConditionFile {
    /// The condition, or what is wrong with it.
    pub(crate) fn check(self, path: &str, problems: &mut Problems) -> Option<Condition> {
        let tested = self.is.is_some()
            || self.at_least.is_some()
            || self.below.is_some()
            || self.present.is_some();
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
                        let below = below.unwrap_or(u64::MAX);
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

/// Check a list of conditions whole.
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
    /// Whether it holds for the request, were it for this model.
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
                .is_some_and(|number| (*least..*below).contains(&number)),
            Self::Present(Field::Tools) => !facts.tools().is_empty(),
            Self::Present(field) if field.is_number() => field.number(facts).is_some(),
            Self::Present(field) => field.text(facts, model).is_some(),
        }
    }
}

fn matches(globs: &[Glob], text: &str) -> bool {
    globs.iter().any(|glob| glob.matches(text))
}
