//! The response in the client's own dialect, which a plugin translates on its way.
//!
//! A stream is translated event by event. Any other response is kept until it is whole, so until then the client has seen nothing of
//! it. A plugin that fails is asked once more, for an error in the client's dialect; if it fails again, the client gets the error in
//! Anthropic's shape.

use bytes::Bytes;
use http::header::HeaderName;
use http::{StatusCode, Version};
use witgate_http::{RequestHead, ResponseHead};
use witgate_messages::error;
use witgate_messages::sse::{Frame, Framer};
use witgate_runtime::{Fault, TranslatedAnswer, Translation};

use super::{ClientError, Wire};
use crate::answer::refused::Refused;

/// Largest response that is translated as a whole, in bytes.
const MAX_WHOLE: usize = 32 << 20;

/// Largest event of a stream, in bytes.
const MAX_EVENT: usize = 8 << 20;

/// Bytes of a response from which on it is translated on a blocking thread.
const BLOCKING: usize = 32 << 10;

/// Headers that describe a body that the client does not get.
const OF_THE_BODY: [&str; 6] = [
    "content-length",
    "content-type",
    "content-encoding",
    "transfer-encoding",
    "etag",
    "content-md5",
];

/// The translation of one request and its response.
pub(crate) struct Dialect {
    /// The translation, but for the time in which it runs on another thread.
    translation: Option<Translation>,
    /// The head of the request that is asked in place of the client's.
    asked: Option<RequestHead>,
    response: Response,
    failure: Option<String>,
}

/// The part of the response that has come.
enum Response {
    Nothing,
    /// A response that is no stream, until it is whole.
    Whole(ResponseHead, Vec<u8>),
    Stream(Framer),
    /// The client has got all that it gets.
    Over,
}

// === impl Dialect ===

impl Dialect {
    pub(super) const fn new(translation: Translation) -> Self {
        Self {
            translation: Some(translation),
            asked: None,
            response: Response::Nothing,
            failure: None,
        }
    }

    /// Returns the head of the request that is asked in place of the client's, once it is known.
    pub(super) const fn asked(&self) -> Option<&RequestHead> {
        self.asked.as_ref()
    }

    /// Sets the head of the request that is asked in place of the client's.
    pub(crate) fn ask(&mut self, head: RequestHead) {
        self.asked = Some(head);
    }

    /// Takes the translation, to run it on another thread.
    pub(crate) fn take(&mut self) -> Option<Translation> {
        self.translation.take()
    }

    /// Puts the translation back.
    pub(crate) fn put(&mut self, translation: Translation) {
        self.translation = Some(translation);
    }

    /// Returns what went wrong with the translation of the response, or `None`.
    pub(crate) fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// Returns whether a response has begun of which the client got nothing, because it is not whole.
    pub(crate) const fn is_waiting(&self) -> bool {
        matches!(self.response, Response::Whole(..))
    }

    /// Takes the head of a response. Only that of a stream is sent at once.
    pub(super) async fn write_head(
        &mut self,
        wire: &mut Wire,
        head: &ResponseHead,
    ) -> Result<(), ClientError> {
        if !is_stream(head) {
            self.response = Response::Whole(head.clone(), Vec::new());
            return Ok(());
        }
        if is_coded(head) {
            let message = "the upstream compressed its response, although it was asked not to";
            let refused = Refused::upstream(502, message);
            return self.refuse(wire, &refused).await;
        }
        self.response = Response::Stream(Framer::with_limit(MAX_EVENT));
        let mut head = self.named(head);
        if head.headers.contains_key("content-length") {
            head.headers.remove("content-length");
            if matches!(&*wire, Wire::Http1(http1) if http1.request().version == Version::HTTP_11) {
                head.headers.push_text("transfer-encoding", "chunked");
            }
        }
        wire.write_head(&head).await
    }

