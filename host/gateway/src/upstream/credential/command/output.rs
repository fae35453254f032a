//! One of a command's outputs: the first bytes are kept, the others are let go, so that the command is never stuck with
//! them.

use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;

use tokio::io::{AsyncRead, AsyncReadExt};

/// Bytes read at a time.
const PIECE: usize = 8 * 1024;

/// Most pieces that are read after the command has ended: what a pipe holds, and a bound where something goes on writing.
const LAST_PIECES: usize = 128;

/// A pipe from a command, and what came out of it.
pub(super) struct Output<P> {
    /// `None` once it is closed, or can't be read.
    pipe: Option<P>,
    kept: Vec<u8>,
    most: usize,
}

// === impl Output ===

impl<P: AsyncRead + AsFd + Unpin> Output<P> {
    /// Keeps up to `most` bytes of what comes out of a pipe.
    pub(super) fn new(pipe: Option<P>, most: usize) -> Self {
        Self {
            pipe,
            kept: Vec::new(),
            most,
        }
    }

    /// Reads until the pipe is closed on the other side. May be dropped at any time without losing anything.
    pub(super) async fn follow(&mut self) {
        let mut piece = vec![0; PIECE];
        while let Some(pipe) = &mut self.pipe {
            match pipe.read(&mut piece).await {
                Ok(count) if count > 0 => self.keep(piece.get(..count).unwrap_or_default()),
                // What can't be read any more is not there.
                Ok(_) | Err(_) => self.pipe = None,
            }
        }
    }

    /// Takes what is in the pipe at this moment, and gives everything that was kept.
    pub(super) fn finish(mut self) -> Vec<u8> {
        if let Some(pipe) = self.pipe.take()
            && let Ok(pipe) = pipe.as_fd().try_clone_to_owned()
        {
            // The pipe does not block: an error says that nothing is in it.
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
