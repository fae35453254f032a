//! Panics as log lines.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;

/// Installs a panic hook that logs. Rust's own hook prints text past the log and waits for its reader.
pub(super) fn log_them() {
    std::panic::set_hook(Box::new(log));
}

fn log(panic: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    let said = panic.payload_as_str().unwrap_or("no message");
    let place = panic.location().map(ToString::to_string);
    let place = place.as_deref().unwrap_or("unknown");
    // Captured only if RUST_BACKTRACE is set.
    let backtrace = Backtrace::capture();
    match backtrace.status() {
        BacktraceStatus::Captured => {
            tracing::error!(thread, place, said, %backtrace, "panicked");
        }
        _ => tracing::error!(thread, place, said, "panicked"),
    }
}

#[cfg(test)]
mod tests {
    use crate::log::{LogFormat, start};

    /// Variable that is set for the test's child process, because a panic hook applies to a whole process.
    const CHILD: &str = "WITGATE_PANICS";

    #[test]
    fn a_panic_is_a_line_of_the_log_in_its_form() {
        if std::env::var_os(CHILD).is_some() {
            let _flush = start(LogFormat::Json).unwrap();
            let thread = std::thread::Builder::new().name("worker".into());
            let panicked = thread.spawn(|| panic!("what {}", "happened")).unwrap();
            assert!(panicked.join().is_err(), "it panicked");
            return;
        }
        let name = "log::panics::tests::a_panic_is_a_line_of_the_log_in_its_form";
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args([name, "--exact", "--nocapture"])
            .env(CHILD, "1")
            .env_remove("WITGATE_LOG")
            .output()
            .unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{text}");
        let lines: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("every line is JSON"))
            .collect();
        let [line] = &*lines else {
            panic!("one line: {text}");
        };
        let fields = &line["fields"];
        assert_eq!(
            (&fields["said"], &fields["thread"], &line["level"]),
            (&"what happened".into(), &"worker".into(), &"ERROR".into()),
            "what was said, and where: {line}"
        );
        let place = fields["place"].as_str().unwrap_or_default();
        assert!(place.contains("panics.rs"), "the place: {line}");
    }
}
