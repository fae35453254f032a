//! Resources, which have a host each.

use std::fmt;

/// The name of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource(String);

/// The error of a text that is no name of a resource. The operator is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no name of a Foundry resource: names have 2 to 64 letters, digits and hyphens, as in https://NAME.services.ai.azure.com"
)]
pub struct BadResource {
    /// The text.
    pub text: String,
}

// === impl Resource ===

impl Resource {
    /// Checks a name.
    ///
    /// # Errors
    /// [`BadResource`] for a text that would be another host.
    pub fn try_new(text: &str) -> Result<Self, BadResource> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
        let (first, last) = (text.bytes().next(), text.bytes().last());
        let is_name = (2..=64).contains(&text.len())
            && text.bytes().all(allowed)
            && edge(first)
            && edge(last);
        if !is_name {
            let text = text.chars().take(100).collect();
            return Err(BadResource { text });
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the host.
    pub fn host(&self) -> String {
        format!("{}.services.ai.azure.com", self.0)
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_has_a_host_of_its_own() {
        let host = Resource::try_new("my-resource").unwrap().host();
        assert_eq!(host, "my-resource.services.ai.azure.com", "its host");
        for text in ["", "a", "-ab", "ab-", "a.b", "a/b", "a@evil", "https://ab"] {
            let error = Resource::try_new(text).unwrap_err().to_string();
            assert!(error.contains("services.ai.azure.com"), "{text}: {error}");
        }
    }
}
