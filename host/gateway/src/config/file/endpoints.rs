//! `[state]`, `[passthrough]`, `[skills]` and `[models]`, as written.

use std::path::PathBuf;

use serde::Deserialize;

/// `[state]`
#[derive(Debug, Default, Deserialize)]
pub struct StateFile {
    /// The state directory.
    pub directory: Option<PathBuf>,
}

/// `[passthrough]`
#[derive(Debug, Default, Deserialize)]
pub struct PassthroughFile {
    /// Patterns of paths.
    #[serde(default)]
    pub paths: Vec<String>,
}

/// `[skills]`
#[derive(Debug, Default, Deserialize)]
pub struct SkillsFile {
    /// Ids of skills.
    #[serde(default)]
    pub shared: Vec<String>,
}

/// `[models]`
#[derive(Debug, Default, Deserialize)]
pub struct ModelsFile {
    /// `[[models.resource]]`
    #[serde(default)]
    pub resource: Vec<ResourceFile>,
}

/// `[[models.resource]]`
#[derive(Debug, Deserialize)]
pub struct ResourceFile {
    /// Its name.
    pub id: String,
    /// What people read; the id when absent.
    pub display_name: Option<String>,
    /// RFC 3339, in UTC.
    pub created_at: Option<String>,
}
