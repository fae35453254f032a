//! Tokens of Microsoft Entra.

use std::time::SystemTime;

use witgate_foundry::credentials::Answer;

use super::{Way, read, send};
use crate::credential::leased::found::{Access, EntraPlace};

/// Asks for a token.
///
/// # Errors
///
/// There is none, and the reason.
pub(super) async fn token(place: EntraPlace) -> Result<(Access, String), String> {
    let entra = &place.entra;
    let assertion = match entra.token_file() {
        Some(path) => Some(read(path).await?),
        None => None,
    };
    let question = entra.ask(assertion.as_deref());
    let question = question.map_err(|error| error.to_string())?;
    let way = Way {
        at: place.machine.as_ref().filter(|_| entra.is_machine()),
        ca_file: place.ca_file.as_deref(),
    };
    let answered = send(&question, way).await?;
    let answer = Answer {
        status: answered.status,
        date: answered.date.as_deref(),
        body: &answered.body,
    };
    let bearer = entra.answer(answer, SystemTime::now());
    let bearer = bearer.map_err(|error| error.to_string())?;
    let (name, value) = bearer.header();
    let lease = bearer.lease;
    Ok((Access::Header { name, value, lease }, place.origin))
}
