//! References of a request to objects at the upstream: its container, files and skills.
//!
//! Tenants share the upstream's credential, so these ids have to be checked before the request is sent. A body without any
//! costs one search and no allocation. Names are found in every spelling that a JSON parser accepts, and every value of a
//! repeated name is found, so whichever the upstream uses has been checked. The search refuses nothing: a body that
//! [`Head::scan`] has accepted is searched to its end, and errors below the top level are left to the upstream. Each id is
//! kept once, up to a number that the caller sets; [`References::is_over`] tells if there were more.

use std::borrow::Cow;
use std::collections::HashSet;

use memchr::memmem;

use crate::head::Head;
use crate::json::{Inside, each_named, may_name, members, unescape};
use crate::splice::Edit;

/// References of a request.
#[derive(Debug, Clone, Default)]
pub struct References {
    containers: Ids,
    files: Ids,
    skills: Ids,
}

/// Distinct ids in order of appearance.
#[derive(Debug, Clone)]
struct Ids {
    list: Vec<String>,
    seen: HashSet<String>,
    most: usize,
    over: bool,
}

/// Members whose values belong to tools: the API does not look for files in them, and clients' tools use `file_id`s of other
/// services there.
const TOOLS_OWN: [&str; 3] = ["input", "input_schema", "input_examples"];

// === impl References ===

impl References {
    /// Returns the references of a Messages request, up to `most` of each kind.
    pub fn of(head: &Head, most: usize) -> Self {
        let mut references = Self::with_room(most);
        references.add_container(head);
        references.add_files(head.body());
        references.add_edits(head);
        references
    }

    /// Creates an empty set with room for this many of each kind.
    pub fn with_room(most: usize) -> Self {
        let ids = || Ids {
            most,
            ..Ids::default()
        };
        Self {
            containers: ids(),
            files: ids(),
            skills: ids(),
        }
    }

    /// Returns true if there was not enough room for all references.
    pub fn is_over(&self) -> bool {
        self.containers.over || self.files.over || self.skills.over
    }

    /// Takes out the ids of containers.
    pub fn take_containers(&mut self) -> Vec<String> {
        std::mem::take(&mut self.containers).list
    }

    /// Takes out the ids of files.
    pub fn take_files(&mut self) -> Vec<String> {
        std::mem::take(&mut self.files).list
    }

    /// Takes out the ids of custom skills.
    pub fn take_skills(&mut self) -> Vec<String> {
        std::mem::take(&mut self.skills).list
    }

    /// Adds the files named in edits of a request.
    pub fn add_edits(&mut self, head: &Head) {
        for edit in head.edits() {
            if let Edit::Set(_, json) = edit {
                self.add_files(json.as_bytes());
            }
        }
    }

    /// Adds the references in members that a request will be given.
    pub fn add_sets(&mut self, edits: &[Edit]) {
        for edit in edits {
            match edit {
                Edit::Set(name, json) if name == "container" => self.add_container_value(json),
                Edit::Set(_, json) => self.add_files(json.as_bytes()),
                Edit::Insert(insertion) => self.add_files(insertion.element.as_bytes()),
                Edit::Remove(_) => {}
            }
        }
    }

    /// Adds the container of a Messages request.
    pub fn add_container(&mut self, head: &Head) {
        if let Some(container) = head.member("container") {
            self.add_container_value(container);
        }
    }

    /// Adds the container named in the JSON text of a `container` member: a string, or an object with an `id`.
    pub fn add_container_value(&mut self, json: &str) {
        if let Some(quoted) = json.trim_ascii().strip_prefix('"') {
            let raw = quoted.strip_suffix('"').unwrap_or(quoted);
            let id = unescape(raw).unwrap_or(Cow::Borrowed(raw));
            self.containers.put(id);
            return;
        }
        each_named(json.as_bytes(), |named| {
            if named.depth == 1 && named.is("id") {
                self.containers.put_all(named.text());
            }
            Inside::Wanted
        });
        self.add_skills(json.as_bytes());
    }

    /// Adds the skills that a container loads, except those whose type makes them the upstream's own. If the list cannot be read,
    /// all of them count.
    fn add_skills(&mut self, container: &[u8]) {
        if memmem::find(container, b"skill").is_none() && !container.contains(&b'\\') {
            return;
        }
        let read = members(container, |name, found| match name {
            "skills" => found.array(|skill| {
                self.add_skill(skill);
                0
            }),
            _ => 0,
        });
        if read != Ok(0) {
            each_named(container, |named| {
                if named.is("skill_id") {
                    self.skills.put_all(named.text());
                }
                Inside::Wanted
            });
        }
    }

    fn add_skill(&mut self, skill: &[u8]) {
        let (mut typed, mut own) = (false, false);
        each_named(skill, |named| {
            if named.depth == 1 && named.is("type") {
                typed = true;
                own |= named.text().as_deref() != Some("anthropic");
            }
            Inside::Wanted
        });
        if typed && !own {
            return;
        }
        each_named(skill, |named| {
            if named.is("skill_id") {
                self.skills.put_all(named.text());
            }
            Inside::Wanted
        });
    }

    /// Adds the files that a body names anywhere except in values that belong to tools.
    pub fn add_files(&mut self, body: &[u8]) {
        if !may_name(body, "file_id") {
            return;
        }
        each_named(body, |named| {
            if TOOLS_OWN.iter().any(|own| named.is(own)) {
                return Inside::Unwanted;
            }
            if named.is("file_id") {
                self.files.put_all(named.text());
            }
            Inside::Wanted
        });
    }
}

// === impl Ids ===

impl Default for Ids {
    /// Creates an empty set without a limit.
    fn default() -> Self {
        Self {
            list: Vec::new(),
            seen: HashSet::new(),
            most: usize::MAX,
            over: false,
        }
    }
}

impl Ids {
    fn put(&mut self, id: Cow<'_, str>) {
        if self.seen.contains(&*id) {
            return;
        }
        if self.list.len() == self.most {
            self.over = true;
            return;
        }
        let id = id.into_owned();
        self.seen.insert(id.clone());
        self.list.push(id);
    }

    fn put_all(&mut self, ids: Option<Cow<'_, str>>) {
        if let Some(id) = ids {
            self.put(id);
        }
    }
}

#[cfg(test)]
mod tests;
