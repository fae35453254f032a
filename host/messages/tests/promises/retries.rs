//! Retry advice is read from an answer as the official SDKs read it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use witgate_messages::{Advice, Verdict};

/// Sun, 06 Nov 1994 08:49:37 GMT, the date of RFC 9110's own examples.
fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(784_111_777)
}

fn advice(status: u16, headers: &[(&str, &'static str)]) -> Advice {
    let header = |name: &str| {
        headers
            .iter()
            .find_map(|(known, value)| (*known == name).then_some(*value))
    };
    Advice::of(status, header, now())
}

#[test]
fn errors_that_pass_by_themselves_are_tried_again_and_the_clients_own_are_not() {
    for status in [408, 409, 429, 500, 502, 503, 504, 529, 599] {
        assert_eq!(advice(status, &[]).verdict, Verdict::Retry, "{status}");
    }
    for status in [200, 204, 304, 400, 401, 403, 404, 413, 422] {
        assert_eq!(advice(status, &[]).verdict, Verdict::Final, "{status}");
    }
}

#[test]
fn x_should_retry_wins_both_ways_but_never_over_an_answer() {
    let told = |status, word| advice(status, &[("x-should-retry", word)]).verdict;
    assert_eq!(told(529, "false"), Verdict::Final, "a 529 that is final");
    assert_eq!(told(400, "true"), Verdict::Retry, "a 400 that is not");
    assert_eq!(
        told(529, "perhaps"),
        Verdict::Retry,
        "another word says nothing"
    );
    assert_eq!(
        told(200, "true"),
        Verdict::Final,
        "a good answer is an answer"
    );
}

#[test]
fn the_wait_is_read_to_the_millisecond_in_every_form() {
    let millis = Duration::from_millis;
    for (headers, wait) in [
        (vec![("retry-after", "7")], Some(millis(7000))),
        (vec![("retry-after", " 0.25 ")], Some(millis(250))),
        (vec![("retry-after-ms", "250")], Some(millis(250))),
        (
            vec![("retry-after-ms", "1.5")],
            Some(Duration::from_micros(1500)),
        ),
        (
            vec![("retry-after", "9"), ("retry-after-ms", "30")],
            Some(millis(30)),
        ),
        (
            vec![("retry-after", "9"), ("retry-after-ms", "soon")],
            Some(millis(9000)),
        ),
        (
            vec![("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT")],
            Some(millis(30_000)),
        ),
        (
            vec![("retry-after", "Sunday, 06-Nov-94 08:49:38 GMT")],
            Some(millis(1000)),
        ),
        (vec![("retry-after", "Sun, 06 Nov 1994 08:49:00 GMT")], None),
        (vec![("retry-after", "0")], None),
        (vec![("retry-after", "-3")], None),
        (vec![("retry-after", "")], None),
        (vec![("retry-after", "soon")], None),
        (
            vec![("retry-after", "4294967")],
            Some(Duration::from_secs(4_294_967)),
        ),
        (vec![("retry-after", "99999999999999999999999")], None),
        (vec![], None),
    ] {
        assert_eq!(advice(429, &headers).wait, wait, "{headers:?}");
    }
}
