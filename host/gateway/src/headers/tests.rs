//! What each side is shown of the other, on the wire.

use std::sync::Arc;

use super::*;
use crate::config::CredentialHeader;

fn request(headers: &[(&'static str, &'static str)]) -> RequestHeader {
    let mut request = RequestHeader::build("POST", b"/v1/messages?beta=true", None).unwrap();
    for (name, value) in headers {
        request.append_header(*name, *value).unwrap();
    }
    request
}

fn wire(request: &RequestHeader) -> String {
    let secret = HeaderValue::from_static("upstream-secret");
    let own = Shown::Own(CredentialHeader::ApiKey, Arc::new(secret));
    wire_shown(request, &own, BodyCoding::AsSent)
}

fn wire_shown(request: &RequestHeader, shown: &Shown, coding: BodyCoding) -> String {
    let forwarded = Forwarded {
        target: "/v1/messages?beta=true",
        authority: "api.example",
        shown,
        coding,
        body_len: Some(7),
        vmx_headers: VmxHeaders::EndHere,
    };
    String::from_utf8(write_request_head(request, &forwarded, 0).to_vec()).unwrap()
}

#[test]
fn a_callers_own_credential_passes_as_it_came_and_the_gateways_key_never_does() {
    let request = request(&[
        ("X-Witgate-Key", "wgk-1"),
        ("Authorization", "Bearer oauth"),
        ("X-Api-Key", "sk-own"),
        ("Cookie", "a=b"),
        ("Proxy-Authorization", "Basic x"),
        ("x-app", "cli"),
    ]);
    assert_eq!(
        wire_shown(&request, &Shown::Callers, BodyCoding::AsSent),
        "POST /v1/messages?beta=true HTTP/1.1\r\nAuthorization: Bearer oauth\r\nX-Api-Key: sk-own\r\n\
         x-app: cli\r\nHost: api.example\r\nContent-Length: 7\r\n\r\n",
        "forwarded to an upstream that takes callers' credentials"
    );
    let nothing = wire_shown(&request, &Shown::Nothing, BodyCoding::AsSent);
    for secret in ["oauth", "sk-own", "wgk-1"] {
        assert!(
            !nothing.contains(secret),
            "{secret} goes to no other:\n{nothing}"
        );
    }
}

#[test]
fn headers_that_are_meant_for_a_gateway_go_to_no_upstream_but_one_that_is_to_have_them() {
    let request = request(&[
        ("x-vmx-correlation-id", "c-1"),
        ("X-VMX-Metadata-Team", "blue"),
        ("x-vmxnet", "1"),
    ]);
    let written = |vmx_headers| {
        let forwarded = Forwarded {
            target: "/",
            authority: "api.example",
            shown: &Shown::Nothing,
            coding: BodyCoding::AsSent,
            body_len: None,
            vmx_headers,
        };
        String::from_utf8(write_request_head(&request, &forwarded, 0).to_vec()).unwrap()
    };
    assert_eq!(
        written(VmxHeaders::EndHere),
        "POST / HTTP/1.1\r\nx-vmxnet: 1\r\nHost: api.example\r\n\r\n",
        "only what merely looks like them"
    );
    assert_eq!(
        written(VmxHeaders::Forwarded),
        "POST / HTTP/1.1\r\nx-vmx-correlation-id: c-1\r\nX-VMX-Metadata-Team: blue\r\nx-vmxnet: 1\r\nHost: api.example\r\n\r\n",
        "all of them"
    );
}

#[test]
fn a_decoded_body_is_not_said_to_be_compressed() {
    let request = request(&[("Content-Encoding", "gzip"), ("x-app", "cli")]);
    let decoded = wire_shown(&request, &Shown::Nothing, BodyCoding::Decoded);
    assert!(!decoded.contains("gzip"), "plain:\n{decoded}");
    let sent = wire_shown(&request, &Shown::Nothing, BodyCoding::AsSent);
    assert!(
        sent.contains("Content-Encoding: gzip\r\n"),
        "as sent:\n{sent}"
    );
}

