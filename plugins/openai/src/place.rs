//! The place of a value in a request.

use std::fmt;

/// A value's place, which is written as `messages[2].content[0].type`. Nothing is built for values that are fine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    above: Option<&'a Place<'a>>,
    step: Step<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Step<'a> {
    Root,
    Member(&'a str),
    Element(usize),
}

// === impl Place ===

impl<'a> Place<'a> {
    pub(crate) const ROOT: Place<'static> = Place {
        above: None,
        step: Step::Root,
    };

    /// Returns the place of a member.
    pub(crate) const fn member(&'a self, name: &'a str) -> Self {
        Self {
            above: Some(self),
            step: Step::Member(name),
        }
    }

    /// Returns the place of an element.
    pub(crate) const fn element(&'a self, index: usize) -> Self {
        Self {
            above: Some(self),
            step: Step::Element(index),
        }
    }

    /// Returns the place without indices, as settings name it: `messages.content.type`.
    pub(crate) fn kind(&self) -> String {
        let above = self.above.map(Place::kind).unwrap_or_default();
        match self.step {
            Step::Root | Step::Element(_) => above,
            Step::Member(name) if above.is_empty() => name.to_owned(),
            Step::Member(name) => format!("{above}.{name}"),
        }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(above) = self.above {
            above.fmt(f)?;
        }
        match self.step {
            Step::Root => Ok(()),
            Step::Element(index) => write!(f, "[{index}]"),
            Step::Member(name) => {
                let is_first = self
                    .above
                    .is_none_or(|above| matches!(above.step, Step::Root));
                f.write_str(if is_first { "" } else { "." })?;
                f.write_str(name)
            }
        }
    }
}

impl From<Place<'_>> for String {
    fn from(place: Place<'_>) -> Self {
        place.to_string()
    }
}
