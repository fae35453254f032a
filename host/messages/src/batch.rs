//! Message batches: their requests, and the usage of their results.
//!
//! A create body is scanned request by request, each like a Messages body: an element of `requests` and its `params` may name
//! each member once, and the members that policy reads must have their proper types. So the gateway and the upstream never
//! read two different batches. [`Results`] reads results alongside the stream.

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
pub use rewrite::RewriteError;

/// Maximum requests in a batch, which is the API's own limit.
pub const MAX_REQUESTS: usize = 100_000;

/// The requests of a create body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The requested models, each once.
    models: Vec<Box<str>>,
    requests: Vec<Asked>,
    /// Groups of equivalent requests, in the order of their first members.
    kinds: Vec<Alike>,
}

/// The expected usage of a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Expected {
    /// Prompt tokens of all requests.
    pub prompt_tokens: u64,
    /// Output tokens of all requests.
    pub output_tokens: u64,
    /// Pico-USD at batch prices, or `None` if a request's model has no price.
    pub picousd: Option<u64>,
}

/// A request of the batch: its position, and the members that determine its cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Asked {
    params: Span,
    /// The `custom_id` with its quotes, or `None` if it is missing or not a string, which is left to the upstream to refuse.
    custom_id: Option<Span>,
    /// Index into `kinds`.
    kind: usize,
    /// Index into `models`.
    model: Option<usize>,
    prompt_tokens: u64,
    max_tokens: Option<u64>,
}

// === impl Batch ===

impl Batch {
    /// Reads the `requests` of a create body.
    ///
    /// An accepted body has a `requests` array of at most [`MAX_REQUESTS`] objects, each with `params` that [`Head::scan`]
    /// accepts. Everything else in them is left to the upstream.
    ///
    /// # Errors
    /// [`Malformed`] with the position and the error. The client is at fault.
    pub fn scan(body: &Head) -> Result<Self, Malformed> {
        Self::scan_by(body, Same::Head)
    }

    /// Reads the `requests` of a create body, with a choice of which requests are equivalent.
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
        // Checks the text between two elements, because a part of an array that ends early would not be paid for.
        if !elements.is_whole() {
            return Err(MalformedKind::MissingComma.at(start + elements.end()));
        }
        batch.kinds = kinds.into_list();
        Ok(batch)
    }

    /// Returns the number of requests.
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    /// Returns true if there are no requests.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// Returns the requested models, each once.
    pub fn models(&self) -> impl Iterator<Item = &str> {
        self.models.iter().map(AsRef::as_ref)
    }

    /// Returns the groups of equivalent requests, in the order of their first members.
    pub fn kinds(&self) -> &[Alike] {
        &self.kinds
    }

    /// Returns the head of a request's `params`; `body` is the scanned body.
    ///
    /// # Errors
    /// [`Malformed`] if the request does not exist, or for another body.
    pub fn params(&self, body: &Head, index: usize) -> Result<Head, Malformed> {
        let asked = self.requests.get(index);
        let span = asked
            .map(|asked| asked.params)
            .filter(|span| span.end <= body.body().len())
            .ok_or_else(|| MalformedKind::Truncated.at(body.body().len()))?;
        Head::scan(body.body().slice(span.start..span.end))
            .map_err(|error| error.within(span.start))
    }

    /// Returns the `custom_id` of a request, or `None` if it is not a string.
    pub fn custom_id<'a>(&self, body: &'a Head, index: usize) -> Option<Cow<'a, str>> {
        let span = self.requests.get(index)?.custom_id?;
        unescape(span.unquoted().text(body.body())).ok()
    }

    /// Returns the expected usage, at `output` tokens per answer or the request's `max_tokens` if that is lower.
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

/// Returns the positions of `params` and `custom_id` within an element of `requests`.
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
