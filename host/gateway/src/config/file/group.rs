//! `[groups.NAME]`, as written.

use serde::Deserialize;

/// `[groups.NAME]`
#[derive(Debug, Deserialize)]
pub struct GroupFile {
    /// The upstreams that stand behind the name.
    pub members: Vec<MemberFile>,
    /// How one of them is chosen.
    pub choice: Option<String>,
    /// Lets a request with thinking go to a member of another provider.
    #[serde(default)]
    pub allow_provider_change: bool,
}

/// `{ upstream = "NAME", weight = 2 }`
#[derive(Debug, Deserialize)]
pub struct MemberFile {
    /// The upstream.
    pub upstream: String,
    /// Its share.
    pub weight: Option<u32>,
}
