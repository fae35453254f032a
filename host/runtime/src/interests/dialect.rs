//! The dialect of a plugin with the hook `translate`: the paths that it claims, and the names of headers in it.

use std::fmt;

use crate::contract::SettingsProblem;
use crate::contract::lifecycle;
use crate::grants::{Grants, HeaderGrant};

/// The maximum number of claims, and of names of headers.
const MAX_ITEMS: usize = 256;

/// The dialect of a plugin.
#[derive(Debug, Default)]
pub(crate) struct Dialect {
    pub(crate) claims: Box<[Claim]>,
    /// The headers of answers that have a further name.
    pub(crate) header_names: Box<[(Box<str>, Box<str>)]>,
}

/// A path that a plugin serves.
#[derive(Debug)]
pub(crate) struct Claim {
    method: Box<str>,
    /// The path, or what is before the last segment.
    path: Box<str>,
    last: Last,
    except_headers: Box<[Box<str>]>,
}

/// The last segment of a claimed path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    /// The path has it.
    Given,
    /// Any one segment follows the path.
    Any,
}

/// Returns the dialect of a plugin.
///
/// # Errors
///
/// Claims that are malformed or not granted, and names that are no headers.
pub(super) fn read(
    given: Option<&lifecycle::Dialect>,
    grants: &Grants,
) -> Result<Dialect, Vec<SettingsProblem>> {
    let Some(given) = given else {
        return Ok(Dialect::default());
    };
    let mut problems: Vec<_> = given
        .claims
        .iter()
        .filter_map(|claim| objection(claim, grants))
        .collect();
    let is_name = |name: &str| HeaderGrant::parse(name).is_ok_and(|header| header.is_of(name));
    let named = given.header_names.iter();
    problems.extend(
        named
            .filter(|(from, to)| !is_name(from) || !is_name(to))
            .map(|(from, to)| {
                format!("the plugin names the header `{from}` of answers `{to}`, and one of the two is no header name")
            }),
    );
    let items = given.claims.len().max(given.header_names.len());
    if items > MAX_ITEMS {
        problems.push(format!(
            "the plugin's dialect has {items} claims or names of headers, and the limit is {MAX_ITEMS}; state fewer"
        ));
    }
    if !problems.is_empty() {
        let problem = |message| SettingsProblem {
            path: String::new(),
            message,
        };
        return Err(problems.into_iter().map(problem).collect());
    }
    let named = given.header_names.iter();
    Ok(Dialect {
        claims: given.claims.iter().map(Claim::new).collect(),
        header_names: named
            .map(|(from, to)| (from.as_str().into(), to.as_str().into()))
            .collect(),
    })
}

/// Returns why a claim can't be served, or `None`.
fn objection(claim: &lifecycle::Claim, grants: &Grants) -> Option<String> {
    let lifecycle::Claim { method, path, .. } = claim;
    let is_path = |byte: u8| byte.is_ascii_graphic() && !b"?#*".contains(&byte);
    let plain = path.strip_suffix("/*").unwrap_or(path);
    let is_method = !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase());
    if !is_method || !plain.starts_with('/') || !plain.bytes().all(is_path) {
        return Some(format!(
            "the plugin claims `{method} {path}`, which is no method in uppercase and a path that starts with `/`, with `/*` at its end at most"
        ));
    }
    (!grants.has_claim(path)).then(|| {
        format!(
            "the plugin claims the path `{path}`, which is not granted; set `claims = [\"{path}\"]` in [grants] of the sidecar to grant it"
        )
    })
}

// === impl Claim ===

impl Claim {
    fn new(given: &lifecycle::Claim) -> Self {
        let (path, last) = match given.path.strip_suffix("/*") {
            Some(path) => (path, Last::Any),
            None => (given.path.as_str(), Last::Given),
        };
        let except = given.except_headers.iter();
        Self {
            method: given.method.as_str().into(),
            path: path.into(),
            last,
            except_headers: except.map(|name| name.as_str().into()).collect(),
        }
    }

    /// Returns whether the claim is for a request. The path has no query.
    pub(crate) fn covers(
        &self,
        method: &str,
        path: &str,
        has_header: &dyn Fn(&str) -> bool,
    ) -> bool {
        *self.method == *method
            && self.has_path(path)
            && !self.except_headers.iter().any(|name| has_header(name))
    }

    fn has_path(&self, path: &str) -> bool {
        match self.last {
            Last::Given => *self.path == *path,
            Last::Any => {
                let rest = path.strip_prefix(&*self.path);
                let segment = rest.and_then(|rest| rest.strip_prefix('/'));
                segment.is_some_and(|segment| !segment.is_empty() && !segment.contains('/'))
            }
        }
    }

    /// Returns whether there may be a request that both claims are for.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        let is_path_met = match (self.last, other.last) {
            (_, Last::Given) => self.has_path(&other.path),
            (Last::Given, Last::Any) => other.has_path(&self.path),
            (Last::Any, Last::Any) => self.path == other.path,
        };
        self.method == other.method && is_path_met
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = match self.last {
            Last::Given => "",
            Last::Any => "/*",
        };
        write!(f, "{} {}{last}", self.method, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(path: &str) -> Claim {
        Claim::new(&lifecycle::Claim {
            method: "GET".to_owned(),
            path: path.to_owned(),
            except_headers: vec!["anthropic-version".to_owned()],
        })
    }

    #[test]
    fn a_claim_is_for_its_path_and_a_star_for_one_segment() {
        let none = |_: &str| false;
        for (claimed, path, covered) in [
            ("/v1/models", "/v1/models", true),
            ("/v1/models", "/v1/models/", false),
            ("/v1/models", "/v1/models/a", false),
            ("/v1/models/*", "/v1/models/a", true),
            ("/v1/models/*", "/v1/models/", false),
            ("/v1/models/*", "/v1/models", false),
            ("/v1/models/*", "/v1/models/a/b", false),
        ] {
            let covers = claim(claimed).covers("GET", path, &none);
            assert_eq!(covers, covered, "{claimed} and {path}");
        }
        assert!(!claim("/a").covers("POST", "/a", &none), "another method");
    }

    #[test]
    fn a_request_with_an_excepted_header_is_not_claimed() {
        let has = |name: &str| name == "anthropic-version";
        assert!(
            !claim("/v1/models").covers("GET", "/v1/models", &has),
            "it is the API's own"
        );
    }

    #[test]
    fn claims_meet_where_a_request_could_be_for_both() {
        for (one, other, meet) in [
            ("/a", "/a", true),
            ("/a", "/b", false),
            ("/a/*", "/a/b", true),
            ("/a/*", "/a/*", true),
            ("/a/*", "/a", false),
            ("/a/*", "/b/*", false),
        ] {
            assert_eq!(claim(one).meets(&claim(other)), meet, "{one} and {other}");
            assert_eq!(claim(other).meets(&claim(one)), meet, "{other} and {one}");
        }
    }
}
