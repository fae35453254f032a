//! The usage and cost of a batch's results, read from the JSONL as it passes.

use std::collections::BTreeMap;
use std::sync::Arc;

use memchr::memchr;

use crate::json::{Kind, Object, Scanner};
use crate::price::{Cost, PriceBook, Pricing};
use crate::usage::{Tokens, Usage};

/// Maximum bytes kept of one line. The largest output of a model is far below that.
const MAX_LINE_BYTES: usize = 32 << 20;

/// Maximum number of models counted separately. The upstream names them, and has far fewer.
const MAX_MODELS: usize = 256;

/// The service tier that batches are billed at.
const TIER: &str = "batch";

/// A reader of a results body. It keeps the current line, up to 32 MiB, and the totals.
#[derive(Debug)]
pub struct Results {
    book: Arc<PriceBook>,
    pub(super) line: Vec<u8>,
    /// True while the current line exceeds the limit, so that its rest is skipped.
    too_long: bool,
    totals: Totals,
}

/// Totals over the results.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Requests that succeeded with a message.
    pub succeeded: u64,
    /// Requests that failed with an error. They cost nothing.
    pub errored: u64,
    /// Requests that were canceled before they began. They cost nothing.
    pub canceled: u64,
    /// Requests that expired before they began. They cost nothing.
    pub expired: u64,
    /// Lines that could not be read: too large, cut, or not of the expected shape.
    pub unread: u64,
    /// Tokens of all messages.
    pub tokens: Tokens,
    /// Thinking tokens, a part of the output.
    pub thinking: u64,
    /// Web searches made on the server.
    pub web_searches: u64,
    /// Usage values that could not be read. All others count.
    pub usage_unread: u64,
    /// Pico-USD at batch prices, including the priced part of unpriced messages.
    pub picousd: u64,
    /// Messages that are not fully priced.
    pub unpriced: u64,
    /// Totals by the serving model.
    pub models: BTreeMap<Box<str>, ModelTotals>,
}

/// Totals over the messages of one model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ModelTotals {
    /// Number of messages.
    pub messages: u64,
    /// Tokens of those messages.
    pub tokens: Tokens,
    /// Pico-USD at batch prices.
    pub picousd: u64,
}

/// A line of the results.
enum Line {
    Message {
        model: Option<Box<str>>,
        usage: Box<Usage>,
    },
    Errored,
    Canceled,
    Expired,
}

// === impl Results ===

impl Results {
    /// Creates a reader that prices each message by this book.
    pub fn new(book: Arc<PriceBook>) -> Self {
        Self {
            book,
            line: Vec::new(),
            too_long: false,
            totals: Totals::default(),
        }
    }

    /// Reads the next chunk.
    pub fn feed(&mut self, mut chunk: &[u8]) {
        while let Some(end) = memchr(b'\n', chunk) {
            let (line, rest) = chunk.split_at(end);
            chunk = rest.get(1..).unwrap_or_default();
            if self.line.is_empty() && !self.too_long {
                self.totals.add(line, &self.book);
            } else {
                self.keep(line);
                self.end_line();
            }
        }
        self.keep(chunk);
    }

    /// Returns the totals over the lines that have ended.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Returns the totals at the end of the body. The last line may lack its line feed.
    pub fn finish(mut self) -> Totals {
        self.end_line();
        self.totals
    }

    fn keep(&mut self, part: &[u8]) {
        if self.too_long || self.line.len() + part.len() > MAX_LINE_BYTES {
            self.too_long = true;
            self.line = Vec::new();
        } else {
            self.line.extend_from_slice(part);
        }
    }

    fn end_line(&mut self) {
        if std::mem::take(&mut self.too_long) {
            self.totals.unread += 1;
        }
        let mut line = std::mem::take(&mut self.line);
        self.totals.add(&line, &self.book);
        line.clear();
        self.line = line;
    }
}

// === impl Totals ===

impl Totals {
    /// Returns the number of requests with a result.
    pub fn requests(&self) -> u64 {
        [self.succeeded, self.errored, self.canceled, self.expired]
            .iter()
            .sum()
    }

    /// Returns the cost of all messages.
    pub fn cost(&self) -> Cost {
        Cost {
            picousd: self.picousd,
            pricing: if self.unpriced == 0 {
                Pricing::Priced
            } else {
                Pricing::Unpriced
            },
        }
    }

    /// Returns the totals in the form of one answer's usage.
    pub fn usage(&self) -> Usage {
        Usage {
            tokens: self.tokens,
            thinking: Some(self.thinking).filter(|count| *count > 0),
            web_searches: self.web_searches,
            service_tier: Some(TIER.to_owned()),
            unread: self.usage_unread,
            ..Usage::default()
        }
    }

    fn add(&mut self, line: &[u8], book: &PriceBook) {
        if line.trim_ascii().is_empty() {
            return;
        }
        match read(line) {
            Some(Line::Message { model, usage }) => self.message(model, &usage, book),
            Some(Line::Errored) => self.errored += 1,
            Some(Line::Canceled) => self.canceled += 1,
            Some(Line::Expired) => self.expired += 1,
            None => self.unread += 1,
        }
    }

    fn message(&mut self, model: Option<Box<str>>, usage: &Usage, book: &PriceBook) {
        let model = model.unwrap_or_default();
        let cost = book.cost(&model, usage);
        self.succeeded += 1;
        self.tokens = self.tokens.plus(&usage.tokens);
        self.thinking = self.thinking.saturating_add(usage.thinking.unwrap_or(0));
        self.web_searches = self.web_searches.saturating_add(usage.web_searches);
        self.usage_unread = self.usage_unread.saturating_add(usage.unread);
        self.picousd = self.picousd.saturating_add(cost.picousd);
        self.unpriced += u64::from(cost.pricing == Pricing::Unpriced);
        if self.models.len() < MAX_MODELS || self.models.contains_key(&model) {
            let of = self.models.entry(model).or_default();
            of.messages += 1;
            of.tokens = of.tokens.plus(&usage.tokens);
            of.picousd = of.picousd.saturating_add(cost.picousd);
        }
    }
}

/// Reads one line. Returns `None` if it does not have the expected shape.
fn read(line: &[u8]) -> Option<Line> {
    let object = Object::document(line, Scanner::Fastest).ok()?;
    let result = inner(&object, line, "result")?;
    let object = Object::document(result, Scanner::Fastest).ok()?;
    match object.string(result, "type")?.as_ref() {
        "errored" => return Some(Line::Errored),
        "canceled" => return Some(Line::Canceled),
        "expired" => return Some(Line::Expired),
        "succeeded" => {}
        _ => return None,
    }
    let message = inner(&object, result, "message")?;
    let object = Object::document(message, Scanner::Fastest).ok()?;
    let mut usage = Usage::parse(inner(&object, message, "usage")?)?;
    // Batch prices apply whatever the message says, because other servers may omit the tier.
    usage.service_tier = Some(TIER.to_owned());
    Some(Line::Message {
        model: object.string(message, "model").map(Into::into),
        usage: Box::new(usage),
    })
}

/// Returns the bytes of a member that is an object.
fn inner<'a>(object: &Object, bytes: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let member = object.member(bytes, name)?;
    (member.kind == Kind::Object).then(|| member.value.of(bytes))
}
