//! What is served besides Messages: models of the operator's own, and paths that pass through.

use witgate_messages::PathPattern;

/// What is served besides the API's own endpoints.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// Paths that pass through as they are.
    pub passthrough: Vec<PathPattern>,
    /// Skills that every tenant may load and read.
    pub shared_skills: Vec<String>,
    /// Logical models, listed beside the upstream's.
    pub resources: Vec<Resource>,
}

/// A logical model: a name that the route plugin gives a meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// What callers ask for.
    pub id: String,
    /// What people read.
    pub display_name: String,
    /// Since when it is there, in RFC 3339.
    pub created_at: String,
}

// === impl Endpoints ===

impl Endpoints {
    /// Whether this path may pass through.
    #[must_use]
    pub fn pass(&self, path: &str) -> bool {
        self.passthrough.iter().any(|pattern| pattern.matches(path))
    }

    /// The logical model of this name.
    #[must_use]
    pub fn resource(&self, id: &str) -> Option<&Resource> {
        self.resources.iter().find(|resource| resource.id == id)
    }
}
