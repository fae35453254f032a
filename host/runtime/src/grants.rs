//! The grants of a plugin, from `[grants]` of its sidecar.
//!
//! Without grants, a plugin only sees the caller and the scan of the body. Importing an interface that is not granted fails at
//! admission; reading a part of the request that is not granted fails the call, and never returns an empty value instead.

use serde::{Deserialize, Serialize};

use crate::content::ContentSide;
use crate::pattern::Pattern;

/// The grants of a plugin.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Grants {
    /// The part of the body that the plugin may read.
    pub body: BodyGrant,
    /// The headers that the plugin may read.
    pub headers: Vec<HeaderGrant>,
    /// The sides of an exchange whose texts a guard inspects.
    pub content: Vec<ContentSide>,
    /// The import of `kv`.
    pub kv: bool,
    /// The import of `metrics`.
    pub metrics: bool,
    /// The import of `clock`.
    pub clock: bool,
    /// The paths that the plugin may claim, in which `*` stands for any text.
    pub claims: Vec<String>,
}

/// The part of the body that a plugin may read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum BodyGrant {
    /// No part of the body.
    None,
    /// The host's scan of the body, and the names of the declared tools.
    #[default]
    Head,
    /// All of the body.
    Read,
}

/// A header by its lowercase name, or all headers with a prefix, such as `x-vmx-*`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub struct HeaderGrant {
    name: String,
    prefix: bool,
}

// === impl Grants ===

impl Grants {
    /// Returns all grants, for tools and tests.
    pub fn all() -> Self {
        Self {
            body: BodyGrant::Read,
            headers: vec![HeaderGrant {
                name: String::new(),
                prefix: true,
            }],
            content: vec![ContentSide::Request, ContentSide::Response],
            kv: true,
            metrics: true,
            clock: true,
            claims: vec!["*".to_owned()],
        }
    }

    /// Returns whether a header with this name, in any case, is granted.
    pub(crate) fn has_header(&self, name: &str) -> bool {
        self.headers.iter().any(|grant| grant.has(name))
    }

    /// Returns whether all headers with this prefix are granted.
    pub(crate) fn has_headers(&self, prefix: &str) -> bool {
        self.headers
            .iter()
            .any(|grant| grant.prefix && grant.has(prefix))
    }

    /// Returns whether the texts of a side of an exchange are granted.
    pub(crate) fn has_content(&self, side: ContentSide) -> bool {
        self.content.contains(&side)
    }

    /// Returns whether the plugin may claim a path.
    pub(crate) fn has_claim(&self, path: &str) -> bool {
        let mut granted = self.claims.iter();
        granted.any(|grant| Pattern::new(grant).matches(path))
    }

    /// Returns whether an interface of the contract is granted.
    pub(crate) fn has_interface(&self, interface: &str) -> bool {
        match interface {
            "kv" => self.kv,
            "metrics" => self.metrics,
            "clock" => self.clock,
            _ => true,
        }
    }
}

// === impl BodyGrant ===

impl BodyGrant {
    /// Returns the grant's name in a sidecar.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Head => "head",
            Self::Read => "read",
        }
    }
}

// === impl HeaderGrant ===

impl HeaderGrant {
    /// Parses a header name, or a prefix followed by `*`.
    ///
    /// # Errors
    ///
    /// The text is not a header name.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let (name, prefix) = match text.strip_suffix('*') {
            Some(name) => (name, true),
            None => (text, false),
        };
        let named = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'+-.^_`|~".contains(&byte);
        if !name.bytes().all(named) || (name.is_empty() && !prefix) {
            return Err(
                "not a header name; use a name like `x-team`, or a prefix with a `*` at its end, like `x-vmx-*`",
            );
        }
        Ok(Self {
            name: name.to_ascii_lowercase(),
            prefix,
        })
    }

    /// Returns whether this is the name of a header. A prefix is not the name of any header.
    pub(crate) fn is_of(&self, name: &str) -> bool {
        !self.prefix && self.name.eq_ignore_ascii_case(name)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        let parts = name.as_bytes().split_at_checked(self.name.len());
        parts.is_some_and(|(begin, rest)| {
            (self.prefix || rest.is_empty()) && begin.eq_ignore_ascii_case(self.name.as_bytes())
        })
    }
}

impl From<HeaderGrant> for String {
    fn from(grant: HeaderGrant) -> Self {
        let star = if grant.prefix { "*" } else { "" };
        format!("{}{star}", grant.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants(headers: &[&str]) -> Grants {
        let headers = headers.iter().map(|text| HeaderGrant::parse(text).unwrap());
        Grants {
            headers: headers.collect(),
            ..Grants::default()
        }
    }

    #[test]
    fn a_header_is_granted_by_its_name_in_any_case_or_by_its_beginning() {
        let grants = grants(&["X-One", "x-vmx-*"]);
        for (name, has) in [
            ("x-one", true),
            ("X-ONE", true),
            ("x-one-more", false),
            ("x-on", false),
            ("X-Vmx-Metadata-Team", true),
            ("x-vmx-", true),
            ("x-vmx", false),
        ] {
            assert_eq!(grants.has_header(name), has, "{name}");
        }
    }

    #[test]
    fn a_beginning_is_granted_by_itself_or_a_shorter_one() {
        let grants = grants(&["x-one", "x-vmx-*"]);
        for (prefix, has) in [
            ("x-vmx-", true),
            ("x-vmx-metadata-", true),
            ("x-", false),
            ("", false),
            ("x-one", false),
        ] {
            assert_eq!(grants.has_headers(prefix), has, "{prefix:?}");
        }
        assert!(Grants::all().has_headers(""), "a star alone is all of them");
    }

    #[test]
    fn what_is_no_header_is_no_grant() {
        for text in ["", "x y", "x-*-y", "x:", "ü"] {
            assert!(HeaderGrant::parse(text).is_err(), "{text:?}");
        }
    }
}
