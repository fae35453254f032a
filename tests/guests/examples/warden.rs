//! A guard that does what its settings say.
//!
//! - `content`: the kinds of texts that it subscribes to;
//! - `hold`: the bytes that it holds back of each piece but the last;
//! - `find` and `replace`: a text and its replacement. What it finds is not held back;
//! - `mark`: if `true`, every piece is replaced by itself in brackets, with `.` after the last one;
//! - `tell`: if `true`, every piece is replaced by the facts of the exchange;
//! - `stop` and `quietly`: a text that ends the exchange;
//! - `boom`: a text at which it panics;
//! - `tier`: the tier of callers that it is interested in.

use std::fmt::Write as _;

use witgate_plugin::types::{ContentKind, Hook, Interest, Piece, Verdict};
use witgate_plugin::{Guard, Plugin, Problems, Request};

#[derive(serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
struct Warden {
    content: Vec<String>,
    hold: usize,
    find: String,
    replace: String,
    mark: bool,
    tell: bool,
    stop: String,
    quietly: bool,
    boom: String,
    tier: String,
}

witgate_plugin::export!(Warden: Guard);

impl Plugin for Warden {
    type Settings = Self;

    fn configure(settings: Self) -> Result<Self, Problems> {
        Ok(settings)
    }

    fn interests(&self) -> Vec<Interest> {
        let tier = || Interest::of(Hook::Guard).tiers([&self.tier]);
        (!self.tier.is_empty()).then(tier).into_iter().collect()
    }

    fn content(&self) -> Vec<ContentKind> {
        self.content.iter().map(|name| kind(name)).collect()
    }
}

impl Guard for Warden {
    fn inspect(&self, request: &Request<'_>, piece: &Piece) -> Verdict {
        let text = piece.text.as_str();
        let has = |part: &str| !part.is_empty() && text.contains(part);
        assert!(!has(&self.boom), "the guard saw {:?}", self.boom);
        if has(&self.stop) {
            return match self.quietly {
                true => Verdict::stop_quietly("warden", "not in this house"),
                false => Verdict::stop("warden", "not in this house"),
            };
        }
        if self.mark {
            let end = if piece.last { "." } else { "" };
            return Verdict::replace(format!("[{text}]{end}"));
        }
        if self.tell {
            return Verdict::replace(facts(request, piece));
        }
        let found = (!self.find.is_empty()).then(|| text.rfind(&self.find));
        let after = found.flatten().map_or(0, |at| at + self.find.len());
        let hold = if piece.last { 0 } else { self.hold };
        // What was found is never cut in two.
        let hold = hold.min(text.len() - after);
        let held = u32::try_from(hold).unwrap_or(u32::MAX);
        let passes = text.len().saturating_sub(hold);
        let passes = (0..=passes).rev().find(|at| text.is_char_boundary(*at));
        let passing = passes.and_then(|at| text.get(..at)).unwrap_or_default();
        match after > 0 {
            true => Verdict::replace_and_hold(passing.replace(&self.find, &self.replace), held),
            false if hold > 0 => Verdict::Hold(held),
            false => Verdict::Pass,
        }
    }
}

fn facts(request: &Request<'_>, piece: &Piece) -> String {
    let context = request.context();
    let mut told = format!("{} {}", request.id(), request.caller().key_id());
    let _ = write!(told, " {:?} {}", context.resource(), piece.index);
    told
}

fn kind(name: &str) -> ContentKind {
    match name {
        "system" => ContentKind::System,
        "user" => ContentKind::User,
        "assistant" => ContentKind::Assistant,
        "tool-result" => ContentKind::ToolResult,
        "text" => ContentKind::Text,
        "thinking" => ContentKind::Thinking,
        "tool-input" => ContentKind::ToolInput,
        "server-tool-result" => ContentKind::ServerToolResult,
        "end" => ContentKind::End,
        other => ContentKind::Other(other.to_owned()),
    }
}
