//! Amazon Bedrock: `witgate-bedrock` between this crate's requests and answers.

mod cure;
mod events;

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue, StatusCode};
use witgate_bedrock::request::{self, Untranslatable, count_answer};
use witgate_bedrock::sign::{Place, sign};
use witgate_bedrock::{Fault, Models, OnRefused, Policy, Skew, stream};
use witgate_http::{Headers, ResponseHead, Value};
use witgate_messages::Head;

use super::{AsSent, Asked, By, Composed, Consequence, Dialect, Failure, Figures, Reading, Unfit};
use crate::config::BedrockConfig;
use crate::request::{Request, is_credential};
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
            policy: Policy {
                on_refused: config.on_unsupported,
                taken: config.supported.clone(),
            },
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
        let seconds = i64::try_from(skew.amount().as_secs()).unwrap_or(i64::MAX);
        let seconds = match skew {
            Skew::Ahead(_) => -seconds,
            Skew::Behind(_) => seconds,
        };
        let before = self.ahead.load(Ordering::Relaxed);
        self.ahead
            .store(before.saturating_add(seconds), Ordering::Relaxed);
        tracing::warn!(upstream = self.upstream, %skew, "requests were signed for another time; they are signed for AWS's from now on");
        Some(skew)
    }
}

impl Dialect for Bedrock {
    fn lacks(&self) -> String {
        "Amazon Bedrock has messages and counts of tokens alone, and no batches, files, skills or lists of models: route such requests to an \
         upstream of another kind"
            .to_owned()
    }

    fn compose(&self, request: &Request<'_>, by: &By<'_>) -> Result<Composed, Unfit> {
        let asked = Asked::of(request.method, request.path)
            .ok_or_else(|| Unfit::passed_over(404, self.lacks()))?;
        let head = Head::scan(joined(request.body)).map_err(|error| {
            Unfit::passed_over(400, format!("its body cannot be read: {error}"))
        })?;
        let given = &request.headers;
        let header = |name: &str| {
            given
                .get_all(&name)
                .filter_map(Value::to_str)
                .collect::<Vec<_>>()
        };
        let endpoint = match asked {
            Asked::Messages => request::Asked::Messages,
            Asked::CountTokens => request::Asked::CountTokens,
        };
        let mut translated =
            request::translate(endpoint, &head, header, &self.models, &self.policy)
                .map_err(|error| unfit(&error))?;
        // A path before the API's own is part of what is signed.
        let prefix = &by.config.base.prefix;
        translated.path.insert_str(0, prefix);

        let mut headers = Headers::with_capacity_of(&[given], 8);
        for (name, value) in translated.headers {
            headers.push_text(name, value);
        }
        headers.push_text("accept-encoding", "identity");
        let passes = |name: &str| {
            let ours = ["accept-encoding", "content-encoding"];
            request::passes(name) && !is_credential(name) && !ours.contains(&name)
        };
        for header in given.iter().filter(|header| passes(header.name)) {
            headers.copy(header);
        }
        if let Some(held) = by.keys {
            let place = Place {
                authority: by.authority,
                region: &self.region,
            };
            let signed = sign(&translated, place, &held.access, self.time(by.now))
                .map_err(|error| Unfit::passed_over(500, error.to_string()))?;
            for header in signed {
                let value = HeaderValue::from_str(header.value.reveal()).map_err(|_| {
                    Unfit::passed_over(
                        500,
                        "its credential has characters that a header can't carry",
                    )
                })?;
                headers.push(&HeaderName::from_static(header.name), &value);
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
        let figure = |name: &str| head.headers.get(name)?.to_str()?.parse().ok();
        Reading::AsIs(Figures {
            latency_ms: figure("x-amzn-bedrock-invocation-latency"),
            first_byte_ms: None,
        })
    }

    fn count(&self, body: &[u8]) -> Result<Bytes, String> {
        count_answer(body).map_err(|error| error.to_string())
    }

    fn clock_ahead(&self) -> Option<i64> {
        Some(self.ahead.load(Ordering::Relaxed)).filter(|ahead| *ahead != 0)
    }

    fn failure(&self, head: &ResponseHead, body: &[u8], by: &By<'_>) -> Failure {
        let kind = head.headers.get("x-amzn-errortype").and_then(Value::to_str);
        let mut fault = Fault::of_answer(head.status.as_u16(), kind, body);
        let skew = match by.keys {
            Some(_) => self.correct_clock(&fault, head, by.now),
            None => None,
        };
        fault.message = cure::message(&fault, skew, by, &self.region);
        Failure {
            status: StatusCode::from_u16(fault.status).unwrap_or(StatusCode::BAD_GATEWAY),
            body: fault.body(head.headers.get("x-amzn-requestid").and_then(Value::to_str)),
            is_corrected: skew.is_some(),
        }
    }
}

/// Returns a body in one piece.
fn joined(parts: &[Bytes]) -> Bytes {
    match parts {
        [whole] => whole.clone(),
        parts => {
            let mut joined = BytesMut::with_capacity(parts.iter().map(Bytes::len).sum());
            parts.iter().for_each(|part| joined.extend_from_slice(part));
            joined.freeze()
        }
    }
}

/// Returns the consequence of a request that cannot be translated.
fn unfit(error: &Untranslatable) -> Unfit {
    let reason = error.to_string();
    match error {
        Untranslatable::NoModel | Untranslatable::BadBetas => Unfit::passed_over(400, reason),
        Untranslatable::UnknownModel(_) | Untranslatable::BadModelId(_) => {
            Unfit::passed_over(404, reason)
        }
        Untranslatable::Edit(_) => Unfit::passed_over(500, reason),
        Untranslatable::Unfit(unfit) => Unfit {
            consequence: match unfit.policy {
                OnRefused::Fail => Consequence::Refused,
                OnRefused::Strip | OnRefused::Skip => Consequence::PassedOver,
            },
            reason,
            status: 400,
        },
    }
}
