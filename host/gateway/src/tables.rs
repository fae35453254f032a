//! Tables of plugins from URLs: the gateway fetches what a sidecar names.
//!
//! A body is not read beyond the table's limit.

mod answer;

use http::Method;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, USER_AGENT,
};
use witgate_http::Headers;
use witgate_runtime::{Fetch, FetchRequest, Fetched};
use witgate_upstream::{Framing, HeadersOf, Request};

use self::answer::Version;
use crate::outgoing::{self, Means, Outgoing, Place};

/// The gateway's fetcher of tables.
#[derive(Debug, Default)]
pub(crate) struct TableFetcher {
    outgoing: Outgoing,
}

// === impl TableFetcher ===

impl Fetch for TableFetcher {
    fn check(&self, request: &FetchRequest<'_>) -> Result<(), String> {
        Place::parse(request.url)?;
        outgoing::check_headers(request.headers)
    }

    fn fetch(&self, request: &FetchRequest<'_>) -> Result<Fetched, String> {
        let place = Place::parse(request.url)?;
        let means = Means {
            ca_file: request.ca_file,
            timeout: request.timeout,
        };
        self.outgoing.run(means.timeout, async {
            let server = self.outgoing.server(&place, means)?;
            let message = Request {
                method: &Method::GET,
                path: &place.path,
                headers: headers(request)?,
                headers_of: HeadersOf::Gateway,
                framing: Framing::None,
                body: &[],
            };
            outgoing::exchange(&server, &message, means.timeout, async |response| {
                answer::read(response, request).await
            })
            .await
        })
    }
}

fn headers(request: &FetchRequest<'_>) -> Result<Headers, String> {
    let mut headers = Headers::with_capacity(request.headers.len() + 5);
    for (name, value) in outgoing::headers(request.headers)? {
        headers.push(&name, &value);
    }
    headers.push(&ACCEPT, &HeaderValue::from_static("*/*"));
    headers.push(&ACCEPT_ENCODING, &HeaderValue::from_static("identity"));
    headers.push(&USER_AGENT, &HeaderValue::from_static("witgate-tables"));
    let version = request.version.map(Version::parse).unwrap_or_default();
    for (name, value) in [
        (IF_NONE_MATCH, version.tag),
        (IF_MODIFIED_SINCE, version.modified),
    ] {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
            headers.push(&name, &value);
        }
    }
    Ok(headers)
}
