//! The queue between the threads that log and the thread that writes.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io::{ErrorKind, Write};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// Pause before a write that would block is retried.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

thread_local! {
    /// True on the writer thread, whose own line about dropped lines is never dropped.
    static WRITES: Cell<bool> = const { Cell::new(false) };
}

/// A bounded queue of lines.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// Maximum size in bytes of the waiting lines.
    capacity: usize,
    /// Signals the writer that there is a line.
    filled: Condvar,
    /// Signals threads that flush that the queue is empty.
    emptied: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<Vec<u8>>,
    /// Size in bytes of these lines and of the one that is being written.
    bytes: usize,
    /// Number of lines dropped since the start.
    dropped: u64,
    /// Number of dropped lines that the log has reported.
    reported: u64,
}

/// The result of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Written {
    Whole,
    /// A part of the line was written, without its line break.
    Torn,
    Nothing,
}

// === impl Queue ===

impl Queue {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            state: Mutex::default(),
            capacity,
            filled: Condvar::new(),
            emptied: Condvar::new(),
        }
    }

    /// Adds a line, or drops and counts it if there is no room. Never waits.
    pub(super) fn push(&self, line: Vec<u8>) {
        let mut state = self.state.lock();
        if state.bytes + line.len() > self.capacity && !WRITES.get() {
            state.dropped += 1;
            return;
        }
        state.bytes += line.len();
        state.lines.push_back(line);
        drop(state);
        self.filled.notify_one();
    }

    /// Returns the number of lines dropped since the start.
    pub(super) fn dropped(&self) -> u64 {
        self.state.lock().dropped
    }

    /// Waits until everything is written, but no longer than `timeout`.
    pub(super) fn flush(&self, timeout: Duration) {
        let end = Instant::now() + timeout;
        let mut state = self.state.lock();
        while state.bytes > 0 {
            let Some(left) = end.checked_duration_since(Instant::now()) else {
                return;
            };
            let _ = self.emptied.wait_for(&mut state, left);
        }
    }

    /// Writes lines until the process ends.
    pub(super) fn write_to(&self, out: &mut impl Write) {
        WRITES.set(true);
        let mut torn = false;
        loop {
            let line = self.next();
            // A torn line is ended first, so that it does not run into the next one.
            if torn {
                torn = write(out, b"\n") != Written::Whole;
            }
            let written = match torn {
                true => Written::Nothing,
                false => write(out, &line),
            };
            torn |= written == Written::Torn;
            self.done(line.len(), written);
        }
    }

    /// Waits for a line.
    fn next(&self) -> Vec<u8> {
        let mut state = self.state.lock();
        loop {
            if let Some(line) = state.lines.pop_front() {
                return line;
            }
            self.filled.wait(&mut state);
        }
    }

    fn done(&self, bytes: usize, written: Written) {
        if written == Written::Whole {
            self.report_dropped();
        }
        let mut state = self.state.lock();
        if written != Written::Whole {
            state.dropped += 1;
        }
        state.bytes -= bytes;
        let is_empty = state.bytes == 0;
        drop(state);
        if is_empty {
            self.emptied.notify_all();
        }
    }

    /// Logs the number of lines dropped since the last report.
    fn report_dropped(&self) {
        let mut state = self.state.lock();
        let lines = state.dropped - state.reported;
        state.reported = state.dropped;
        drop(state);
        if lines > 0 {
            tracing::warn!(
                lines,
                "dropped {lines} log lines: standard error was not writable, or too slow"
            );
        }
    }
}

