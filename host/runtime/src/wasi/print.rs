//! What a guest prints: lines in the plugin's log, and the reason that a fault is told with.

use std::collections::VecDeque;

use wasmtime::component::Resource;

use super::stdio::Output;
use crate::contract::log::Level;
use crate::guest::{Guest, MAX_LINE_BYTES, shorten};

/// What tells the two outputs apart.
pub(super) const STDOUT: u32 = 1;
pub(super) const STDERR: u32 = 2;

/// Lines of standard error that a fault is told with: enough for the last words of an interpreter and what its runtime
/// adds to them.
const COMPLAINTS: usize = 8;

/// What a guest has printed and not ended with a line break, and the last lines that it complained with.
#[derive(Debug, Default)]
pub(crate) struct Stdio {
    out: Vec<u8>,
    err: Vec<u8>,
    complaints: VecDeque<String>,
}

// === impl Guest ===

impl Guest {
    /// Writes the lines that are whole, and keeps the rest.
    pub(super) fn print(&mut self, output: &Resource<Output>, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            // A line longer than the log takes goes on as another one.
            for part in piece.chunks(MAX_LINE_BYTES) {
                let buffer = match output.rep() {
                    STDOUT => &mut self.stdio.out,
                    _ => &mut self.stdio.err,
                };
                buffer.extend_from_slice(part);
                if buffer.len() >= MAX_LINE_BYTES || part.ends_with(b"\n") {
                    let line = std::mem::take(buffer);
                    self.print_line(output.rep(), &line);
                }
            }
        }
    }

    /// Writes what was printed without a line break. A line never holds words of two calls.
    pub(crate) fn print_rest(&mut self) {
        for output in [STDOUT, STDERR] {
            let buffer = match output {
                STDOUT => &mut self.stdio.out,
                _ => &mut self.stdio.err,
            };
            if !buffer.is_empty() {
                let line = std::mem::take(buffer);
                self.print_line(output, &line);
            }
        }
    }

    fn print_line(&mut self, output: u32, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        let line = line.trim_end();
        if line.is_empty() {
            return;
        }
        match output {
            STDOUT => self.log_line(Level::Info, line),
            _ => {
                self.log_line(Level::Warn, line);
                let complaints = &mut self.stdio.complaints;
                if complaints.len() == COMPLAINTS {
                    complaints.pop_front();
                }
                complaints.push_back(line.trim_start().to_owned());
            }
        }
    }

    /// The last lines of standard error in this call. Languages say there why they are about to trap.
    pub(crate) fn take_complaints(&mut self) -> Option<String> {
        self.print_rest();
        let lines = std::mem::take(&mut self.stdio.complaints);
        (!lines.is_empty()).then(|| shorten(Vec::from(lines).join(" | ")))
    }
}

// === impl Stdio ===

impl Stdio {
    /// Forgets what an earlier call complained about.
    pub(crate) fn begin_call(&mut self) {
        self.complaints.clear();
    }
}
