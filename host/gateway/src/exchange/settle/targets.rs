//! The targets of an exchange on its receipt: those that were asked, and those that were passed over.

use pingora_http::ResponseHeader;

use super::Settlement;
use crate::headers;
use crate::receipts::receipt::Attempt;
use crate::upstream::Upstream;
use crate::upstream::admission::Closed;

// === impl Settlement ===

impl Settlement {
    /// Keeps the upstream's own id of the request, for the attempt that is noted next.
    pub(in crate::exchange) fn heard(&mut self, head: Option<&ResponseHeader>) {
        self.upstream_id = head.and_then(headers::request_id).map(str::to_owned);
    }

    /// Notes a try at an upstream, with the status of its answer or what it failed with.
    pub(in crate::exchange) fn note_attempt(
        &mut self,
        upstream: &Upstream,
        model: Option<&str>,
        result: Result<u16, String>,
    ) {
        self.receipt.attempts.push(Attempt {
            upstream: upstream.config.name.clone(),
            model: model.map(str::to_owned),
            request_id: self.upstream_id.take(),
            result,
        });
    }

    /// Says, for the receipt, that a target was not asked.
    pub(in crate::exchange) fn pass_over(&mut self, closed: &Closed) {
        let passed = (closed.upstream.clone(), closed.reason.to_string());
        self.receipt.passed_over.push(passed);
    }

    /// Notes that a plan of this plugin names an upstream that is not configured. Says whether that is news: the requests of
    /// a batch may all have the same plan.
    pub(in crate::exchange) fn pass_over_unknown(&mut self, upstream: &str, plugin: &str) -> bool {
        let passed = (upstream.to_owned(), "not configured".to_owned());
        let news = !self.receipt.passed_over.contains(&passed);
        if news {
            self.gateway.metrics.unknown_target(plugin);
            self.receipt.passed_over.push(passed);
        }
        news
    }
}
