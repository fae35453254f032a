//! A question to an upstream of another dialect, outside of traffic: a count of tokens, which costs none and proves the address, the
//! credential and a model.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde_json::json;
use tokio::time::timeout;
use witgate_http::Headers;

use crate::Upstream;
use crate::connection::departure::Departure;
use crate::credential::leased::found::Access;
use crate::limit::Limit;
use crate::question::Answered;
use crate::request::{Framing, HeadersOf, Request};
use crate::upkeep::ASK;

/// The model that is asked for where the operator names none.
const USUAL_MODEL: &str = "claude-haiku-4-5";

/// Largest answer that is read, in bytes.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// The answer to a count of tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// The model that was asked for.
    pub model: String,
    /// True if the operator's configuration names the model.
    pub is_configured: bool,
    /// The answer in the API's form.
    pub answered: Answered,
}

// === impl Upstream ===

impl Upstream {
    /// Has the tokens of one word counted, with a credential that is got now. It is not counted in any statistics. Returns `None` for an
    /// upstream that speaks the API's own dialect.
    ///
    /// # Errors
    ///
    /// There is no credential, or no answer within the time, and why not.
    pub async fn count(self: &Arc<Self>, within: Duration) -> Option<Result<Counted, String>> {
        let dialect = self.dialect.as_deref()?;
        let named = self.config.dialect.as_ref()?.models();
        let is_configured = !named.is_empty();
        let model = named.first().copied().unwrap_or(USUAL_MODEL).to_owned();
        let counted = async {
            self.credential.find(ASK).await?;
            let body = json!({"model": model, "messages": [{"role": "user", "content": "hello"}]});
            let body = Bytes::from(body.to_string());
            let mut headers = Headers::with_capacity(2);
            headers.push_text("user-agent", "witgate-health");
            headers.push_text("anthropic-version", "2023-06-01");
            let request = Request {
                method: &Method::POST,
                path: "/v1/messages/count_tokens",
                headers,
                headers_of: HeadersOf::Gateway,
                framing: Framing::Length(body.len() as u64),
                body: &[body],
            };
            let (limit, departure) = (Limit::of_upstream(within), Departure::default());
            let mut note = None;
            let sent = self.send_translated(dialect, &request, limit, &departure, &mut note);
            let mut response = Box::pin(sent).await.map_err(|error| error.to_string())?;
            let answered = Answered::read(&mut response, within, MAX_ANSWER_BYTES).await;
            Ok(self.without_secret(answered).await)
        };
        let counted = timeout(within, counted).await;
        let counted = counted.unwrap_or_else(|_| Err(format!("no answer within {within:?}")));
        Some(counted.map(|answered| Counted {
            model,
            is_configured,
            answered,
        }))
    }

    /// Returns an answer without the credential that it may repeat.
    async fn without_secret(&self, answered: Answered) -> Answered {
        if let Some((_, secret)) = self.credential.current().own() {
            return answered.without(secret.as_bytes());
        }
        match self.credential.leased().await {
            Ok(Some(held)) => match &held.access {
                Access::Header { value, .. } => answered.without(value.reveal().as_bytes()),
                // A signature is of no use to anyone.
                Access::Aws(_) => answered,
            },
            Ok(None) | Err(_) => answered,
        }
    }
}
