//! What a plugin may see and use beyond who asks and for what: least privilege, from the sidecar's `[grants]`.
//!
//! Interfaces that are not granted are refused at admission, where the import shows them; parts of the request are refused
//! at the call that asks for them. Nothing is answered with an empty value instead.

use serde::{Deserialize, Serialize};

/// The grants of one plugin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Grants {
    /// How much of the body.
    pub body: BodyGrant,
    /// Which headers.
    pub headers: Vec<HeaderGrant>,
    /// Whether it may import `kv`.
    pub kv: bool,
    /// Whether it may import `metrics`.
    pub metrics: bool,
    /// Whether it may import `clock`.
    pub clock: bool,
}

/// How much of the body a plugin may see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BodyGrant {
    /// Nothing.
    None,
    /// The host's scan of it, and the names of the declared tools.
    #[default]
    Head,
    /// Any member and any byte.
    Read,
}

/// A header by its lower-case name, or all whose names begin with a text: `x-vmx-*`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub struct HeaderGrant {
    name: String,
    prefix: bool,
}

// === impl Grants ===

impl Grants {
    /// Everything. For tools and tests; an operator says it part by part.
    pub fn all() -> Self {
        Self {
            body: BodyGrant::Read,
            headers: vec![HeaderGrant {
                name: String::new(),
                prefix: true,
            }],
            kv: true,
            metrics: true,
            clock: true,
        }
    }

    /// Whether a header of this name, in any case, may be seen.
    pub(crate) fn has_header(&self, name: &str) -> bool {
        self.headers.iter().any(|grant| grant.has(name))
    }

    /// Whether all headers that begin with this text may be seen.
    pub(crate) fn has_headers(&self, prefix: &str) -> bool {
        self.headers
            .iter()
            .any(|grant| grant.prefix && grant.has(prefix))
    }

    /// Whether an interface of the contract may be imported.
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
    /// The word for it in a sidecar.
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
    /// Reads a name, or the beginning of names with `*` behind it.
    ///
    /// # Errors
    ///
    /// What a name of a header can't be.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let (name, prefix) = match text.strip_suffix('*') {
            Some(name) => (name, true),
            None => (text, false),
        };
        let named = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'+-.^_`|~".contains(&byte);
        if !name.bytes().all(named) || (name.is_empty() && !prefix) {
            return Err(
                "not a header name; write one like `x-team`, or the beginning of several with a `*` at its end, like `x-vmx-*`",
            );
        }
        Ok(Self {
            name: name.to_ascii_lowercase(),
            prefix,
        })
    }

    /// Returns whether this names a header itself. The beginning of several names doesn't: it means the others.
    pub(crate) fn is_of(&self, name: &str) -> bool {
        !self.prefix && self.name.eq_ignore_ascii_case(name)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        let begins = name
            .get(..self.name.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(&self.name));
        begins && (self.prefix || name.len() == self.name.len())
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