/// Writes one piece, and retries while the reader is only slow.
fn write(out: &mut impl Write, piece: &[u8]) -> Written {
    let mut rest = piece;
    while !rest.is_empty() {
        match out.write(rest) {
            Ok(count) if count > 0 => rest = rest.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Another process has made the pipe non-blocking.
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::sleep(RETRY_PAUSE),
            Ok(_) | Err(_) if rest.len() == piece.len() => return Written::Nothing,
            Ok(_) | Err(_) => return Written::Torn,
        }
    }
    match out.flush() {
        Ok(()) => Written::Whole,
        Err(_) => Written::Torn,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::io;
    use std::sync::Arc;
    use std::sync::mpsc::{Receiver, Sender, channel};

    /// A reader that takes as many bytes as the test allows.
    struct Reader {
        allowed: Receiver<io::Result<usize>>,
        text: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = self.allowed.recv().map_err(io::Error::other)??;
            let taken = &bytes[..count.min(bytes.len())];
            let mut text = self.text.lock();
            text.extend_from_slice(taken);
            Ok(taken.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const LONG: Duration = Duration::from_secs(30);
    const ALL: usize = usize::MAX;

    /// The bytes that were written.
    type Written = Arc<Mutex<Vec<u8>>>;

    /// A queue whose writer is controlled by the test.
    fn queue(capacity: usize) -> (Arc<Queue>, Sender<io::Result<usize>>, Written) {
        let queue = Arc::new(Queue::new(capacity));
        let (allow, allowed) = channel();
        let text = Arc::new(Mutex::new(Vec::new()));
        let mut reader = Reader {
            allowed,
            text: Arc::clone(&text),
        };
        let writer = Arc::clone(&queue);
        std::thread::spawn(move || writer.write_to(&mut reader));
        (queue, allow, text)
    }

    fn text(text: &Mutex<Vec<u8>>) -> String {
        String::from_utf8(text.lock().clone()).unwrap()
    }

    #[test]
    fn the_writers_own_word_on_dropped_lines_always_has_room() {
        let queue = Queue::new(4);
        queue.push(b"full".to_vec());
        WRITES.set(true);
        queue.push(b"2 lines were dropped".to_vec());
        WRITES.set(false);
        queue.push(b"no".to_vec());
        assert_eq!(queue.dropped(), 1, "others have none");
        assert_eq!(queue.state.lock().lines.len(), 2, "it waits with the rest");
    }

    #[test]
    fn a_reader_that_stands_still_costs_lines_and_holds_up_nobody() {
        let (queue, allow, read) = queue(10);
        for line in ["1234\n", "5678\n", "dropped\n", "too\n"] {
            queue.push(line.into());
        }
        assert_eq!(queue.dropped(), 2, "what does not fit is counted");
        queue.flush(Duration::from_millis(1));
        assert_eq!(text(&read), "", "and the end does not wait for it");
        for _ in 0..2 {
            allow.send(Ok(ALL)).unwrap();
        }
        queue.flush(LONG);
        assert_eq!(text(&read), "1234\n5678\n", "what was kept comes in order");
    }

    #[test]
    fn a_log_that_fails_costs_its_lines_and_is_written_again_when_it_can_be() {
        let (queue, allow, read) = queue(1000);
        for error in [ErrorKind::BrokenPipe, ErrorKind::StorageFull] {
            queue.push(b"lost\n".to_vec());
            allow.send(Err(error.into())).unwrap();
        }
        queue.flush(LONG);
        assert_eq!(queue.dropped(), 2, "counted");
        queue.push(b"there\n".to_vec());
        allow.send(Ok(ALL)).unwrap();
        queue.flush(LONG);
        assert_eq!(text(&read), "there\n", "the next one is written");
    }

    #[test]
    fn a_line_that_is_cut_off_spoils_no_other() {
        let (queue, allow, read) = queue(1000);
        queue.push(b"half\n".to_vec());
        allow.send(Ok(2)).unwrap();
        allow.send(Err(ErrorKind::StorageFull.into())).unwrap();
        queue.flush(LONG);
        queue.push(b"whole\n".to_vec());
        for _ in 0..2 {
            allow.send(Ok(ALL)).unwrap();
        }
        queue.flush(LONG);
        assert_eq!(text(&read), "ha\nwhole\n", "each on a line of its own");
        assert_eq!(queue.dropped(), 1, "the cut one is counted");
    }

    #[test]
    fn a_pipe_that_would_block_or_is_interrupted_is_tried_again() {
        let (queue, allow, read) = queue(1000);
        queue.push(b"line\n".to_vec());
        for kind in [ErrorKind::WouldBlock, ErrorKind::Interrupted] {
            allow.send(Err(kind.into())).unwrap();
        }
        allow.send(Ok(ALL)).unwrap();
        queue.flush(LONG);
        assert_eq!((&*text(&read), queue.dropped()), ("line\n", 0), "it is out");
    }
}
