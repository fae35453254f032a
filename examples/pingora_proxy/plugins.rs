//! The module: plugins refuse, say which upstream is asked, and add headers to the answer.

use std::any::Any;
use std::sync::Arc;

use async_trait::async_trait;
use pingora_core::modules::http::{HttpModule, HttpModuleBuilder, Module};
use pingora_core::prelude::{Error, HTTPStatus, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use witgate_runtime::{Envelope, PlainRequest, Plan, Policies, Request, Stop, Trail};

/// Makes a [`Decision`] for each request.
pub(crate) struct Plugins(pub(crate) Arc<Policies>);

/// The plugins' decision about a request.
pub(crate) struct Decision {
    policies: Arc<Policies>,
    envelope: Envelope,
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
            envelope: Envelope::default(),
            plan: None,
        })
    }
}

#[async_trait]
impl HttpModule for Decision {
    /// Plugins are called right here: each call ends within its deadline, milliseconds, and waits for nothing.
    async fn request_header_filter(&mut self, head: &mut RequestHeader) -> Result<()> {
        let request = PlainRequest::new("page", head.method.as_str(), head.uri.to_string());
        let request: Arc<dyn Request> = Arc::new(request.with_headers(&head.headers));
        let (lineup, mut trail) = (self.policies.current(), Trail::default());
        let envelope = lineup.read_envelope(&request, &mut trail);
        self.envelope = envelope.map_err(stopped)?;
        let plan = lineup.decide_route(&request, &self.envelope, &[], &mut trail);
        self.plan = plan.map_err(stopped)?;
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
fn stopped(stop: Stop) -> Box<Error> {
    Error::explain(HTTPStatus(stop.status()), stop.to_string())
}
