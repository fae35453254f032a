//! Message batches: what one asks for, and what its results came to.
//!
//! A create body is scanned as a Messages body is, request by request: each element of `requests` and its `params` may
//! name a member once, and what policy reads in them has the type that it has there. So the gateway and the upstream
//! never read two different batches. Results are read beside the stream by [`Results`].

mod kinds;
mod results;
mod rewrite;

use std::borrow::Cow;
use std::collections::HashMap;

use crate::head::Head;
use crate::json::{Elements, Kind, Malformed, MalformedKind, Object, Scanner, Span, unescape};
use crate::price::PriceBook;
use kinds::Kinds;
pub use kinds::{Alike, Same};
pub use results::{ModelTotals, Results, Totals};

/// Most requests of one batch: the API's own limit.
pub const MAX_REQUESTS: usize = 100_000;

/// What a create body asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The models that are asked for, each once.
    models: Vec<Box<str>>,
    requests: Vec<Asked>,
    /// Requests that look the same to whoever decides about them, in the order of their first ones.
    kinds: Vec<Alike>,
}

/// What a batch is expected to use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Expected {
    /// Prompt tokens of all requests.
    pub prompt_tokens: u64,
    /// Output tokens of all requests.
    pub output_tokens: u64,
    /// Pico-USD at batch prices; none where a request's model has no price.
    pub picousd: Option<u64>,
}

/// One request: where it stands, and the part of it that money depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Asked {
    params: Span,
    /// With its quotes; none where it is missing or no string, which is the upstream's to refuse.
    custom_id: Option<Span>,
    /// Place in `kinds`.
    kind: usize,
    /// Place in `models`.
    model: Option<usize>,
    prompt_tokens: u64,
    max_tokens: Option<u64>,
}

// === impl Batch ===

impl Batch {
    /// Reads the `requests` of a create body.
    ///
    /// What is accepted has a `requests` array of at most [`MAX_REQUESTS`] objects, in each of them `params` that
    /// [`Head::scan`] accepts. What else is in them is the upstream's to check.
    ///
    /// # Errors
    /// [`Malformed`] names the byte of the body and what is wrong there: the client's fault.
    pub fn scan(body: &Head) -> Result<Self, Malformed> {
        Self::scan_by(body, Same::Head)
    }

    /// The same, with a word on which requests are alike.
    ///
    /// # Errors
    /// As [`Batch::scan`].
    pub fn scan_by(body: &Head, same: Same) -> Result<Self, Malformed> {
        let (members, _) = body.layout();
        let requests = body.find("requests").and_then(|index| members.get(index));
        let Some(requests) = requests else {
            return Err(wrong("requests", "an array", 0));
        };
        let start = requests.value.start;
        let Kind::Array(count) = requests.kind else {
            return Err(wrong("requests", "an array", start));
        };
        if count > MAX_REQUESTS {
            return Err(MalformedKind::TooManyRequests {
                limit: MAX_REQUESTS,
            }
            .at(start));
        }

        let mut batch = Self {
            models: Vec::new(),
            requests: Vec::with_capacity(count),
            kinds: Vec::new(),
        };
        let mut places = HashMap::new();
        let mut kinds = Kinds::by(same);
        let bytes = body.body();
        let mut elements = Elements::new(requests.value.of(bytes));
        while let Some(element) = elements.next() {
            let at = start + elements.end() - element.len();
            let (params, custom_id) = parts(element).map_err(|error| error.within(at))?;
            let (params, custom_id) = (params.within(at), custom_id.map(|id| id.within(at)));
            let head = Head::scan(bytes.slice(params.start..params.end))
                .map_err(|error| error.within(params.start))?;
            let kind = kinds.sort(batch.requests.len(), &head);
            batch.add(&head, &mut places, kind, params, custom_id);
        }
        // What stands between two elements is checked here: an array that ends early would be paid for in part.
        if !elements.is_whole() {
            return Err(MalformedKind::MissingComma.at(start + elements.end()));
        }
        batch.kinds = kinds.into_list();
        Ok(batch)
    }

