//! Reads settings into a type, past everything that is wrong with them. The host reads its own files the same way.
//!
//! serde stops at the first wrong value. The reader therefore starts again after each problem, with a placeholder for
//! the value that was wrong or missing, until a reading succeeds. No plugin is made of a placeholder: the problem that it
//! stands for is reported instead.

mod node;
mod placeholder;

use std::cell::RefCell;
use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use serde_json::Value;

use self::node::{Node, Pass, join};
use super::Problems;
use super::value_error::ValueError;

/// Maximum number of problems that are reported. Each one costs another reading.
const MAX_PROBLEMS: usize = 100;

/// Reads a value, and returns its problems beside it.
///
/// # Errors
///
/// Returns every problem, if no value of type `T` can be made despite placeholders.
pub(super) fn read<T: DeserializeOwned>(json: &str) -> Result<(T, Problems), Problems> {
    let mut problems = Problems::default();
    let settings: Value = match serde_json::from_str(json) {
        Ok(settings) => settings,
        Err(error) => {
            problems.push("", format!("not JSON: {error}"));
            return Err(problems);
        }
    };
    let mut dropped = BTreeSet::new();
    let unknown = RefCell::default();
    let value = loop {
        let root = Node {
            pass: Pass {
                placeholders: &problems.placeholders,
                dropped: &dropped,
                unknown: &unknown,
            },
            value: &settings,
            path: String::new(),
        };
        let wrong = match T::deserialize(root) {
            Ok(value) => break Some(value),
            Err(wrong) => wrong,
        };
        if problems.list.len() >= MAX_PROBLEMS || !replace(&mut problems, &mut dropped, wrong) {
            break None;
        }
    };
    for path in unknown.take() {
        problems.push(path, "unknown key");
    }
    match value {
        Some(value) => Ok((value, problems)),
        None => Err(problems),
    }
}

/// Records a problem and puts a placeholder in the place of the value. If the value is a placeholder already, drops the
/// element of a list, or else replaces the table around it. Returns whether there was anything left to replace.
fn replace(problems: &mut Problems, dropped: &mut BTreeSet<String>, wrong: ValueError) -> bool {
    let table = wrong.path.unwrap_or_default();
    let mut key = match wrong.missing {
        Some(missing) => join(&table, missing),
        None => table.clone(),
    };
    if !problems.placeholders.contains(&key) {
        problems.push(table, wrong.message);
    }
    while !key.is_empty() {
        let is_element = key.ends_with(']');
        if problems.placeholders.insert(key.clone()) || is_element && dropped.insert(key.clone()) {
            return true;
        }
        let around = key.rfind(['.', '[']).unwrap_or(0);
        key.truncate(around);
    }
    false
}
