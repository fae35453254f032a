//! The choice of a tool for a response.

use serde_json::Value;

use super::ask::Ask;

/// Words after which a tool's name is a request and not prose.
const VERBS: [&str; 4] = ["use", "call", "run", "try"];

/// Returns the declared tool that the request asks for by `tool_choice` or in words, or `None`.
pub(super) fn wanted(ask: &Ask) -> Option<&Value> {
    let choice = ask.tool_choice();
    match choice
        .and_then(|choice| choice.get("type"))
        .and_then(Value::as_str)
    {
        Some("none") => return None,
        Some("any") => return ask.tools().find(|tool| name(tool).is_some()),
        Some("tool") => {
            let forced = choice
                .and_then(|choice| choice.get("name"))
                .and_then(Value::as_str);
            return ask
                .tools()
                .find(|tool| name(tool) == forced && forced.is_some());
        }
        _ => {}
    }
    let text = ask.last_text().to_lowercase();
    let words: Vec<&str> = text
        .split(|letter: char| !letter.is_alphanumeric() && letter != '_' && letter != '-')
        .filter(|w| !w.is_empty())
        .collect();
    ask.tools()
        .find(|tool| name(tool).is_some_and(|name| is_asked_for(&name.to_lowercase(), &words)))
}

pub(super) fn name(tool: &Value) -> Option<&str> {
    tool.get("name")?.as_str()
}

/// Returns whether the words ask for a tool. A name with an underscore is no ordinary word and may occur anywhere. Other
/// names, such as `Read`, need a verb before them. `run a command` asks for `Bash`.
fn is_asked_for(tool: &str, words: &[&str]) -> bool {
    let after_verb = |place: usize| {
        let before = words
            .get(place.saturating_sub(2)..place)
            .unwrap_or_default();
        match before {
            [.., verb] if VERBS.contains(verb) => true,
            [verb, article] => VERBS.contains(verb) && ["the", "a", "an", "tool"].contains(article),
            _ => false,
        }
    };
    let named = words
        .iter()
        .enumerate()
        .any(|(place, word)| *word == tool && (tool.contains('_') || after_verb(place)));
    named
        || (tool == "bash"
            && words
                .windows(3)
                .any(|words| words == ["run", "a", "command"]))
}
