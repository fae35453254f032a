//! The difference between two lineups, for the log.

use std::fmt;
use std::sync::Arc;

use crate::plugin::Plugin;

/// The names of added, changed and removed plugins.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    added: Vec<Arc<str>>,
    changed: Vec<Arc<str>>,
    removed: Vec<Arc<str>>,
}

// === impl Change ===

impl Change {
    pub(super) fn between(before: &[Arc<Plugin>], after: &[Arc<Plugin>]) -> Self {
        let mut change = Self::default();
        for plugin in after {
            match before.iter().find(|it| it.name() == plugin.name()) {
                None => change.added.push(Arc::clone(plugin.name())),
                Some(old) if !Arc::ptr_eq(old, plugin) => {
                    change.changed.push(Arc::clone(plugin.name()));
                }
                Some(_) => {}
            }
        }
        let gone = before
            .iter()
            .filter(|old| !after.iter().any(|it| it.name() == old.name()));
        change.removed.extend(gone.map(|it| Arc::clone(it.name())));
        change
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            ("added", &self.added),
            ("changed", &self.changed),
            ("removed", &self.removed),
        ];
        let mut told = parts.into_iter().filter(|(_, names)| !names.is_empty());
        let Some((what, names)) = told.next() else {
            return f.write_str("no plugins");
        };
        write!(f, "{what} {}", names.join(", "))?;
        told.try_for_each(|(what, names)| write!(f, "; {what} {}", names.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn added_changed_and_removed_plugins_are_named() {
        let names = |names: &[&str]| names.iter().map(|name| Arc::from(*name)).collect();
        let change = Change {
            added: names(&["a", "b"]),
            changed: names(&[]),
            removed: names(&["c"]),
        };
        assert_eq!(change.to_string(), "added a, b; removed c");
        assert_eq!(Change::default().to_string(), "no plugins");
    }
}
