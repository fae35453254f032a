//! The program's commands, run to their end.

use std::path::Path;
use std::process::{Command, Output};

use super::binary;

/// Runs the program in a folder that also holds its caches.
pub fn witgate(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(binary())
        .args(arguments)
        .current_dir(folder)
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .env_remove("WITGATE_KEY")
        .output()
        .unwrap()
}

/// Returns all that a command printed: its standard output, then its standard error.
pub fn text(output: &Output) -> String {
    printed(output) + &complaint(output)
}

/// Returns the standard output of a command.
pub fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Returns the standard error of a command.
pub fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
