//! Lines between those who log and the thread that writes.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io::{ErrorKind, Write};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

/// Pause before a write is tried again that would have blocked.
const PAUSE: Duration = Duration::from_millis(20);

thread_local! {
    /// Whether this is the thread that writes. What it has to say about dropped lines is not dropped itself.
    static WRITES: Cell<bool> = const { Cell::new(false) };
}

/// A bounded queue of lines.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// Most bytes that wait.
    capacity: usize,
    /// The writer waits here for lines.
    filled: Condvar,
    /// Those who flush wait here for the writer.
    emptied: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<Vec<u8>>,
    /// Bytes of these lines, and of the one that is being written.
    bytes: usize,
    /// Lines that were dropped since the start.
    dropped: u64,
    /// Of these, the ones that the log tells of.
    told: u64,
}

/// How a write ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Written {
    Whole,
    /// Some of it is out, and no end of line.
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

    /// Puts a line in, or drops and counts it where there is no room. Never waits.
    pub(super) fn push(&self, line: Vec<u8>) {
        let mut state = self.state();
        if state.bytes + line.len() > self.capacity && !WRITES.get() {
            state.dropped += 1;
            return;
        }
        state.bytes += line.len();
        state.lines.push_back(line);
        drop(state);
        self.filled.notify_one();
    }

    /// Returns how many lines were dropped since the start.
    pub(super) fn dropped(&self) -> u64 {
        self.state().dropped
    }

    /// Waits until everything is written, but no longer than `patience`.
    pub(super) fn flush(&self, patience: Duration) {
        let end = Instant::now() + patience;
        let mut state = self.state();
        while state.bytes > 0 {
            let Some(left) = end.checked_duration_since(Instant::now()) else {
                return;
            };
            let _ = self.emptied.wait_for(&mut state, left);
        }
    }

    /// Writes lines for as long as the process lives.
    pub(super) fn write_to(&self, out: &mut impl Write) {
        WRITES.set(true);
        let mut torn = false;
        loop {
            let line = self.next();
            // What was cut off is ended first, so that it spoils no other line.
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
        let mut state = self.state();
        loop {
            if let Some(line) = state.lines.pop_front() {
                return line;
            }
            self.filled.wait(&mut state);
        }
    }

    fn done(&self, bytes: usize, written: Written) {
        if written == Written::Whole {
            self.tell_of_dropped();
        }
        let mut state = self.state();
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

    /// Logs how many lines were dropped since this was logged last.
    fn tell_of_dropped(&self) {
        let mut state = self.state();
        let lines = state.dropped - state.told;
        state.told = state.dropped;
        drop(state);
        if lines > 0 {
            tracing::warn!(
                lines,
                "{lines} log lines were dropped: the log could not be written, or not fast enough"
            );
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

/// Writes one piece, for as long as the other side takes it.
fn write(out: &mut impl Write, piece: &[u8]) -> Written {
    let mut rest = piece;
    while !rest.is_empty() {
        match out.write(rest) {
            Ok(count) if count > 0 => rest = rest.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Another process has made the pipe one that does not block.
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::sleep(PAUSE),
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

    /// A reader that takes what it is allowed to.
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

    /// What the writer has written.
    type Written = Arc<Mutex<Vec<u8>>>;

    /// A queue whose writer does what the test allows it.
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
        assert_eq!(queue.state().lines.len(), 2, "it waits with the rest");
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
