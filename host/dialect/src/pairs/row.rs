//! Rows of a table.

/// A row: betas, the members that belong to them, and the models with which the service takes them.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The betas.
    pub betas: &'static [Beta],
    /// Paths of the members (`member.member`, `array[].member`, and `array[TYPE]` for elements whose `type` begins so), which
    /// are refused with other models.
    pub members: &'static [&'static str],
    /// The models with which they are taken.
    pub on: On,
    /// The certainty of the row.
    pub known: Known,
    /// The sources.
    pub source: &'static str,
}

/// A beta of a row.
#[derive(Debug, Clone, Copy)]
pub struct Beta {
    /// The name.
    pub name: &'static str,
    /// The fate with a model of the row.
    pub fate: Fate,
    /// The fate with any other model.
    pub elsewhere: Fate,
}

/// The fate of a beta.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The service takes it.
    Taken,
    /// The service takes it under this name.
    Renamed(&'static str),
    /// A name on which nothing of a request depends there, and which is left out under any policy.
    Idle,
    /// The service refuses it.
    Refused,
}

/// Models, by parts of their ids. A model behind a name of the operator's own belongs to no part.
#[derive(Debug, Clone, Copy)]
pub enum On {
    /// Every model.
    All,
    /// No model.
    Never,
    /// Models whose id has one of these parts.
    Only(&'static [&'static str]),
    /// Models whose id has none of these parts.
    Except(&'static [&'static str]),
}

/// The certainty of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// The service or Anthropic say it.
    Documented,
    /// Users of the service say it.
    Reported,
    /// The sources disagree, or none says it; the row is the careful choice.
    Unsure,
}

/// Returns a beta that is taken with the row's models, and refused with others.
pub const fn taken(name: &'static str) -> Beta {
    Beta {
        name,
        fate: Fate::Taken,
        elsewhere: Fate::Refused,
    }
}

/// Returns a beta that has another name with the row's models, and is refused with others.
pub const fn renamed(name: &'static str, to: &'static str) -> Beta {
    Beta {
        name,
        fate: Fate::Renamed(to),
        elsewhere: Fate::Refused,
    }
}

/// Returns a beta that is left out with every model.
pub const fn idle(name: &'static str) -> Beta {
    Beta {
        name,
        fate: Fate::Idle,
        elsewhere: Fate::Idle,
    }
}

/// Returns a beta that is refused with every model.
pub const fn refused(name: &'static str) -> Beta {
    Beta {
        name,
        fate: Fate::Refused,
        elsewhere: Fate::Refused,
    }
}

// === impl On ===

impl On {
    /// Returns true for a model of these.
    pub fn holds(&self, model: &str) -> bool {
        let has = |parts: &[&str]| parts.iter().any(|part| model.contains(part));
        match self {
            Self::All => true,
            Self::Never => false,
            Self::Only(parts) => has(parts),
            Self::Except(parts) => !has(parts),
        }
    }
}

// === impl Row ===

impl Row {
    /// Returns the fate of one of the row's betas with this model.
    pub fn fate(&self, beta: &Beta, model: &str) -> Fate {
        if self.on.holds(model) {
            beta.fate
        } else {
            beta.elsewhere
        }
    }
}
