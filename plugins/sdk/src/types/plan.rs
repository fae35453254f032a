//! Plans and their targets.

use super::{Plan, Target};

// === impl Plan ===

impl Plan {
    /// A plan with these targets, in order of preference.
    #[must_use]
    pub fn new(targets: Vec<Target>) -> Self {
        Self {
            rule: None,
            targets,
            retry_on: Vec::new(),
            attributes: Vec::new(),
        }
    }

    /// A plan with one target: this upstream of the host's configuration, with the request's own model.
    #[must_use]
    pub fn to(upstream: impl Into<String>) -> Self {
        Self::new(vec![Target::new(upstream)])
    }

    /// The same, asking all targets for this model.
    #[must_use]
    pub fn model(mut self, model: impl Into<String>) -> Self {
        let model = model.into();
        for target in &mut self.targets {
            target.model = Some(model.clone());
        }
        self
    }

    /// The same with one more target, after the others.
    #[must_use]
    pub fn or(mut self, target: Target) -> Self {
        self.targets.push(target);
        self
    }

    /// The same under this rule's name, which stands on the receipt.
    #[must_use]
    pub fn rule(mut self, rule: impl Into<String>) -> Self {
        self.rule = Some(rule.into());
        self
    }

    /// The same, trying something else only after these: `connect`, `timeout`, `conflict`, `rate-limit`, `overloaded`,
    /// `server-error`. Without it the host's own word holds, which is all of them.
    #[must_use]
    pub fn retry_on(mut self, codes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.retry_on = codes.into_iter().map(Into::into).collect();
        self
    }

    /// The same with one more attribute. Known to the host are `retries`, how often one target is tried again, and
    /// `client-gone`, what happens to an answer whose client has left: `stop` or `drain`.
    #[must_use]
    pub fn attribute(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.push((name.into(), value.into()));
        self
    }
}

// === impl Target ===

impl Target {
    /// This upstream of the host's configuration, with the request's own model.
    #[must_use]
    pub fn new(upstream: impl Into<String>) -> Self {
        Self {
            upstream: upstream.into(),
            model: None,
            timeout_ms: None,
            attributes: Vec::new(),
        }
    }

    /// The same, asking for this model.
    #[must_use]
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.model = Some(model.into());
        self
    }

    /// The same, with the head of the answer due within this many milliseconds.
    #[must_use]
    pub fn timeout_ms(mut self, milliseconds: u32) -> Self {
        self.timeout_ms = Some(milliseconds);
        self
    }
}
