//! The end of an exchange: its outcome, and the fate of the client's connection.

use crate::receipts::receipt::Outcome;

/// The fate of the client's connection after a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConnectionFate {
    /// The response is complete: the connection can carry another request.
    KeepAlive,
    /// The response broke off or could not be written: the connection has to be closed.
    Close,
}

/// The result of delivering a response.
pub(super) struct Delivered {
    pub(super) outcome: Outcome,
    pub(super) connection: ConnectionFate,
}
