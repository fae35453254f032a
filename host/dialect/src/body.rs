//! The members of a request while parts of them are removed.

use std::collections::BTreeMap;

use witgate_messages::{Edit, Head};

use crate::json::{Path, Pruned, prune};

/// Members of the request and of the dialect itself, which are not looked at here.
const OWN: [&str; 4] = ["model", "stream", "anthropic_version", "anthropic_beta"];

/// A body and the changes of its members.
pub(super) struct Body<'a> {
    head: &'a Head,
    /// The new text of each changed member; `None` if it is removed.
    changed: BTreeMap<String, Option<String>>,
}

// === impl Body ===

impl<'a> Body<'a> {
    pub(super) fn of(head: &'a Head) -> Self {
        Self {
            head,
            changed: BTreeMap::new(),
        }
    }

    /// Returns the names of the members that will be sent, in order.
    pub(super) fn members(&self) -> Vec<String> {
        let received = self.head.members().map(|member| member.name);
        let edited = self.head.edits().iter().map(Edit::name);
        let mut names = Vec::new();
        for name in received.chain(edited) {
            let there = self.head.member(name).is_some() && !OWN.contains(&name);
            if there && !names.iter().any(|other| other == name) {
                names.push(name.to_owned());
            }
        }
        names
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.changed.insert(name.to_owned(), None);
    }

    /// Removes what a path names. Returns true if it was there.
    pub(super) fn prune(&mut self, path: &str) -> bool {
        let path = Path::read(path);
        let text = match self.changed.get(path.member) {
            Some(text) => text.as_deref(),
            None => self.head.member(path.member),
        };
        let Some(text) = text else { return false };
        let text = match prune(text, &path.steps) {
            Pruned::Same => return false,
            Pruned::Without(text) => Some(text),
            Pruned::Empty => None,
        };
        // A choice among tools is refused where there are none.
        if path.member == "tools" && text.is_none() && self.head.member("tool_choice").is_some() {
            self.remove("tool_choice");
        }
        self.changed.insert(path.member.to_owned(), text);
        true
    }

    pub(super) fn into_edits(self) -> Vec<Edit> {
        let edit = |(name, text)| match text {
            Some(text) => Edit::Set(name, text),
            None => Edit::Remove(name),
        };
        self.changed.into_iter().map(edit).collect()
    }
}
