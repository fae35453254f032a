//! The names of the declared tools.

use std::borrow::Cow;

use crate::json::{Elements, Kind, Scanner, Walk, unescape};

/// Names of the declared tools, in order. See [`crate::Head::tools`].
#[derive(Debug, Clone)]
pub struct Tools<'a> {
    elements: Elements<'a>,
}

// === impl Tools ===

impl<'a> Tools<'a> {
    pub(super) fn of(array: &'a [u8]) -> Self {
        Self {
            elements: Elements::new(array),
        }
    }
}

impl<'a> Iterator for Tools<'a> {
    type Item = Cow<'a, str>;

    fn next(&mut self) -> Option<Cow<'a, str>> {
        self.elements.by_ref().find_map(name)
    }
}

fn name(tool: &[u8]) -> Option<Cow<'_, str>> {
    let mut walk = Walk::new(tool, Scanner::Fastest).ok()?;
    let mut name = None;
    // Reading stops at an error, because the upstream refuses such a request anyway.
    while let Ok(Some(step)) = walk.step() {
        let is_name = step.meant(tool).is_ok_and(|name| name == "name");
        if is_name && step.value.kind == Kind::String {
            name = unescape(step.value.span.unquoted().text(tool)).ok();
        }
    }
    name
}
