//! Tables of keys and values that the host keeps for the plugin.

use crate::request::Facts;

/// A table of the host, which a sidecar declares:
///
/// ```toml
/// [tables.teams]
/// file = "teams.csv"
/// ```
///
/// The host reads it from its file or URL before the plugin serves, and again at intervals. A look-up asks the host's memory,
/// so it never waits. To name a table that the sidecar does not declare ends the call as a fault.
///
/// ```
/// use witgate_plugin::prelude::*;
/// use witgate_plugin::testing::RequestBuilder;
///
/// fn decide(request: &Request) -> Result<Option<Plan>, Refusal> {
///     let teams = request.table("teams");
///     let team = request.caller().user().and_then(|user| teams.get(user));
///     Ok(team.map(|team| Plan::to("default").rule(team)))
/// }
///
/// let request = RequestBuilder::messages()
///     .table("teams", &[("ada", "blue")])
///     .caller(|caller| caller.user = Some("ada".to_owned()))
///     .build();
/// let plan = decide(&request).unwrap().unwrap();
/// assert_eq!(plan.rule.as_deref(), Some("blue"));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Lookup<'a> {
    pub(crate) facts: &'a Facts<'a>,
    pub(crate) name: &'a str,
}

// === impl Lookup ===

impl<'a> Lookup<'a> {
    /// Returns the value of a key, or `None` if the table does not have the key. A table in lines has the keys with empty values.
    ///
    /// The call ends as a fault if the content is older than the sidecar's `max_age_ms`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&'a str> {
        self.facts.table_get(self.name, key)
    }

    /// Returns whether the table has a key, under the same conditions as [`get`](Self::get).
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Returns the number of seconds since the table's source last had this content, or `None` if it has never been read and is
    /// empty, which the sidecar may allow.
    #[must_use]
    pub fn age_seconds(&self) -> Option<u64> {
        self.facts.table_age(self.name)
    }
}
