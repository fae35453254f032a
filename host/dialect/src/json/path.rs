//! Paths to members of a body, as tables write them.

/// A path: the top-level member and the steps below it.
///
/// `output_config.format` is a member of a member, `tools[].defer_loading` a member of each element, and `tools[web_search_]` names
/// the elements whose `type` begins so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path<'a> {
    /// The top-level member.
    pub member: &'a str,
    /// The steps below it; none if the path names the member itself.
    pub steps: Vec<Step<'a>>,
}

/// A step of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'a> {
    /// The member of this name.
    Member(&'a str),
    /// Each element of an array.
    Each,
    /// The elements of an array whose `type` begins so.
    Typed(&'a str),
}

// === impl Path ===

impl<'a> Path<'a> {
    /// Reads a path.
    pub fn read(text: &'a str) -> Self {
        let (mut member, mut steps) = (None, Vec::new());
        for part in text.split('.') {
            let (name, selection) = match part.split_once('[') {
                Some((name, rest)) => (name, rest.strip_suffix(']')),
                None => (part, None),
            };
            if member.is_none() {
                member = Some(name);
            } else {
                steps.push(Step::Member(name));
            }
            match selection {
                Some("") => steps.push(Step::Each),
                Some(prefix) => steps.push(Step::Typed(prefix)),
                None => {}
            }
        }
        Self {
            member: member.unwrap_or_default(),
            steps,
        }
    }
}
