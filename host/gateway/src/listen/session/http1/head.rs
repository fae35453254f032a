//! Reading of the head of a request, within its limit.

use http::Version;
use witgate_http::{BadRequest, Chunk, RequestHead, Rest};

use super::response_body::ResponseBody;
use super::{EarlyResponse, HeadError, Http1, Idle, Persistence, RequestBody};

/// Room for the first read of a request, in bytes: most heads with a short body.
const FIRST_ROOM: usize = 8 * 1024;

impl Http1 {
    pub(in crate::listen::session) async fn read_head(
        &mut self,
        max_bytes: usize,
    ) -> Result<(), HeadError> {
        self.activity.wait();
        self.status_sent = None;
        self.response = ResponseBody::None;
        self.persistence = Persistence::Close;
        self.early = EarlyResponse::Close;
        if self.idle == Idle::Ended {
            return Err(HeadError::Closed);
        }
        self.idle = Idle::Silent;
        let mut begun = !self.read.is_empty();
        loop {
            // What has not changed is not parsed again.
            if begun && self.parse(max_bytes)? {
                self.activity.begin();
                return Ok(());
            }
            if self.read.len() >= max_bytes {
                return Err(self.cut());
            }
            let room = FIRST_ROOM.min(max_bytes - self.read.len()).max(1);
            match self.fill(room).await {
                Ok(1..) => begun = true,
                Ok(0) | Err(_) => return Err(HeadError::Closed),
            }
        }
    }

    /// Parses the head if it is whole.
    fn parse(&mut self, max_bytes: usize) -> Result<bool, HeadError> {
        let parsed = RequestHead::parse(&self.read).map_err(HeadError::Invalid)?;
        let Some((length, request)) = parsed else {
            return Ok(false);
        };
        let head = self.read.split_to(length);
        self.request = request;
        if length > max_bytes {
            return Err(HeadError::TooLarge);
        }
        // Recipients may accept a bare LF as the end of a line (RFC 9112, section 2.2), and some do not.
        let is_bare = |at: usize| head.get(..at).is_none_or(|before| !before.ends_with(b"\r"));
        if memchr::memchr_iter(b'\n', &head).any(is_bare) {
            return Err(HeadError::BareLineFeed);
        }
        drop(head);
        tracing::trace!(peer = %self.ends.peer, bytes = length, method = %self.request.method, "read the head of a request");
        self.begin()?;
        Ok(true)
    }

    /// Begins the request whose head was parsed.
    fn begin(&mut self) -> Result<(), HeadError> {
        let headers = &self.request.headers;
        self.rest = if headers.contains_key("transfer-encoding") {
            if self.request.version == Version::HTTP_10 {
                // Its framing is faulty (RFC 9112, section 6.1).
                return Err(HeadError::Invalid(BadRequest::Invalid));
            }
            Rest::Chunks(Chunk::Size)
        } else {
            let length = headers.get("content-length");
            let length = length.and_then(|length| length.to_str()?.trim().parse().ok());
            Rest::Length(length.unwrap_or(0))
        };
        self.body = match self.rest {
            Rest::Length(0) => RequestBody::Empty,
            _ => RequestBody::Present,
        };
        let says = |option| headers.has_option("connection", option);
        self.persistence = match self.request.version {
            _ if says("close") => Persistence::Close,
            Version::HTTP_10 if !says("keep-alive") => Persistence::Close,
            _ => Persistence::KeepAlive,
        };
        self.shrink();
        Ok(())
    }

    /// Returns the error for a head that is over the limit, with its beginning as the request if that can be read.
    fn cut(&mut self) -> HeadError {
        self.read.extend_from_slice(b"\r\n\r\n");
        if let Ok(Some((_, request))) = RequestHead::parse(&self.read) {
            self.request = request;
        }
        HeadError::TooLarge
    }
}
