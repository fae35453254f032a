//! Reads settings into a type, past everything that is wrong with them. The host reads its own files the same way.
//!
//! serde stops at the first wrong value. The reader therefore starts again after each problem, with a placeholder for
//! the value that was wrong or missing, until a reading succeeds. No plugin is made of a placeholder: the problem that it
//! stands for is reported instead.

mod node;

use std::cell::RefCell;

use serde::de::DeserializeOwned;

pub(super) use self::node::join;
use self::node::{Node, Pass};
use super::Problems;
use super::value_error::ValueError;
use crate::json;

/// Maximum number of problems that are reported. Each one costs another reading.
const MAX_PROBLEMS: usize = 100;

/// Reads a value, and returns its problems beside it.
///
/// # Errors
///
/// Returns every problem, if no value of type `T` can be made despite placeholders.
pub(super) fn read<T: DeserializeOwned>(json: &str) -> Result<(T, Problems), Problems> {
    let mut problems = Problems::default();
    let settings = match json::parse(json) {
        Ok(settings) => settings,
        Err(error) => return Err(Problems::of("", error.to_string())),
    };
    let mut dropped = Vec::new();
    let unknown = RefCell::default();
    let value = loop {
        let pass = Pass {
            placeholders: &problems.placeholders,
            dropped: &dropped,
            unknown: &unknown,
        };
        let root = Node {
            pass: &pass,
            value: Some(&settings),
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
    problems.unknown = unknown.take();
    problems.tell_unknown();
    match value {
        Some(value) => Ok((value, problems)),
        None => Err(problems),
    }
}

/// Records a problem and puts a placeholder in the place of the value. If the value is a placeholder already, drops the
/// element of a list, or else replaces the table around it. Returns whether there was anything left to replace.
fn replace(problems: &mut Problems, dropped: &mut Vec<String>, wrong: ValueError) -> bool {
    let wrong = *wrong.0;
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
        if add(&mut problems.placeholders, &key) || is_element && add(dropped, &key) {
            return true;
        }
        let around = key.rfind(['.', '[']).unwrap_or(0);
        key.truncate(around);
    }
    false
}

/// Adds a path, and returns whether it is a new one.
fn add(paths: &mut Vec<String>, path: &str) -> bool {
    let is_new = !paths.iter().any(|known| known == path);
    if is_new {
        paths.push(path.to_owned());
    }
    is_new
}
