//! Patterns of paths that an operator passes through unchanged.

use super::{below_root, cut_query, is_plain};

/// First segments that no pattern matches: administration of the organisation, and endpoints that the gateway serves and
/// isolates between tenants.
const NEVER: [&str; 5] = ["organizations", "messages", "files", "models", "skills"];

/// A pattern: `/v1/` and segments, each a word, `*` for any one segment, or, at the end, `**` for any remainder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathPattern {
    segments: Vec<Segment>,
}

/// The reason why a text is not a pattern, or not an allowed one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPattern {
    /// The path is not below the API's root.
    #[error("must start with /v1/")]
    Root,
    /// A segment is neither a plain word nor a wildcard.
    #[error(
        "each segment must be a plain word, `*` for any one segment, or, at the end, `**` for any remainder"
    )]
    Segment,
    /// The path is one that is never passed through.
    #[error(
        "/v1/{0} is never passed through: it is not a tenant's, or the gateway serves it itself"
    )]
    Never(&'static str),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Word(String),
    One,
    Rest,
}

// === impl PathPattern ===

impl PathPattern {
    /// Parses a pattern.
    ///
    /// # Errors
    /// [`BadPattern`] with the reason.
    pub fn parse(text: &str) -> Result<Self, BadPattern> {
        let resource = text.strip_prefix("/v1/").ok_or(BadPattern::Root)?;
        let count = resource.split('/').count();
        let mut segments = Vec::with_capacity(count);
        for (index, segment) in resource.split('/').enumerate() {
            segments.push(match segment {
                "*" => Segment::One,
                "**" if index + 1 == count => Segment::Rest,
                word if is_plain(word) => Segment::Word(word.to_owned()),
                _ => return Err(BadPattern::Segment),
            });
        }
        match segments.first() {
            Some(Segment::Word(word)) => match never(word) {
                Some(never) => Err(BadPattern::Never(never)),
                None => Ok(Self { segments }),
            },
            _ => Ok(Self { segments }),
        }
    }

    /// Returns true if the pattern matches this path. The query is ignored, and the API's aliases count as `/v1/`.
    pub fn matches(&self, path: &str) -> bool {
        let (path, _query) = cut_query(path);
        let Some(resource) = below_root(path) else {
            return false;
        };
        let mut asked = resource.split('/').peekable();
        if asked.peek().is_none_or(|first| never(first).is_some())
            || !resource.split('/').all(is_plain)
        {
            return false;
        }
        for segment in &self.segments {
            let matched = match (segment, asked.next()) {
                (_, None) => false,
                (Segment::Word(word), Some(asked)) => word == asked,
                (Segment::One, Some(_)) => true,
                (Segment::Rest, Some(_)) => return true,
            };
            if !matched {
                return false;
            }
        }
        asked.next().is_none()
    }
}

/// Returns the never-passed word that a segment begins with, or `None`. Servers differ in how they treat case, and in what
/// they drop after a name (dots, parameters, verbs, versions), so a prefix is enough for a match.
fn never(segment: &str) -> Option<&'static str> {
    let in_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let end = segment.bytes().take_while(in_word).count();
    let word = segment.get(..end)?;
    NEVER
        .into_iter()
        .find(|never| never.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> PathPattern {
        PathPattern::parse(text).unwrap()
    }

    #[test]
    fn a_pattern_matches_segment_by_segment() {
        for (text, path, wanted) in [
            ("/v1/agents", "/v1/agents?beta=true", true),
            ("/v1/agents", "/anthropic/agents", true),
            ("/v1/agents", "/agents", false),
            ("/v1/agents", "/v1/agents/s_1", false),
            ("/v1/agents", "/v1/agentsx", false),
            ("/v1/agents/*", "/v1/agents/s_1", true),
            ("/v1/agents/*", "/v1/agents", false),
            ("/v1/agents/*", "/v1/agents/", false),
            ("/v1/agents/*", "/v1/agents/s_1/versions", false),
            ("/v1/agents/**", "/v1/agents/s_1/versions/2", true),
            ("/v1/agents/**", "/v1/agents/..", false),
            ("/v1/agents/**", "/v1/agents/a/%2e%2e/x", false),
            ("/v1/**", "/v1/sessions/x", true),
            ("/v1/**", "/api/hello", false),
        ] {
            assert_eq!(pattern(text).matches(path), wanted, "{text} for {path}");
        }
    }

    #[test]
    fn no_pattern_opens_the_organisation_or_what_is_kept_apart() {
        for path in [
            "/v1/organizations",
            "/v1/Organizations/me",
            "/v1/organizations/api_keys?x",
            "/anthropic/organizations/me",
            "/anthropic/v1/organizations/me",
            "/v1/organizations.",
            "/v1/organizations./me",
            "/v1/organizations..",
            "/v1/organizations.json",
            "/v1/organizations:list",
            "/v1/organizations@latest",
            "/v1/organizations~",
            "/v1/ORGANIZATIONS.",
            "/v1/organizations;x=y/me",
            "/v1/organizations%2e",
            "/v1/organizations%2fme",
            "/v1/organizations\\me",
            "/v1/organizations%00",
            "/v1/%6frganizations",
            "/v1//organizations",
            "/v1/./organizations",
            "/v1/.../organizations",
            "/v1/x/../organizations",
            "/v1/messages.",
            "/v1/Messages:x",
            "/v1/messages./batches",
            "/v1/files/file_1/copy",
            "/v1/messages/batches/b/other",
            "/v1/models/x/y",
        ] {
            for text in ["/v1/**", "/v1/*", "/v1/*/*", "/v1/*/**"] {
                assert!(!pattern(text).matches(path), "{text} for {path}");
            }
        }
        for text in [
            "/v1/organizations",
            "/v1/organizations/**",
            "/v1/FILES/*",
            "/v1/organizations.json",
            "/v1/messages:x",
        ] {
            let refused = PathPattern::parse(text);
            assert!(
                matches!(refused, Err(BadPattern::Never(_))),
                "{text}: {refused:?}"
            );
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in [
            "", "/", "/v1", "/v1/", "skills", "/v1/a//b", "/v1/**/x", "/v1/a*", "/v1/%41",
        ] {
            assert!(PathPattern::parse(text).is_err(), "{text}");
        }
    }
}
