//! Plans and their targets.

use super::{Plan, Target};

// === impl Plan ===

impl Plan {
    /// Creates a plan with targets in order of preference.
    #[must_use]
    pub fn new(targets: Vec<Target>) -> Self {
        Self {
            rule: None,
            targets,
            retry_on: Vec::new(),
            attributes: Vec::new(),
        }
    }

    /// Creates a plan with one target: an upstream of the host's configuration, with the request's own model.
    #[must_use]
    pub fn to(upstream: impl Into<String>) -> Self {
        Self::new(vec![Target::new(upstream)])
    }

    /// Sets the model of all targets.
    #[must_use]
    pub fn model(mut self, model: impl Into<String>) -> Self {
        let model = model.into();
        for target in &mut self.targets {
            target.model = Some(model.clone());
        }
        self
    }

    /// Adds a target after the others.
    #[must_use]
    pub fn or(mut self, target: Target) -> Self {
        self.targets.push(target);
        self
    }

    /// Sets the name of the rule behind the plan, which the receipt shows.
    #[must_use]
    pub fn rule(mut self, rule: impl Into<String>) -> Self {
        self.rule = Some(rule.into());
        self
    }

    /// Limits retries and fallbacks to these reasons: `connect`, `timeout`, `conflict`, `rate-limit`, `overloaded` and
    /// `server-error`. The host's default is all of them.
    #[must_use]
    pub fn retry_on(mut self, codes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.retry_on = codes.into_iter().map(Into::into).collect();
        self
    }

    /// Adds an attribute. The host knows `retries`, the maximum number of retries at one target, and `client-gone`, which
    /// says whether it reads a response to its end after the client has disconnected: `stop` or `drain`.
    #[must_use]
    pub fn attribute(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.push((name.into(), value.into()));
        self
    }
}

// === impl Target ===

impl Target {
    /// Creates a target: an upstream of the host's configuration, with the request's own model.
    #[must_use]
    pub fn new(upstream: impl Into<String>) -> Self {
        Self {
            upstream: upstream.into(),
            model: None,
            timeout_ms: None,
            attributes: Vec::new(),
        }
    }

    /// Sets the model.
    #[must_use]
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.model = Some(model.into());
        self
    }

    /// Sets the maximum time until the head of the response, in milliseconds.
    #[must_use]
    pub fn timeout_ms(mut self, milliseconds: u32) -> Self {
        self.timeout_ms = Some(milliseconds);
        self
    }
}
