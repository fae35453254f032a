//! `witgate plugin diff`: the decisions that a new version of a plugin would change.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::code::CodeArgs;
use super::requests::{Requests, title};
use super::source::source;
use crate::output::{exit_code, print};

/// Arguments of `witgate plugin diff`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// File of the old version; `NAME.toml` beside `NAME.wasm` is its sidecar.
    old: PathBuf,
    /// File of the new version. Without a sidecar beside it, the old version's sidecar applies.
    new: PathBuf,
    #[command(flatten)]
    requests: Requests,
    /// Print a JSON object for each request that is decided differently.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    code: CodeArgs,
}

/// Asks both versions about each request. Returns `FAILURE` if they differ on any.
pub(super) fn diff(args: &Args) -> anyhow::Result<ExitCode> {
    let old = source(&args.old, None)?;
    let mut new = source(&args.new, None)?;
    if new.sidecar.is_none() {
        new.sidecar.clone_from(&old.sidecar);
    }
    let requests = args.requests.read()?;
    // Separate runtimes, because the versions must not share what they remember.
    let (old_code, new_code) = (args.code.runtime()?, args.code.runtime()?);
    let old = args.requests.trial(&old_code.runtime, &[old])?;
    let new = args.requests.trial(&new_code.runtime, &[new])?;

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
            print(&changed.to_string());
            continue;
        }
        print(&format!("{number:>4}  {}", title(captured)));
        for change in changes(&before.readable, &after.readable) {
            print(&format!("      {change}"));
        }
    }
    if !args.json {
        print(&format!(
            "{different} of {} requests are decided differently",
            requests.len()
        ));
    }
    Ok(exit_code(different == 0))
}

/// Returns the places where two decisions differ, each with both values.
fn changes(old: &[(String, Value)], new: &[(String, Value)]) -> Vec<String> {
    let mut changes = Vec::new();
    let find = |readable: &'_ [(String, Value)], name: &str| {
        let mut readable = readable.iter();
        readable
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.clone())
    };
    let added = new
        .iter()
        .filter(|(name, _)| find(old, name).is_none())
        .map(|(name, _)| name);
    let mut names: Vec<&String> = old.iter().map(|(name, _)| name).chain(added).collect();
    names.dedup();
    for name in names {
        let (old, new) = (find(old, name), find(new, name));
        let not_asked = || Value::from("not asked");
        let (old, new) = (old.unwrap_or_else(not_asked), new.unwrap_or_else(not_asked));
        compare(name, Some(&old), Some(&new), &mut changes);
    }
    changes
}

fn compare(at: &str, old: Option<&Value>, new: Option<&Value>, changes: &mut Vec<String>) {
    match (old, new) {
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let added = new.keys().filter(|name| !old.contains_key(*name));
            for name in old.keys().chain(added) {
                let at = format!("{at}.{name}");
                compare(&at, old.get(name), new.get(name), changes);
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) => {
            for index in 0..old.len().max(new.len()) {
                let at = format!("{at}.{index}");
                compare(&at, old.get(index), new.get(index), changes);
            }
        }
        (old, new) if old == new => {}
        (old, new) => changes.push(format!("{at}: {} -> {}", text(old), text(new))),
    }
}

fn text(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "nothing".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readable(hooks: &[(&str, Value)]) -> Vec<(String, Value)> {
        hooks
            .iter()
            .map(|(hook, value)| ((*hook).to_owned(), value.clone()))
            .collect()
    }

    #[test]
    fn a_change_is_told_with_its_place_and_both_values() {
        let old = readable(&[("route", json!({"targets": [{"model": "a"}], "rule": null}))]);
        let new = readable(&[
            (
                "route",
                json!({"targets": [{"model": "b"}, 1], "rule": null}),
            ),
            ("budget", json!("no charge")),
        ]);
        assert_eq!(
            changes(&old, &new),
            [
                "route.targets.0.model: a -> b",
                "route.targets.1: nothing -> 1",
                "budget: not asked -> no charge",
            ]
        );
    }

    #[test]
    fn a_refusal_that_is_gone_is_told_in_words() {
        let old = readable(&[("route", json!("refused 403 permission_error: no"))]);
        let new = readable(&[("route", json!("no plan"))]);
        assert_eq!(
            changes(&old, &new),
            ["route: refused 403 permission_error: no -> no plan"]
        );
    }
}
