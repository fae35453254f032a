//! The kinds of texts that a plugin subscribes to.

use crate::content::{ContentKind, ContentKinds, ContentSide};
use crate::contract::{SettingsProblem, WitContentKind};
use crate::grants::Grants;

/// Returns the kinds that a plugin subscribes to.
///
/// # Errors
///
/// The sides of an exchange that are not granted, and kinds that this host does not know.
pub(super) fn kinds(
    given: &[WitContentKind],
    grants: &Grants,
) -> Result<ContentKinds, Vec<SettingsProblem>> {
    let kinds: ContentKinds = given.iter().filter_map(ContentKind::of).collect();
    let mut problems: Vec<_> = given.iter().filter_map(unknown).collect();
    problems.extend(ungranted(kinds, grants));
    match problems.is_empty() {
        true => Ok(kinds),
        false => Err(problems),
    }
}

fn unknown(kind: &WitContentKind) -> Option<SettingsProblem> {
    let WitContentKind::Other(name) = kind else {
        return None;
    };
    let known = ContentKind::ALL.map(|kind| format!("`{kind}`")).join(", ");
    Some(problem(format!(
        "the plugin subscribes to content of the kind `{name}`, which this host does not know; use {known}, or a newer host"
    )))
}

/// Returns one problem for all sides that are not granted, with the line that grants them.
fn ungranted(kinds: ContentKinds, grants: &Grants) -> Option<SettingsProblem> {
    let wanted: Vec<_> = [ContentSide::Request, ContentSide::Response]
        .into_iter()
        .filter(|side| grants.has_content(*side) || kinds.iter().any(|kind| kind.side() == *side))
        .map(|side| format!("\"{}\"", side.name()))
        .collect();
    let missing: Vec<_> = kinds
        .iter()
        .filter(|kind| !grants.has_content(kind.side()))
        .map(|kind| format!("`{kind}`"))
        .collect();
    (!missing.is_empty()).then(|| {
        problem(format!(
            "the plugin subscribes to content that is not granted: {}; set `content = [{}]` in [grants] of the sidecar to grant it",
            missing.join(", "),
            wanted.join(", ")
        ))
    })
}

fn problem(message: String) -> SettingsProblem {
    SettingsProblem {
        path: String::new(),
        message,
    }
}
