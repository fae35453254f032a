//! Cross-origin resource sharing (CORS), as the Fetch standard defines it.
//!
//! With a `[cors]` section only the gateway sends CORS headers; those of upstreams are removed. Browser credentials are never
//! allowed; an app sends its key in a header.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN,
};
use http::{HeaderValue, Method};
use witgate_http::{Headers, RequestHead, Value};

use crate::answer::refused::Refused;
use crate::config::Cors;

/// Endpoint name of a browser's preflight, which involves no upstream and leaves no receipt.
pub(crate) const PREFLIGHT: &str = "preflight";

/// Every origin.
const STAR: HeaderValue = HeaderValue::from_static("*");

/// Response headers that an app may read. Browsers that support the star expose all others, too.
const EXPOSED: &str = "request-id, witgate-request-id, retry-after, retry-after-ms, x-should-retry, x-vmx-correlation-id, *";

/// Methods of the endpoints.
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE";

/// Seconds for which a browser may cache a preflight; no browser caches it for longer than two hours.
const MAX_AGE: &str = "7200";

/// The origin of the CORS headers on a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CorsSource {
    /// CORS headers of the upstream are forwarded.
    Upstream,
    /// The gateway sends its own.
    Gateway,
}

/// Returns whether a header is a CORS response header.
pub(crate) fn is_cors_header(name: &str) -> bool {
    name.starts_with("access-control-")
}

// === impl Cors ===

impl Cors {
    /// Returns the origin of the CORS headers on responses.
    pub(crate) fn source(&self) -> CorsSource {
        match self {
            Self::Off => CorsSource::Upstream,
            Self::Listed(_) | Self::Everybody => CorsSource::Gateway,
        }
    }

    /// Returns the CORS headers for every response to a request with the given headers.
    pub(crate) fn headers(&self, request: &Headers) -> Headers {
        let mut headers = Headers::default();
        let allowed = match self {
            Self::Off => return headers,
            Self::Everybody => Some(STAR),
            Self::Listed(origins) => {
                headers.push_text("vary", "origin");
                let asking = request.get(ORIGIN).and_then(Value::to_owned);
                asking.filter(|origin| origins.contains(origin))
            }
        };
        if let Some(origin) = allowed {
            headers.push(&ACCESS_CONTROL_ALLOW_ORIGIN, &origin);
            headers.push_text("access-control-expose-headers", EXPOSED);
        }
        headers
    }

    /// Returns the additional headers for the response to a preflight, or `None` if the request is not a preflight or CORS is
    /// off.
    ///
    /// # Errors
    ///
    /// Returns a 403 if the app's origin is not allowed.
    pub(crate) fn preflight(&self, request: &RequestHead) -> Option<Result<Headers, Refused>> {
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
            Self::Listed(origins) => headers
                .get(ORIGIN)
                .and_then(Value::to_owned)
                .is_some_and(|it| origins.contains(&it)),
        };
        if !allowed {
            return Some(Err(Refused::client(
                403,
                "this origin is not allowed: the operator of the gateway lists allowed origins in [cors]",
            )));
        }
        let mut granted = Headers::default();
        granted.push_text("access-control-allow-methods", METHODS);
        granted.push_text("access-control-max-age", MAX_AGE);
        granted.push_text("vary", "access-control-request-headers");
        // An app may send any header; the upstream decides which ones it accepts.
        let wanted = headers.get(ACCESS_CONTROL_REQUEST_HEADERS);
        if let Some(wanted) = wanted.and_then(Value::to_owned) {
            granted.push(&ACCESS_CONTROL_ALLOW_HEADERS, &wanted);
        }
        Some(Ok(granted))
    }
}
