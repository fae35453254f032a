//! Tokens of Google's: one or more questions, by the kind of credentials.

use std::time::SystemTime;

use witgate_vertex::credentials::{Answer, BadToken, Step};

use super::{Way, read, send};
use crate::credential::leased::found::{Access, GooglePlace};

/// Asks for a token.
///
/// # Errors
///
/// There is none, and the reason.
pub(super) async fn token(place: GooglePlace) -> Result<(Access, String), String> {
    let wrong = |error: BadToken| error.to_string();
    let way = Way {
        at: None,
        ca_file: place.ca_file.as_deref(),
    };
    let mut step = place.credentials.begin(SystemTime::now()).map_err(wrong)?;
    loop {
        step = match step {
            Step::Done(bearer) => {
                let (name, value) = bearer.header();
                let lease = bearer.lease;
                return Ok((Access::Header { name, value, lease }, place.origin));
            }
            Step::Read(path, pending) => {
                let text = read(path).await?;
                pending.text(&text).map_err(wrong)?
            }
            Step::Ask(question, pending) => {
                let answered = send(&question, way).await?;
                let answer = Answer {
                    status: answered.status,
                    date: answered.date.as_deref(),
                    body: &answered.body,
                };
                pending.answer(answer, SystemTime::now()).map_err(wrong)?
            }
        };
    }
}
