//! The framing of a response's body (RFC 9112, section 6).

use std::io::Write as _;

use http::{Method, StatusCode};
use witgate_http::{ResponseHead, Rest};

/// The part of a response's body that has not been sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ResponseBody {
    /// Nothing.
    None,
    /// So many bytes.
    Length(u64),
    /// Chunks.
    Chunked,
    /// All bytes until the connection is closed.
    UntilClose,
}

// === impl ResponseBody ===

impl ResponseBody {
    /// Returns the body that a response with this head has to a request with this method.
    pub(super) fn of(head: &ResponseHead, method: &Method) -> Self {
        let is_bodiless = *method == Method::HEAD
            || head.status.is_informational()
            || matches!(
                head.status,
                StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
            );
        match head.rest() {
            _ if is_bodiless => Self::None,
            Ok(Rest::Length(0)) => Self::None,
            Ok(Rest::Length(length)) => Self::Length(length),
            Ok(Rest::Chunks(_)) => Self::Chunked,
            Ok(Rest::UntilClose) | Err(_) => Self::UntilClose,
        }
    }

    /// Returns the part of these bytes that belongs to the body, and counts it as sent.
    pub(super) fn admit<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        match self {
            Self::None => &[],
            Self::Chunked | Self::UntilClose => bytes,
            Self::Length(left) => {
                let most = usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                *left -= most as u64;
                bytes.get(..most).unwrap_or_default()
            }
        }
    }
}

/// Writes the line with the size of a chunk.
pub(super) fn write_size(out: &mut Vec<u8>, size: usize) {
    // Memory takes whatever is written.
    let _ = write!(out, "{size:X}\r\n");
}
