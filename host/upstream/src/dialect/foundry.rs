//! Microsoft Foundry: `witgate-foundry` between this crate's requests and answers.

use witgate_dialect::{Asked, Policy};
use witgate_foundry::request::{self, passes};
use witgate_foundry::{Models, Operation, fault};
use witgate_http::ResponseHead;

use super::decode::Figures;
use super::translation::{AsSent, By, Composed, Dialect, Failure, Reading, Unfit};
use super::{compose, plain};
use crate::config::FoundryConfig;
use crate::request::Request;

/// The dialect of Foundry, with the settings of one upstream.
pub(crate) struct Foundry {
    resource: String,
    models: Models,
    policy: Policy,
}

// === impl Foundry ===

impl Foundry {
    pub(crate) fn new(config: &FoundryConfig) -> Self {
        Self {
            resource: config.resource.clone(),
            models: Models::new(config.models.clone()),
            policy: config.policy.clone(),
        }
    }
}

impl Dialect for Foundry {
    fn lacks(&self) -> &'static str {
        "Microsoft Foundry has messages and counts of tokens alone, and no batches, files or skills: route such requests to an upstream of \
         another kind"
    }

    fn compose(&self, request: &Request<'_>, by: &By<'_>) -> Result<Composed, Unfit> {
        let asked = self.asked(request)?;
        let head = compose::head(request)?;
        let header = |name: &str| compose::lines(&request.headers, name);
        let operation = match asked {
            Asked::Messages => Operation::Messages,
            Asked::CountTokens => Operation::CountTokens,
        };
        let translated = request::translate(operation, &head, header, &self.models, &self.policy)
            .map_err(|error| compose::unfit(&error))?;
        let own = translated.headers.iter();
        let own = own.map(|(name, value)| (*name, value.as_str()));
        let mut headers = compose::headers(&request.headers, own, passes);
        if let Some((name, value)) = plain::proof(by) {
            compose::prove(&mut headers, name, value)?;
        }
        Ok(Composed {
            asked,
            path: format!("{}{}", by.config.base.prefix, translated.path),
            headers,
            body: translated.body,
            note: AsSent {
                provider: by.config.provider.clone(),
                model: translated.deployment.to_string(),
                removed: translated.removed,
            },
        })
    }

    fn reading(&self, _: &Composed, _: &ResponseHead) -> Reading {
        Reading::AsIs(Figures::default())
    }

    fn failure(&self, sent: &AsSent, head: &ResponseHead, body: &[u8], by: &By<'_>) -> Failure {
        let fault = fault::of_answer(head.status.as_u16(), body, &sent.model, &self.resource);
        plain::failure(fault, "Microsoft", head, by)
    }
}
