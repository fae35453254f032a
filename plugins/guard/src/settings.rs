//! The guard plugin's settings.

use std::cell::RefCell;

use serde::Deserialize;
use witgate_plugin::Problems;
use witgate_plugin::types::{ContentKind, Piece};

use crate::pattern::Pattern;
use crate::program::Program;
use crate::rules::{BUILTIN, Check};
use crate::{GuardPlugin, Rule, Side};

/// `[settings]` of `policies/guard.toml`.
#[derive(Debug, Deserialize)]
pub struct Settings {
    /// Names of the built-in rules to apply. If absent, all of them.
    builtin: Option<Vec<String>>,
    /// Action for what rules find in requests, unless they have their own.
    #[serde(default = "redact")]
    request: Action,
    /// Action for what rules find in responses, unless they have their own.
    #[serde(default = "redact")]
    response: Action,
    /// Kinds of texts to inspect. If absent, all but the model's thinking.
    kinds: Option<Vec<String>>,
    /// `true` to end a blocked response as if the model had stopped by itself. Otherwise it ends with an error.
    #[serde(default = "yes")]
    quietly: bool,
    /// The longest match that is found across pieces, in bytes. Longer ones may be found in part.
    #[serde(default = "longest")]
    longest: u32,
    /// Further rules, which take precedence over the built-in ones.
    #[serde(default)]
    rules: Vec<RuleSettings>,
}

#[derive(Debug, Deserialize)]
struct RuleSettings {
    /// Name for receipts, metrics and the text that replaces a match.
    name: String,
    pattern: String,
    #[serde(default = "none")]
    check: Check,
    /// Action for requests. If absent, that of all rules.
    request: Option<Action>,
    /// Action for responses. If absent, that of all rules.
    response: Option<Action>,
}

/// The action for a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Action {
    /// Refuses the request, or ends the response.
    Block,
    /// Replaces the match by the rule's name.
    Redact,
    /// Counts and logs the match.
    Report,
    /// Does not look for it.
    Off,
}

/// All kinds of texts with their names.
const KINDS: [(&str, ContentKind); 8] = [
    ("system", ContentKind::System),
    ("user", ContentKind::User),
    ("assistant", ContentKind::Assistant),
    ("tool-result", ContentKind::ToolResult),
    ("text", ContentKind::Text),
    ("thinking", ContentKind::Thinking),
    ("tool-input", ContentKind::ToolInput),
    ("server-tool-result", ContentKind::ServerToolResult),
];

/// The number of the kinds that are texts of requests.
const REQUEST_KINDS: usize = 4;

/// A change of thinking invalidates its signature, so the operator has to ask for it.
const NOT_BY_DEFAULT: &str = "thinking";

const fn yes() -> bool {
    true
}

const fn redact() -> Action {
    Action::Redact
}

const fn none() -> Check {
    Check::None
}

/// Just below the bytes that a guard may hold back by default.
const fn longest() -> u32 {
    4_000
}

// === impl Settings ===

impl Settings {
    pub(crate) fn check(self) -> Result<GuardPlugin, Problems> {
        let mut problems = Problems::default();
        if !(16..=65_536).contains(&self.longest) {
            problems.push("longest", "out of range; use 16 to 65536");
        }
        let held = Piece::held_bytes();
        if self.longest > held {
            problems.push(
                "longest",
                format!(
                    "{} bytes can't be waited for: `held_bytes` in [limits] lets the plugin hold back {held}; lower one or raise the other",
                    self.longest
                ),
            );
        }
        let kinds = self.kinds(&mut problems);
        let longest = usize::try_from(self.longest).unwrap_or(usize::MAX);
        let quietly = self.quietly;
        let rules = self.all_rules(&mut problems);
        let request = side(&rules, |rule| rule.request, &mut problems);
        let response = side(&rules, |rule| rule.response, &mut problems);
        let (of_request, of_response): (Vec<_>, Vec<_>) =
            kinds.into_iter().partition(|(request, _)| *request);
        let kinds = [(of_request, &request), (of_response, &response)];
        let content = kinds
            .into_iter()
            .filter(|(_, side)| !side.program.is_empty())
            .flat_map(|(kinds, _)| kinds.into_iter().map(|(_, kind)| kind))
            .collect();
        problems.or(GuardPlugin {
            rules: rules.into_iter().map(|rule| rule.rule).collect(),
            request,
            response,
            content,
            quietly,
            longest,
        })
    }

