//! Google's Vertex AI: `witgate-vertex` between this crate's requests and answers.

use witgate_dialect::Policy;
use witgate_http::ResponseHead;
use witgate_vertex::request::{self, passes};
use witgate_vertex::{Models, Place, fault};

use super::decode::Figures;
use super::translation::{AsSent, By, Composed, Dialect, Failure, Reading, Unfit};
use super::{compose, plain};
use crate::config::VertexConfig;
use crate::request::Request;

/// The dialect of Vertex AI, with the settings of one upstream.
pub(crate) struct Vertex {
    place: Place,
    models: Models,
    policy: Policy,
}

// === impl Vertex ===

impl Vertex {
    pub(crate) fn new(config: &VertexConfig) -> Self {
        Self {
            place: config.place.clone(),
            models: Models::new(config.models.clone()),
            policy: config.policy.clone(),
        }
    }
}

impl Dialect for Vertex {
    fn lacks(&self) -> &'static str {
        "Vertex AI has messages and counts of tokens alone, and no batches, files or skills: route such requests to an upstream of another kind"
    }

    fn compose(&self, request: &Request<'_>, by: &By<'_>) -> Result<Composed, Unfit> {
        let asked = self.asked(request)?;
        let head = compose::head(request)?;
        let header = |name: &str| compose::lines(&request.headers, name);
        let Self {
            place,
            models,
            policy,
        } = self;
        let mut translated = request::translate(asked, &head, header, models, place, policy)
            .map_err(|error| compose::unfit(&error))?;
        translated.path.insert_str(0, &by.config.base.prefix);
        let own = translated.headers.iter();
        let own = own.map(|(name, value)| (*name, value.as_str()));
        let mut headers = compose::headers(&request.headers, own, passes);
        if let Some((name, value)) = plain::proof(by) {
            compose::prove(&mut headers, name, value)?;
        }
        Ok(Composed {
            asked,
            path: translated.path,
            headers,
            body: translated.body,
            note: AsSent {
                provider: by.config.provider.clone(),
                model: translated.model.to_string(),
                removed: translated.removed,
            },
        })
    }

    fn reading(&self, _: &Composed, _: &ResponseHead) -> Reading {
        Reading::AsIs(Figures::default())
    }

    fn failure(&self, sent: &AsSent, head: &ResponseHead, body: &[u8], by: &By<'_>) -> Failure {
        let fault = fault::of_answer(head.status.as_u16(), body, &sent.model, &self.place);
        plain::failure(fault, "Google", head, by)
    }
}