#[test]
fn beside_the_gateways_own_header_the_others_are_not_taken_for_keys() {
    let request = request(&[
        ("authorization", "Bearer two"),
        ("x-api-key", "one"),
        ("x-witgate-key", "own"),
    ]);
    assert_eq!(
        presented(&request.headers).as_slice(),
        [b"own".as_slice()],
        "one key"
    );
}

#[test]
fn headers_keep_their_order_and_case_and_credentials_are_swapped_in_place() {
    let request = request(&[
        ("Accept", "application/json"),
        ("Authorization", "Bearer virtual"),
        ("X-Claude-Code-Session-Id", "s"),
        ("anthropic-beta", "a-1,b-2"),
        ("x-api-key", "virtual"),
        ("x-app", "cli"),
        ("Connection", "keep-alive"),
        ("Host", "127.0.0.1:1"),
        ("Content-Length", "9"),
    ]);
    assert_eq!(
        wire(&request),
        "POST /v1/messages?beta=true HTTP/1.1\r\nAccept: application/json\r\nx-api-key: upstream-secret\r\n\
         X-Claude-Code-Session-Id: s\r\nanthropic-beta: a-1,b-2\r\nx-app: cli\r\nHost: api.example\r\n\
         Content-Length: 7\r\n\r\n",
        "the upstream's head"
    );
}

#[test]
fn headers_of_the_connection_end_here() {
    let request = request(&[
        ("Connection", "close, TE"),
        ("TE", "trailers"),
        ("Content-Length", "7"),
    ]);
    let wire = wire(&request);
    assert!(
        !wire.contains("TE:") && !wire.contains("Connection"),
        "hop-by-hop headers end here:\n{wire}"
    );
    assert!(
        wire.contains("Content-Length: 7"),
        "the framing stays:\n{wire}"
    );
}

#[test]
fn what_an_answers_connection_names_ends_here_but_it_cannot_name_what_the_answer_is() {
    let mut upstream = ResponseHeader::build(200, None).unwrap();
    for (name, value) in [
        ("Connection", "X-Private, Content-Encoding, Content-Type"),
        ("X-Private", "1"),
        ("Content-Encoding", "gzip"),
        ("Content-Type", "application/json"),
    ] {
        upstream.append_header(name, value).unwrap();
    }
    let additions = Additions {
        headers: Vec::new(),
        cors: CorsSource::Upstream,
    };
    let head = response_head(&upstream, Framing::AsGiven, &additions).unwrap();
    assert!(!head.headers.contains_key("x-private"), "of the connection");
    for name in ["content-encoding", "content-type"] {
        assert!(head.headers.contains_key(name), "{name} stays");
    }
}

#[test]
fn a_reader_of_one_value_sees_every_line_of_a_header() {
    let request = request(&[
        ("anthropic-beta", "a-1"),
        ("x-app", "cli"),
        ("Anthropic-Beta", "b-2"),
    ]);
    let folded = folded(&request.headers);
    assert_eq!(folded["anthropic-beta"], "a-1, b-2", "both");
    assert_eq!(folded["x-app"], "cli", "as it came");
}

#[test]
fn either_credential_header_is_read() {
    for bearer in ["bearer  two", "Bearer\ttwo", "BEARER two "] {
        let request = request(&[("authorization", bearer), ("x-api-key", "one")]);
        assert_eq!(
            presented(&request.headers).as_slice(),
            [b"one".as_slice(), b"two"],
            "both, in order of trial: {bearer:?}"
        );
    }
}

#[test]
fn a_plugin_cannot_set_headers_that_frame_the_answer_or_speak_for_the_host() {
    for name in [
        "Content-Length",
        "transfer-encoding",
        "witgate-request-id",
        "set-cookie",
        "bad name",
    ] {
        assert_eq!(plugin_header(name, "1"), None, "{name}");
    }
    assert!(
        plugin_header("x-vmx-correlation-id", "c-1").is_some(),
        "its own headers pass"
    );
    assert_eq!(
        plugin_header("x-a", "line\nbreak"),
        None,
        "no header can be smuggled in a value"
    );
}
