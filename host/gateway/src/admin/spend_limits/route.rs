//! The paths of the API.

use super::asked::Kind;
use super::failed::Failed;

/// The path of the list of limits, below which everything else is.
const PATH: &str = "/v1/organizations/spend_limits";

/// A part of the API.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Route<'a> {
    List,
    Effective,
    Audit,
    Limit(&'a str),
    Override(&'a str),
    Act(Kind),
}

/// Returns whether a path is one of the API.
pub(in crate::admin) fn is_below(path: &str) -> bool {
    path.strip_prefix(PATH)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

// === impl Route ===

impl<'a> Route<'a> {
    /// Returns the part of the API at a path.
    pub(super) fn of(path: &'a str) -> Result<Self, Failed> {
        let rest = path.strip_prefix(PATH).unwrap_or_default();
        let parts: Vec<&str> = rest.split('/').skip(1).collect();
        match parts.as_slice() {
            [] => Ok(Self::List),
            ["effective"] => Ok(Self::Effective),
            ["audit"] => Ok(Self::Audit),
            ["top_up"] => Ok(Self::Act(Kind::TopUp)),
            ["reset"] => Ok(Self::Act(Kind::Reset)),
            ["override"] => Ok(Self::Act(Kind::Override)),
            [id] if id.starts_with("spl_") => Ok(Self::Limit(id)),
            [id, "override"] if id.starts_with("spl_") => Ok(Self::Override(id)),
            _ => Err(Failed::new(404, "there is nothing at this path")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_meaning() {
        assert!(
            is_below(PATH) && is_below(&format!("{PATH}/effective")),
            "ours"
        );
        assert!(!is_below(&format!("{PATH}x")), "another one");
        let route = |rest: &str| {
            Route::of(&format!("{PATH}{rest}"))
                .map_err(|failed| failed.status)
                .map(|route| format!("{route:?}"))
        };
        assert_eq!(route("").as_deref(), Ok("List"));
        assert_eq!(route("/spl_1").as_deref(), Ok("Limit(\"spl_1\")"));
        assert_eq!(
            route("/spl_1/override").as_deref(),
            Ok("Override(\"spl_1\")")
        );
        for unknown in ["/", "/x", "/spl_1/x", "/effective/x"] {
            assert_eq!(route(unknown), Err(404), "{unknown}");
        }
    }
}
