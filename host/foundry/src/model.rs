//! Deployments, by which Foundry names models.
//!
//! A deployment has the model's short name unless the operator chose another one, so the API's dated names and aliases become short ones.
//! An operator's own map wins, and any other name is a deployment already.

use std::collections::BTreeMap;
use std::fmt;

/// Names of the API whose usual deployment has another name than the one without its date.
///
/// Sources: Claude Code 2.1.329, and Microsoft's page "Deploy and use Claude models in Microsoft Foundry" (learn.microsoft.com), by
/// which a deployment has the model's name unless another one is given.
pub const TABLE: &[(&str, &str)] = &[
    ("claude-opus-4-0", "claude-opus-4"),
    ("claude-sonnet-4-0", "claude-sonnet-4"),
];

/// The longest name of a deployment.
const MAX_NAME: usize = 64;

/// The name of a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment(String);

/// The models that an operator's Foundry resource serves.
#[derive(Debug, Clone, Default)]
pub struct Models {
    own: BTreeMap<String, Deployment>,
}

/// The error of a text that is no name of a deployment. The client is at fault, or the operator if it stands in a map.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no deployment of Foundry: names have 1 to 64 letters, digits and -_.; ask for a deployment, or map the name to one"
)]
pub struct BadDeployment {
    /// The text.
    pub text: String,
}

// === impl Deployment ===

impl Deployment {
    /// Checks a name.
    ///
    /// # Errors
    /// [`BadDeployment`].
    pub fn try_new(text: &str) -> Result<Self, BadDeployment> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if text.is_empty() || !text.bytes().all(allowed) || text.len() > MAX_NAME {
            let text = text.chars().take(100).collect();
            return Err(BadDeployment { text });
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Deployment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// === impl Models ===

impl Models {
    /// Returns the usual deployments, and the operator's own map of names to deployments.
    pub fn new(own: BTreeMap<String, Deployment>) -> Self {
        Self { own }
    }

    /// Returns the deployment of a model by its name.
    ///
    /// # Errors
    /// [`BadDeployment`] for a name that can be none.
    pub fn deployment(&self, name: &str) -> Result<Deployment, BadDeployment> {
        if let Some(own) = self.own.get(name) {
            return Ok(own.clone());
        }
        let mut rows = TABLE.iter();
        match rows.find(|(known, _)| *known == name) {
            Some((_, name)) => Deployment::try_new(name),
            None => Deployment::try_new(without_date(name)),
        }
    }
}

/// Returns a name of Anthropic's without its date.
fn without_date(name: &str) -> &str {
    let is_date = |text: &str| text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit());
    match name.rsplit_once('-') {
        Some((model, date)) if name.starts_with("claude-") && is_date(date) => model,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dated_name_becomes_the_usual_deployment() {
        let of = |name| Models::default().deployment(name).unwrap().0;
        assert_eq!(of("claude-opus-4-5-20251101"), "claude-opus-4-5", "dated");
        assert_eq!(of("claude-opus-4-0"), "claude-opus-4", "an alias");
        for name in ["claude-opus-5-5", "our-deployment", "ours-20251101"] {
            assert_eq!(of(name), name, "as it is");
        }
    }

    #[test]
    fn the_operators_map_wins_and_a_text_that_is_no_name_is_refused() {
        let ours = Deployment::try_new("ours").unwrap();
        let models = Models::new([("claude-opus-5".to_owned(), ours)].into());
        assert_eq!(models.deployment("claude-opus-5").unwrap().0, "ours", "map");
        for name in ["", "a b", "a/b", "a\"b"] {
            let error = models.deployment(name).unwrap_err().to_string();
            assert!(error.contains("map the name"), "{name}: {error}");
        }
    }
}
