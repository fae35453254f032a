//! What browsers are told of apps from other origins (CORS, as the Fetch standard has it).
//!
//! With a `[cors]` section the gateway's word is the only one: what an upstream says on CORS does not pass. Credentials of
//! the browser are never allowed; an app sends its key in a header.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use pingora_http::RequestHeader;

use crate::answer::refused::Refused;
use crate::config::Cors;

/// The operation of a browser's preflight, which is no exchange with an upstream and leaves no receipt.
pub(crate) const PREFLIGHT: &str = "preflight";

/// Headers for an answer.
type Headers = Vec<(HeaderName, HeaderValue)>;

/// What an app may read. The star stands for all others, in browsers that know it.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "request-id, witgate-request-id, retry-after, retry-after-ms, x-should-retry, x-vmx-correlation-id, *",
);

/// Methods of the endpoints that are served.
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");

/// Seconds for which a browser need not ask again. None of them keeps it longer than two hours.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");

/// Whose word on CORS an answer carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    /// The upstream's, as it comes.
    Upstreams,
    /// The gateway's own.
    Ours,
}

/// Whether a header is a server's word on CORS.
pub(crate) fn is_word(name: &HeaderName) -> bool {
    name.as_str().starts_with("access-control-")
}

// === impl Cors ===

impl Cors {
    /// Whose word on CORS answers carry.
    pub(crate) fn word(&self) -> Word {
        match self {
            Self::Off => Word::Upstreams,
            Self::Listed(_) | Self::Everybody => Word::Ours,
        }
    }

    /// What every answer to a request with these headers carries.
    pub(crate) fn headers(&self, request: &HeaderMap) -> Headers {
        let star = HeaderValue::from_static("*");
        let mut headers = Headers::new();
        let allowed = match self {
            Self::Off => return headers,
            Self::Everybody => Some(star),
            Self::Listed(origins) => {
                headers.push((VARY, HeaderValue::from_static("origin")));
                let asking = request.get(ORIGIN);
                asking.filter(|origin| origins.contains(origin)).cloned()
            }
        };
        if let Some(origin) = allowed {
            headers.push((ACCESS_CONTROL_ALLOW_ORIGIN, origin));
            headers.push((ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED));
        }
        headers
    }

    /// What the answer to a preflight carries besides; `None` for a request that is none, or where CORS is off.
    ///
    /// # Errors
    ///
    /// 403 for an app of an origin that may not ask.
    pub(crate) fn preflight(&self, request: &RequestHeader) -> Option<Result<Headers, Refused>> {
        let headers = &request.headers;
        let asks = request.method == Method::OPTIONS
            && headers.contains_key(ORIGIN)
            && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        if !asks {
            return None;
        }
        let allowed = match self {
            Self::Off => return None,
            Self::Everybody => true,
            Self::Listed(origins) => headers.get(ORIGIN).is_some_and(|it| origins.contains(it)),
        };
        if !allowed {
            return Some(Err(Refused::client(
                403,
                "apps of this origin may not ask: the gateway's operator lists origins in [cors]",
            )));
        }
        let mut granted = vec![
            (ACCESS_CONTROL_ALLOW_METHODS, METHODS),
            (ACCESS_CONTROL_MAX_AGE, MAX_AGE),
            (
                VARY,
                HeaderValue::from_static("access-control-request-headers"),
            ),
        ];
        // Whatever the app wants to send it may: what the API takes is the upstream's to say.
        let wanted = headers.get(ACCESS_CONTROL_REQUEST_HEADERS).cloned();
        granted.extend(wanted.map(|wanted| (ACCESS_CONTROL_ALLOW_HEADERS, wanted)));
        Some(Ok(granted))
    }
}
