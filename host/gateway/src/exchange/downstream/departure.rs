//! Noticing that an HTTP/1.1 client has hung up while bytes of its body are still unread.
//!
//! Its end comes behind those bytes, where reading can't find it without taking them. The state of its connection tells
//! it, and is asked for now and then: only while something else holds up the body.

use std::time::Duration;

use pingora_core::protocols::http::ServerSession;
use tokio::time::sleep;

/// Time between two looks.
const LOOK: Duration = Duration::from_millis(250);

/// States of a connection whose other side sends nothing any more, in Linux' numbers (`include/net/tcp_states.h`).
const CLOSE: u8 = 7;
const CLOSE_WAIT: u8 = 8;
const LAST_ACK: u8 = 9;
const CLOSING: u8 = 11;

/// Ends when the client has closed its connection, or its sending side.
pub(crate) async fn hung_up(session: &ServerSession) {
    while !has_hung_up(session) {
        sleep(LOOK).await;
    }
}

fn has_hung_up(session: &ServerSession) -> bool {
    session
        .digest()
        .and_then(|digest| digest.socket_digest.as_ref()?.tcp_info())
        .is_some_and(|info| matches!(info.tcpi_state, CLOSE | CLOSE_WAIT | LAST_ACK | CLOSING))
}
