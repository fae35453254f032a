//! The shipped guard plugin. It finds secrets in the texts of requests and responses, and blocks, redacts or reports them.
//!
//! It holds back the end of a text only while a match could still be going on there.

mod luhn;
mod pattern;
mod program;
mod rules;
mod scan;
mod settings;

use std::cell::RefCell;

use witgate_plugin::types::{ContentKind, Piece, Verdict};
use witgate_plugin::{Guard, Plugin, Problems, Request, log, metrics};

use self::program::Program;
use self::rules::Check;
use self::scan::{Finder, Match, Search, Text};
use self::settings::{Action, Settings};

/// The guard plugin: rules, and what each side of an exchange does with them.
#[derive(Debug)]
pub struct GuardPlugin {
    rules: Vec<Rule>,
    request: Side,
    response: Side,
    content: Vec<ContentKind>,
    quietly: bool,
    longest: usize,
}

witgate_plugin::export!(GuardPlugin: Guard);

#[derive(Debug)]
struct Rule {
    name: String,
    check: Check,
}

/// A side of an exchange.
#[derive(Debug)]
struct Side {
    program: Program,
    /// The action of each rule.
    actions: Vec<Action>,
    search: RefCell<Search>,
}

// === impl GuardPlugin ===

impl Plugin for GuardPlugin {
    type Settings = Settings;

    fn configure(settings: Settings) -> Result<Self, Problems> {
        settings.check()
    }

    fn content(&self) -> Vec<ContentKind> {
        self.content.clone()
    }
}

impl Guard for GuardPlugin {
    fn inspect(&self, _: &Request<'_>, piece: &Piece) -> Verdict {
        let is_request = matches!(
            piece.kind,
            ContentKind::System
                | ContentKind::User
                | ContentKind::Assistant
                | ContentKind::ToolResult
        );
        let side = match is_request {
            true => &self.request,
            false => &self.response,
        };
        let text = piece.text.as_str();
        let mut found = Vec::new();
        let open = side.search.borrow_mut().run(
            &Finder {
                program: &side.program,
                is_valid: &|rule, text| self.is_valid(rule, text),
                before: &|| piece.before(),
            },
            Text {
                text,
                last: piece.last,
                longest: self.longest,
            },
            |found_one| found.push(found_one),
        );
        if let Some(name) = self.blocked(side, &found) {
            let message = match is_request {
                true => format!(
                    "the request contains what the rule `{name}` of this gateway blocks; remove it and send the request again"
                ),
                false => format!("the rule `{name}` of this gateway blocks the response"),
            };
            return match self.quietly {
                true => Verdict::stop_quietly(name, message),
                false => Verdict::stop(name, message),
            };
        }
        let hold = u32::try_from(text.len() - open).unwrap_or(u32::MAX);
        let mut passed = String::new();
        let mut copied = 0;
        for found in &found {
            if self.note(side, found) == Action::Redact {
                passed.push_str(part(text, copied, found.start));
                passed.push_str("[redacted:");
                passed.push_str(self.name(found.rule));
                passed.push(']');
                copied = found.end;
            }
        }
        if copied > 0 {
            passed.push_str(part(text, copied, open));
            return Verdict::replace_and_hold(passed, hold);
        }
        match hold {
            0 => Verdict::Pass,
            hold => Verdict::Hold(hold),
        }
    }
}

impl GuardPlugin {
    fn is_valid(&self, rule: u16, text: &str) -> bool {
        let rule = self.rules.get(usize::from(rule));
        rule.is_some_and(|rule| rule.check.accepts(text))
    }

    fn name(&self, rule: u16) -> &str {
        let rule = self.rules.get(usize::from(rule));
        rule.map_or("", |rule| &rule.name)
    }

    /// Returns the name of the first rule that blocks, or `None` if no rule does.
    fn blocked(&self, side: &Side, found: &[Match]) -> Option<&str> {
        let blocking = found
            .iter()
            .find(|it| side.action(it.rule) == Action::Block)?;
        self.note(side, blocking);
        Some(self.name(blocking.rule))
    }

    /// Counts and logs a match, and returns the action for it. What was found is in no log.
    fn note(&self, side: &Side, found: &Match) -> Action {
        let (name, action) = (self.name(found.rule), side.action(found.rule));
        let done = match action {
            Action::Block => "blocked",
            Action::Redact => "redacted",
            Action::Report => "reported",
            Action::Off => return action,
        };
        metrics::count(&format!("{done}.{name}"), 1);
        log::info(format!("rule `{name}`: {done}"));
        action
    }
}

// === impl Side ===

impl Side {
    fn action(&self, rule: u16) -> Action {
        let action = self.actions.get(usize::from(rule));
        action.copied().unwrap_or(Action::Off)
    }
}

fn part(text: &str, start: usize, end: usize) -> &str {
    text.get(start..end).unwrap_or_default()
}

#[cfg(test)]
mod tests;
