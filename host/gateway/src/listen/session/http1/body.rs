//! Reading of the body of a request.

use std::io;

use bytes::{BufMut as _, Bytes, BytesMut};
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;
use witgate_http::{Chunk, Rest};

use super::{EarlyResponse, Http1, Idle};
use crate::listen::session::ClientError;

/// Least and most room for a read of a body, in bytes.
const LEAST_ROOM: usize = 8 * 1024;
const MOST_ROOM: usize = 64 * 1024;

/// Most bytes of a body that are read into one buffer at once.
const MOST_AT_ONCE: usize = 256 * 1024;

impl Http1 {
    pub(in crate::listen::session) async fn read_body(
        &mut self,
    ) -> Result<Option<Bytes>, ClientError> {
        loop {
            let part = self.rest.take(&mut self.read);
            let part = part.map_err(|_| ClientError::Malformed)?;
            if !part.is_empty() {
                self.shrink();
                return Ok(Some(part));
            }
            if self.rest.is_done() {
                return Ok(None);
            }
            let room = self.next_room();
            match timeout(self.body_timeout, self.fill(room)).await {
                Ok(Ok(1..)) => {}
                Ok(Ok(0) | Err(_)) => {
                    self.idle = Idle::Ended;
                    return Err(ClientError::Gone);
                }
                Err(_) => return Err(ClientError::Stalled),
            }
        }
    }

    pub(in crate::listen::session) async fn read_body_into(
        &mut self,
        body: &mut Vec<u8>,
    ) -> Result<usize, ClientError> {
        let left = match self.rest {
            Rest::Length(left) if self.read.is_empty() && left > 0 => left,
            _ => {
                let part = self.read_body().await?.unwrap_or_default();
                body.extend_from_slice(&part);
                return Ok(part.len());
            }
        };
        let most = usize::try_from(left).map_or(MOST_AT_ONCE, |left| left.min(MOST_AT_ONCE));
        if body.len() == body.capacity() {
            body.reserve(most);
        }
        let count = self.stream.read_buf(&mut (&mut *body).limit(most)).await;
        match count {
            Ok(count @ 1..) => {
                self.rest = Rest::Length(left - count as u64);
                Ok(count)
            }
            Ok(0) | Err(_) => {
                self.idle = Idle::Ended;
                Err(ClientError::Gone)
            }
        }
    }

    /// Returns the room for the next read of a body: as much as is announced, within bounds.
    fn next_room(&self) -> usize {
        match self.rest {
            Rest::Length(left) | Rest::Chunks(Chunk::Content(left)) => usize::try_from(left)
                .unwrap_or(MOST_ROOM)
                .clamp(LEAST_ROOM, MOST_ROOM),
            _ => LEAST_ROOM,
        }
    }

    /// Reads from the connection. Returns the number of bytes, zero at its end. Cancel safe.
    pub(super) async fn fill(&mut self, room: usize) -> io::Result<usize> {
        self.read.reserve(room);
        self.stream
            .read_buf(&mut (&mut self.read).limit(room))
            .await
    }

    /// Gives the memory of an empty buffer back.
    pub(super) fn shrink(&mut self) {
        if self.read.is_empty() {
            self.read = BytesMut::new();
        }
    }

    /// Reads and discards the rest of the body. Returns whether its end came in time.
    pub(super) async fn drained(&mut self) -> bool {
        if self.rest.is_done() {
            return true;
        }
        let EarlyResponse::Drain(limit) = self.early else {
            return false;
        };
        let drain = async { while let Ok(Some(_)) = self.read_body().await {} };
        timeout(limit, drain).await.is_ok() && self.rest.is_done()
    }
}
