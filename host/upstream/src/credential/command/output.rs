//! An output pipe of a command. The first bytes are kept and the others discarded, so that the command never blocks on
//! it.

use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;

use tokio::io::{AsyncRead, AsyncReadExt};

/// Bytes read at a time.
const PIECE: usize = 8 * 1024;

/// Largest number of pieces that are read after the command has ended: the capacity of a pipe, and a bound where
/// another process goes on writing.
const LAST_PIECES: usize = 128;

/// A pipe from a command, and the bytes that came out of it.
pub(super) struct Output<P> {
    /// The pipe; `None` once it is closed or cannot be read.
    pipe: Option<P>,
    kept: Vec<u8>,
    most: usize,
}

// === impl Output ===

impl<P: AsyncRead + AsFd + Unpin> Output<P> {
    /// Creates an output that keeps up to `most` bytes.
    pub(super) fn new(pipe: Option<P>, most: usize) -> Self {
        Self {
            pipe,
            kept: Vec::new(),
            most,
        }
    }

    /// Reads until the pipe is closed on the other side. Cancel safe.
    pub(super) async fn follow(&mut self) {
        let mut piece = vec![0; PIECE];
        while let Some(pipe) = &mut self.pipe {
            match pipe.read(&mut piece).await {
                Ok(count) if count > 0 => self.keep(piece.get(..count).unwrap_or_default()),
                // A pipe that cannot be read counts as closed.
                Ok(_) | Err(_) => self.pipe = None,
            }
        }
    }

    /// Reads what is in the pipe at this moment, and returns everything that was kept.
    pub(super) fn finish(mut self) -> Vec<u8> {
        if let Some(pipe) = self.pipe.take()
            && let Ok(pipe) = pipe.as_fd().try_clone_to_owned()
        {
            // The pipe does not block: an error means that it is empty.
            let mut pipe = File::from(pipe);
            let mut piece = vec![0; PIECE];
            for _ in 0..LAST_PIECES {
                match pipe.read(&mut piece) {
                    Ok(count) if count > 0 => self.keep(piece.get(..count).unwrap_or_default()),
                    Ok(_) | Err(_) => break,
                }
            }
        }
        self.kept
    }

    fn keep(&mut self, piece: &[u8]) {
        let room = self.most - self.kept.len();
        let kept = piece.get(..room).unwrap_or(piece);
        self.kept.extend_from_slice(kept);
    }
}
