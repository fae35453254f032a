//! The hook on dialects. Its dialect is that of the Messages API at other paths, by default.
//!
//! - `claims` in the settings has the paths that it claims for `POST`;
//! - `translate` is what it does in `request`, `answer` in `answer`, and `event` in `event`: `huge-string` returns 128 MiB, and
//!   `nonsense` asks for a path that is not the API's, answers with the status 99, and changes nothing of an event.

use crate::behaviour::{Behaviour, Facts};
use crate::bindings::exports::witgate::plugin::{lifecycle, translate};
use crate::bindings::witgate::plugin::notes;
use crate::bindings::witgate::plugin::types::Refusal;
use crate::hooks::{Hostile, act, refusal};
use crate::settings;

const HUGE: usize = 128 << 20;

/// Returns the dialect of the settings.
pub(crate) fn dialect() -> Option<lifecycle::Dialect> {
    let given = settings::value("claims")?;
    let paths = given.as_array().into_iter().flatten();
    let claims = paths.filter_map(|path| path.as_str());
    let claims = claims.map(|path| lifecycle::Claim {
        method: "POST".to_owned(),
        path: path.to_owned(),
        except_headers: vec!["x-not-claimed".to_owned()],
    });
    Some(lifecycle::Dialect {
        claims: claims.collect(),
        header_names: vec![("request-id".to_owned(), "x-request-id".to_owned())],
    })
}

fn behaviour(of: &str) -> Option<Behaviour> {
    let behaviour = settings::behaviour(of)?;
    behaviour.act(Facts::None);
    Some(behaviour)
}

// === impl Hostile ===

impl translate::Guest for Hostile {
    fn request(body: String) -> Result<translate::Asked, Refusal> {
        let mut asked = translate::Asked {
            method: "POST".to_owned(),
            path: "/v1/messages".to_owned(),
            headers: vec![("anthropic-version".to_owned(), "2023-06-01".to_owned())],
            without_headers: vec!["x-private-*".to_owned()],
            body: Some(body),
        };
        match act("translate") {
            Some(Behaviour::HugeString) => asked.body = Some("x".repeat(HUGE)),
            Some(Behaviour::Nonsense) => asked.path = "/v1/files".to_owned(),
            Some(Behaviour::EmptyPlan) => {
                asked.headers = vec![("authorization".to_owned(), "x".to_owned())];
            }
            Some(refusing @ (Behaviour::Refuse | Behaviour::Refuse200)) => {
                return Err(refusal(refusing));
            }
            _ => {}
        }
        Ok(asked)
    }

    fn answer(mut response: translate::Response) -> translate::Response {
        // Errors are translated in any case, and so is the smoke test's.
        let is_error = response.body.contains("\"type\":\"error\"");
        match behaviour("answer").filter(|_| !is_error) {
            Some(Behaviour::HugeString) => response.body = "x".repeat(HUGE),
            Some(Behaviour::Nonsense) => response.status = 99,
            _ => response.body = format!("[{}]", response.body),
        }
        response
    }

    fn event(data: String) -> String {
        // Counts the events of the exchange, whatever instance it has.
        notes::append("events", ".");
        let count = notes::get("events").map_or(0, |dots| dots.len());
        // The smoke test has a ping.
        match behaviour("event").filter(|_| !data.contains("ping")) {
            Some(Behaviour::HugeString) => "x".repeat(HUGE),
            Some(Behaviour::Huge) => {
                notes::set("events", &"x".repeat(8 << 20));
                String::new()
            }
            _ => format!("data: {count} {data}\n\n"),
        }
    }
}
