//! The hook on content, which passes everything by default.
//!
//! - `content` in the settings has the kinds of texts that it subscribes to;
//! - `huge-string` replaces a piece by 8 MiB, `nonsense` replaces the end of a response, `empty-plan` holds back everything
//!   there is, and `refuse` stops.

use crate::behaviour::Behaviour;
use crate::bindings::exports::witgate::plugin::guard;
use crate::bindings::witgate::plugin::types::ContentKind;
use crate::hooks::{HUGE_STRING, Hostile, act};
use crate::settings;

/// Returns the kinds of texts of the settings.
pub(crate) fn content() -> Vec<ContentKind> {
    let given = settings::value("content").unwrap_or_default();
    let names = given.as_array().into_iter().flatten();
    names.filter_map(|name| name.as_str()).map(kind).collect()
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

// === impl Hostile ===

impl guard::Guest for Hostile {
    fn inspect(piece: guard::Piece) -> guard::Verdict {
        let replace = |text| guard::Verdict::Replace(guard::Replacement { text, hold: 0 });
        match act("guard") {
            Some(Behaviour::HugeString) => replace("x".repeat(HUGE_STRING)),
            Some(Behaviour::Nonsense) if piece.last => replace("more".to_owned()),
            Some(Behaviour::EmptyPlan) => guard::Verdict::Hold(u32::MAX),
            Some(Behaviour::Refuse) => guard::Verdict::Stop(guard::Stop {
                message: "refused on demand".to_owned(),
                rule: "hostile".to_owned(),
                quietly: false,
            }),
            _ => guard::Verdict::Pass,
        }
    }
}
