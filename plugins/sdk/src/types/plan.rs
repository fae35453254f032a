//! Plans and their targets.

use super::{Disconnect, Edit, Plan, RetryReason, Target};

// === impl Plan ===

impl Plan {
    /// Creates a plan with targets in order of preference.
    #[must_use]
    pub fn new(targets: Vec<Target>) -> Self {
        Self {
            rule: None,
            targets,
            retry_on: None,
            retries: None,
            on_disconnect: None,
            resource: None,
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

    /// Limits retries and fallbacks to these reasons. The host's default is all that it knows.
    #[must_use]
    pub fn retry_on(mut self, reasons: impl IntoIterator<Item = RetryReason>) -> Self {
        self.retry_on = Some(reasons.into_iter().collect());
        self
    }

    /// Sets the maximum number of retries at one target.
    #[must_use]
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = Some(retries);
        self
    }

    /// Sets the treatment of a response whose client has disconnected.
    #[must_use]
    pub fn on_disconnect(mut self, treatment: Disconnect) -> Self {
        self.on_disconnect = Some(treatment);
        self
    }

    /// Tells the host the resource that a rule used in place of the requested one.
    #[must_use]
    pub fn resource(mut self, resource: impl Into<String>) -> Self {
        self.resource = Some(resource.into());
        self
    }

    /// Adds an attribute.
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
            edits: Vec::new(),
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

    /// Adds a change of the body for this target alone.
    #[must_use]
    pub fn edit(mut self, edit: Edit) -> Self {
        self.edits.push(edit);
        self
    }
}
