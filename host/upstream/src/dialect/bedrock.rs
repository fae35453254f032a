//! Amazon Bedrock: `witgate-bedrock` between this crate's requests and answers.

mod cure;
mod events;

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use http::StatusCode;
use witgate_bedrock::request::{self, count_answer, passes};
use witgate_bedrock::sign::{Place, sign};
use witgate_bedrock::{Fault, Models, Policy, Skew, stream};
use witgate_dialect::Asked;
use witgate_http::{ResponseHead, Value};

use super::compose;
use super::decode::Figures;
use super::translation::{AsSent, By, Composed, Dialect, Failure, Reading, Unfit};
use crate::config::BedrockConfig;
use crate::credential::leased::found::Access;
use crate::request::Request;
use events::Events;

/// The dialect of Amazon Bedrock, with the settings of one upstream.
pub(crate) struct Bedrock {
    upstream: String,
    region: String,
    models: Models,
    policy: Policy,
    /// Seconds by which AWS's clock is ahead of this machine's, once that was found to be the reason of a refusal.
    ahead: AtomicI64,
}

// === impl Bedrock ===

impl Bedrock {
    pub(crate) fn new(config: &BedrockConfig, upstream: &str) -> Self {
        Self {
            upstream: upstream.to_owned(),
            region: config.region.clone(),
            models: Models::new(config.geography, config.models.clone()),
            policy: config.policy.clone(),
            ahead: AtomicI64::new(0),
        }
    }

    /// Returns AWS's time.
    fn time(&self, now: SystemTime) -> SystemTime {
        let ahead = self.ahead.load(Ordering::Relaxed);
        let amount = Duration::from_secs(ahead.unsigned_abs());
        let corrected = if ahead < 0 {
            now.checked_sub(amount)
        } else {
            now.checked_add(amount)
        };
        corrected.unwrap_or(now)
    }

    /// Corrects the clock, if the answer shows that the error came from it.
    fn correct_clock(&self, fault: &Fault, head: &ResponseHead, now: SystemTime) -> Option<Skew> {
        let date = head.headers.get("date").and_then(Value::to_str);
        let skew = Skew::of(&fault.name, date, self.time(now))?;
        let before = self.ahead.load(Ordering::Relaxed);
        let ahead = before.saturating_add(skew.0.ahead());
        self.ahead.store(ahead, Ordering::Relaxed);
        tracing::warn!(upstream = self.upstream, %skew, "requests were signed for another time; they are signed for AWS's from now on");
        Some(skew)
    }
}

impl Dialect for Bedrock {
    fn lacks(&self) -> &'static str {
        "Amazon Bedrock has messages and counts of tokens alone, and no batches, files or skills: route such requests to an upstream of \
         another kind"
    }

    fn compose(&self, request: &Request<'_>, by: &By<'_>) -> Result<Composed, Unfit> {
        let asked = self.asked(request)?;
        let head = compose::head(request)?;
        let header = |name: &str| compose::lines(&request.headers, name);
        let mut translated = request::translate(asked, &head, header, &self.models, &self.policy)
            .map_err(|error| compose::unfit(&error))?;
        // A path before the API's own is part of what is signed.
        let prefix = &by.config.base.prefix;
        translated.path.insert_str(0, prefix);

        let mut headers = compose::headers(&request.headers, translated.headers, passes);
        if let Some(Access::Aws(access)) = by.held.map(|held| &held.access) {
            let place = Place {
                authority: by.authority,
                region: &self.region,
            };
            let signed = sign(&translated, place, access, self.time(by.now))
                .map_err(|error| Unfit::passed_over(500, error.to_string()))?;
            for header in signed {
                compose::prove(&mut headers, header.name, &header.value)?;
            }
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

    fn reading(&self, composed: &Composed, head: &ResponseHead) -> Reading {
        let content_type = head.headers.get("content-type").and_then(Value::to_str);
        if content_type.is_some_and(|kind| kind.starts_with(stream::CONTENT_TYPE)) {
            return Reading::Stream(Box::new(Events::new(&self.upstream, &composed.note.model)));
        }
        if composed.asked == Asked::CountTokens {
            return Reading::Whole(|body| count_answer(body).map_err(|error| error.to_string()));
        }
        let figure = |name: &str| head.headers.get(name)?.to_str()?.parse().ok();
        Reading::AsIs(Figures {
            latency_ms: figure("x-amzn-bedrock-invocation-latency"),
            first_byte_ms: None,
        })
    }

    fn clock_ahead(&self) -> Option<i64> {
        Some(self.ahead.load(Ordering::Relaxed)).filter(|ahead| *ahead != 0)
    }

    fn failure(&self, _: &AsSent, head: &ResponseHead, body: &[u8], by: &By<'_>) -> Failure {
        let kind = head.headers.get("x-amzn-errortype").and_then(Value::to_str);
        let mut fault = Fault::of_answer(head.status.as_u16(), kind, body);
        let skew = match by.held {
            Some(_) => self.correct_clock(&fault, head, by.now),
            None => None,
        };
        let cure = cure::of(&fault, skew, by, &self.region);
        fault.message = compose::told(&fault.message, &by.config.name, cure.as_deref());
        Failure {
            status: StatusCode::from_u16(fault.status).unwrap_or(StatusCode::BAD_GATEWAY),
            body: fault.body(head.headers.get("x-amzn-requestid").and_then(Value::to_str)),
            is_corrected: skew.is_some(),
        }
    }
}
