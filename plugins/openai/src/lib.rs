//! The shipped openai plugin. It translates requests of OpenAI's clients to the Messages API, and its answers back.
//!
//! The translation is made of pure functions: text in, text out. What the Messages API has no words for is refused with its name.

mod chat;
mod endpoint;
mod errors;
mod members;
mod models;
mod out;
mod place;
mod refused;
mod responses;
mod settings;
mod usage;

use witgate_plugin::json::{self, Json, Malformed};
use witgate_plugin::types::{Asked, Claim, Dialect, Refusal, Response};
use witgate_plugin::{Plugin, Problems, Request, Translate, clock, log, notes};

use self::chat::stream::Stream;
use self::endpoint::Endpoint;
use self::errors::Error;
use self::out::Out;
use self::refused::Refused;
use self::settings::Settings;

/// The openai plugin.
#[derive(Debug)]
pub struct OpenAiPlugin {
    settings: Settings,
}

witgate_plugin::export!(OpenAiPlugin: Translate);

/// The note about the endpoint that a client asked.
const ENDPOINT: &str = "endpoint";

/// The note about what a stream remembers.
const STREAM: &str = "stream";

/// The note about a refusal: its code and the member, with a blank between.
const REFUSED: &str = "refused";

/// Headers of answers, each with OpenAI's name for it.
const HEADER_NAMES: [(&str, &str); 5] = [
    ("request-id", "x-request-id"),
    (
        "anthropic-ratelimit-requests-limit",
        "x-ratelimit-limit-requests",
    ),
    (
        "anthropic-ratelimit-requests-remaining",
        "x-ratelimit-remaining-requests",
    ),
    (
        "anthropic-ratelimit-tokens-limit",
        "x-ratelimit-limit-tokens",
    ),
    (
        "anthropic-ratelimit-tokens-remaining",
        "x-ratelimit-remaining-tokens",
    ),
];

// === impl OpenAiPlugin ===

impl Plugin for OpenAiPlugin {
    type Settings = Settings;

    fn configure(settings: Settings) -> Result<Self, Problems> {
        settings.check().map(|settings| Self { settings })
    }

    fn dialect(&self) -> Option<Dialect> {
        let bases = self.settings.bases.iter();
        let claims = bases.flat_map(|base| {
            [
                Claim::new("POST", format!("{base}/chat/completions")),
                Claim::new("POST", format!("{base}/responses")),
                // Clients of the Messages API ask for models at the same path, and always send this header.
                Claim::new("GET", format!("{base}/models")).except_header("anthropic-version"),
                Claim::new("GET", format!("{base}/models/*")).except_header("anthropic-version"),
            ]
        });
        let names = HEADER_NAMES.map(|(from, to)| (from.to_owned(), to.to_owned()));
        Some(Dialect {
            claims: claims.collect(),
            header_names: names.to_vec(),
        })
    }
}

impl Translate for OpenAiPlugin {
    fn request(&self, request: &Request<'_>, body: &str) -> Result<Asked, Refusal> {
        let path = request.path();
        let Some(endpoint) = Endpoint::of(path, &self.settings.bases) else {
            return Err(Refusal::not_found(
                "this path is not served: use /chat/completions, /responses or /models",
            ));
        };
        notes::set(ENDPOINT, &endpoint.note());
        let asked = match &endpoint {
            Endpoint::Chat => self.chat(body).map_err(refusal)?,
            Endpoint::Responses => self.responses(body).map_err(refusal)?,
            // The most of a page, as OpenAI has no pages of models.
            Endpoint::Models => Asked::get("/v1/models?limit=1000"),
            Endpoint::Model(name) => {
                Asked::get(format!("/v1/models/{}", self.settings.model(name)))
            }
        };
        Ok(asked
            .header("anthropic-version", &self.settings.anthropic_version)
            .without_header("openai-*")
            .without_header("idempotency-key"))
    }

    fn answer(&self, answer: Response) -> Response {
        let Ok(body) = json::parse(&answer.body) else {
            // Not of the Messages API: perhaps a page of a proxy in between.
            return answer;
        };
        let status = errors::status(answer.status);
        if answer.status >= 400 {
            return Response::json(status, error(&body));
        }
        let translated = match notes::get(ENDPOINT).as_deref().and_then(Endpoint::recall) {
            Some(Endpoint::Chat) => chat::answer::translate(&body, now(), &self.settings),
            Some(Endpoint::Responses) => responses::answer::translate(&body, now()),
            Some(Endpoint::Models) => models::list(&body, &self.settings),
            Some(Endpoint::Model(name)) => models::model(&body, Some(&name)),
            None => return answer,
        };
        Response::json(status, translated)
    }

    fn event(&self, data: &str) -> String {
        let Some(note) = notes::get(STREAM) else {
            return match responses::stream::event(data, now) {
                Ok(text) => text,
                Err(malformed) => left_out(malformed),
            };
        };
        let mut stream = Stream::recall(&note);
        match stream.event(data, now, &self.settings) {
            Ok(translated) => {
                if translated.is_changed {
                    notes::set(STREAM, &stream.note());
                }
                translated.text
            }
            Err(malformed) => left_out(malformed),
        }
    }
}

impl OpenAiPlugin {
    fn chat(&self, body: &str) -> Result<Asked, Refused> {
        let parsed = json::parse(body).map_err(|_| Refused::invalid("body", "JSON"))?;
        let asked = chat::request::translate(&parsed, body.len(), &self.settings)?;
        notes::set(STREAM, &Stream::new(asked.include_usage).note());
        Ok(Asked::messages(asked.body))
    }

    fn responses(&self, body: &str) -> Result<Asked, Refused> {
        let parsed = json::parse(body).map_err(|_| Refused::invalid("body", "JSON"))?;
        let asked = responses::request::translate(&parsed, body.len(), &self.settings)?;
        Ok(Asked::messages(asked))
    }
}

/// Reports an event that can't be read. Returns nothing for the client.
fn left_out(malformed: Malformed) -> String {
    log::warn(format!(
        "an event of a stream is {malformed}, and was left out"
    ));
    String::new()
}

/// Returns the refusal for the host, and keeps what only OpenAI's clients understand.
fn refusal(refused: Refused) -> Refusal {
    notes::set(REFUSED, &format!("{} {}", refused.code, refused.param));
    Refusal::invalid(refused.message)
}

/// Returns the body of an error.
fn error(body: &Json<'_>) -> String {
    let refused = notes::get(REFUSED);
    let known = refused.as_deref().and_then(|note| note.split_once(' '));
    let error = Error::of(body);
    let error = known.map_or(error, |(code, param)| error.with(code, param));
    let mut out = Out::default();
    error.write(&mut out);
    out.finish()
}

/// Returns the time in Unix seconds.
fn now() -> u64 {
    clock::unix_ms() / 1_000
}

#[cfg(test)]
mod tests;