    /// Takes bytes of a response, and sends what the client gets for them.
    pub(super) async fn write_body(
        &mut self,
        wire: &mut Wire,
        bytes: Bytes,
        end: bool,
    ) -> Result<(), ClientError> {
        match &mut self.response {
            Response::Nothing | Response::Over => Err(ClientError::Gone),
            Response::Stream(framer) => {
                let Some(translation) = &mut self.translation else {
                    return Err(ClientError::Gone);
                };
                let (text, failed) = events(framer, translation, &bytes);
                if let Some(message) = failed {
                    self.response = Response::Over;
                    self.failure = Some(message);
                    // The rest of the response is of no use to anybody.
                    wire.write_body(Bytes::from(text), true).await?;
                    return Err(ClientError::Gone);
                }
                if text.is_empty() && !end {
                    return Ok(());
                }
                wire.write_body(Bytes::from(text), end).await
            }
            Response::Whole(_, body) => {
                body.extend_from_slice(&bytes);
                if body.len() > MAX_WHOLE {
                    let refused = Refused::upstream(502, "the upstream's response is too large");
                    return self.refuse(wire, &refused).await;
                }
                if end {
                    return self.end_whole(wire).await;
                }
                Ok(())
            }
        }
    }

    /// Sends a response that is whole now.
    async fn end_whole(&mut self, wire: &mut Wire) -> Result<(), ClientError> {
        let response = std::mem::replace(&mut self.response, Response::Over);
        let Response::Whole(head, body) = response else {
            return Err(ClientError::Gone);
        };
        if is_coded(&head) {
            let message = "the upstream compressed its response, although it was asked not to";
            let refused = Refused::upstream(502, message);
            return self.refuse(wire, &refused).await;
        }
        let body = match String::from_utf8(body) {
            Ok(body) if !body.is_empty() => body,
            Ok(_) => return self.send(wire, head, None, Bytes::new()).await,
            Err(other) => {
                let kind = content_type(&head);
                return self
                    .send(wire, head, kind.as_deref(), other.into_bytes().into())
                    .await;
            }
        };
        let answer = TranslatedAnswer {
            status: head.status.as_u16(),
            content_type: content_type(&head).unwrap_or_default(),
            body,
        };
        match self.answer(&answer).await {
            Ok(translated) => self.send_answer(wire, head, translated).await,
            Err(fault) => {
                let refused = self.failed(&fault);
                if answer.status >= 400 {
                    // An error says more than that it has no translation.
                    return self.send_answer(wire, head, answer).await;
                }
                self.refuse(wire, &refused).await
            }
        }
    }

    /// Translates an answer, a large one on a blocking thread.
    async fn answer(&mut self, answer: &TranslatedAnswer) -> Result<TranslatedAnswer, Fault> {
        let Some(mut translation) = self.translation.take() else {
            return Ok(answer.clone());
        };
        if answer.body.len() < BLOCKING {
            let translated = translation.answer(answer);
            self.translation = Some(translation);
            return translated;
        }
        let given = answer.clone();
        let ran = tokio::task::spawn_blocking(move || {
            let translated = translation.answer(&given);
            (translation, translated)
        });
        match ran.await {
            Ok((translation, translated)) => {
                self.translation = Some(translation);
                translated
            }
            // The process is ending.
            Err(_) => Ok(answer.clone()),
        }
    }

    /// Notes a fault, and returns the error for the client.
    fn failed(&mut self, fault: &Fault) -> Refused {
        let refused = Refused::fault(fault);
        self.failure = Some(refused.message.clone());
        refused
    }

    /// Sends an error in place of the response.
    async fn refuse(&mut self, wire: &mut Wire, refused: &Refused) -> Result<(), ClientError> {
        self.response = Response::Over;
        self.failure.get_or_insert_with(|| refused.message.clone());
        let error = error_answer(refused);
        let answer = match &mut self.translation {
            Some(translation) => translation.answer(&error).unwrap_or(error),
            None => error,
        };
        let status = StatusCode::from_u16(refused.status);
        let head = ResponseHead::new(status.unwrap_or(StatusCode::BAD_GATEWAY));
        self.send_answer(wire, head, answer).await
    }

