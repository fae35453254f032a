//! The options on the command line.

use std::time::Duration;

/// Words of the command line: names with values.
pub(crate) struct Options(Vec<String>);

// === impl Options ===

impl Options {
    pub(crate) fn of_this_process() -> Self {
        Self(std::env::args().skip(1).collect())
    }

    /// Returns true if there is an option of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|word| word == name)
    }

    /// Returns the value of an option.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let at = self.0.iter().position(|word| word == name)?;
        self.0.get(at + 1).map(String::as_str)
    }

    /// Returns a number, or the usual one.
    pub(crate) fn number(&self, name: &str, usual: usize) -> usize {
        self.text(name)
            .map_or(usual, |text| text.parse().expect("a number"))
    }

    /// Returns the length of a turn.
    pub(crate) fn seconds(&self, usual: u64) -> Duration {
        let text = self.text("--seconds");
        Duration::from_secs(text.map_or(usual, |text| text.parse().expect("seconds")))
    }

    /// Returns true if `--only` names this part, or is not given.
    pub(crate) fn wants(&self, part: &str) -> bool {
        self.text("--only")
            .is_none_or(|names| names.split(',').any(|name| name == part))
    }
}
