//! The output of commands: lines on standard output, errors on standard error.

use std::borrow::Cow;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use parking_lot::Mutex;
use witgate_gateway::text::{escaped, is_unsafe};
use witgate_usage::Damage;

use crate::log;

/// The first error of writing to standard output.
static PRINT_ERROR: Mutex<Option<ErrorKind>> = Mutex::new(None);

/// Prints a line to standard output. A failure is remembered, and changes the exit code of commands whose purpose is their
/// output.
pub(crate) fn print(text: &str) {
    let mut out = io::stdout().lock();
    if let Err(error) = writeln!(out, "{}", printable(text)).and_then(|()| out.flush()) {
        let mut first = PRINT_ERROR.lock();
        first.get_or_insert(error.kind());
    }
}

/// Returns a number with its noun: `1 key`, `2 keys`.
pub(crate) fn count_of(number: usize, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

/// Returns the exit code of a check, by whether all is well.
pub(crate) fn exit_code(is_well: bool) -> ExitCode {
    if is_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Returns the exit code of a command, or `FAILURE` if some of its output could not be printed.
pub(crate) fn unless_print_failed(code: ExitCode) -> ExitCode {
    match *PRINT_ERROR.lock() {
        None => code,
        // A reader that closes the pipe, as `head` does, has seen what it wanted.
        Some(ErrorKind::BrokenPipe) => ExitCode::FAILURE,
        Some(kind) => {
            print_error(&format!(
                "cannot write to standard output ({kind}): the output is incomplete"
            ));
            ExitCode::FAILURE
        }
    }
}

/// Returns the text of an error with its causes. A cause that its error already quotes is not repeated.
pub(crate) fn error_text(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(cause.trim()) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// Says on standard error which receipts files can't be read.
pub(crate) fn warn_of(damaged: &[Damage]) {
    for Damage { path, error } in damaged {
        print_error(&format!(
            "{path} can't be read to its end ({error}), and what it has beyond is missing here; put back a good copy of the file"
        ));
    }
}

/// Prints an error to standard error. Unlike log lines, errors of commands are never filtered.
pub(crate) fn print_error(text: &str) {
    log::print_error(&format!("witgate: {}", printable(text)));
}

/// Returns a text with control characters escaped, because it may come from a plugin or from a request.
fn printable(text: &str) -> Cow<'_, str> {
    escaped(text, |c| is_unsafe(c) && !matches!(c, '\n' | '\t'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_steers_the_terminal_that_it_is_printed_on() {
        let told = "403: \u{1b}[2Jgone\r\u{7}\u{9b}1m\u{202e}\n\tnext: für";
        assert_eq!(
            printable(told),
            "403: \\u{1b}[2Jgone\\r\\u{7}\\u{9b}1m\\u{202e}\n\tnext: für",
            "control characters are written out, lines and tabs are kept"
        );
    }

    #[test]
    fn a_cause_that_is_part_of_the_text_is_not_said_twice() {
        let of = |texts: [&'static str; 2]| {
            let [text, cause] = texts;
            error_text(&anyhow::Error::msg(cause).context(text))
        };
        assert_eq!(of(["a can't be read", "denied"]), "a can't be read: denied");
        let whole = "a can't be read: denied; check its mode";
        assert_eq!(of([whole, "denied"]), whole, "it is in the text");
        assert_eq!(of(["b: a: denied", "a: denied"]), "b: a: denied");
    }
}