    async fn send_answer(
        &mut self,
        wire: &mut Wire,
        mut head: ResponseHead,
        answer: TranslatedAnswer,
    ) -> Result<(), ClientError> {
        head.status = StatusCode::from_u16(answer.status).unwrap_or(head.status);
        head.reason = None;
        self.send(
            wire,
            head,
            Some(answer.content_type.as_str()),
            answer.body.into(),
        )
        .await
    }

    async fn send(
        &mut self,
        wire: &mut Wire,
        head: ResponseHead,
        kind: Option<&str>,
        body: Bytes,
    ) -> Result<(), ClientError> {
        let mut head = self.named(&head);
        for name in OF_THE_BODY {
            head.headers.remove(name);
        }
        if let Some(kind) = kind {
            head.headers.push_text("content-type", kind);
        }
        let mut digits = itoa::Buffer::new();
        head.headers
            .push_text("content-length", digits.format(body.len()));
        wire.write_head(&head).await?;
        wire.write_body(body, true).await
    }

    /// Returns a head in which headers have the names of the dialect, too.
    fn named(&self, head: &ResponseHead) -> ResponseHead {
        let mut named = head.clone();
        for (from, to) in self.translation.iter().flat_map(Translation::header_names) {
            let value = head.headers.get(from).and_then(|value| value.to_owned());
            let name = HeaderName::from_bytes(to.as_bytes());
            if let (Some(value), Ok(name)) = (value, name) {
                named.headers.remove(to);
                named.headers.push(&name, &value);
            }
        }
        named
    }
}

/// Translates the events that end in a chunk. Returns the text for the client, and what went wrong.
fn events(
    framer: &mut Framer,
    translation: &mut Translation,
    chunk: &[u8],
) -> (String, Option<String>) {
    let mut text = String::new();
    let mut failed = None;
    framer.feed(chunk, |frame| {
        if failed.is_some() {
            return;
        }
        let refused = match frame {
            Frame::Event(event) => match event_of(translation, event.data) {
                Ok(translated) => {
                    text.push_str(&translated);
                    return;
                }
                Err(refused) => refused,
            },
            Frame::Oversized(bytes) => {
                Refused::upstream(502, format!("the upstream sent an event of {bytes} bytes"))
            }
        };
        let error = error::body(&refused.kind, &refused.message, None);
        let error = String::from_utf8_lossy(&error);
        // Whatever was wrong, an error may have a translation.
        let told = translation.event(&error);
        let told = told.unwrap_or_else(|_| format!("event: error\ndata: {error}\n\n"));
        text.push_str(&told);
        failed = Some(refused.message);
    });
    (text, failed)
}

fn event_of(translation: &mut Translation, data: &[u8]) -> Result<String, Refused> {
    let data = std::str::from_utf8(data)
        .map_err(|_| Refused::upstream(502, "the upstream sent an event that is not UTF-8"))?;
    translation
        .event(data)
        .map_err(|fault| Refused::fault(&fault))
}

fn error_answer(refused: &Refused) -> TranslatedAnswer {
    let body = error::body(&refused.kind, &refused.message, None);
    TranslatedAnswer {
        status: refused.status,
        content_type: "application/json".to_owned(),
        body: String::from_utf8_lossy(&body).into_owned(),
    }
}

fn content_type(head: &ResponseHead) -> Option<String> {
    let kind = head.headers.get("content-type")?.to_str()?;
    Some(kind.to_owned())
}

fn is_stream(head: &ResponseHead) -> bool {
    let kind = content_type(head).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("text/event-stream")
}

/// Returns whether the body can't be read as it is.
fn is_coded(head: &ResponseHead) -> bool {
    let coding = head.headers.get("content-encoding");
    coding.is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}