    /// Returns the kinds of texts, and whether each is one of requests.
    fn kinds(&self, problems: &mut Problems) -> Vec<(bool, ContentKind)> {
        for (index, name) in self.kinds.iter().flatten().enumerate() {
            if !KINDS.iter().any(|(known, _)| known == name) {
                let known = KINDS.map(|(known, _)| known).join("`, `");
                problems.push(
                    format!("kinds[{index}]"),
                    format!("no kind of text; use `{known}`"),
                );
            }
        }
        let wanted = |name: &str| match &self.kinds {
            Some(kinds) => kinds.iter().any(|kind| kind == name),
            None => name != NOT_BY_DEFAULT,
        };
        let all = KINDS.into_iter().enumerate();
        all.filter(|(_, (name, _))| wanted(name))
            .map(|(place, (_, kind))| (place < REQUEST_KINDS, kind))
            .collect()
    }

    /// Returns the operator's own rules and then the built-in ones.
    fn all_rules(self, problems: &mut Problems) -> Vec<ParsedRule> {
        let mut rules = Vec::new();
        for (index, own) in self.rules.into_iter().enumerate() {
            let path = |member: &str| format!("rules[{index}].{member}");
            if own.name.is_empty() || !own.name.bytes().all(is_plain) {
                problems.push(path("name"), "use lowercase letters, digits, `-` and `_`");
            }
            let is_taken = |rule: &ParsedRule| rule.rule.name == own.name;
            if rules.iter().any(is_taken) || BUILTIN.iter().any(|known| known.name == own.name) {
                problems.push(path("name"), "another rule has this name");
            }
            let pattern =
                Pattern::parse(&own.pattern).and_then(|pattern| match pattern.is_empty() {
                    true => Err("matches the empty text; demand a character".to_owned()),
                    false => Ok(pattern),
                });
            match pattern {
                Ok(pattern) => rules.push(ParsedRule {
                    path: path("pattern"),
                    pattern,
                    request: own.request.unwrap_or(self.request),
                    response: own.response.unwrap_or(self.response),
                    rule: Rule {
                        name: own.name,
                        check: own.check,
                    },
                }),
                Err(message) => problems.push(path("pattern"), message),
            }
        }
        for (index, name) in self.builtin.iter().flatten().enumerate() {
            if !BUILTIN.iter().any(|known| known.name == name) {
                let known = BUILTIN.map(|known| known.name).join("`, `");
                problems.push(
                    format!("builtin[{index}]"),
                    format!("no built-in rule; use `{known}`"),
                );
            }
        }
        for builtin in BUILTIN {
            let is_on = |names: &Vec<String>| names.iter().any(|name| name == builtin.name);
            if !self.builtin.as_ref().is_none_or(is_on) {
                continue;
            }
            // Tests parse them all.
            if let Ok(pattern) = Pattern::parse(builtin.pattern) {
                rules.push(ParsedRule {
                    path: String::new(),
                    pattern,
                    request: self.request,
                    response: self.response,
                    rule: Rule {
                        name: builtin.name.to_owned(),
                        check: builtin.check,
                    },
                });
            }
        }
        rules
    }
}

struct ParsedRule {
    /// Path of the pattern in the settings.
    path: String,
    pattern: Pattern,
    request: Action,
    response: Action,
    rule: Rule,
}

/// Makes the program of one side from the rules that are not off there.
fn side(
    rules: &[ParsedRule],
    action: impl Fn(&ParsedRule) -> Action,
    problems: &mut Problems,
) -> Side {
    let mut program = Program::default();
    for (number, rule) in (0..).zip(rules) {
        if action(rule) != Action::Off
            && let Err(message) = program.add(&rule.pattern, number)
        {
            problems.push(rule.path.clone(), message);
            break;
        }
    }
    program.finish();
    Side {
        program,
        actions: rules.iter().map(action).collect(),
        search: RefCell::default(),
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte)
}
