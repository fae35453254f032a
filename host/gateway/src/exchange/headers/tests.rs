//! Tests of the headers that each side gets of the other.

use http::StatusCode;
use witgate_http::RequestHead;

use super::*;

fn request(lines: &[(&str, &str)]) -> Headers {
    let lines = lines
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"));
    let text = format!("GET / HTTP/1.1\r\n{}\r\n", lines.collect::<String>());
    let parsed = RequestHead::parse(text.as_bytes()).unwrap();
    parsed.unwrap().1.headers
}

fn sent(request: &Headers, passing: Passing) -> String {
    let headers = to_upstream(request, passing);
    headers
        .iter()
        .map(|header| {
            let name = String::from_utf8_lossy(header.spelling);
            let value = header.value.to_str().unwrap();
            format!("{name}: {value}\n")
        })
        .collect()
}

const AS_SENT: Passing = Passing {
    coding: BodyCoding::AsSent,
    form: AnswerForm::AsAsked,
    vmx_headers: VmxHeaders::EndHere,
};

#[test]
fn headers_that_are_meant_for_a_gateway_go_to_no_upstream_but_one_that_is_to_have_them() {
    let request = request(&[
        ("x-vmx-correlation-id", "c-1"),
        ("X-VMX-Metadata-Team", "blue"),
        ("x-vmxnet", "1"),
    ]);
    assert_eq!(
        sent(&request, AS_SENT),
        "x-vmxnet: 1\n",
        "only what merely looks like them"
    );
    let forwarded = Passing {
        vmx_headers: VmxHeaders::Forwarded,
        ..AS_SENT
    };
    assert_eq!(
        sent(&request, forwarded),
        "x-vmx-correlation-id: c-1\nX-VMX-Metadata-Team: blue\nx-vmxnet: 1\n",
        "all of them"
    );
}

#[test]
fn a_decoded_body_is_not_said_to_be_compressed() {
    let request = request(&[("Content-Encoding", "gzip"), ("x-app", "cli")]);
    let decoded = Passing {
        coding: BodyCoding::Decoded,
        ..AS_SENT
    };
    assert_eq!(sent(&request, decoded), "x-app: cli\n", "plain");
    assert_eq!(
        sent(&request, AS_SENT),
        "Content-Encoding: gzip\nx-app: cli\n",
        "as sent"
    );
}

#[test]
fn an_answer_that_is_read_is_asked_for_in_no_coding_and_whole() {
    let request = request(&[
        ("Accept-Encoding", "gzip"),
        ("If-None-Match", "a"),
        ("accept-encoding", "br"),
        ("x-app", "cli"),
    ]);
    let of = |form| sent(&request, Passing { form, ..AS_SENT });
    assert_eq!(
        of(AnswerForm::Plain),
        "Accept-Encoding: identity\nIf-None-Match: a\nx-app: cli\n",
        "in no coding"
    );
    assert_eq!(
        of(AnswerForm::PlainAndWhole),
        "Accept-Encoding: identity\nx-app: cli\n",
        "and whole"
    );
    let silent = self::request(&[("x-app", "cli")]);
    let plain = Passing {
        form: AnswerForm::Plain,
        ..AS_SENT
    };
    assert_eq!(
        sent(&silent, plain),
        "x-app: cli\naccept-encoding: identity\n",
        "also where the client does not say"
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
        presented(&request).as_slice(),
        [b"own".as_slice()],
        "one key"
    );
}

#[test]
fn headers_keep_their_order_and_case_and_those_of_the_connection_end_here() {
    let request = request(&[
        ("Accept", "application/json"),
        ("Authorization", "Bearer virtual"),
        ("X-Claude-Code-Session-Id", "s"),
        ("anthropic-beta", "a-1,b-2"),
        ("x-api-key", "virtual"),
        ("Connection", "keep-alive, TE"),
        ("TE", "trailers"),
        ("Host", "127.0.0.1:1"),
        ("Content-Length", "9"),
    ]);
    assert_eq!(
        sent(&request, AS_SENT),
        "Accept: application/json\nAuthorization: Bearer virtual\n\
         X-Claude-Code-Session-Id: s\nanthropic-beta: a-1,b-2\nx-api-key: virtual\n\
         Host: 127.0.0.1:1\nContent-Length: 9\n",
        "the upstream's headers"
    );
}

#[test]
fn what_an_answers_connection_names_ends_here_but_it_cannot_name_what_the_answer_is() {
    let upstream = request(&[
        ("Connection", "X-Private, Content-Encoding, Content-Type"),
        ("X-Private", "1"),
        ("Content-Encoding", "gzip"),
        ("Content-Type", "application/json"),
    ]);
    let upstream = ResponseHead {
        headers: upstream,
        ..ResponseHead::new(StatusCode::OK)
    };
    let additions = Additions {
        headers: Headers::default(),
        cors: CorsSource::Upstream,
    };
    let head = response_head(&upstream, Framing::AsGiven, &additions);
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
    let folded = request.folded();
    let value = |name| folded.get(name).and_then(Value::to_str);
    assert_eq!(value("anthropic-beta"), Some("a-1, b-2"), "both");
    assert_eq!(value("x-app"), Some("cli"), "as it came");
}

#[test]
fn either_credential_header_is_read() {
    for bearer in ["bearer  two", "Bearer\ttwo", "BEARER two "] {
        let request = request(&[("authorization", bearer), ("x-api-key", "one")]);
        assert_eq!(
            presented(&request).as_slice(),
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
