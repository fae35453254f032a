//! Conditions of rules: a field with a test, or a group of conditions.

mod field;

use std::borrow::Cow;

use witgate_plugin::{Glob, Problems};

use self::field::{Field, Kind};
use crate::facts::{Facts, Model};
use crate::network::Network;

witgate_plugin::settings! {
    /// A condition as it is written: exactly one of `field`, `all`, `any` and `not`.
    #[derive(Debug, Default)]
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
    pub(crate) fn check(&self, path: &str, problems: &mut Problems) -> Option<Condition> {
        let groups = self.all.is_some() || self.any.is_some() || self.not.is_some();
        match (&self.field, &self.all, &self.any, &self.not) {
            (None, Some(all), None, None) if !self.tests_something() => {
                check_all(all, &format!("{path}.all"), problems).map(Condition::All)
            }
            (None, None, Some(any), None) if !self.tests_something() => {
                check_all(any, &format!("{path}.any"), problems).map(Condition::Any)
            }
            (None, None, None, Some(not)) if !self.tests_something() => {
                let not = not.check(&format!("{path}.not"), problems)?;
                Some(Condition::Not(Box::new(not)))
            }
            (Some(name), ..) if !groups => self.check_field(name, path, problems),
            _ => {
                let known = "name one of `field` (with a test), `all`, `any` and `not`";
                problems.push(path, known);
                None
            }
        }
    }

    fn tests_something(&self) -> bool {
        self.is.is_some() || self.within.is_some() || self.tests_number() || self.present.is_some()
    }

    fn tests_number(&self) -> bool {
        self.at_least.is_some() || self.below.is_some()
    }

    fn check_field(&self, name: &str, path: &str, problems: &mut Problems) -> Option<Condition> {
        let Some(field) = Field::named(name) else {
            problems.push(
                format!("{path}.field"),
                format!("unknown field `{name}`; {}", field::KNOWN),
            );
            return None;
        };
        if let Some(networks) = &self.within {
            let others = self.is.is_some() || self.tests_number() || self.present.is_some();
            if field.kind == Kind::Address && !others {
                return Some(Condition::From(networks.clone()));
            }
            problems.push(
                path,
                "`within = […]` tests only the field `address`, and can't be combined with other tests",
            );
            return None;
        }
        let is_number = field.is_number();
        match (&self.is, self.tests_number(), self.present) {
            (Some(globs), false, None) if !is_number => Some(Condition::Is(field, globs.clone())),
            (None, false, Some(true)) => Some(Condition::Present(field)),
            (None, false, Some(false)) => Some(Condition::Not(Box::new(Condition::Present(field)))),
            (None, true, None) if is_number => {
                let least = self.at_least.unwrap_or_default();
                Some(Condition::Within(field, least, self.below))
            }
            _ => {
                let tests = match is_number {
                    true => "`at_least`, `below` or both",
                    false => "`is = […]`",
                };
                problems.push(
                    path,
                    format!("test `{name}` with {tests}, or with `present`"),
                );
                None
            }
        }
    }
}

/// Checks a list of conditions to its end. Returns `None` if any of them has a problem.
pub(crate) fn check_all(
    files: &[ConditionFile],
    path: &str,
    problems: &mut Problems,
) -> Option<Vec<Condition>> {
    let mut conditions = Vec::with_capacity(files.len());
    for (index, file) in files.iter().enumerate() {
        conditions.extend(file.check(&format!("{path}[{index}]"), problems));
    }
    (conditions.len() == files.len()).then_some(conditions)
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
            Self::Is(field, globs) if field.kind == Kind::Tools => {
                facts.tools().iter().any(|tool| matches(globs, tool))
            }
            Self::Is(field, globs) => field
                .text(facts, model)
                .is_some_and(|text: Cow<'_, str>| matches(globs, &text)),
            Self::Within(field, least, below) => field
                .number(facts)
                .is_some_and(|number| number >= *least && below.is_none_or(|below| number < below)),
            Self::Present(field) if field.kind == Kind::Tools => !facts.tools().is_empty(),
            Self::Present(field) if field.is_number() => field.number(facts).is_some(),
            Self::Present(field) => field.text(facts, model).is_some(),
            Self::From(networks) => facts
                .context()
                .attribute(field::ADDRESS)
                .is_some_and(|address| networks.iter().any(|network| network.holds(address))),
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
