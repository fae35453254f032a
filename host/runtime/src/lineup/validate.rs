//! The checks of returned values beyond their size, in service and in the smoke test. An unusable value is a fault.

use crate::contract::guard::Piece;
use crate::contract::{
    Charge, Envelope, Plan, ReceiptEdits, TranslatedAnswer, TranslatedRequest, Upstreams,
    WitContentKind,
};
use crate::fault::{Failure, FaultKind};
use crate::grants::HeaderGrant;
use crate::vocabulary::Vocabulary;

/// The maximum number of names in a message.
const MAX_LISTED_NAMES: usize = 16;

pub(crate) fn envelope(vocabulary: &dyn Vocabulary, envelope: &Envelope) -> Result<(), Failure> {
    vocabulary.envelope(envelope).map_err(unusable)
}

/// Checks the request that a plugin asks in place of a client's.
pub(crate) fn translated_request(
    vocabulary: &dyn Vocabulary,
    request: &TranslatedRequest,
) -> Result<(), Failure> {
    let is_header = |name: &str| HeaderGrant::parse(name).is_ok_and(|header| header.is_of(name));
    let may_set = |(name, value): &(String, String)| {
        is_header(name) && name.starts_with("anthropic-") && is_line(value)
    };
    if let Some((name, _)) = request.headers.iter().find(|header| !may_set(header)) {
        return Err(unusable(format!(
            "the header {name:?} of a request; use names that begin with `anthropic-`, and values without control characters"
        )));
    }
    vocabulary.translated(request).map_err(unusable)
}

/// Checks an answer in a client's dialect.
pub(crate) fn translated_answer(answer: &TranslatedAnswer) -> Result<(), Failure> {
    if !(200..=599).contains(&answer.status) {
        return Err(unusable(format!(
            "an answer with the status {}; use 200 to 599",
            answer.status
        )));
    }
    if answer.content_type.is_empty() || !is_line(&answer.content_type) {
        return Err(unusable("an answer without a media type"));
    }
    Ok(())
}

/// Returns whether a text can be the value of a header.
fn is_line(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte))
}

/// Checks a plan of a plugin that was told of these upstreams, or of none.
pub(crate) fn plan(
    vocabulary: &dyn Vocabulary,
    plan: &Plan,
    told: Option<&dyn Upstreams>,
) -> Result<(), Failure> {
    if plan.targets.is_empty() {
        return Err(unusable(
            "a plan without targets; return no plan to leave the choice to others",
        ));
    }
    for target in &plan.targets {
        if let Some(model) = &target.model {
            self::model(model, "a target")?;
        }
    }
    if let Some(told) = told.filter(|told| !plan.targets.iter().any(|it| told.has(&it.upstream))) {
        let planned = names(plan.targets.iter().map(|target| target.upstream.as_str()));
        let told = told.names();
        let told = names(told.iter().map(String::as_str));
        return Err(unusable(format!(
            "a plan whose targets, {planned}, are not among the host's upstreams; use {told}"
        )));
    }
    vocabulary.plan(plan).map_err(unusable)
}

pub(crate) fn charges(vocabulary: &dyn Vocabulary, charges: &[Charge]) -> Result<(), Failure> {
    charges
        .iter()
        .try_for_each(|charge| vocabulary.charge(charge))
        .map_err(unusable)
}

/// Checks that edits are of receipts that the call has.
pub(crate) fn receipt_edits(given: &[ReceiptEdits], sent: usize) -> Result<(), Failure> {
    let indices = given.iter().filter_map(|edits| edits.receipt);
    let mut indices = indices.map(|index| usize::try_from(index).unwrap_or(usize::MAX));
    match indices.find(|index| *index >= sent) {
        Some(index) => Err(unusable(format!(
            "edits of receipt {index}; the call has {sent}, counted from 0"
        ))),
        None => Ok(()),
    }
}

/// Checks the number of bytes that a guard holds back of a piece.
pub(crate) fn held(bytes: u32, piece: &Piece, limit: usize) -> Result<(), Failure> {
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    let bytes = bytes.min(piece.text.len());
    if bytes > limit {
        return Err(unusable(format!(
            "it held back {bytes} bytes of a text, and the limit is {limit}; hold less, or raise `held_bytes` in [limits] of the sidecar"
        )));
    }
    if piece.last && bytes > 0 {
        return Err(unusable(format!(
            "it held back {bytes} bytes of the last piece of a text; pass, replace or stop there"
        )));
    }
    Ok(())
}

/// Checks that a guard may replace a piece.
pub(crate) fn replaced(piece: &Piece) -> Result<(), Failure> {
    match piece.kind {
        WitContentKind::End => Err(unusable(
            "it replaced the end of a response, which has no text; pass or stop there",
        )),
        _ => Ok(()),
    }
}

/// Checks the model of `owner`, which replaces the request's own.
pub(crate) fn model(model: &str, owner: &str) -> Result<(), Failure> {
    if model.is_empty() {
        return Err(unusable(format!(
            "{owner} with an empty model; name one, or leave it out to keep the request's own"
        )));
    }
    Ok(())
}

fn unusable(text: impl Into<String>) -> Failure {
    Failure::new(FaultKind::Contract, text)
}

fn names<'a>(all: impl Iterator<Item = &'a str>) -> String {
    let mut seen: Vec<&str> = Vec::new();
    for name in all {
        if !seen.contains(&name) {
            seen.push(name);
        }
    }
    let more = seen.len().saturating_sub(MAX_LISTED_NAMES);
    let listed: Vec<_> = seen
        .iter()
        .take(MAX_LISTED_NAMES)
        .map(|name| format!("`{name}`"))
        .collect();
    let listed = listed.join(", ");
    match more {
        0 => listed,
        more => format!("{listed} and {more} more"),
    }
}