    /// Number of requests.
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    /// Whether there is no request at all.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// The models that are asked for, each once.
    pub fn models(&self) -> impl Iterator<Item = &str> {
        self.models.iter().map(AsRef::as_ref)
    }

    /// The requests that are alike, in the order of the first one of each kind.
    pub fn kinds(&self) -> &[Alike] {
        &self.kinds
    }

    /// The head of a request's `params`; `body` is what was scanned.
    ///
    /// # Errors
    /// [`Malformed`] for a request that is not there, or another body.
    pub fn params(&self, body: &Head, index: usize) -> Result<Head, Malformed> {
        let asked = self.requests.get(index);
        let span = asked
            .map(|asked| asked.params)
            .filter(|span| span.end <= body.body().len())
            .ok_or_else(|| MalformedKind::Truncated.at(body.body().len()))?;
        Head::scan(body.body().slice(span.start..span.end))
            .map_err(|error| error.within(span.start))
    }

    /// The `custom_id` of a request, if it has one that is a text.
    pub fn custom_id<'a>(&self, body: &'a Head, index: usize) -> Option<Cow<'a, str>> {
        let span = self.requests.get(index)?.custom_id?;
        let text = span.text(body.body());
        unescape(text.get(1..text.len().checked_sub(1)?)?).ok()
    }

    /// What the batch is expected to use, when an answer takes `output` tokens unless its request allows for fewer.
    pub fn expected(&self, book: &PriceBook, output: u64) -> Expected {
        let mut sum = Expected {
            picousd: Some(0),
            ..Expected::default()
        };
        for asked in &self.requests {
            let output = asked.max_tokens.map_or(output, |most| most.min(output));
            let model = asked.model.and_then(|place| self.models.get(place));
            let cost =
                model.and_then(|model| book.estimate_in_batch(model, asked.prompt_tokens, output));
            sum.prompt_tokens = sum.prompt_tokens.saturating_add(asked.prompt_tokens);
            sum.output_tokens = sum.output_tokens.saturating_add(output);
            sum.picousd = sum
                .picousd
                .and_then(|picousd| Some(picousd.saturating_add(cost?)));
        }
        sum
    }

    fn add(
        &mut self,
        head: &Head,
        places: &mut HashMap<Box<str>, usize>,
        kind: usize,
        params: Span,
        custom_id: Option<Span>,
    ) {
        let model = head.model().map(|model| match places.get(model.as_ref()) {
            Some(place) => *place,
            None => {
                let model: Box<str> = model.into();
                places.insert(model.clone(), self.models.len());
                self.models.push(model);
                self.models.len() - 1
            }
        });
        self.requests.push(Asked {
            params,
            custom_id,
            kind,
            model,
            prompt_tokens: head.prompt_tokens(),
            max_tokens: head.max_tokens(),
        });
    }
}

/// Where the `params` and the `custom_id` of one element of `requests` stand in it.
fn parts(element: &[u8]) -> Result<(Span, Option<Span>), Malformed> {
    if element.first() != Some(&b'{') {
        return Err(wrong("requests", "an array of objects", 0));
    }
    let object = Object::document(element, Scanner::Fastest)?;
    match object.member(element, "params") {
        Some(params) if params.kind == Kind::Object => {
            let id = object.member(element, "custom_id");
            let id = id.filter(|id| id.kind == Kind::String);
            Ok((params.value, id.map(|id| id.value)))
        }
        params => {
            let at = params.map_or(0, |params| params.value.start);
            Err(wrong("requests[].params", "an object", at))
        }
    }
}

fn wrong(name: &'static str, wanted: &'static str, at: usize) -> Malformed {
    MalformedKind::WrongType { name, wanted }.at(at)
}

#[cfg(test)]
mod tests;
