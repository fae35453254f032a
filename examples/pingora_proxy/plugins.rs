//! The module: plugins refuse, say which upstream is asked, and add headers to the answer.

use std::any::Any;
use std::sync::Arc;

use async_trait::async_trait;
use pingora_core::modules::http::{HttpModule, HttpModuleBuilder, Module};
use pingora_core::prelude::{Error, HTTPStatus, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use witgate_runtime::{Envelope, PlainRequest, Plan, Policies, Rejection};

/// Makes a [`Decision`] for each request.
pub(crate) struct Plugins(pub(crate) Arc<Policies>);

/// The plugins' decision about a request.
pub(crate) struct Decision {
    policies: Arc<Policies>,
    envelope: Arc<Envelope>,
    plan: Option<Plan>,
}

impl Decision {
    /// The upstream that is asked.
    pub(crate) fn upstream(&self) -> &str {
        let target = self.plan.as_ref().and_then(|plan| plan.targets.first());
        target.map_or("default", |target| &target.upstream)
    }
}

impl HttpModuleBuilder for Plugins {
    fn init(&self) -> Module {
        Box::new(Decision {
            policies: Arc::clone(&self.0),
            envelope: Arc::default(),
            plan: None,
        })
    }
}

#[async_trait]
impl HttpModule for Decision {
    /// Calls plugins directly: a call usually takes microseconds, and ends at its deadline of a few milliseconds.
    async fn request_header_filter(&mut self, head: &mut RequestHeader) -> Result<()> {
        let request = PlainRequest::new("page", head.method.as_str(), head.uri.to_string());
        let lineup = self.policies.current();
        let mut hooks = lineup.begin(Arc::new(request.with_headers(&head.headers)));
        self.envelope = Arc::new(hooks.envelope().map_err(rejected)?);
        self.plan = hooks.route(&self.envelope, None).map_err(rejected)?;
        Ok(())
    }

    async fn response_header_filter(&mut self, head: &mut ResponseHeader, _: bool) -> Result<()> {
        let mut headers = self.envelope.response_headers.iter();
        headers.try_for_each(|(name, value)| head.insert_header(name.clone(), value))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

/// The proxy answers with the status; its log has the text.
#[allow(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn rejected(rejection: Rejection) -> Box<Error> {
    Error::explain(HTTPStatus(rejection.status()), rejection.to_string())
}
