//! Detects that an HTTP/1.1 client has disconnected while bytes of its body are unread.
//!
//! The end of the connection arrives behind those bytes and can't be read without consuming them, so the state of the TCP
//! connection is polled, only while the body waits for something else.

use std::os::fd::RawFd;
use std::time::Duration;

use pingora_core::protocols::SocketDigest;
use tokio::time::sleep;

/// Time between two polls.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// TCP states in which the peer has closed its sending side, as numbered by Linux (`include/net/tcp_states.h`).
const CLOSE: u8 = 7;
const CLOSE_WAIT: u8 = 8;
const LAST_ACK: u8 = 9;
const CLOSING: u8 = 11;

/// Completes when the client on this open socket has closed its connection, or its sending side.
pub(super) async fn hung_up(fd: RawFd) {
    while !has_hung_up(fd) {
        sleep(POLL_INTERVAL).await;
    }
}

fn has_hung_up(fd: RawFd) -> bool {
    SocketDigest::from_raw_fd(fd)
        .tcp_info()
        .is_some_and(|info| matches!(info.tcpi_state, CLOSE | CLOSE_WAIT | LAST_ACK | CLOSING))
}
