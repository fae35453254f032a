//! Mistakes in the configuration, all of them told at once, and defaults that are what the docs say.

mod at_once;
mod defaults;
mod plugins;
mod retries;
mod words;

use std::path::Path;
use std::process::{Command, Output};

use crate::harness::binary;

/// Runs the binary in a folder.
fn witgate(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(binary())
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}
