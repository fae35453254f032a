//! A Messages request, validated as far as the API's validation is known, with the API's error texts.

use serde_json::Value;

use super::error::ApiError;
use super::models::{self, Model};
use super::prompt::Prompt;

/// A Messages request.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) model: &'static Model,
    pub(super) max_tokens: u64,
    pub(super) delivery: Delivery,
    pub(super) thinking: Thinking,
    pub(super) prompt: Prompt,
    body: Value,
}

/// The form of the response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivery {
    Whole,
    Stream,
}

/// The thinking block of the response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Thinking {
    Off,
    Omitted,
    Shown,
}

// === impl Ask ===

impl Ask {
    /// Reads a body of `POST /v1/messages`.
    ///
    /// # Errors
    ///
    /// Returns a 400 for a missing or invalid member, and a 404 for an unknown model.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, ApiError> {
        let (body, model, prompt) = parse_prompt(bytes, &["model", "max_tokens", "messages"])?;
        let max_tokens = body
            .get("max_tokens")
            .and_then(Value::as_i64)
            .ok_or_else(|| ApiError::invalid("max_tokens: Input should be a valid integer"))
            .and_then(|tokens| {
                u64::try_from(tokens).map_err(|_| {
                    ApiError::invalid("max_tokens: Input should be greater than or equal to 0")
                })
            })?;
        if max_tokens > model.max_output {
            return Err(ApiError::invalid(format!(
                "max_tokens: {max_tokens} > {}, which is the maximum allowed number of output tokens for {}",
                model.max_output, model.id
            )));
        }
        let delivery = match body.get("stream") {
            None | Some(Value::Null | Value::Bool(false)) => Delivery::Whole,
            Some(Value::Bool(true)) => Delivery::Stream,
            Some(_) => return Err(ApiError::invalid("stream: Input should be a valid boolean")),
        };
        Ok(Self {
            model,
            max_tokens,
            delivery,
            thinking: thinking(&body),
            prompt,
            body,
        })
    }

    /// Returns the number of items in a top-level list, 1 for a string, and 0 otherwise.
    pub(super) fn count(&self, member: &str) -> usize {
        match self.body.get(member) {
            Some(Value::Array(items)) => items.len(),
            Some(Value::String(_)) => 1,
            _ => 0,
        }
    }

    /// Returns a top-level string, or `None`.
    pub(super) fn text(&self, member: &str) -> Option<&str> {
        self.body.get(member)?.as_str()
    }

    /// Returns the schema for structured output, or `None`.
    pub(super) fn schema(&self) -> Option<&Value> {
        let format = self.body.get("output_config")?.get("format")?;
        (format.get("type")? == "json_schema")
            .then(|| format.get("schema"))
            .flatten()
    }

    pub(super) fn tools(&self) -> impl Iterator<Item = &Value> {
        items(self.body.get("tools"))
    }

    pub(super) fn tool_choice(&self) -> Option<&Value> {
        self.body.get("tool_choice")
    }

    pub(super) fn stop_sequences(&self) -> impl Iterator<Item = &str> {
        items(self.body.get("stop_sequences"))
            .filter_map(Value::as_str)
            .filter(|text| !text.is_empty())
    }

    /// Returns the last text of the last user message that is not a reminder from the client.
    pub(super) fn last_text(&self) -> &str {
        let Some(message) = self.last_user_message() else {
            return "";
        };
        if let Some(text) = message.as_str() {
            return text.trim();
        }
        let texts = items(Some(message))
            .filter_map(|block| block.get("text").and_then(Value::as_str))
            .map(str::trim);
        texts
            .filter(|text| !text.starts_with("<system-reminder>"))
            .last()
            .unwrap_or_default()
    }

    /// Returns the text of the tool results in the last user message, or `None` if it has none.
    pub(super) fn tool_result(&self) -> Option<String> {
        let blocks = items(self.last_user_message())
            .filter(|block| block.get("type").is_some_and(|t| t == "tool_result"));
        let texts: Vec<&str> = blocks
            .map(|block| first_text(block.get("content")))
            .collect();
        (!texts.is_empty()).then(|| texts.join("\n"))
    }

    /// Returns the content of the last user message. Clients also send system messages in between and at the end.
    fn last_user_message(&self) -> Option<&Value> {
        let messages = self.body.get("messages")?.as_array()?;
        messages
            .iter()
            .rev()
            .find(|message| message.get("role").is_some_and(|role| role == "user"))?
            .get("content")
    }
}

/// Reads the common part of a Messages request and a count request, with the `required` members.
///
/// # Errors
///
/// Returns the errors of [`Ask::parse`].
pub(super) fn parse_prompt(
    bytes: &[u8],
    required: &[&str],
) -> Result<(Value, &'static Model, Prompt), ApiError> {
    let text = str::from_utf8(bytes).map_err(ApiError::not_json)?;
    let body: Value = serde_json::from_str(text).map_err(ApiError::not_json)?;
    if !body.is_object() {
        return Err(ApiError::invalid(
            "Input should be a valid dictionary or object to extract fields from",
        ));
    }
    if let Some(missing) = required.iter().find(|member| body.get(member).is_none()) {
        return Err(ApiError::invalid(format!("{missing}: Field required")));
    }
    let name = body.get("model").and_then(Value::as_str);
    let name = name.ok_or_else(|| ApiError::invalid("model: Input should be a valid string"))?;
    let messages = body.get("messages").and_then(Value::as_array);
    let messages =
        messages.ok_or_else(|| ApiError::invalid("messages: Input should be a valid array"))?;
    if messages.is_empty() {
        return Err(ApiError::invalid(
            "messages: at least one message is required",
        ));
    }
    let model = models::find(name).ok_or_else(|| ApiError::unknown_model(name))?;
    let prompt = Prompt::weigh(&body, text);
    if prompt.tokens > model.context {
        return Err(ApiError::invalid(format!(
            "prompt is too long: {} tokens > {} maximum",
            prompt.tokens, model.context
        )));
    }
    Ok((body, model, prompt))
}

fn thinking(body: &Value) -> Thinking {
    let member = |name| body.get("thinking")?.get(name)?.as_str();
    match (member("type"), member("display")) {
        (Some("enabled" | "adaptive"), Some("omitted")) => Thinking::Omitted,
        (Some("enabled" | "adaptive"), _) => Thinking::Shown,
        _ => Thinking::Off,
    }
}

fn items(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_array).into_iter().flatten()
}

fn first_text(content: Option<&Value>) -> &str {
    let direct = content.and_then(Value::as_str);
    direct
        .or_else(|| items(content).find_map(|block| block.get("text").and_then(Value::as_str)))
        .unwrap_or_default()
}
