//! The head of a request on the wire.

use std::sync::Arc;

use witgate_http::RequestHead;

use super::*;
use crate::config::tests::parsed;
use crate::{HeadersOf, Upstreams, system_resolver};

const HEADERS: [(&str, &str); 6] = [
    ("Accept", "application/json"),
    ("X-Witgate-Key", "wgk-1"),
    ("Authorization", "Bearer oauth"),
    ("X-Api-Key", "sk-own"),
    ("Cookie", "a=b"),
    ("x-app", "cli"),
];

fn upstream(credential: &str) -> Arc<Upstream> {
    let text = format!("[upstreams.a]\nbase_url = \"http://api.example/base\"\n{credential}\n");
    let (configs, _) = parsed(&text);
    let upstreams = Upstreams::try_new(&configs, &[], "a", &system_resolver(), None).unwrap();
    Arc::clone(upstreams.get("a").unwrap())
}

/// The head of a request with these headers, as it is written.
fn written(
    upstream: &Upstream,
    headers: &[(&str, &str)],
    framing: Framing,
    persistence: Persistence,
) -> String {
    let lines = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"));
    let text = format!("GET / HTTP/1.1\r\n{}\r\n", lines.collect::<String>());
    let parsed = RequestHead::parse(text.as_bytes()).unwrap();
    let list = parsed.unwrap().1.headers;
    let request = Request {
        method: &Method::POST,
        path: "/v1/messages?beta=true",
        headers: list,
        headers_of: HeadersOf::Caller,
        framing,
        body: &[],
    };
    String::from_utf8(head(upstream, &request, None, persistence, 0).to_vec()).unwrap()
}

#[test]
fn the_upstreams_credential_takes_the_place_of_the_callers_and_its_address_that_of_host() {
    let upstream = upstream("credential = { env = \"CARGO_PKG_NAME\" }");
    let mut headers = HEADERS.to_vec();
    headers.extend([("Host", "gateway"), ("Content-Length", "9")]);
    assert_eq!(
        written(
            &upstream,
            &headers,
            Framing::Length(7),
            Persistence::KeepAlive
        ),
        format!(
            "POST /base/v1/messages?beta=true HTTP/1.1\r\nAccept: application/json\r\nx-api-key: {}\r\n\
             x-app: cli\r\nHost: api.example\r\nContent-Length: 7\r\n\r\n",
            env!("CARGO_PKG_NAME")
        ),
        "in place"
    );
}

#[test]
fn a_callers_own_credential_passes_as_it_came_and_the_gateways_key_never_does() {
    let passes = upstream("credential = \"client\"");
    assert_eq!(
        written(
            &passes,
            &HEADERS,
            Framing::Length(7),
            Persistence::KeepAlive
        ),
        "POST /base/v1/messages?beta=true HTTP/1.1\r\nAccept: application/json\r\nAuthorization: Bearer oauth\r\n\
         X-Api-Key: sk-own\r\nx-app: cli\r\nHost: api.example\r\nContent-Length: 7\r\n\r\n",
        "sent to an upstream that takes callers' credentials"
    );
    let none = upstream("");
    let none = written(&none, &HEADERS, Framing::None, Persistence::KeepAlive);
    for secret in ["oauth", "sk-own", "wgk-1"] {
        assert!(!none.contains(secret), "{secret} goes to no other:\n{none}");
    }
}

#[test]
fn the_framing_is_the_requests_own() {
    let upstream = upstream("");
    let of = |framing, persistence| {
        let text = written(&upstream, &[("Content-Length", "9")], framing, persistence);
        let (_, headers) = text.split_once("\r\n").unwrap();
        headers.to_owned()
    };
    assert_eq!(
        of(Framing::None, Persistence::KeepAlive),
        "Host: api.example\r\n\r\n",
        "no body"
    );
    assert_eq!(
        of(Framing::Length(3), Persistence::Close),
        "Content-Length: 3\r\nHost: api.example\r\nConnection: close\r\n\r\n",
        "a length"
    );
    assert_eq!(
        of(Framing::Chunked, Persistence::Close),
        "Host: api.example\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n",
        "chunks"
    );
}
