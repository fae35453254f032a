//! `witgate plugin diff`: what a new version of a plugin would change, before it is shipped.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Map, Value, json};

use super::super::say;
use super::trial::{Requests, title};

/// Arguments of `witgate plugin diff`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The version that serves; `NAME.toml` beside it is its sidecar.
    old: PathBuf,
    /// The version that is meant to. Without a sidecar beside it, that of the old version holds.
    new: PathBuf,
    #[command(flatten)]
    requests: Requests,
    /// One JSON object for each request that is decided differently.
    #[arg(long)]
    json: bool,
}

/// Asks both versions about each request. Exits with 1 when they differ on any.
pub(super) fn diff(args: &Args) -> anyhow::Result<ExitCode> {
    let old = super::source(&args.old, None)?;
    let mut new = super::source(&args.new, None)?;
    if new.sidecar.is_none() {
        new.sidecar.clone_from(&old.sidecar);
    }
    let requests = args.requests.read()?;
    // Each has a runtime of its own: what one remembers is nothing to the other.
    let (old_runtime, new_runtime) = (super::runtime(None)?, super::runtime(None)?);
    let old = args.requests.trial(&old_runtime, &[old])?;
    let new = args.requests.trial(&new_runtime, &[new])?;

    let mut different = 0_usize;
    for (index, captured) in requests.iter().enumerate() {
        let number = index + 1;
        let failed = |error| anyhow::anyhow!("request {number}: {error}");
        let before = old.decide(captured).map_err(failed)?;
        let after = new.decide(captured).map_err(failed)?;
        if before.given == after.given {
            continue;
        }
        different += 1;
        if args.json {
            let changed = json!({
                "request": number,
                "id": captured.id,
                "old": before.given,
                "new": after.given,
            });
            say(&changed.to_string());
            continue;
        }
        say(&format!("{number:>4}  {}", title(captured)));
        for change in changes(&before.given, &after.given) {
            say(&format!("      {change}"));
        }
    }
    if !args.json {
        say(&format!(
            "{different} of {} requests are decided differently",
            requests.len()
        ));
    }
    Ok(if different == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The places where two decisions differ, each with both values.
fn changes(old: &Map<String, Value>, new: &Map<String, Value>) -> Vec<String> {
    let mut changes = Vec::new();
    let (old, new) = (Value::Object(old.clone()), Value::Object(new.clone()));
    compare("", Some(&old), Some(&new), &mut changes);
    changes
}

fn compare(at: &str, old: Option<&Value>, new: Option<&Value>, changes: &mut Vec<String>) {
    let below = |name: &str| match at {
        "" => name.to_owned(),
        at => format!("{at}.{name}"),
    };
    match (old, new) {
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let added = new.keys().filter(|name| !old.contains_key(*name));
            for name in old.keys().chain(added) {
                compare(&below(name), old.get(name), new.get(name), changes);
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) => {
            for index in 0..old.len().max(new.len()) {
                compare(
                    &below(&index.to_string()),
                    old.get(index),
                    new.get(index),
                    changes,
                );
            }
        }
        (old, new) if old == new => {}
        (old, new) => {
            let text = |value: Option<&Value>| value.map_or("nothing".to_owned(), Value::to_string);
            changes.push(format!("{at}: {} -> {}", text(old), text(new)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_with_its_place_and_both_values() {
        let map = |value: Value| value.as_object().unwrap().clone();
        let old = map(json!({"route": {"targets": [{"model": "a"}], "rule": null}}));
        let new =
            map(json!({"route": {"targets": [{"model": "b"}, 1], "rule": null}, "budget": []}));
        assert_eq!(
            changes(&old, &new),
            [
                r#"route.targets.0.model: "a" -> "b""#,
                "route.targets.1: nothing -> 1",
                "budget: nothing -> []",
            ]
        );
    }
}
