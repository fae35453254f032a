//! The texts in the results of a batch, line by line.
//!
//! A result that a guard stops becomes an error of that request alone. Each message is an answer of its own, whose end guards are
//! asked about.

use bytes::Bytes;
use serde_json::json;
use witgate_messages::content::{self, Message};
use witgate_messages::head::Head;
use witgate_messages::splice::{Edit, splice};
use witgate_runtime::{Guards, Stopped as StoppedByGuard};
use witgate_upstream::Response;

use super::decoded::Decoding;
use super::ended::{Unfit, refusal};
use super::stream::{cover, head};
use super::texts::Document;
use crate::answer::refused::Refused;
use crate::exchange::downstream::Downstream;
use crate::exchange::forward::answered::HeldBack;
use crate::exchange::relay;
use crate::exchange::relay::stopped::Stopped;
use crate::exchange::settle::Settlement;
use crate::listen::session::HttpSession;
use crate::tenants::concurrency::{Charge, Permit};

/// Results between their upstream and their client.
struct Lines {
    decoding: Decoding,
    document: Document,
    /// The line that has not ended yet.
    begun: Vec<u8>,
    charge: Option<Charge>,
}

/// Delivers the results of a batch, whose texts guards read.
pub(super) async fn deliver(
    (response, held_back): (&mut Response, HeldBack),
    client: &mut Downstream,
    session: &mut HttpSession,
    settlement: &mut Settlement,
) -> Result<(), Stopped> {
    let decoding = head(response, client, session, settlement).await?;
    let mut lines = Lines {
        decoding: decoding.map_err(|refused| Stopped::Refused(refused.message))?,
        document: Document::new(settlement.permit.as_ref().map(Permit::charge), 0),
        begun: Vec::new(),
        charge: settlement.permit.as_ref().map(Permit::charge),
    };
    for chunk in held_back {
        lines.pass(chunk, client, session, settlement).await?;
    }
    while let Some(chunk) = relay::next_chunk(response, client, session).await? {
        settlement.read(&chunk);
        settlement.keep().await?;
        lines.pass(chunk, client, session, settlement).await?;
    }
    if let Some(guards) = settlement.guards() {
        let mut out = Vec::new();
        let begun = std::mem::take(&mut lines.begun);
        lines.line(&begun, guards, &mut out)?;
        lines.send(out, client, session, settlement).await?;
    }
    relay::end(response, client, session).await
}

// === impl Lines ===

impl Lines {
    /// Passes on what the guards leave of a chunk.
    async fn pass(
        &mut self,
        chunk: Bytes,
        client: &mut Downstream,
        session: &mut HttpSession,
        settlement: &mut Settlement,
    ) -> Result<(), Stopped> {
        if !client.is_there() {
            return Ok(client.body(session, chunk, false).await?);
        }
        let mut out = Vec::new();
        if let Some(guards) = settlement.guards() {
            let mut plain = Vec::new();
            let decoded = self.decoding.feed(&chunk, |piece| {
                plain.extend_from_slice(piece);
                cover(self.charge.as_mut(), self.begun.len() + plain.len())
            });
            decoded.map_err(|refused| Stopped::Refused(refused.message))?;
            self.feed(&plain, guards, &mut out)?;
        }
        self.send(out, client, session, settlement).await
    }

    fn feed(
        &mut self,
        plain: &[u8],
        guards: &mut Guards,
        out: &mut Vec<u8>,
    ) -> Result<(), Stopped> {
        for part in plain.split_inclusive(|byte| *byte == b'\n') {
            if !part.ends_with(b"\n") {
                self.begun.extend_from_slice(part);
            } else if self.begun.is_empty() {
                self.line(part, guards, out)?;
            } else {
                let mut line = std::mem::take(&mut self.begun);
                line.extend_from_slice(part);
                self.line(&line, guards, out)?;
            }
        }
        Ok(())
    }

    /// Lets the guards read a line, and adds what they leave of it to `out`.
    fn line(&mut self, line: &[u8], guards: &mut Guards, out: &mut Vec<u8>) -> Result<(), Stopped> {
        let json = line.trim_ascii();
        if json.is_empty() {
            out.extend_from_slice(line);
            return Ok(());
        }
        let document = &mut self.document;
        document.clear();
        let read = content::result(line, |text| document.read(guards, &text));
        let read = read.and_then(|found| match found {
            Message::Present => document.end(guards),
            Message::Absent => Ok(()),
        });
        match read.and_then(|()| document.rewritten(line)) {
            Ok(None) => out.extend_from_slice(line),
            Ok(Some(new)) => out.extend_from_slice(&new),
            Err(Unfit::Refused(refused)) => return Err(Stopped::Refused(refused.message)),
            Err(Unfit::Stopped(stopped)) => match (*stopped, Head::scan(json.to_vec().into())) {
                (stop @ StoppedByGuard::Stop { .. }, Ok(head)) => {
                    out.extend_from_slice(&errored(&head, &refusal(stop))?);
                    out.push(b'\n');
                }
                (stopped, _) => return Err(Stopped::Refused(refusal(stopped).message)),
            },
            Err(Unfit::Malformed(_) | Unfit::TooLong) => {
                let message =
                    "the upstream gave a result that is no JSON that the gateway's guards can read";
                return Err(Stopped::Refused(message.into()));
            }
        }
        Ok(())
    }

    async fn send(
        &self,
        out: Vec<u8>,
        client: &mut Downstream,
        session: &mut HttpSession,
        settlement: &mut Settlement,
    ) -> Result<(), Stopped> {
        if !out.is_empty() {
            let out = Bytes::from(out);
            settlement.count(&out);
            client.body(session, out, false).await?;
        }
        Ok(())
    }
}

/// Returns the result of a request whose answer a guard stopped.
fn errored(head: &Head, refused: &Refused) -> Result<Bytes, Stopped> {
    let error = json!({"type": refused.kind.as_str(), "message": refused.message});
    let error = json!({"type": "error", "error": error});
    let result = json!({"type": "errored", "error": error}).to_string();
    let spliced = splice(head, &[Edit::Set("result".to_owned(), result)]);
    let spliced = spliced.map_err(|error| Stopped::Refused(error.to_string()))?;
    Ok(spliced.into_bytes())
}
